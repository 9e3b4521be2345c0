"""What each command does, says and writes when all is well; and what it never says."""

import asyncio
import inspect
import json
import os
import pty
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
import redis as redis_client
import torch
import yaml
from numpy.typing import NDArray
from safetensors import safe_open

from streammon import __version__
from streammon.alerting import Spool
from streammon.bench import limit
from streammon.bench.limit import FROM_FILE
from streammon.bench.stages import median_ms
from streammon.cli.commands import commands
from streammon.config import ModelConfig
from streammon.padim import BANK_FILE, SCENE_FILE, STATISTICS_FILE, Backbone, Bank, load_backbone
from streammon.padim.devices import cpu_threads, set_cpu_threads
from streammon.padim.scene_files import reduction_tensors
from streammon.records import CameraState, CameraStatus
from streammon.scene import MOTION_FILE, PICTURES_FILE, load_scene
from streammon.scene.learned import SceneMotion
from support.alerting_samples import message, publishing
from support.commands import Command, Ended, RunningCommand, command_apart, command_here
from support.deadlines import DEADLINE_S
from support.numbered_footage import encode
from support.redis_server import HOST, RedisServer

PASSWORD = "s3cr3t-Pa55"
SMALL = ("--method", "padim", "--dimensions", "4", "--hold-out", "0.5", "--crop", "64")
"""An 8x8 grid of 4 channels: a bank that is fitted in a second."""


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return encode(tmp_path_factory.mktemp("clip") / "clip.mp4", frames=24, fps=5)


@pytest.fixture(scope="module")
def fitted(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Ended, Path]:
    """How `fit` ended in a process of its own, and the folder it ran in."""
    folder = tmp_path_factory.mktemp("fitted")
    words = ("--scene", "lobby", "--dimensions", "4", "--hold-out", "0.5", "--json", "-")
    return command_apart("fit", clip, *words, folder=folder), folder


@pytest.fixture
def command(
    tmp_path: Path, clip: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Command:
    """The command, in a folder of the test's own with `clip.mp4` in it."""
    (tmp_path / "clip.mp4").symlink_to(clip)
    monkeypatch.chdir(tmp_path)
    return command_here(monkeypatch, capfd)


def reported(ended: Ended) -> Any:
    """What a command with `--json -` had to say."""
    assert ended.code == 0, ended
    return json.loads(ended.stdout)


# --- help


@pytest.mark.parametrize("name", sorted(commands.commands))
def test_help_says_in_a_line_what_a_command_does_and_gives_an_example_that_parses(
    command: Command, name: str
) -> None:
    ended = command(name, "--help")
    assert ended.code == 0
    summary, example = inspect.cleandoc(commands.commands[name].help or "").split("\n\n")
    assert re.fullmatch(r"[A-Z][^\n]+\.", summary)
    program, named, *words = shlex.split(example.removeprefix("Example: "))
    assert (program, named) == ("streammon", name)
    assert " ".join(example.split()) in " ".join(ended.stdout.split())
    with commands.commands[name].make_context(name, words):
        pass


def test_every_option_of_every_command_has_a_word_of_help() -> None:
    options = [
        option for one in commands.commands.values() for option in one.params if isinstance(option, click.Option)
    ]
    assert [option.name for option in options if not option.help] == []


def test_help_is_quick_since_it_loads_nothing_heavy(tmp_path: Path) -> None:
    words = [sys.executable, "-X", "importtime", "-m", "streammon", "run", "--help"]
    ended = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True)
    loaded = {line.rpartition("|")[2].strip() for line in ended.stderr.splitlines()}
    assert "streammon.cli" in loaded
    assert not loaded & {"torch", "torchvision", "av", "cv2", "numpy", "redis"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "unneeded"),
    [
        ("streammon.live.monitor", {"torchvision", "torch._dynamo", "matplotlib", "sklearn", "scipy.stats"}),
        ("streammon.evaluation.run", {"torchvision", "torch._dynamo", "matplotlib"}),
    ],
)
def test_what_takes_seconds_to_load_is_loaded_where_it_is_needed(
    module: str, unneeded: set[str], tmp_path: Path
) -> None:
    script = f"""if True:
        import sys
        import {module}
        from streammon.config import ModelConfig
        from streammon.padim import load_backbone
        load_backbone(ModelConfig(device="cpu"))
        print(*sys.modules)
    """
    load_backbone(ModelConfig(device="cpu"))  # the first start converts the network and tries the engines
    ended = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    loaded = set(ended.stdout.split())
    assert "torch" in loaded
    assert unneeded & loaded == set()


