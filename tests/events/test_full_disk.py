"""A full disk stops the recording, with one line, and nothing else; it goes on when there is room."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from streammon.events import read_index
from streammon.records import AlertEvent, CameraState
from support.evidence import clips_of, config_of, recorded, wait_for_row
from support.numbered_footage import encode
from support.packets import pictures_in

pytestmark = pytest.mark.slow

SMALL = "6m"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 6 MB, where this process may mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={SMALL}", "none", str(place)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small disk")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(file: Path) -> None:
    """Write until the disk is full."""
    with file.open("wb", buffering=0) as filler:
        try:
            while True:
                filler.write(bytes(4096))
        except OSError:
            pass


def test_recording_stops_on_a_full_disk_and_goes_on_when_there_is_room(
    small_disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streammon.events.recorder.ROOM_CHECK_S", 0.5)
    monkeypatch.setattr("streammon.events.archive.ROOM_BYTES", 1 << 20)
    monkeypatch.setattr("streammon.events.recorder.MOST_RECORDINGS", 1)  # one of the two cameras' alerts waits
    clip = encode(tmp_path / "clip.mp4", frames=200)
    config = config_of(small_disk, {"lobby": str(clip), "gate": str(clip)}, keep_gb=0.005)
    looped = {name: camera.model_copy(update={"loop": True}) for name, camera in config.cameras.items()}
    config = config.model_copy(update={"cameras": looped})
    folder, filler = small_disk / "events", small_disk / "filler"
    with recorded(config, tmp_path, lambda number: 50 <= number < 100) as cameras:
        before = wait_for_row(folder, lambda row: row.state == "kept")
        fill(filler)
        assert cameras.failures.wait_for(lambda _: True) == "no space left on device"
        seen = len(cameras.alerts.entries)
        for _ in range(2):  # alerts while it is full
            missed = cameras.alerts.wait_for(lambda alert: alert.event is AlertEvent.CLOSE, start=seen)
            seen = cameras.alerts.entries.index(missed) + 1
        assert all(reader.status.state is not CameraState.OFFLINE for reader in cameras.readers.values())
        assert cameras.failures.entries == ["no space left on device"]
        filler.unlink()
        assert cameras.failures.wait_for(lambda failure: failure == "") == ""
        seen = len(cameras.alerts.entries)
        opened = cameras.alerts.wait_for(lambda alert: alert.event is AlertEvent.OPEN, start=seen)
        after = wait_for_row(folder, lambda row: row.id == opened.id and row.state == "kept")
    assert cameras.failures.entries == ["no space left on device", ""]
    rows = {row.id: row for row in read_index(folder)}
    assert "no space left on device" in rows[missed.id].note
    assert set(rows) == {alert.id for alert in cameras.alerts.entries}
    assert {row.state for row in rows.values()} == {"kept"}
    for row in (before, after):
        (file,) = clips_of(folder, row)
        assert set(range(50, 100)) < set(pictures_in(file))
