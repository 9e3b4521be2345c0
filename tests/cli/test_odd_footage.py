"""`fit` with footage as recorders, phones and covered lenses leave it."""

import json
from pathlib import Path

import numpy as np
import pytest

from support.commands import command_apart
from support.numbered_footage import encode
from support.odd_containers import variable_rate, with_edit_list
from support.turned_footage import encode_pictures

pytestmark = pytest.mark.slow

SMALL = ("--scene", "lobby", "--method", "padim", "--dimensions", "4", "--threads", "1")


def test_a_folder_as_a_recorder_leaves_it_is_learned_whole(tmp_path: Path) -> None:
    day = tmp_path / "footage" / "2026-01-31"
    (day / "07").mkdir(parents=True)
    variable_rate(tmp_path, "mkv")[0].rename(day / "07" / "odd.mkv")
    with_edit_list(tmp_path).rename(day / "08.MP4")
    (day / "index.idx").write_text("no footage")
    words = (*SMALL, "--hold-out", "0.3", "--score-fps", "25", "--every", "5", "--json", "-")
    ended = command_apart("fit", "footage", *words, folder=tmp_path)
    assert (ended.code, ended.stderr.splitlines()[0]) == (0, "streammon: footage: 2 clips; left out: 1 .idx")
    found = json.loads(ended.stdout)
    assert (found["clips"], found["frames"]) == (2, (120 + 150) // 5)
    assert 0 < found["calibration_frames"] < found["frames"]


@pytest.mark.parametrize("level", [0, 90])
def test_footage_without_any_contrast_is_refused(tmp_path: Path, level: int) -> None:
    encode_pictures(tmp_path / "cap.mp4", np.full((96, 128, 3), level, np.uint8), frames=40)
    ended = command_apart("fit", "cap.mp4", *SMALL, folder=tmp_path)
    assert (ended.code, ended.stderr) == (
        2,
        "streammon: scene 'lobby': none of its 8 frames has any contrast; "
        "look at the footage: the lens was covered, or its files are decoded wrong\n",
    )
    assert not (tmp_path / "scenes" / "lobby" / "bank.safetensors").exists()


def test_a_file_cut_short_is_held_against_its_list_of_frames(tmp_path: Path) -> None:
    encode(tmp_path / "cut.avi", frames=80, codec="mpeg4")
    content = (tmp_path / "cut.avi").read_bytes()
    (tmp_path / "cut.avi").write_bytes(content[: len(content) // 2])
    ended = command_apart("fit", "cut.avi", *SMALL, "--score-fps", "25", folder=tmp_path)
    assert ended.code == 2
    assert "cut.avi: it announces 80 frames to learn from and has " in ended.stderr