def test_without_a_command_it_shows_the_help(command: Command) -> None:
    bare = command()
    assert (bare.code, bare.stdout) == (0, command("--help").stdout)
    assert command("--version").stdout == f"streammon, version {__version__}\n"


# --- fit and merge


def test_what_was_printed_reaches_a_pipe_though_the_interpreter_is_not_shut_down() -> None:
    code = "from streammon.cli.entry import exit_at_once; print('kept'); exit_at_once(3)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (3, "kept\n", "")


def files_of(scene: Path) -> set[str]:
    """Names of a scene's files, without the lock, which is hidden."""
    return {file.name for file in scene.iterdir() if not file.name.startswith(".")}


def test_fit_writes_bank_statistics_and_scene_file(fitted: tuple[Ended, Path]) -> None:
    _, folder = fitted
    scene = folder / "scenes" / "lobby"
    assert files_of(scene) == {BANK_FILE, MOTION_FILE, PICTURES_FILE, SCENE_FILE, STATISTICS_FILE}
    summary = yaml.safe_load((scene / SCENE_FILE).read_text(encoding="utf-8"))
    assert (summary["scene"], summary["frames"], summary["calibration_frames"]) == ("lobby", 24, 11)
    assert (summary["method"], summary["streammon"]) == ("motion", __version__)
    with safe_open(scene / BANK_FILE, framework="pt") as file:
        facts = json.loads(file.metadata()["streammon"])
    assert (facts["backbone"], facts["grid"], facts["dimensions"]) == ("efficientnet_lite0", [32, 32], 4)


def test_fit_reports_json_on_standard_output_and_words_on_standard_error(fitted: tuple[Ended, Path]) -> None:
    ended, folder = fitted
    report = reported(ended)
    assert report["bank"] == "scenes/lobby/bank.safetensors"
    assert report["bank_bytes"] == (folder / report["bank"]).stat().st_size
    assert (report["clips"], report["frames"], report["calibration_frames"]) == (1, 24, 11)
    assert report["frames_per_s"] == pytest.approx(24 / report["seconds"], rel=0.02)
    rates = [report["thresholds"][rate] for rate in ("24", "1", "0.1")]
    assert rates == sorted(rates)
    assert "calibration frames" in ended.stderr
    assert re.fullmatch(
        r"from \d+ s of normal footage: up to about 1\d false alarms in the first day, then about 1 a day",
        report["expect"],
    )
    assert "Traceback" not in ended.stderr


def test_fit_without_statistics_leaves_them_out(command: Command) -> None:
    assert command("fit", "clip.mp4", "--scene", "lobby", *SMALL, "--no-statistics", "--json", "fit.json").code == 0
    assert files_of(Path("scenes/lobby")) == {BANK_FILE, PICTURES_FILE, SCENE_FILE}
    assert json.loads(Path("fit.json").read_text())["frames"] == 24


def test_fit_add_goes_on_and_counts_the_frames_of_both(command: Command) -> None:
    words = ("fit", "clip.mp4", "--scene", "lobby", *SMALL, "--json", "-")
    first, second = reported(command(*words)), reported(command(*words, "--add"))
    assert (first["frames"], first["calibration_frames"]) == (24, 11)
    assert (second["frames"], second["calibration_frames"]) == (48, 35)


def test_merge_joins_two_fits_of_one_scene(command: Command) -> None:
    for day in ("monday", "tuesday"):
        assert command("fit", "clip.mp4", "--scene", "lobby", "--scenes", day, *SMALL).code == 0
    report = reported(command("merge", "monday/lobby", "tuesday/lobby", "--scene", "hall", "--json", "-"))
    assert (report["scene"], report["frames"], report["calibration_frames"]) == ("hall", 48, 22)
    assert files_of(Path("scenes/hall")) == {BANK_FILE, PICTURES_FILE, SCENE_FILE, STATISTICS_FILE}


