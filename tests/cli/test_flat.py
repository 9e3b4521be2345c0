"""Pictures too flat to watch for motion: each command says so in one line, and `run` watches the other cameras."""

import json
import re
from pathlib import Path

import pytest
import yaml

from support.commands import Command, RunningCommand, command_here
from support.courtyard import FPS, courtyard, encode
from support.flat_footage import textured
from support.user_cache import cache_without_results

SIZES = ((1281, 33), (1281, 20))
REMEDY = "give larger pictures of a usual shape, or set the method to padim, which judges looks alone"


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Command:
    monkeypatch.setenv("XDG_CACHE_HOME", cache_without_results(tmp_path / "user"))
    monkeypatch.chdir(tmp_path)
    return command_here(monkeypatch, capfd)


def reason(size: tuple[int, int]) -> str:
    return f"pictures of {size[0]}x{size[1]} pixels are too flat to watch for motion"


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_fit_refuses_it(command: Command, tmp_path: Path, size: tuple[int, int]) -> None:
    clip = textured(tmp_path / "flat.avi", size)
    told = command("fit", clip, "--scene", "strip").complaint
    assert told == f"{clip}: it can't be read as footage ({reason(size)}); {REMEDY}"
    assert not (tmp_path / "scenes" / "strip" / "bank.safetensors").exists()


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_check_refuses_it_and_no_other_camera(command: Command, tmp_path: Path, size: tuple[int, int]) -> None:
    cameras = {"strip": {"url": str(textured(tmp_path / "flat.avi", size))}}
    cameras["yard"] = {"url": str(encode(tmp_path / "yard.mp4", courtyard(1)))}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({"cameras": cameras}))
    ended = command("check", "--config", "config.yaml")
    assert (ended.code, ended.stderr) == (2, f"streammon: camera 'strip': {reason(size)}; {REMEDY}\n")
    assert "h264 320x240 at 10 frames/s" in re.sub(r"[│\s]+", " ", ended.stdout)  # wherever the table's lines end


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_eval_refuses_it(command: Command, tmp_path: Path, size: tuple[int, int]) -> None:
    for folder in ("train", "test", "labels"):
        (tmp_path / "set" / folder).mkdir(parents=True)
    day = textured(tmp_path / "set" / "train" / "day.avi", size)
    textured(tmp_path / "set" / "test" / "noon.avi", size)
    (tmp_path / "set" / "labels" / "noon.txt").write_text("0\n" * 20 + "1\n" * 10)
    ended = command("eval", "--dataset", "folder", "--root", "set", "--method", "motion", "--seeds", "1")
    assert ended.complaint.endswith(f"{day.name}: it can't be read as footage ({reason(size)}); {REMEDY}")


@pytest.mark.slow
def test_run_watches_the_other_camera(tmp_path: Path) -> None:
    """A process of its own, since such pictures ended it without a word."""
    cameras: dict[str, dict[str, object]] = {
        f"strip{size[1]}": {"url": str(textured(tmp_path / f"{size[1]}.avi", size))} for size in SIZES
    }
    yard = {"url": str(encode(tmp_path / "yard.mp4", courtyard(16))), "loop": True}
    cameras["yard"] = yard | {"score_fps": FPS, "learn_for": 6}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({"cameras": cameras, "alerting": {"adapt": False}}))
    with RunningCommand("run", "--config", "config.yaml", "--log-json", folder=tmp_path) as monitor:

        def wait_for(camera: str, state: str) -> dict[str, object]:
            told = monitor.lines.wait_for(
                lambda line: {"camera": camera, "state": state}.items() <= json.loads(line).items()
            )
            status: dict[str, object] = json.loads(told)
            return status

        for size in SIZES:
            assert wait_for(f"strip{size[1]}", "offline")["reason"] == reason(size)
        wait_for("yard", "online")
        ended = monitor.terminate()
    assert (ended.code, ended.stderr) == (0, "")
