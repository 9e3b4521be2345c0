"""After `kill -9` at any moment, index and files agree at the next start, and no alert is missing or twice."""

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from streammon.events import EventRecorder, read_index
from streammon.events.archive import OWN_FILE
from support.deadlines import DEADLINE_S
from support.evidence import config_of, side_car_of, wait_for_row
from support.numbered_footage import encode
from support.packets import packets_in, pictures_in
from support.recording_monitor import KEEP_GB, spooled

SCRIPT = Path(__file__).parents[1] / "support" / "recording_monitor.py"
KILLS = int(os.environ.get("STREAMMON_KILLS", "4"))
"""How often it is killed; `STREAMMON_KILLS=100` is a test of about ten minutes."""


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """4 s of numbered pictures."""
    return encode(tmp_path_factory.mktemp("clips") / "clip.mp4", frames=100)


@contextmanager
def recording(clip: Path, folder: Path) -> Iterator[None]:
    """The recording process, from when it records on; killed at the end."""
    command = [sys.executable, str(SCRIPT), str(clip), str(folder)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "recording\n"
            yield
        finally:
            process.kill()
            process.wait(DEADLINE_S)


def reconciled(folder: Path) -> None:
    """Start a recorder without cameras, as the next monitor does, and end it when it has settled what was left."""
    config = config_of(folder, {"lobby": "clip.mp4", "gate": "clip.mp4"}, keep_gb=KEEP_GB)
    with EventRecorder(config, {}, lambda _: None) as recorder:
        recorder.restore(spooled(folder / "alerts.jsonl").values())
        recorder.stop()
        assert recorder.join(DEADLINE_S)


def assert_agreement(folder: Path) -> None:
    """Rows and files agree: every alert once, every file of a row there and whole, no file without a row."""
    rows = read_index(folder / "events")
    assert len({row.id for row in rows}) == len(rows)
    assert {row.state for row in rows} <= {"kept"}
    listed = {f"{row.folder}/{name}": row for row in rows for name in row.files}
    found = {str(file.relative_to(folder / "events")) for file in (folder / "events").glob("*/*/*")}
    assert found == set(listed)
    assert all(OWN_FILE.fullmatch(Path(name).name) for name in found)
    for row in rows:
        place = folder / "events" / row.folder
        assert row.bytes == sum((place / name).stat().st_size for name in row.files)
        assert row.closed_s is not None
        if row.files:
            assert side_car_of(folder / "events", row)["id"] == row.id
        for name in row.files:
            if name.endswith(".mp4"):
                numbers = pictures_in(place / name)
                assert len(numbers) == len(packets_in(place / name)) > 0
                steps = {(after - before) % 100 for before, after in pairwise(numbers)}
                assert steps <= {1}
    alerts = spooled(folder / "alerts.jsonl")
    assert {row.id for row in rows} <= set(alerts)
    oldest_s = rows[0].opened_s if rows else float("inf")
    removed_to_s = max((row.opened_s for row in rows), default=0.0) - oldest_s
    assert removed_to_s >= 0
    missing = {name for name, alert in alerts.items() if alert.opened_s > oldest_s} - {row.id for row in rows}
    assert missing == set()  # retention takes the oldest, so all later ones are there


@pytest.mark.slow
def test_index_and_files_agree_after_a_kill_at_any_moment(clip: Path, tmp_path: Path) -> None:
    for number in range(KILLS):
        with recording(clip, tmp_path):
            time.sleep(random.Random(number).uniform(0.0, 6.0))  # the moment of the kill is the test's subject
        reconciled(tmp_path)
        assert_agreement(tmp_path)
    assert len(read_index(tmp_path / "events")) >= min(KILLS, 3)


def test_what_was_written_before_the_kill_is_kept(clip: Path, tmp_path: Path) -> None:
    with recording(clip, tmp_path):
        row = wait_for_row(tmp_path / "events", lambda row: row.state == "recording")
        part = tmp_path / "events" / row.folder / f"{row.id}-1.mp4"
        deadline = time.monotonic() + DEADLINE_S
        while not part.exists() or b"moof" not in part.read_bytes():
            assert time.monotonic() < deadline
            time.sleep(0.01)
    reconciled(tmp_path)
    (kept,) = [each for each in read_index(tmp_path / "events") if each.id == row.id]
    assert kept.note in ("", "the monitor was ended before the evidence was complete")
    assert part.name in kept.files
    assert len(pictures_in(part)) >= 25
