"""A process that records alerts without end, to be killed at any moment.

    python tests/support/recording_monitor.py CLIP FOLDER

Two cameras play the clip again and again, each with an alert every few seconds. As the monitor's spool does, each
alert's opening is in FOLDER/alerts.jsonl before it is recorded; at the start those of earlier runs are restored.
Retention is at 3 MB. Prints `recording` once it runs.
"""

import json
import sys
import threading
import time
from pathlib import Path

from streammon.alerting import alert_from_json, alert_json
from streammon.records import Alert, AlertEvent
from support.evidence import RecordedCameras, config_of

KEEP_GB = 0.003


class SpoolingCameras(RecordedCameras):
    """Cameras whose alert messages are in a file before they are recorded."""

    def spool_to(self, file: Path) -> None:
        self._file = file.open("a")
        self._writing = threading.Lock()

    def _tell(self, alerts: list[Alert]) -> None:
        for alert in alerts:
            if alert.event is not AlertEvent.UPDATE:
                with self._writing:
                    self._file.write(alert_json(alert, "") + "\n")
                    self._file.flush()
        super()._tell(alerts)


def spooled(file: Path) -> dict[str, Alert]:
    """The latest message of each alert; a line that was being written is left out."""
    latest = {}
    for line in file.read_text().splitlines() if file.exists() else ():
        try:
            alert = alert_from_json(line)
        except (ValueError, json.JSONDecodeError):
            continue
        latest[alert.id] = alert
    return latest


def main() -> None:
    clip, folder = Path(sys.argv[1]), Path(sys.argv[2])
    config = config_of(folder, {"lobby": str(clip), "gate": str(clip)}, before_s=1, after_s=0.5, keep_gb=KEEP_GB)
    looped = {name: camera.model_copy(update={"loop": True}) for name, camera in config.cameras.items()}
    config = config.model_copy(update={"cameras": looped})
    cameras = SpoolingCameras(config, folder, lambda number: 25 <= number < 50)
    earlier = spooled(folder / "alerts.jsonl")
    cameras.spool_to(folder / "alerts.jsonl")
    with cameras.recorder:
        cameras.recorder.restore(earlier.values())
        for reader in cameras.readers.values():
            reader.start()
        print("recording", flush=True)
        time.sleep(3600)


if __name__ == "__main__":
    main()
