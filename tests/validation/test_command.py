"""`fit --validate`, whole, on painted footage."""

import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest

from streammon.padim import BANK_FILE
from streammon.padim.devices import cpu_threads, set_cpu_threads
from streammon.validation.blind import COLUMNS, ROWS
from streammon.validation.control import CONTROL
from streammon.validation.run import VALIDATION_PICTURE
from streammon.validation.staging import AnomalyKind
from support.commands import Command, command_here
from support.staging_street import paint_street

pytestmark = pytest.mark.slow

FRAMES = 44
LITTLE = (
    "--dimensions",
    "4",
    "--folds",
    "2",
    "--staged",
    "1",
    "--hold-out",
    "0.4",
    "--threads",
    "1",
)
"""Seconds of work; one thread, since two on a busy machine wait for each other."""


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Command]:
    monkeypatch.chdir(tmp_path)
    threads = cpu_threads()
    yield command_here(monkeypatch, capfd)
    set_cpu_threads(threads)


@pytest.mark.parametrize("method", ["motion", "padim"])
def test_it_fits_and_tells_what_would_be_caught(command: Command, tmp_path: Path, method: str) -> None:
    paint_street(tmp_path / "street/monday", 0, FRAMES)
    paint_street(tmp_path / "street/tuesday", 1, FRAMES)
    words = ("--image-fps", "5", "--validate", "--false-alarms-per-day", "20000", "--json", "-")
    ended = command("fit", "street", "--scene", "street", *LITTLE, "--method", method, *words)
    assert ended.code == 0, ended
    assert {BANK_FILE, VALIDATION_PICTURE} <= {file.name for file in (tmp_path / "scenes/street").iterdir()}
    found = json.loads(ended.stdout)["validation"]
    assert (found["folds"], found["frames"], found["watched_s"]) == (2, 2 * FRAMES, 2 * FRAMES / 5)
    assert (found["false_alarms_per_day"], found["rates"]) == (20000.0, [])
    assert [act["act"] for act in found["acts"]] == [*(str(kind) for kind in AnomalyKind), CONTROL]
    assert {act["wanted"] for act in found["acts"]} == {1}
    assert sum(act["staged"] for act in found["acts"]) >= 3
    assert (len(found["blind"]), {len(row) for row in found["blind"]}) == (ROWS, {COLUMNS})
    assert any(share is not None for row in found["blind"] for share in row)
    picture = cv2.imread(found["blind_picture"])
    assert picture is not None
    assert picture.shape == (600, 960, 3)
    assert "18 s of footage is too short to check any false-alarm rate" in ended.stderr


def test_too_short_footage_is_refused_before_anything_is_written(command: Command, tmp_path: Path) -> None:
    paint_street(tmp_path / "street", 0, 10)
    complaint = command("fit", "street", "--scene", "street", "--validate").complaint
    remedy = "give at least 80 frames, for a useful result several minutes"
    assert complaint == f"street: it has 2 frames, too few to validate; {remedy}"
    assert not (tmp_path / "scenes").exists()


def test_options_of_a_validation_want_one(command: Command) -> None:
    complaint = command("fit", "street", "--scene", "street", "--staged", "3").complaint
    assert complaint == "--staged: there is no --validate; give both or neither"
    complaint = command("fit", "street", "--scene", "street", "--validate", "--crop", "224").complaint
    assert complaint == "--validate: it looks at whole pictures, and --crop is given; leave one of them out"
    complaint = command("fit", "street", "--scene", "street", "--validate", "--reduction", "pca").complaint
    assert complaint == "reduction: it is pca, and the parts of a validation are read once; choose another"
