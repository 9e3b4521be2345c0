"""`streammon score`: footage in, scores out, and one line for each mistake."""

import csv
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
import torchvision
from safetensors.torch import save_file

from streammon import learn_scene, load_scene, score_video
from streammon.score_files import row
from support.commands import Command, RunningCommand, command_here, in_precision
from support.courtyard import courtyard, encode
from support.precision import LIVE

SETTINGS: dict[str, Any] = {"dimensions": 8, **LIVE}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Learned scenes, with motion and without, and clips."""
    folder = tmp_path_factory.mktemp("score")
    normal = encode(folder / "normal.mp4", courtyard(10))
    encode(folder / "box.mp4", courtyard(4, (1.0, 3.0), seed=3))
    encode(folder / "quiet.mp4", courtyard(3, seed=4))
    learn_scene(normal, "yard", model=SETTINGS).save(folder / "scenes" / "yard")
    padim = learn_scene(normal, "looks", model=SETTINGS | {"method": "padim"})
    padim.save(folder / "scenes" / "looks")
    return folder


@pytest.fixture
def command(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Command:
    """The command in a folder of the test's own, which has the clips and the scenes."""
    for each in folder.iterdir():
        (tmp_path / each.name).symlink_to(each)
    monkeypatch.chdir(tmp_path)
    return command_here(monkeypatch, capfd)


def expected(*names: str, scene: str = "yard", **options: Any) -> list[dict[str, Any]]:
    """Rows by the Python API."""
    loaded = load_scene(scene, model=LIVE, **options)
    return [row(record) for name in names for record in score_video(name, loaded)]


def assert_same(found: list[dict[str, Any]], rows: list[dict[str, Any]]) -> None:
    assert [list(each) for each in found] == [list(each) for each in rows]
    for name in ("clip", "frame", "pts", "seconds", "channel"):
        assert [each[name] for each in found] == [each[name] for each in rows]
    for name in ("score", "level"):
        assert [each[name] for each in found] == pytest.approx([each[name] for each in rows], rel=1e-6, abs=1e-6)
    assert [len(each["boxes"]) for each in found] == [len(each["boxes"]) for each in rows]


@pytest.mark.slow
def test_rows_go_to_standard_output_as_json_lines(command: Command) -> None:
    ended = command("score", "box.mp4", "quiet.mp4", "--scene", "yard")
    assert (ended.code, ended.stderr) == (0, "")
    found = [json.loads(line) for line in ended.stdout.splitlines()]
    assert [each["clip"] for each in found] == ["box"] * 20 + ["quiet"] * 15
    assert_same(found, expected("box.mp4", "quiet.mp4"))


@pytest.mark.slow
def test_a_file_gets_the_same_rows_by_its_ending(command: Command) -> None:
    rows = expected("box.mp4")
    for name in ("scores.parquet", "new/scores.csv", "scores.jsonl"):
        ended = command("score", "box.mp4", "--scene", "yard", "--out", name)
        assert (ended.code, ended.stdout, ended.stderr) == (0, "", "")
    assert_same(pq.read_table("scores.parquet").to_pylist(), rows)
    assert_same([json.loads(line) for line in Path("scores.jsonl").read_text().splitlines()], rows)
    with Path("new/scores.csv").open(newline="") as file:
        found = list(csv.DictReader(file))
    assert [float(each["score"]) for each in found] == pytest.approx([each["score"] for each in rows])


def test_a_folder_gets_a_file_and_the_maps_of_each_clip(command: Command) -> None:
    Path("out").mkdir()
    ended = command("score", "box.mp4", "quiet.mp4", "--scene", "yard", "--out", "out", "--maps", "out/maps")
    assert ended.code == 0, ended
    for name, frames in (("box", 20), ("quiet", 15)):
        rows, maps = pq.read_table(f"out/{name}.parquet").to_pylist(), np.load(f"out/maps/{name}.npy")
        assert (maps.shape, maps.dtype) == ((frames, 256, 256), np.float32)
        assert maps.max((1, 2)) == pytest.approx([each["score"] for each in rows], rel=1e-4, abs=1e-6)