def motion_of(folder: Path, backbone: Backbone) -> SceneMotion:
    """What a scene's folder holds of motion."""
    motion = load_scene(folder, backbone, ModelConfig(), detector="").motion
    assert motion is not None
    return motion


def sums_of(*found: SceneMotion) -> dict[str, NDArray[np.float64]]:
    """The sums of both halves of all, together."""
    halves = [half.arrays() for motion in found for half in motion.halves]
    return {name: np.sum([half[name] for half in halves], axis=0) for name in halves[0]}


@pytest.mark.slow
def test_motion_goes_on_with_add_and_joins_with_merge(command: Command) -> None:
    words = ("fit", "clip.mp4", "--scene", "lobby", "--dimensions", "4", "--hold-out", "0.5")
    for day in ("monday", "tuesday"):
        assert command(*words, "--scenes", day).code == 0
    report = reported(command("merge", "monday/lobby", "tuesday/lobby", "--scene", "hall", "--json", "-"))
    assert (report["method"], report["frames"], report["calibration_frames"]) == ("motion", 48, 22)
    again = reported(command(*words, "--scenes", "tuesday", "--add", "--json", "-"))
    backbone = load_backbone(ModelConfig())
    expected = sums_of(*[motion_of(Path("monday/lobby"), backbone)] * 2)
    for folder, thresholds in (("scenes/hall", report["thresholds"]), ("tuesday/lobby", again["thresholds"])):
        motion = motion_of(Path(folder), backbone)
        found = sums_of(motion)
        assert found.keys() == expected.keys()
        for name, array in expected.items():
            np.testing.assert_allclose(found[name], array, rtol=1e-6, atol=1e-6 * np.abs(array).max())
        assert motion.tails is not None
        assert motion.tails.calibration.score_at_rate(1) == pytest.approx(thresholds["1"], abs=1e-3)


def test_patches_alone_go_on_from_a_fit_with_motion_and_leave_it_out(command: Command) -> None:
    words = ("fit", "clip.mp4", "--scene", "lobby", "--dimensions", "4", "--hold-out", "0.5", "--json", "-")
    assert command(*words).code == 0
    report = reported(command(*words, "--method", "padim", "--add"))
    assert (report["method"], report["frames"], report["calibration_frames"]) == ("padim", 48, 35)
    assert not Path("scenes/lobby", MOTION_FILE).exists()
    again = reported(command(*words, "--method", "padim", "--add"))
    assert (again["frames"], again["calibration_frames"]) == (72, 59)


def test_adding_without_holding_out_keeps_the_calibration_as_it_was(command: Command) -> None:
    words = ("fit", "clip.mp4", "--scene", "lobby", *SMALL, "--json", "-")
    first, second = reported(command(*words)), reported(command(*words, "--add", "--hold-out", "0"))
    assert (second["frames"], second["calibration_frames"]) == (48, first["calibration_frames"])
    assert second["thresholds"] == first["thresholds"]


def test_fitting_with_padim_forgets_the_motion_learned_before(command: Command) -> None:
    words = ("fit", "clip.mp4", "--scene", "lobby", "--dimensions", "4", "--hold-out", "0.5")
    assert command(*words).code == 0
    assert Path("scenes/lobby", MOTION_FILE).exists()
    report = reported(command(*words, "--method", "padim", "--json", "-"))
    bank = Bank.load(Path("scenes/lobby"))
    assert bank.calibration is not None
    assert (report["method"], report["thresholds"]["1"]) == (
        "padim",
        pytest.approx(bank.calibration.score_at_rate(1), abs=1e-3),
    )
    assert not Path("scenes/lobby", MOTION_FILE).exists()


@pytest.mark.parametrize(("reduction", "dimensions"), [("pca", 4), ("all", 232), ("orthogonal", 4)])
def test_fit_reduces_channels_as_asked(command: Command, reduction: str, dimensions: int) -> None:
    assert command("fit", "clip.mp4", "--scene", "lobby", *SMALL, "--reduction", reduction).code == 0
    facts = Bank.load(Path("scenes/lobby")).facts
    assert (facts.reduction, facts.dimensions) == (reduction, dimensions)


