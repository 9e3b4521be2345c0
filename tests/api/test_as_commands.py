"""Cropping, merging, validating and learning from a review in Python: the files and figures of the commands."""

import json
import re
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import av
import pytest

from streammon import InputError, learn_from_review, learn_scene, merge_scenes, score_video, validate_scene
from streammon.refit import scenes_with_marks
from streammon.validation.control import KINDS
from streammon.validation.run import VALIDATION_PICTURE
from support.commands import Command, command_here
from support.courtyard import courtyard, encode
from support.precision import LIVE
from support.staging_street import paint_street

PADIM: dict[str, Any] = {"method": "padim", "dimensions": 4, **LIVE}
WORDS = ("--method", "padim", "--dimensions", "4")
JUDGED = f"{1:032x}"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip of normal footage, and the scene that it taught, with another clip called normal."""
    folder = tmp_path_factory.mktemp("made")
    clip = encode(folder / "clip.mp4", courtyard(8))
    yard = learn_scene(clip, "yard", model=PADIM).save(folder / "scenes" / "yard")
    (yard / "normal").mkdir()
    encode(yard / "normal" / f"{JUDGED}.mp4", courtyard(2, seed=2))
    return folder


@pytest.fixture
def here(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the test's own, which is the working folder."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    return command_here(monkeypatch, capfd)


def contents(scene: str) -> dict[str, bytes]:
    """Contents of a scene's files, without the time at which they were written."""
    found = {path.name: path.read_bytes() for path in Path(scene).glob("*.*") if path.is_file()}
    found["scene.yaml"] = re.sub(rb"written: .*", b"", found["scene.yaml"])
    return found


def untimed(report: dict[str, Any]) -> dict[str, Any]:
    """A report as JSON has it, without how long the work took and where its files are."""
    left_out = ("seconds", "frames_per_s", "bank", "blind_picture")
    return {name: value for name, value in json.loads(json.dumps(report)).items() if name not in left_out}


def test_a_crop_is_learned_as_fit_does_and_can_t_be_scored(here: Path, command: Command) -> None:
    assert command("fit", "clip.mp4", "--scene", "centre", *WORDS, "--crop", "64").code == 0
    centre = learn_scene("clip.mp4", "centre", model=PADIM, crop=64)
    assert contents(str(centre.save("mine/centre"))) == contents("scenes/centre")
    complaint = "scene 'centre': it was learned from a crop of 64x64, and whole pictures are scored; learn it "
    for refused in (
        lambda: list(score_video("clip.mp4", centre)),
        lambda: centre.score(courtyard(0.1)[0]),
        lambda: validate_scene("clip.mp4", "centre"),
    ):
        with pytest.raises(InputError, match=complaint):
            refused()


def test_pictures_in_memory_are_cropped_as_files_are(here: Path) -> None:
    with av.open("clip.mp4") as container:
        pictures = list(container.decode(video=0))
    for name, footage in (("memory", pictures), ("file", "clip.mp4")):
        learn_scene(footage, "clip", model=PADIM, crop=64).save(name)
    memory, file = contents("memory"), contents("file")
    assert memory.pop("scene.yaml") != file.pop("scene.yaml")  # which names the footage
    assert memory == file


def test_scenes_are_merged_as_by_the_command(here: Path, command: Command) -> None:
    for day in ("monday", "tuesday"):
        shutil.copytree("scenes/yard", f"{day}/yard")
    ended = command("merge", "monday/yard", "tuesday/yard", "--scene", "hall", "--json", "-")
    report = merge_scenes(["monday/yard", Path("tuesday/yard")], "hall", scenes="mine")
    assert report.frames == 80
    assert untimed(asdict(report)) == untimed(json.loads(ended.stdout))
    assert contents("mine/hall") == contents("scenes/hall")