def test_maps_may_go_with_json_lines(command: Command) -> None:
    ended = command("score", "quiet.mp4", "--scene", "yard", "--maps", "maps")
    assert len(ended.stdout.splitlines()) == len(np.load("maps/quiet.npy")) == 15


def test_method_and_backbone_are_those_of_the_scene_unless_given(command: Command) -> None:
    by_default = command("score", "box.mp4", "--scene", "looks").stdout
    assert {json.loads(line)["channel"] for line in by_default.splitlines()} == {"looks"}
    assert command("score", "box.mp4", "--scene", "looks", "--method", "padim").stdout == by_default
    assert command("score", "box.mp4", "--scene", "looks", "--method", "motion").complaint.startswith(
        "scene 'looks': it has no motion file (scenes/looks/motion.safetensors); "
    )


@pytest.mark.slow
def test_boxes_begin_at_the_rate_that_is_asked_for(command: Command) -> None:
    found = {}
    for rate in ("1", "86400"):
        ended = command("score", "box.mp4", "--scene", "yard", "--false-alarms-per-day", rate)
        rows = [json.loads(line) for line in ended.stdout.splitlines()]
        assert_same(rows, expected("box.mp4", false_alarms_per_day=float(rate)))
        assert all(each["rate"] <= float(rate) * 1.001 for each in rows if each["boxes"])
        found[rate] = sum(bool(each["boxes"]) for each in rows)
    assert found["1"] < found["86400"]
    Path("config.yaml").write_text("cameras: {yard: {url: box.mp4}}\nalerting: {false_alarms_per_day: 86400}\n")
    ended = command("score", "box.mp4", "--scene", "yard")
    assert sum(bool(json.loads(line)["boxes"]) for line in ended.stdout.splitlines()) == found["86400"]


def test_clips_of_one_name_are_told_apart(command: Command) -> None:
    Path("more").mkdir()
    Path("more/quiet.mp4").symlink_to(Path("quiet.mp4").resolve())
    ended = command("score", "quiet.mp4", "more", "--scene", "yard", "--out", "scores.csv")
    assert ended.code == 0, ended
    with Path("scores.csv").open(newline="") as file:
        found = list(csv.DictReader(file))
    assert [each["clip"] for each in found] == ["quiet"] * 15 + ["quiet-2"] * 15
    assert [each["score"] for each in found[:15]] == [each["score"] for each in found[15:]]


def test_folders_of_images_have_a_rate(command: Command) -> None:
    import cv2

    Path("images").mkdir()
    for number, picture in enumerate(courtyard(2)):
        cv2.imwrite(f"images/{number}.png", picture[..., ::-1])
    ended = command("score", "images", "--scene", "yard", "--image-fps", "10")
    found = [json.loads(line) for line in ended.stdout.splitlines()]
    assert [(each["frame"], each["pts"]) for each in found] == [(number, None) for number in range(0, 20, 2)]
    assert [each["seconds"] for each in found] == pytest.approx([number / 10 for number in range(0, 20, 2)])


# --- what breaks off


def test_a_clip_that_turns_out_to_be_unreadable_is_told_and_the_others_are_scored(command: Command) -> None:
    good = Path("quiet.mp4").read_bytes()
    begin = good.index(b"mdat") + 4
    end = good.index(b"moov") - 4 if good.index(b"moov") > begin else len(good)
    Path("broken.mp4").write_bytes(good[:begin] + bytes(end - begin) + good[end:])
    ended = command("score", "broken.mp4", "quiet.mp4", "--scene", "yard", "--out", "scores.parquet")
    assert "broken.mp4: it can't be read as footage (" in ended.complaint
    assert set(pq.read_table("scores.parquet").column("clip").to_pylist()) == {"quiet"}
    assert pq.read_table("scores.parquet").num_rows == 15


def endless(folder: Path) -> list[str]:
    """Words for work that takes minutes."""
    return ["score", *["box.mp4"] * 100, "--scene", "yard"]