@pytest.mark.parametrize("reduction", ["pca", "all"])
def test_fit_add_keeps_the_reduction_that_was_fitted_asked_for_again_or_not(command: Command, reduction: str) -> None:
    words = ("fit", "clip.mp4", "--scene", "lobby", "--method", "padim", "--hold-out", "0", "--crop", "64")
    assert command(*words, "--dimensions", "4", "--reduction", reduction).code == 0
    before = Bank.load(Path("scenes/lobby"))
    for again in ((), ("--reduction", reduction)):
        assert command(*words, "--add", *again).code == 0
        bank = Bank.load(Path("scenes/lobby"))
        assert (bank.facts.reduction, bank.facts.dimensions) == (reduction, before.facts.dimensions)
        stored, found = reduction_tensors(before.reduction), reduction_tensors(bank.reduction)
        assert stored.keys() == found.keys()
        assert all(torch.equal(found[name], tensor) for name, tensor in stored.items())


def test_fit_crops_as_asked(command: Command) -> None:
    words = ("--method", "padim", "--dimensions", "4", "--hold-out", "0", "--max-frames", "4", "--crop", "224")
    assert command("fit", "clip.mp4", "--scene", "lobby", *words).code == 0
    facts = Bank.load(Path("scenes/lobby")).facts
    assert (facts.crop, facts.grid, facts.frames) == (224, (28, 28), 4)


def test_fit_takes_no_more_threads_than_it_may(command: Command) -> None:
    before = cpu_threads()
    try:
        assert command("fit", "clip.mp4", "--scene", "lobby", *SMALL, "--threads", "1").code == 0
        assert cpu_threads() == torch.get_num_threads() == 1
    finally:
        set_cpu_threads(before)


def test_fit_learns_from_a_file_whose_name_is_no_utf_8(command: Command) -> None:
    old = Path(os.fsdecode(b"caf\xe9.mp4"))
    shutil.copy("clip.mp4", old)
    assert command("fit", old, "--scene", "lobby", *SMALL).code == 0
    summary = yaml.safe_load(Path("scenes/lobby", SCENE_FILE).read_text(encoding="utf-8"))
    assert summary["learned_from"] == [str(old)]


# --- check


def configure(fitted: Path, url: str | Path, more: str = "") -> None:
    Path("config.yaml").write_text(
        f"cameras: {{lobby: {{url: '{url}'}}}}\nscenes: '{fitted}/scenes'\n{more}", "utf-8"
    )


def test_check_finds_all_well(command: Command, fitted: tuple[Ended, Path]) -> None:
    configure(fitted[1], "clip.mp4")
    ended = command("check", "--json", "found.json")
    assert (ended.code, ended.stderr) == (0, "")
    findings = json.loads(Path("found.json").read_text())
    assert {finding["what"] for finding in findings if finding["ok"]} == {
        "backbone",
        "scene lobby",
        "scenes folder",
        "alert spool",
        "redis",
        "camera lobby",
    }
    assert "clip.mp4: h264 320x240 at 5 frames/s" in ended.stdout


def test_check_reports_both_streams_of_a_camera_with_a_sub_stream(
    command: Command, fitted: tuple[Ended, Path], closed_port: int
) -> None:
    encode(Path("main.mp4"), frames=5, size=(640, 360), fps=5)
    sub_stream = Path("clip.mp4").resolve()
    configure(fitted[1], f"main.mp4', score_url: '{sub_stream}")
    ended = command("check", "--json", "-")
    found = {each["what"]: each["detail"] for each in reported(ended)}
    assert found["camera lobby, scored"] == f"{sub_stream}: h264 320x240 at 5 frames/s"
    differ = "url gives 640x360, score_url 320x240: set the camera to one aspect ratio"
    assert found["camera lobby, main"].startswith(f"main.mp4: h264 640x360 at 5 frames/s; {differ}")

    configure(fitted[1], f"main.mp4', score_url: 'rtsp://joe:{PASSWORD}@{HOST}:{closed_port}/a")
    ended = command("check", "--json", "-")
    wrong = [finding for finding in json.loads(ended.stdout) if not finding["ok"]]
    assert [finding["what"] for finding in wrong] == ["camera lobby, scored"]
    assert wrong[0]["detail"] == (
        "camera 'lobby': no video from its score_url (connection refused);"
        " check that it is switched on, and its score_url"
    )
    assert PASSWORD not in ended.stdout + ended.stderr


