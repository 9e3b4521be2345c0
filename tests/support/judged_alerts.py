"""A street at night, learned from half a minute, and alerts on its later clips, kept and judged as an operator does.

Four were called normal; of two that were called real, one shows another place and one just another passer-by.
"""

import contextlib
import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import av
import yaml

from streammon.alerting.rule import alert_id
from streammon.config import ModelConfig
from streammon.events.index import KEPT, Index, row_of
from streammon.records import Alert, AlertEvent, Channel
from streammon.scene.fit import FitOptions, fit_scene
from support.precision import LIVE

SCENE, CAMERA = "street", "corner"
FPS = 5.0
PER_DAY = 3000
"""An alert in half a minute, which half a minute can promise: most of the later clips alert."""

MODEL = {"dimensions": 32, **LIVE}
LEARNED = 3
CALLED_NORMAL = ("04", "09", "11", "13")
CALLED_REAL = "12"
NOT_JUDGED = "06"
ELSEWHERE = "elsewhere"

Judged = Literal["normal", "real"] | None


@dataclass(frozen=True)
class Street:
    """Where everything is.

    Attributes:
        folder: Working folder with `config.yaml`, `scenes/` and `events/`.
        alerts: Id of each alert, by the name of its footage.
    """

    folder: Path
    alerts: dict[str, str]

    @property
    def scene(self) -> Path:
        return self.folder / "scenes" / SCENE

    def mark(self, name: str) -> None:
        """Keep the clip of an alert as normal footage, as the page does."""
        kept = self.scene / "normal" / self.alerts[name]
        kept.mkdir(parents=True)
        shutil.copy(self.clip(name), kept)

    def clip(self, name: str) -> Path:
        """Clip of an alert."""
        (found,) = (self.folder / "events").rglob(f"{self.alerts[name]}-1.mp4")
        return found


def judged_street(folder: Path, data: Path) -> Street:
    """The learned street with seven alerts of today, six of them judged."""
    clips = data / "street_night"
    learned = [clips / f"{number:02d}.mp4" for number in range(LEARNED)]
    model = ModelConfig.model_validate(MODEL)
    fit_scene(SCENE, learned, folder / "scenes" / SCENE, model, FitOptions(score_fps=FPS), lambda *_: None)
    write_config(folder)
    (folder / "events").mkdir()
    footage = {name: clips / f"{name}.mp4" for name in (*CALLED_NORMAL, CALLED_REAL, NOT_JUDGED)}
    footage[ELSEWHERE] = data / "lane_day" / "00.mp4"
    alerts = {}
    with contextlib.closing(Index(folder / "events")) as index:
        for number, (name, clip) in enumerate(footage.items()):
            verdict: Judged = "normal" if name in CALLED_NORMAL else None if name == NOT_JUDGED else "real"
            alerts[name] = keep_alert(index, folder / "events", clip, time.time() - 3600 + 60 * number, verdict)
    street = Street(folder, alerts)
    for name in CALLED_NORMAL:
        street.mark(name)
    return street


def write_config(folder: Path) -> None:
    config = {
        "cameras": {CAMERA: {"url": "rtsp://127.0.0.1:9/corner", "scene": SCENE, "score_fps": FPS}},
        "model": MODEL,
        "alerting": {"false_alarms_per_day": PER_DAY, "spool": str(folder / "spool")},
        "events": {"folder": str(folder / "events"), "keep_gb": 0.1},
        "scenes": str(folder / "scenes"),
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))


def keep_alert(index: Index, events: Path, clip: Path, opened_s: float, verdict: Judged) -> str:
    """The evidence of an alert: its clip as fragmented MP4 and its row. Returns its id."""
    alert = Alert(
        id=alert_id(opened_s),
        event=AlertEvent.CLOSE,
        part=1,
        camera=CAMERA,
        scene=SCENE,
        opened_s=opened_s,
        time_s=opened_s + 5,
        closed_s=opened_s + 5,
        score=1.0,
        level=-3.0,
        peak_score=3.0,
        peak_level=-3.0,
        channel=Channel.SPEED,
        basis_s=12.0,
    )
    row = row_of(alert, f"2026-11-30/{CAMERA}", PER_DAY)
    file = events / row.folder / f"{row.id}-1.mp4"
    file.parent.mkdir(parents=True, exist_ok=True)
    fragmented(clip, file)
    size = file.stat().st_size
    index.put(replace(row, files=(file.name,), bytes=size, state=KEPT, verdict=verdict))
    return row.id


def fragmented(source: Path, target: Path) -> None:
    """The packets of a clip as events keep them: a fragment for each group of pictures."""
    options = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
    with av.open(str(source)) as read, av.open(str(target), "w", options=options) as written:
        video = read.streams.video[0]
        stream = written.add_stream_from_template(video)
        for packet in read.demux(video):
            if packet.dts is not None:
                packet.stream = stream
                written.mux(packet)