@pytest.mark.slow
def test_a_closed_pipe_ends_it_without_a_word(command: Command, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "streammon", *in_precision((*endless(tmp_path), "--maps", "maps"))]
    with subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        assert json.loads(running.stdout.readline())["frame"] == 0
        running.stdout.close()
        assert running.stderr.read() == ""
        assert running.wait() == 1
    assert not list((tmp_path / "maps").glob(".*"))


@pytest.mark.slow
def test_ctrl_c_ends_it_and_leaves_the_file_of_before(command: Command, tmp_path: Path) -> None:
    Path("scores.csv").write_text("of before\n")
    words = (*endless(tmp_path), "--out", "scores.csv", "--maps", "maps")
    with RunningCommand(*words, folder=tmp_path) as running:
        running.wait_for_file(tmp_path / "maps", "box.npy")
        ended = running.interrupt()
    assert (ended.code, ended.stdout, ended.stderr.strip()) == (128 + signal.SIGINT, "", "")
    assert Path("scores.csv").read_text() == "of before\n"
    assert not [each for each in [*tmp_path.glob(".*"), *(tmp_path / "maps").glob(".*")] if each.is_file()]


# --- mistakes


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--scene", "yard"), "missing argument 'FOOTAGE...'; see `streammon score --help`"),
        (("box.mp4",), "missing option '--scene'; see `streammon score --help`"),
        (
            ("*.avi", "--scene", "yard"),
            "*.avi: it can't be read as footage (no such file); give a video file, a folder ",
        ),
        (("empty", "--scene", "yard"), "empty: it can't be read as footage (no video and no images in it); give a "),
        (("empty.mp4", "--scene", "yard"), "empty.mp4: it can't be read as footage ("),
        (("box.mp4", "--scene", "attic"), "scene 'attic': it has no bank (scenes/attic/bank.safetensors); learn it "),
        (("box.mp4", "--scene", "../yard"), "--scene: it is '../yard'; it must be 1 to 64 letters, digits, - and _"),
        (
            ("box.mp4", "--scene", "yard", "--out", "scores.txt"),
            "scores.txt: scores are written as .parquet, .csv or .jsonl; choose one of these",
        ),
        (
            ("box.mp4", "--scene", "yard", "--out", "/dev/null/scores.csv"),
            "/dev/null: it can't be written (file exists); make room, or choose another place",
        ),
        (
            ("box.mp4", "--scene", "yard", "--maps", "/dev/null/maps"),
            "/dev/null/maps: it can't be written (not a directory); choose another --maps DIR",
        ),
        (("box.mp4", "--scene", "yard", "--false-alarms-per-day", "0"), "invalid value for '--false-alarms-per-day'"),
        (
            ("box.mp4", "--scene", "yard", "--method", "padam"),
            "--method: it is 'padam'; it must be 'motion' or 'padim'",
        ),
    ],
)
def test_a_mistake_is_told_in_one_line(command: Command, words: tuple[str, ...], complaint: str) -> None:
    Path("empty").mkdir()
    Path("empty.mp4").touch()
    assert command("score", *words).complaint.startswith(complaint)


def test_a_scene_of_another_backbone_is_refused_with_both_named(command: Command, tmp_path: Path) -> None:
    with torch.device("meta"):
        shapes = torchvision.models.resnet18(weights=None).state_dict()
    used = {name: shape for name, shape in shapes.items() if not name.startswith(("layer4", "fc"))}
    save_file({name: torch.zeros(shape.shape) for name, shape in used.items()}, tmp_path / "resnet18.safetensors")
    network = ("--backbone", "resnet18", "--weights", "resnet18.safetensors")
    computed = ("--engine", "torch", "--precision", "float32")
    assert command("score", "box.mp4", "--scene", "yard", *network, *computed).complaint == (
        "scene 'yard': its bank was fitted with efficientnet_lite0 (32x32 positions), the config asks for resnet18 "
        "(64x64 positions); fit it again with `streammon fit --scene yard`"
    )