def test_check_names_each_thing_that_is_wrong(command: Command, fitted: tuple[Ended, Path], closed_port: int) -> None:
    configure(fitted[1], f"rtsp://joe:{PASSWORD}@{HOST}:{closed_port}/a", f"redis: 'redis://{HOST}:{closed_port}'")
    ended = command("check", "--json", "-")
    wrong = [finding for finding in json.loads(ended.stdout) if not finding["ok"]]
    assert [finding["what"] for finding in wrong] == ["redis", "camera lobby"]
    complaints = [line for line in ended.stderr.splitlines() if line.startswith("streammon: ")]
    assert complaints == [f"streammon: {finding['detail']}" for finding in wrong]
    assert ended.code == 2


def test_check_says_that_a_scene_will_be_learned(command: Command) -> None:
    configure(Path("nowhere"), "clip.mp4")
    findings = {finding["what"]: finding["detail"] for finding in reported(command("check", "--json", "-"))}
    assert findings["scene lobby"] == "no bank yet; it will be learned live for 600 s"


# --- bench


@pytest.mark.slow
def test_bench_measures_every_stage_on_footage_shorter_than_a_batch(command: Command) -> None:
    encode(Path("short.mp4"), frames=5)
    ended = command("bench", "--clip", "short.mp4", "--seconds", "1", "--cameras", "2", "--json", "-")
    report = reported(ended)
    loads = [(load["method"], load["cameras"]) for load in report["loads"]]
    assert loads == [("padim", 2), ("motion", 2)]
    stages = {(stage["stage"], stage["batch"]) for stage in report["stages"]}
    computed = ("backbone", "embedding", "embedding and Mahalanobis", "upsampling and blur", "frame score")
    moving = ("flow", "objects and their crops", "change", "distances, evidence and fusion", "anomaly maps")
    assert stages == {
        *((name, 1) for name in ("decode", "resize", "detail")),
        *((name, size) for name in computed for size in (1, 5)),
        *((name, 5) for name in moving),
    }
    whole = report["methods"]
    assert whole["ratio"] == pytest.approx(whole["motion_ms"] / whole["padim_ms"], abs=0.02)
    measured = [stage["ms_per_frame"] for stage in report["stages"]]
    measured += [load[rate] for load in report["loads"] for rate in ("frames_per_s", "frames_per_s_each")]
    measured += [report[f"{name}"] for name in ("end_to_end_fps", "fit_fps", "bank_load_s", "bank_mb", "scene_mb")]
    assert min(measured) > 0
    assert report["peak_memory_mb"] >= report["imports_memory_mb"] > 0
    assert (report["version"], report["backbone"]) == (__version__, "efficientnet_lite0")
    assert "frames/s each" in ended.stderr
    assert "times padim's" in ended.stderr


@pytest.mark.slow
def test_bench_compares_the_engines(command: Command) -> None:
    ended = command("bench", "--engines", "--engine", "torch", "--precision", "float32", "--json", "-")
    report = reported(ended)
    assert report["backbone"] == "efficientnet_lite0"
    (trial,) = report["engines"]
    assert (trial["engine"], trial["precision"], trial["difference"]) == ("torch", "float32", 0.0)
    assert "torch in float32" in ended.stderr
    assert "chosen" in ended.stderr


@pytest.mark.slow
def test_bench_shows_int8_beside_the_engines(command: Command) -> None:
    """Made on the clip for the occasion: the folder of scenes has none, and none is left there."""
    encode(Path("short.mp4"), frames=5)
    words = ("--engine", "openvino", "--precision", "float32", "--batch", "2", "--clip", "short.mp4")
    ended = command("bench", "--engines", *words, "--json", "-")
    float32, int8 = reported(ended)["engines"]
    assert (float32["precision"], int8["precision"]) == ("float32", "int8")
    assert 1e-3 < int8["difference"] < 1
    assert "not by auto" in ended.stderr
    assert not Path("scenes").exists()