def test_what_was_called_normal_is_learned_as_by_the_command(here: Path, command: Command) -> None:
    shutil.copytree("scenes", "mine")
    refused = learn_from_review("yard", model=LIVE, scenes="mine", confirm=lambda _report: False)
    assert refused is not None
    assert contents("mine/yard") == contents("scenes/yard")
    (told,) = json.loads(command("fit", "--from-review", "--yes", "--json", "-").stdout)
    report = learn_from_review("yard", model=LIVE, scenes="mine", jobs=1)
    assert report is not None
    assert (report.clips, report.frames, report.written, refused.written) == ((JUDGED,), 50, True, False)
    assert untimed(asdict(report)) == untimed(told)
    learned = contents("mine/yard")
    learned["scene.yaml"] = learned["scene.yaml"].replace(b"mine/", b"scenes/")
    assert learned == contents("scenes/yard")
    assert scenes_with_marks(Path("mine")) == [Path("mine/yard")]
    assert learn_from_review("mine/yard", model=LIVE) is None


@pytest.mark.slow
def test_a_scene_is_validated_as_by_fit(here: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streammon.validation.run.KINDS", KINDS[:2])  # of seven, each of which takes seconds
    for number, day in enumerate(("monday", "tuesday")):
        paint_street(Path("street", day), number, 44)
    options = ("--folds", "2", "--staged", "1", "--hold-out", "0.4", "--image-fps", "5")
    words = (*options, "--false-alarms-per-day", "20000", "--validate", "--json", "-")
    told = json.loads(command("fit", "street", "--scene", "street", *WORDS, *words).stdout)["validation"]
    picture = Path("scenes/street", VALIDATION_PICTURE)
    drawn = picture.read_bytes()
    picture.unlink()
    done: list[tuple[int, int]] = []
    report = validate_scene(
        "street",
        "street",
        model=LIVE,
        folds=2,
        staged=1,
        hold_out=0.4,
        fps=5,
        false_alarms_per_day=20000,
        progress=lambda *each: done.append(each),
    )
    assert untimed(asdict(report)) == untimed(told)
    assert sum(kind.staged for kind in report.acts) == 2
    assert picture.read_bytes() == drawn
    assert done[-1][0] <= done[-1][1]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"folds": 1}, "validate_scene: folds is 1; it must be at least 2"),
        ({"staged": 0}, "validate_scene: staged is 0; it must be at least 1"),
        ({"footage": []}, "validate_scene: no file or folder is given; give at least one"),
        ({"footage": "nowhere"}, "nowhere: it can't be read as footage (no such file); "),
        ({}, "clip.mp4: it has 40 frames, too few to validate; give at least 80 frames, "),
        ({"model": {"reduction": "pca"}}, "reduction: it is pca, and the parts of a validation are read once; "),
        ({"scene": "attic"}, "scene 'attic': it has no bank (scenes/attic/bank.safetensors); learn it with "),
    ],
)
def test_what_can_t_be_validated_is_refused_in_one_line(here: Path, options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InputError) as told:
        validate_scene(**({"footage": "clip.mp4", "scene": "yard"} | options))
    assert str(told.value).startswith(complaint)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"scene": "attic"}, "scene 'attic': it has no bank (scenes/attic/bank.safetensors); learn it with "),
        ({"fps": 0}, "learn_from_review: fps is 0; it must be at least 0.1"),
        ({"alerting": {"adapts": True}}, "alerting: adapts is no known key; "),
        ({"model": {"dimensions": 5, **LIVE}}, "scene 'yard': its statistics have dimensions 4, the config "),
    ],
)
def test_a_review_that_can_t_be_learned_is_refused_in_one_line(
    here: Path, options: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(InputError) as told:
        learn_from_review(**({"scene": "yard"} | options))
    assert str(told.value).startswith(complaint)
    assert "\n" not in str(told.value)


def test_parts_that_can_t_be_merged_are_refused_in_one_line(here: Path) -> None:
    with pytest.raises(InputError, match="merge_scenes: no file or folder is given; give at least one"):
        merge_scenes([], "hall")
    with pytest.raises(InputError, match=r"scene 'nowhere': it has no running statistics \(nowhere/stat"):
        merge_scenes("nowhere", "hall")