@pytest.mark.slow
def test_bench_searches_the_largest_number_of_cameras_that_is_sustained(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Footage of 2 frames a second leaves one rate to search."""
    monkeypatch.setattr("streammon.bench.sustain.MOST_CAMERAS", 2)
    encode(Path("slow.mp4"), frames=16, fps=2)
    ended = command("bench", "--sustain", "--clip", "slow.mp4", "--seconds", "1", "--json", "-")
    report = reported(ended)
    assert list(report["largest"]) == ["1"]
    loads = {load["cameras"]: load["dropped_share"] <= 0.01 for load in report["loads"]}
    largest = report["largest"]["1"]
    assert largest == max((cameras for cameras, sustained in loads.items() if sustained), default=0)
    assert loads[1] == (largest >= 1)
    assert f"at 1 frames a second: {largest} cameras" in ended.stderr


@pytest.mark.slow
def test_bench_gives_each_stage_its_share_of_the_limit(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limit, "median_ms", lambda call, _seconds, least: median_ms(call, 0.0, least))
    encode(Path("short.mp4"), frames=5)
    ended = command("bench", "--limit", "--clip", "short.mp4", "--json", "-")
    report = reported(ended)
    peaks = {peak["name"]: peak["per_s"] for peak in report["peaks"]}
    assert {"float32", "memory"} <= peaks.keys()
    stages = {(stage["stage"], stage["batch"]): stage for stage in report["stages"]}
    names = ("backbone", "embedding and Mahalanobis", "from picture to score", FROM_FILE)
    assert stages.keys() == {(name, size) for name in names for size in (1, 5)}
    for (name, size), stage in stages.items():
        computing_ms = 1000 * report["backbone_flop"] / peaks[report["precision"]]
        reading_ms = 1000 * report["bank_bytes"] / peaks["memory"] / size
        limit_ms = {names[0]: computing_ms, names[1]: reading_ms}.get(name, computing_ms + reading_ms)
        assert stage["limit_ms"] == pytest.approx(limit_ms)
        assert stage["share"] == pytest.approx(limit_ms / stage["ms_per_frame"])
    assert "matrix product in float32" in ended.stderr
    assert "from picture to score" in ended.stderr


def test_bench_measures_one_thing_at_a_time(command: Command) -> None:
    complaint = command("bench", "--limit", "--engines").complaint
    assert complaint == "--limit: --engines is given too; give one of them"


# --- run


def test_run_plays_a_file_to_its_end_a_line_per_event(command: Command, fitted: tuple[Ended, Path]) -> None:
    ended = command("run", "clip.mp4", "--scene", "lobby", "--scenes", fitted[1] / "scenes")
    assert (ended.code, ended.stderr) == (0, "")
    lines = [line.split(" ", 1)[1] for line in ended.stdout.splitlines()]
    assert re.fullmatch(rf"publishing to {HOST}:\d+ under streammon:v1:", lines[0])
    assert "camera 'lobby': online" in lines
    assert "camera 'lobby': ended" in lines


def test_run_logs_json_for_machines(command: Command, fitted: tuple[Ended, Path]) -> None:
    ended = command("run", "clip.mp4", "--scene", "lobby", "--scenes", fitted[1] / "scenes", "--log-json")
    assert (ended.code, ended.stderr) == (0, "")
    events = [json.loads(line) for line in ended.stdout.splitlines()]
    assert all(abs(event["at_s"] - time.time()) < 60 for event in events)
    states = [event["state"] for event in events if event["event"] == "status" and event["camera"] == "lobby"]
    assert [state for state in states if state != "connecting"] == ["online", "ended"]


def everything_in(server: RedisServer) -> str:
    """Every key and value of a Redis, as text."""
    with redis_client.Redis.from_url(server.url, decode_responses=True, encoding_errors="replace") as client:
        dumped = []
        for key in client.scan_iter():
            kind = str(client.type(key))
            read: dict[str, Any] = {"string": client.get, "set": client.smembers, "stream": client.xrange}
            dumped.append(f"{key} {kind} {read[kind](key)}")
    return "\n".join(dumped)


@pytest.mark.slow
def test_a_camera_that_is_away_is_no_error_and_its_password_is_nowhere(
    tmp_path: Path, closed_port: int, fitted: tuple[Ended, Path], clip: Path
) -> None:
    """Neither the camera's nor Redis' is on standard output or error, in Redis, in the spool, or with the scenes."""
    with RedisServer(tmp_path, password=PASSWORD) as server:
        cameras = {
            "gate": {"url": f"rtsp://joe:{PASSWORD}@{HOST}:{closed_port}/live?password={PASSWORD}"},
            "lobby": {"url": str(clip), "loop": True},
            "hall": {"url": str(clip), "loop": True, "learn_for": 3, "score_fps": 10},
        }
        folder = tmp_path / "run"
        shutil.copytree(fitted[1] / "scenes", folder / "scenes")
        settings = {"cameras": cameras, "redis": server.url, "alerting": {"false_alarms_per_day": 86400}}
        (folder / "config.yaml").write_text(yaml.safe_dump(settings))
        with RunningCommand("run", folder=folder) as monitor:
            monitor.lines.wait_for(lambda line: "camera 'gate': offline" in line, DEADLINE_S)
            monitor.lines.wait_for(lambda line: "scene 'hall' is learned" in line, DEADLINE_S)
            published = everything_in(server)
            ended = monitor.terminate()
        published += everything_in(server)
    (folder / "config.yaml").unlink()
    assert (ended.code, ended.stderr) == (0, "")
    assert "(connection refused)" in ended.stdout
    assert '"camera":"gate","state":"offline"' in published
    written = b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())
    assert (folder / "scenes" / "hall" / BANK_FILE).is_file()
    for place in (ended.stdout, ended.stderr, published, written.decode("latin-1")):
        assert PASSWORD not in place


@pytest.mark.slow
def test_the_monitor_ends_quietly_when_nobody_reads_its_lines_any_more(tmp_path: Path, closed_port: int) -> None:
    words = [sys.executable, "-m", "streammon", "run", f"rtsp://{HOST}:{closed_port}/a"]
    monitor = subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with monitor:
        assert monitor.stdout
        assert monitor.stderr
        assert "publishing to" in monitor.stdout.readline()
        monitor.stdout.close()
        assert (monitor.wait(DEADLINE_S), monitor.stderr.read()) == (1, "")


# --- watch


@pytest.mark.parametrize("as_json", [False, True], ids=["lines", "json"])
def test_watch_tells_what_a_monitor_publishes(tmp_path: Path, as_json: bool) -> None:
    online = CameraStatus("lobby", CameraState.ONLINE, time.time())

    async def publish(server: RedisServer, watcher: RunningCommand) -> None:
        with Spool(tmp_path / "spool", 10) as spool:
            async with publishing(server.config, spool) as publisher:
                publisher.publish_status_nowait(online)
                told = '"state":"online"' if as_json else "camera 'lobby': online"
                await asyncio.to_thread(watcher.lines.wait_for, lambda line: told in line, DEADLINE_S)
                publisher.publish_alerts_nowait([message("a1", 0)])
                told = '"id":"a1"' if as_json else "ALERT open a1 camera 'lobby'"
                await asyncio.to_thread(watcher.lines.wait_for, lambda line: told in line, DEADLINE_S)

    words = ("--json",) if as_json else ()
    with (
        RedisServer(tmp_path) as server,
        RunningCommand("watch", "--redis", server.url, *words, folder=tmp_path) as it,
    ):
        asyncio.run(publish(server, it))
        ended = it.terminate()
    assert (ended.code, ended.stderr) == (0, "")
    if as_json:
        kinds = {json.loads(line)["kind"] for line in ended.stdout.splitlines()}
        assert kinds == {"status", "alert"}


def test_watch_is_a_live_table_on_a_terminal(tmp_path: Path) -> None:
    async def publish(server: RedisServer) -> None:
        with Spool(tmp_path / "spool", 10) as spool:
            async with publishing(server.config, spool) as publisher:
                publisher.publish_status_nowait(CameraStatus("lobby", CameraState.ONLINE, time.time()))
                await publisher.drain(DEADLINE_S)

    with RedisServer(tmp_path) as server:
        asyncio.run(publish(server))
        ours, theirs = pty.openpty()
        words = [sys.executable, "-m", "streammon", "watch", "--redis", server.url]
        environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
        watcher = subprocess.Popen(words, cwd=tmp_path, stdout=theirs, stderr=theirs, env=environment)
        os.close(theirs)
        seen, deadline = "", time.monotonic() + DEADLINE_S
        try:
            while "online" not in seen and time.monotonic() < deadline:
                seen += os.read(ours, 65536).decode()
        finally:
            watcher.terminate()
            code = watcher.wait(DEADLINE_S)
            os.close(ours)
    assert code == 0
    assert "fps scored" in seen
    assert "online" in seen
