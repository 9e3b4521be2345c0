"""Every mistake of the user's is one line: where, what was found, what to do; exit code 2; never a password."""

import os
import pickle
import shutil
import sqlite3
import subprocess
import sys
import wave
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
import pytest
import torch
import torchvision
from safetensors import safe_open
from safetensors.torch import save_file

from streammon.config import ModelConfig
from streammon.scene.files import MOTION_FORMAT
from streammon.scene.fit import FitOptions, fit_scene
from streammon.scene.settings import SETTINGS_HASH
from support.cameras import RtspServer, has_gstreamer
from support.commands import Command, command_apart, command_here
from support.dataset_trees import folder_tree
from support.numbered_footage import encode
from support.precision import COMPUTED
from support.redis_server import HOST, RedisServer, embedded

PASSWORD = "s3cr3t-Pa55"
FOOTAGE_REMEDY = "give a video file, a folder of images, or a folder of such clips"
CAMERA_REMEDY = "give a video file or a folder of images"
REDIS_REMEDY = "start it there, or set redis.url to another, or to `embedded`"
NAME_RULE = "it must be 1 to 64 letters, digits, - and _, and begin with a letter or digit"
OF_OTHER_NETWORK = "give weights of the configured backbone"


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 frames: enough for the smallest bank."""
    return encode(tmp_path_factory.mktemp("clip") / "clip.mp4", frames=24, fps=5)


@pytest.fixture(scope="module")
def lobby(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a scene that was learned: bank, statistics, scene.yaml."""
    folder = tmp_path_factory.mktemp("scenes") / "lobby"
    model = ModelConfig.model_validate({"dimensions": 4, **COMPUTED})
    fit_scene("lobby", [clip], folder, model, FitOptions(hold_out=0.5), lambda _done, _total: None)
    return folder


@pytest.fixture(scope="module")
def resnet_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of the right shapes for resnet18, all 0."""
    file = tmp_path_factory.mktemp("weights") / "resnet18.safetensors"
    with torch.device("meta"):
        shapes = torchvision.models.resnet18(weights=None).state_dict()
    used = {name: shape for name, shape in shapes.items() if not name.startswith(("layer4", "fc"))}
    save_file({name: torch.zeros(shape.shape) for name, shape in used.items()}, file)
    return file


@pytest.fixture
def command(
    tmp_path: Path,
    clip: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> Command:
    """The command, in a folder of the test's own with `clip.mp4` in it."""
    (tmp_path / "clip.mp4").symlink_to(clip)
    monkeypatch.chdir(tmp_path)
    return command_here(monkeypatch, capfd)


@pytest.fixture
def watching(command: Command, lobby: Path) -> Callable[..., str]:
    """What `check` complains of, given a camera's url (or other settings) and the learned scene."""
    shutil.copytree(lobby, "scenes/lobby")

    def complaint(url: str | Path = "clip.mp4", more: str = "", camera: str = "") -> str:
        lobby = f"{{url: '{url}', open_timeout_s: 2{camera}}}"
        Path("config.yaml").write_text(f"cameras: {{lobby: {lobby}}}\n{more}\n", "utf-8")
        ended = command("check")
        assert PASSWORD not in ended.stdout + ended.stderr
        return ended.complaint

    return complaint


def configured(text: str | bytes) -> str:
    Path("config.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    return "config.yaml"


# --- what is in config.yaml


LOBBY = "cameras: {lobby: {url: clip.mp4}}\n"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "it is empty; it must be a mapping with `cameras:` in it"),
        ("- lobby\n", "it holds a list; it must be a mapping with `cameras:` in it"),
        ("cameras", "it holds text; it must be a mapping with `cameras:` in it"),
        ("cameras: {lobby: [}", "line 1, column 19 is not YAML; mend it; indentation counts"),
        ("cameras:\n\tlobby:", "line 2, column 1 is not YAML; mend it; indentation counts"),
        (b"cameras: {lobby: {url: caf\xe9.mp4}}", "byte 26 is not UTF-8; save the file as UTF-8"),
        (b"cameras: \0", "it is not YAML; mend it; indentation counts"),
        ("scenes: 2026-13-45", "a value in it is not YAML; put it in quotes"),
        ("cameras: &all {lobby: *all}", "line 1, column 10 is not YAML; mend it; indentation counts"),
        (f"{LOBBY}{LOBBY}", "line 2, column 1 repeats 'cameras'; a key may stand there once"),
        (
            "cameras:\n  lobby: {url: a.mp4}\n  lobby: {url: b.mp4}\n",
            "line 3, column 3 repeats 'lobby'; a key may stand there once",
        ),
        ("redis: embedded", "cameras is missing; add it"),
        ("cameras: {}", "cameras is a mapping; it must not be empty"),
        ("cameras:", "cameras is empty; it must be a mapping"),
        ("cameras: {lobby: clip.mp4}", "cameras.lobby is 'clip.mp4'; it must be a mapping"),
        (f"cameras: {{lobby: 'joe:{PASSWORD}@10.0.0.7'}}", "cameras.lobby is text; it must be a mapping"),
        ("cameras: {lobby: {scene: hall}}", "cameras.lobby.url is missing; add it"),
        (
            f"{LOBBY}camera: {{}}",
            "camera is no known key; see the configuration reference, streammon/config/README.md",
        ),
        (f"{LOBBY}health: {{grace_s: 0}}", "health.grace_s is 0; it must be at least 1"),
        (f"{LOBBY}health: {{ignore: view}}", "health.ignore is 'view'; it must be a list"),
        (
            f"{LOBBY}health: {{ignore: [theft]}}",
            "health.ignore.0 is 'theft'; it must be 'offline', 'black', 'overexposed', 'covered', 'blurred', 'view', "
            "'light', 'rate', 'bank', 'disk', 'recording', 'redis', 'sink' or 'scorer'",
        ),
        (
            "cameras: {lobby: {url: clip.mp4, fps: 5}}",
            "cameras.lobby.fps is no known key; see the configuration reference, streammon/config/README.md",
        ),
        (
            f"cameras: {{'rtsp://joe:{PASSWORD}@10.0.0.7/a': {{url: clip.mp4}}}}",
            f"cameras has the key text; {NAME_RULE}",
        ),
        ("cameras: {lobby: {url: clip.mp4, scene: ../x}}", f"cameras.lobby.scene is '../x'; {NAME_RULE}"),
        (
            "cameras: {lobby: {url: clip.mp4, score_fps: -1}}",
            "cameras.lobby.score_fps is -1; it must be at least 0.2",
        ),
        (
            "cameras: {lobby: {url: clip.mp4, score_fps: .nan}}",
            "cameras.lobby.score_fps is nan; it must be a finite number",
        ),
        (
            "cameras: {lobby: {url: clip.mp4, score_fps: ten}}",
            "cameras.lobby.score_fps is 'ten'; it must be a number",
        ),
        ("cameras: {lobby: {url: clip.mp4, loop: 3}}", "cameras.lobby.loop is 3; it must be true or false"),
        (
            "cameras: {lobby: {url: clip.mp4, transport: tpc}}",
            "cameras.lobby.transport is 'tpc'; it must be 'tcp' or 'udp'",
        ),
        (
            "cameras: {lobby: {url: clip.mp4, learn_for: 10 parsecs}}",
            "cameras.lobby.learn_for is '10 parsecs'; it must be a duration above 0 such as 90s, 10m or 2h",
        ),
        ("cameras: {lobby: {url: ''}}", "cameras.lobby.url can't be used; it must not be empty"),
        ("cameras: {lobby: {url: 5}}", "cameras.lobby.url can't be used; it must be text"),
        (
            f"cameras: {{lobby: {{url: 'rtmp://joe:{PASSWORD}@10.0.0.7/a'}}}}",
            "cameras.lobby.url can't be used; it must begin with rtsp, rtsps, http, https, or be a path",
        ),
        (
            f"cameras: {{lobby: {{url: 'rtsp://joe:{PASSWORD}@10.0.0.7:99999/a'}}}}",
            "cameras.lobby.url can't be used; it must be a URL with a port from 0 to 65535, or a path",
        ),
        (
            f"cameras: {{lobby: {{url: 'rtsp://joe:{PASSWORD}@10.0.0.7:port/a'}}}}",
            "cameras.lobby.url can't be used; it must be a URL with a port from 0 to 65535, or a path",
        ),
        ("cameras: {lobby: {url: 'rtsp:///a'}}", "cameras.lobby.url can't be used; it must name a host"),
        (
            'cameras: {lobby: {url: "clip\\0.mp4"}}',
            "cameras.lobby.url can't be used; it must hold no control characters",
        ),
        (
            "cameras: {lobby: {url: 'rtsp://joe:${NOT_SET}@10.0.0.7/a'}}",
            "cameras.lobby.url names ${NOT_SET}, which is not set; set it in the environment",
        ),
        (
            f"{LOBBY}redis: http://joe:{PASSWORD}@10.0.0.7",
            "redis.url can't be used; it must be `embedded` or begin with redis://, rediss:// or unix://",
        ),
        (f"{LOBBY}redis: [embedded]", "redis is a list; it must be a mapping"),
        (f"{LOBBY}redis: {{port: 70000}}", "redis.port is 70000; it must be at most 65535"),
        (
            f"{LOBBY}model: {{backbone: resnet19}}",
            "model.backbone is 'resnet19'; it must be "
            "'efficientnet_lite0', 'resnet18', 'wide_resnet50_2' or 'efficientnet_b5'",
        ),
        (
            f"{LOBBY}model: {{device: tpu}}",
            "model.device is 'tpu'; it must be auto, cpu, mps, cuda, or one of several as in cuda:1",
        ),
        (f"{LOBBY}model: {{dimensions: 1.5}}", "model.dimensions is 1.5; it must be a whole number"),
        (f"{LOBBY}scenes: [a]", "scenes is a list; it must be a path"),
        (f'{LOBBY}scenes: "a\\0b"', r"scenes is 'a\x00b'; it must hold no control characters"),
        (f"{LOBBY}alerting: {{close_factor: 0.5}}", "alerting.close_factor is 0.5; it must be at least 1"),
    ],
)
def test_a_wrong_configuration_is_refused_by_its_place_in_the_file(
    command: Command, text: str | bytes, complaint: str
) -> None:
    ended = command("check", "--config", configured(text))
    assert ended.complaint == f"config.yaml: {complaint}"
    assert PASSWORD not in ended.stdout + ended.stderr


def test_several_mistakes_in_one_file_are_a_line_each(command: Command) -> None:
    text = "cameras: {lobby: {url: clip.mp4, fps: 5, score_fps: 0}}\nalert: {}\n"
    ended = command("run", "--config", configured(text))
    reference = "see the configuration reference, streammon/config/README.md"
    assert ended.code == 2
    assert sorted(ended.stderr.splitlines()) == [
        f"streammon: config.yaml: alert is no known key; {reference}",
        f"streammon: config.yaml: cameras.lobby.fps is no known key; {reference}",
        "streammon: config.yaml: cameras.lobby.score_fps is 0; it must be at least 0.2",
    ]


@pytest.mark.parametrize("name", ["check", "run"])
def test_a_configuration_that_is_not_there_is_refused(command: Command, name: str) -> None:
    remedy = "give --config FILE" + (", or a camera's URL" if name == "run" else "")
    assert command(name).complaint == f"config.yaml: there is no such file; {remedy}"
    expected = "other.yaml: there is no such file; name your configuration with --config FILE"
    assert command(name, "--config", "other.yaml").complaint == expected


def test_a_folder_as_configuration_is_refused(command: Command) -> None:
    expected = ".: it can't be read (is a directory); name a readable file with --config"
    assert command("check", "--config", ".").complaint == expected


# --- options and arguments


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["fot"], "no such command 'fot', did you mean 'fit'?; see `streammon --help`"),
        (
            ["fit", "--scene", "lobby", "clip.mp4", "--zoom"],
            "no such option '--zoom'; see `streammon fit --help`",
        ),
        (["fit", "--scene", "lobby"], "missing argument 'FOOTAGE...'; see `streammon fit --help`"),
        (["fit", "clip.mp4"], "missing option '--scene'; see `streammon fit --help`"),
        (["fit", "clip.mp4", "--scene", "../lobby"], f"--scene: it is '../lobby'; {NAME_RULE}"),
        (["merge", "a", "--scene", "a/b"], f"--scene: it is 'a/b'; {NAME_RULE}"),
        (["run", "clip.mp4", "--scene", ""], f"--scene: it is ''; {NAME_RULE}"),
        (
            ["fit", "clip.mp4", "--scene", "lobby", "--hold-out", "1"],
            "invalid value for '--hold-out': 1.0 is not in the range 0<=x<=0.9; see `streammon fit --help`",
        ),
        (
            ["fit", "clip.mp4", "--scene", "lobby", "--hold-out", "nan"],
            "invalid value for '--hold-out': nan is not a number; see `streammon fit --help`",
        ),
        (
            ["fit", "clip.mp4", "--scene", "lobby", "--backbone", "resnet"],
            "--backbone: it is 'resnet'; it must be "
            "'efficientnet_lite0', 'resnet18', 'wide_resnet50_2' or 'efficientnet_b5'",
        ),
        (
            ["fit", "clip.mp4", "--scene", "lobby", "--frame-score", "mean"],
            "--frame-score: it is 'mean'; it must be 'max' or 'worst_percent'",
        ),
        (
            ["fit", "clip.mp4", "--scene", "lobby", "--method", "magic"],
            "--method: it is 'magic'; it must be 'motion' or 'padim'",
        ),
        (
            ["fit", "clip.mp4", "--scene", "lobby", "--crop", "224"],
            "crop: motion is learned of the whole picture; choose the method padim, or leave it out",
        ),
        (["bench", "--batch", "many"], "--batch: it is 'many'; it must be a whole number"),
        (["bench", "--cameras", "1,x"], "--cameras: it is '1,x'; give counts from 1 to 256 with commas, as 1,4,16"),
        (
            ["bench", "--seconds", "0"],
            "invalid value for '--seconds': 0.0 is not in the range 1<=x<=3600; see `streammon bench --help`",
        ),
        (
            ["run", "a.mp4", "b.mp4", "--scene", "lobby"],
            "--scene: it goes with one URL, not 2; name the others in a config.yaml",
        ),
        (
            ["run", "clip.mp4", "--learn-for", "soon"],
            "command line: cameras.camera1.learn_for is 'soon'; it must be a duration above 0 such as 90s, 10m or 2h",
        ),
        (
            ["run", "clip.mp4", "--redis", f"joe:{PASSWORD}@10.0.0.7"],
            "command line: redis.url can't be used; it must be `embedded` or begin with redis://, rediss:// or unix://",
        ),
        (
            ["run", "rtsp://joe:${NOT_SET}@10.0.0.7/a"],
            "command line: cameras.camera1.url names ${NOT_SET}, which is not set; set it in the environment",
        ),
        (
            ["watch", "--redis", f"https://:{PASSWORD}@10.0.0.7"],
            "--redis: url can't be used; it must be `embedded` or begin with redis://, rediss:// or unix://",
        ),
        (
            ["fit", "clip.mp4", "--scene", "lobby", "--json", "no/report.json"],
            "no/report.json: there is no such folder; make it, or choose another --json FILE",
        ),
        (
            ["fit", "clip.mp4", "--scene", "lobby", "--json", "."],
            ".: it is a folder; choose another --json FILE",
        ),
        (
            ["demo", "--json", "report.json"],
            "--json: it is 'report.json'; the demo writes its events to - (standard output) only",
        ),
    ],
    ids=lambda part: " ".join(part) if isinstance(part, list) else "",
)
def test_a_wrong_command_line_is_refused_by_its_option(command: Command, words: list[str], complaint: str) -> None:
    ended = command(*words)
    assert ended.complaint == complaint
    assert PASSWORD not in ended.stdout + ended.stderr
    assert not Path("scenes").exists()


def test_a_device_that_is_not_there_is_refused(command: Command) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has one")
    expected = "model.device: there is no cuda on this machine; use auto or cpu"
    assert command("fit", "clip.mp4", "--scene", "lobby", "--device", "cuda").complaint == expected


def test_more_channels_than_there_are_is_refused(command: Command) -> None:
    for reduction in ("random", "pca", "orthogonal"):
        ended = command("fit", "clip.mp4", "--scene", "lobby", "--dimensions", "233", "--reduction", reduction)
        assert ended.complaint == (
            "model.dimensions: it is 233, and efficientnet_lite0 has 232 channels; "
            "keep fewer, or set reduction to all"
        )


# --- footage


def write_png(path: Path) -> bytes:
    codec = av.CodecContext.create("png", "w")
    assert isinstance(codec, av.VideoCodecContext)
    codec.width, codec.height, codec.pix_fmt, codec.framerate = 64, 64, "rgb24", 25  # type: ignore[assignment]
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    path.write_bytes(bytes(codec.encode(av.VideoFrame.from_ndarray(noise, "rgb24"))[0]))
    return path.read_bytes()


def make_footage(kind: str) -> tuple[Path, str, str]:
    """What is given as footage, what the complaint names, and its reason."""
    path = Path("footage")
    named, reason = path, "not video"
    match kind:
        case "missing":
            reason = "no such file"
        case "below a file":
            path = named = Path("clip.mp4/lobby.mp4")
            reason = "no such file"
        case "empty file":
            path.touch()
            reason = "empty file"
        case "folder without video":
            (path / "notes").mkdir(parents=True)
            (path / "notes.txt").write_text("nothing to see")
            reason = "no video and no images in it"
        case "text":
            path.write_text("This is a text file.\n" * 100)
        case "text named as video":
            path = named = Path("footage.mp4")
            path.write_text("This is a text file.\n" * 100)
        case "half of an MP4":
            path = named = Path("footage.mp4")
            path.write_bytes(Path("clip.mp4").read_bytes()[:3000])
        case "sound":
            path = named = Path("sound.wav")
            with wave.open(str(path), "wb") as sound:
                sound.setparams((1, 2, 8000, 0, "NONE", ""))
                sound.writeframes(bytes(16_000))
            reason = "no video in it"
        case "folder with a truncated image":
            path.mkdir()
            whole = write_png(path / "1.png")
            named = path / "2.png"
            named.write_bytes(whole[: len(whole) // 2])
            reason = "damaged picture"
    return path, str(named), reason


@pytest.mark.parametrize(
    "kind",
    [
        "missing",
        "below a file",
        "empty file",
        "folder without video",
        "text",
        "text named as video",
        "half of an MP4",
        "sound",
        "folder with a truncated image",
    ],
)
def test_what_is_no_footage_is_refused_by_its_name(command: Command, kind: str) -> None:
    footage, named, reason = make_footage(kind)
    ended = command("fit", footage, "--scene", "lobby", "--dimensions", "4")
    assert ended.complaint == f"{named}: it can't be read as footage ({reason}); {FOOTAGE_REMEDY}"


def test_benchmarking_no_footage_is_refused(command: Command) -> None:
    expected = f"no.mp4: it can't be read as footage (no such file); {FOOTAGE_REMEDY}"
    assert command("bench", "--clip", "no.mp4").complaint == expected


@pytest.mark.parametrize("kind", ["missing", "empty file", "text", "half of an MP4", "sound"])
def test_a_camera_that_is_a_file_without_video_is_refused_before_anything_runs(command: Command, kind: str) -> None:
    footage, _, reason = make_footage(kind)
    expected = f"camera 'lobby': its url can't be read as video ({reason}); {CAMERA_REMEDY}"
    assert command("run", footage, "--scene", "lobby").complaint == expected


def test_a_mistyped_url_that_looks_like_a_path_is_refused_without_its_password(command: Command) -> None:
    ended = command("run", f"rtsp:/joe:{PASSWORD}@10.0.0.7/a")
    assert ended.complaint == f"camera 'camera1': its url can't be read as video (no such file); {CAMERA_REMEDY}"
    assert PASSWORD not in ended.stdout + ended.stderr


@pytest.mark.slow
def test_a_file_we_may_not_read_is_refused(tmp_path: Path, clip: Path) -> None:
    shutil.copy(clip, tmp_path / "clip.mp4")
    (tmp_path / "clip.mp4").chmod(0)
    through: tuple[str, ...] = ()
    if os.geteuid() == 0:  # root may read it all, unless it gives that up
        if not shutil.which("setpriv"):
            pytest.skip("no setpriv to take root's rights away")
        through = ("setpriv", "--bounding-set=-all", "--inh-caps=-all")
    ended = command_apart("run", "clip.mp4", folder=tmp_path, through=through)
    expected = f"camera 'camera1': its url can't be read as video (permission denied); {CAMERA_REMEDY}"
    assert ended.complaint == expected


TO_LEARN = "give at least 2, and far more for a bank that is of use"
TO_CALIBRATE = "give more footage (at least 10 held-out frames), or fit with --hold-out 0"


@pytest.mark.parametrize(
    ("frames", "hold_out", "complaint"),
    [
        (1, "0.2", f"it has 1 frames to learn from; {TO_LEARN}"),
        (1, "0", f"it has 1 frames to learn from; {TO_LEARN}"),
        (2, "0.2", f"0 frames are left to calibrate on; {TO_CALIBRATE}"),
        (12, "0.2", f"2 frames are left to calibrate on; {TO_CALIBRATE}"),
    ],
)
def test_too_few_frames_are_refused(command: Command, frames: int, hold_out: str, complaint: str) -> None:
    encode(Path("short.mp4"), frames=frames, fps=5)
    ended = command("fit", "short.mp4", "--scene", "lobby", "--dimensions", "4", "--hold-out", hold_out)
    assert ended.complaint == f"scene 'lobby': {complaint}"


def test_held_out_frames_too_far_apart_to_be_a_recording_are_refused(command: Command) -> None:
    slow = encode(Path("slow.mp4"), frames=231, size=(96, 64), fps=1)
    words = ["--dimensions", "4", "--every", "11", "--hold-out", "0.5"]
    assert command("fit", slow, "--scene", "lobby", *words).complaint == (
        "scene 'lobby': it can't be calibrated (its frames carry no time); "
        "take frames closer in time, or --hold-out 0"
    )


# --- weights and banks


def test_weights_that_are_not_there_are_refused(command: Command) -> None:
    assert command("fit", "clip.mp4", "--scene", "lobby", "--weights", "no.pth").complaint == (
        "no.pth: there is no such weights file; give a .safetensors file or a .pth file that holds a state dictionary"
    )


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("weights.safetensors", "hello"),
        ("weights.pth", "hello"),  # torch's unpickler stumbles over each of these in its own way
        ("weights.pth", "."),
        ("weights.pth", "<html>"),
        ("weights.pth", ""),
    ],
)
def test_a_text_file_as_weights_is_refused(command: Command, name: str, text: str) -> None:
    Path(name).write_text(text)
    assert command("fit", "clip.mp4", "--scene", "lobby", "--weights", name).complaint == (
        f"{name}: its weights can't be read (it is no weights file, or is cut short); "
        "give a .safetensors file or a .pth file that holds a state dictionary"
    )


def test_weights_of_another_network_are_refused(command: Command, resnet_weights: Path) -> None:
    ended = command("fit", "clip.mp4", "--scene", "lobby", "--weights", resnet_weights)
    found = ended.complaint.removeprefix(f"{resnet_weights}: it lacks ")
    assert found.endswith(f" more; {OF_OTHER_NETWORK}")


def test_a_bank_of_another_backbone_is_refused_with_both_named(
    watching: Callable[..., str], resnet_weights: Path
) -> None:
    model = f"backbone: resnet18, weights: '{resnet_weights}', engine: torch, precision: float32"
    assert watching(more=f"model: {{{model}}}") == (
        "scene 'lobby': its bank was fitted with efficientnet_lite0 (32x32 positions), "
        "the config asks for resnet18 (64x64 positions); fit it again with `streammon fit --scene lobby`"
    )


def test_running_with_a_bank_of_another_backbone_is_refused(
    command: Command, lobby: Path, resnet_weights: Path
) -> None:
    scene = ["--scene", "lobby", "--scenes", lobby.parent]
    computed = ["--engine", "torch", "--precision", "float32"]
    model = ["--backbone", "resnet18", "--weights", resnet_weights, *computed]
    complaint = command("run", "clip.mp4", *scene, *model).complaint
    assert complaint.startswith("scene 'lobby': its bank was fitted with efficientnet_lite0 (32x32 positions), the")


@pytest.mark.slow
def test_a_bank_calibrated_for_another_frame_score_is_refused(watching: Callable[..., str]) -> None:
    assert watching(more="model: {frame_score: worst_percent}") == (
        "scene 'lobby': its bank is calibrated for frame_score max, the config asks for worst_percent; "
        "fit it again with `streammon fit --scene lobby`"
    )


BANK = Path("scenes/lobby/bank.safetensors")
MOTION = Path("scenes/lobby/motion.safetensors")
FIT_AGAIN = "fit it again with `streammon fit`"


def cut_short() -> None:
    BANK.write_bytes(BANK.read_bytes()[:-1000])


def pickled() -> None:
    BANK.write_bytes(pickle.dumps({"mean": [0.0]}))


def saved_by_torch() -> None:
    torch.save({"mean": torch.zeros(3)}, BANK)


def of_somebody_else() -> None:
    save_file({"mean": torch.zeros(3)}, BANK)


def emptied() -> None:
    BANK.write_bytes(b"")


@pytest.mark.parametrize(
    ("spoil", "found"),
    [
        (cut_short, "no safetensors file, or cut short"),
        (emptied, "no safetensors file, or cut short"),
        (pickled, "a pickle"),
        (saved_by_torch, "a pickle"),
        (of_somebody_else, "a safetensors file, but was not written by streammon"),
    ],
)
def test_a_file_that_is_no_bank_is_refused(
    watching: Callable[..., str], spoil: Callable[[], None], found: str
) -> None:
    spoil()
    assert watching() == f"scene 'lobby': {BANK} is {found}; {FIT_AGAIN}"


def test_a_folder_in_the_banks_place_is_refused(watching: Callable[..., str]) -> None:
    BANK.unlink()
    BANK.mkdir()
    assert watching().startswith(f"scene 'lobby': {BANK} ")


def test_a_scene_without_a_motion_file_is_refused_where_motion_is_asked_for(watching: Callable[..., str]) -> None:
    MOTION.unlink()
    assert watching() == (
        f"scene 'lobby': it has no motion file ({MOTION}); "
        "fit it again with `streammon fit --scene lobby`, or set model.method to padim"
    )


@pytest.mark.parametrize(
    ("kept", "found"), [(-1000, "no safetensors file, or cut short"), (0, "no safetensors file")]
)
def test_a_motion_file_that_is_none_is_refused(watching: Callable[..., str], kept: int, found: str) -> None:
    MOTION.write_bytes(MOTION.read_bytes()[:kept])
    assert watching().startswith(f"scene 'lobby': {MOTION} is {found}")


def test_a_motion_file_of_an_earlier_fit_is_refused(watching: Callable[..., str], command: Command) -> None:
    earlier = MOTION.read_bytes()
    words = ["--dimensions", "4", "--hold-out", "0.6", "--max-frames", "20"]
    assert command("fit", "clip.mp4", "--scene", "lobby", *words).code == 0
    MOTION.write_bytes(earlier)
    assert watching() == (
        "scene 'lobby': its motion was learned from 24 frames, its bank from 20; "
        "fit it again with `streammon fit --scene lobby`, or set model.method to padim"
    )


def motion_file() -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """What the scene's holds, and its header."""
    with safe_open(MOTION, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        return tensors, file.metadata()


def test_a_motion_file_of_other_shapes_is_refused(watching: Callable[..., str]) -> None:
    tensors, header = motion_file()
    save_file(tensors | {"half0.directions": torch.zeros(3)}, MOTION, header)
    assert watching() == (
        f"{MOTION}: it is not valid; fit it again with `streammon fit --scene lobby`, or set model.method to padim"
    )


def test_a_motion_file_of_another_format_is_refused(watching: Callable[..., str]) -> None:
    tensors, header = motion_file()
    save_file(tensors | {"format": torch.tensor([5])}, MOTION, header)
    assert watching() == (
        f"scene 'lobby': motion.safetensors has format 5, this version reads {MOTION_FORMAT}; "
        "fit it again with `streammon fit --scene lobby`, or set model.method to padim"
    )


def test_a_motion_file_of_other_settings_is_refused(watching: Callable[..., str]) -> None:
    tensors, header = motion_file()
    save_file(tensors | {"settings": torch.tensor(list(b"0123456789ab"), dtype=torch.uint8)}, MOTION, header)
    assert watching() == (
        "scene 'lobby': motion.safetensors was learned with settings 0123456789ab, this version has "
        f"{SETTINGS_HASH}; fit it again with `streammon fit --scene lobby`, or set model.method to padim"
    )


def test_a_scene_that_was_learned_at_another_rate_is_refused(watching: Callable[..., str]) -> None:
    assert watching(camera=", score_fps: 10") == (
        "scene 'lobby': it was learned at 5 frames a second, its cameras are scored at 10 frames a second; "
        "fit it again with `streammon fit --scene lobby --score-fps 10`, or set score_fps"
    )


def test_a_bank_without_calibration_is_refused(command: Command) -> None:
    assert command("fit", "clip.mp4", "--scene", "lobby", "--dimensions", "4", "--hold-out", "0").code == 0
    assert command("run", "clip.mp4", "--scene", "lobby").complaint == (
        "scene 'lobby': its bank has no calibration; fit it again on more footage, without --hold-out 0"
    )


def test_learning_live_what_needs_two_passes_is_refused(command: Command) -> None:
    Path("config.yaml").write_text(f"{LOBBY}model: {{reduction: pca}}")
    assert command("run").complaint == (
        "scene 'lobby': it has no bank, and pca can't be learned live; fit it first with `streammon fit`"
    )


@pytest.mark.parametrize("words", [("run", "clip.mp4"), ("eval", "--dataset", "folder", "--root", "lobby")])
def test_int8_without_its_network_is_refused(command: Command, words: tuple[str, ...]) -> None:
    folder_tree(Path("lobby"))
    assert command(*words, "--precision", "int8", "--engine", "auto").complaint == (
        "model.precision: it is int8, and scenes has no efficientnet_lite0-int8-579344248a93.safetensors; "
        "make it with `streammon fit --precision int8`, or use auto"
    )


def test_float16_is_refused_beyond_cuda(command: Command) -> None:
    words = ("fit", "clip.mp4", "--scene", "lobby", "--device", "cpu", "--precision", "float16")
    assert command(*words).complaint == (
        "model.precision: it is float16, and the backbone is computed on cpu; use auto; float16 is for CUDA"
    )


def test_going_on_from_statistics_that_are_not_there_is_refused(command: Command) -> None:
    assert command("fit", "clip.mp4", "--scene", "lobby", "--add").complaint == (
        "scene 'lobby': it has no running statistics (scenes/lobby/statistics.safetensors); "
        "learn it with `streammon fit`"
    )


def test_going_on_with_another_frame_score_is_refused(command: Command, lobby: Path) -> None:
    words = ["--scenes", lobby.parent, "--add", "--frame-score", "worst_percent"]
    assert command("fit", "clip.mp4", "--scene", "lobby", *words).complaint == (
        "scene 'lobby': its frames were scored by max, the other's by worst_percent; "
        "fit both with the same --frame-score"
    )


@pytest.mark.parametrize(
    ("name", "stored", "configured"),
    [("reduction", "random", "orthogonal"), ("dimensions", "4", "5"), ("seed", "0", "1")],
)
def test_going_on_with_another_reduction_is_refused_with_both_named(
    command: Command, lobby: Path, name: str, stored: str, configured: str
) -> None:
    words = ["--scenes", lobby.parent, "--add", f"--{name}", configured]
    refused = (
        f"scene 'lobby': its statistics have {name} {stored}, the config asks for {configured}; "
        f"leave {name} out, or fit it again without --add"
    )
    assert command("fit", "clip.mp4", "--scene", "lobby", *words).complaint == refused
    Path("config.yaml").write_text(f"{LOBBY}model: {{{name}: {configured}}}")
    assert command("fit", "clip.mp4", "--scene", "lobby", *words[:3]).complaint == refused


def test_merging_what_is_no_scene_is_refused(command: Command, lobby: Path) -> None:
    assert command("merge", lobby, "nowhere", "--scene", "lobby").complaint == (
        "scene 'nowhere': it has no running statistics (nowhere/statistics.safetensors); "
        "learn it with `streammon fit`"
    )


def test_merging_a_fit_with_motion_and_one_without_is_refused(command: Command, lobby: Path) -> None:
    words = ["--scene", "lobby", "--dimensions", "4", "--hold-out", "0.5", "--method", "padim"]
    assert command("fit", "clip.mp4", *words).code == 0
    assert command("merge", lobby, "scenes/lobby", "--scene", "joint").complaint == (
        "scenes/lobby: it has no motion file, and another part has one; fit all parts with the same --method"
    )


def test_going_on_without_the_motion_learned_before_is_refused(command: Command, lobby: Path) -> None:
    shutil.copytree(lobby, "scenes/lobby")
    MOTION.unlink()
    assert command("fit", "clip.mp4", "--scene", "lobby", "--add").complaint == (
        f"scene 'lobby': it has no motion file ({MOTION}); "
        "fit it again with `streammon fit --scene lobby`, or set model.method to padim"
    )


def test_merging_fits_of_different_channels_is_refused(command: Command, lobby: Path) -> None:
    words = ["--scene", "lobby", "--dimensions", "4", "--seed", "1", "--hold-out", "0"]
    assert command("fit", "clip.mp4", *words).code == 0
    assert command("merge", lobby, "scenes/lobby", "--scene", "joint").complaint == (
        "scenes/lobby: its channel reduction differs from the other's; "
        "fit both with the same reduction, dimensions and seed"
    )


def test_cameras_that_learn_one_scene_for_different_times_are_refused(command: Command) -> None:
    Path("config.yaml").write_text(
        "cameras:\n  a: {url: clip.mp4, scene: hall, learn_for: 60}\n  b: {url: clip.mp4, scene: hall}\n"
    )
    assert command("run").complaint == (
        "cameras.b.learn_for: it and cameras.a learn scene 'hall' for different times; give both the same"
    )


# --- folders, files and disks


@pytest.mark.parametrize("name", ["fit", "run", "merge"])
@pytest.mark.parametrize(
    ("scenes", "reason"), [("file", "not a directory"), ("/proc", "no such file or directory")], ids=["file", "proc"]
)
def test_a_scenes_folder_that_cannot_be_written_is_refused(
    command: Command, lobby: Path, name: str, scenes: str, reason: str
) -> None:
    Path("file").touch()
    source = lobby if name == "merge" else Path("clip.mp4")
    assert command(name, source, "--scene", "hall", "--scenes", scenes).complaint == (
        f"{scenes}/hall: it can't be written ({reason}); choose another folder with `scenes:` or --scenes"
    )


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 16 kB: there is room for a folder, and none for a bank."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16k", "streammon-test", str(disk)]
    try:
        mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("can't mount a small disk here")
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_is_refused_and_leaves_no_half_bank(command: Command, full_disk: Path) -> None:
    words = ["--scene", "lobby", "--scenes", full_disk, "--dimensions", "4", "--hold-out", "0"]
    assert command("fit", "clip.mp4", *words).complaint == (
        f"{full_disk}/lobby/.next/bank.safetensors: it can't be written (no space left on device); "
        "free space or check permissions, or choose --scenes DIR"
    )
    assert sorted(full_disk.rglob("*")) == [full_disk / "lobby", full_disk / "lobby" / ".lock"]


def test_a_full_disk_under_the_spool_is_refused(watching: Callable[..., str], full_disk: Path) -> None:
    (full_disk / "fill").write_bytes(bytes(16384))
    assert watching(more=f"alerting: {{spool: '{full_disk}/spool'}}") == (
        f"spool {full_disk}/spool: it can't be written (the disk is full); "
        "check the folder's permissions and free space"
    )


def test_a_report_on_a_full_disk_is_refused(command: Command, lobby: Path) -> None:
    expected = "/dev/full: it can't be written (no space left on device); choose another --json FILE"
    assert command("merge", lobby, "--scene", "lobby", "--json", "/dev/full").complaint == expected


def no_folder() -> str:
    return "there is no folder no; make it, or set alerting.spool to another file"


def a_folder() -> str:
    Path("no/spool").mkdir(parents=True)
    return "it is a folder; set alerting.spool to a file"


def no_database() -> str:
    Path("no").mkdir()
    Path("no/spool").write_text("This is a text file.\n" * 100)
    return "it is not a spool; set alerting.spool to another file"


def another_database() -> str:
    Path("no").mkdir()
    with sqlite3.connect("no/spool") as database:
        database.execute("CREATE TABLE songs (title TEXT)")
    database.close()
    return "it is another program's database; set alerting.spool to another file"


@pytest.mark.parametrize("make", [no_folder, a_folder, no_database, another_database])
def test_what_is_no_spool_is_refused(watching: Callable[..., str], make: Callable[[], str]) -> None:
    complaint = make()
    assert watching(more="alerting: {spool: no/spool}") == f"spool no/spool: {complaint}"


# --- Redis


def test_a_redis_that_is_not_there_is_refused(watching: Callable[..., str], closed_port: int) -> None:
    assert watching(more=f"redis: 'redis://joe:{PASSWORD}@{HOST}:{closed_port}'") == (
        f"redis: connection refused at {HOST}:{closed_port}; {REDIS_REMEDY}"
    )


def test_running_and_watching_without_redis_is_refused(command: Command, lobby: Path, closed_port: int) -> None:
    redis = ["--redis", f"redis://joe:{PASSWORD}@{HOST}:{closed_port}"]
    expected = f"redis: connection refused at {HOST}:{closed_port}; {REDIS_REMEDY}"
    assert command("run", "clip.mp4", "--scene", "lobby", "--scenes", lobby.parent, *redis).complaint == expected
    assert command("watch", *redis).complaint == expected


def test_a_wrong_redis_password_is_refused(watching: Callable[..., str], tmp_path: Path) -> None:
    with RedisServer(tmp_path, password="another") as server:
        assert watching(more=f"redis: 'redis://:{PASSWORD}@{HOST}:{server.port}'") == (
            f"redis: {HOST}:{server.port} refuses the password; check user and password in redis.url"
        )


def test_a_sink_that_can_t_be_reached_is_refused(watching: Callable[..., str], closed_port: int) -> None:
    url = f"http://joe:{PASSWORD}@{HOST}:{closed_port}/"
    assert watching(more=f"notify: {{desk: {{webhook: {{url: '{url}'}}}}}}") == (
        f"notify.desk: webhook http://{HOST}:{closed_port}/… can't be reached (connection refused);"
        " start it, mend its address, or leave it out"
    )


def test_a_redis_user_without_channels_is_refused(watching: Callable[..., str], tmp_path: Path) -> None:
    acl = tmp_path / "users.acl"
    acl.write_text(f"user default on nopass ~* &* +@all\nuser joe on >{PASSWORD} ~* resetchannels +@all\n")
    with RedisServer(tmp_path, options={"aclfile": str(acl)}) as server:
        assert watching(more=f"redis: 'redis://joe:{PASSWORD}@{HOST}:{server.port}'") == (
            f"redis: {HOST}:{server.port} denies this user PUBLISH to streammon:v1:alerts, "
            "PUBLISH to streammon:v1:cam:lobby:alerts, PUBLISH to streammon:v1:cam:lobby:scores and 3 more; "
            "allow it, as in ACL SETUSER <user> ~streammon:v1:* &streammon:v1:* +eval +get +publish +sadd +set +xadd"
        )


def test_an_argument_that_is_quoted_shows_no_password(command: Command) -> None:
    assert command("watch", f"redis://:{PASSWORD}@10.0.0.5").complaint == (
        "got unexpected extra argument (redis://…); see `streammon watch --help`"
    )
    fit = command("fit", f"rtsp://joe:{PASSWORD}@10.0.0.7/a", "--scene", "lobby")
    assert fit.complaint == f"rtsp://…: it can't be read as footage (no such file); {FOOTAGE_REMEDY}"


def test_watching_an_embedded_redis_whose_port_nobody_chose_is_refused(command: Command) -> None:
    Path("config.yaml").write_text(LOBBY)
    assert command("watch").complaint == (
        "redis: it is embedded on a port of its own choice; "
        "set redis.port, or give the address the monitor printed with --redis"
    )


def test_an_embedded_redis_on_a_taken_port_is_refused(watching: Callable[..., str], tmp_path: Path) -> None:
    with RedisServer(tmp_path) as server:
        assert watching(more=f"redis: {{port: {server.port}}}") == (
            f"redis: port {server.port} is taken; set redis.port to another, or to 0"
        )


def test_a_folder_that_the_embedded_redis_can_not_use_is_refused(watching: Callable[..., str]) -> None:
    assert watching(more="redis: {folder: no/alerts.valkey}") == (
        "redis folder no/alerts.valkey: there is no folder no; make it, or set redis.folder to another folder"
    )
    assert watching(more="redis: {folder: clip.mp4}") == (
        "redis folder clip.mp4: it is a file; set redis.folder to a folder"
    )


def test_a_folder_that_another_monitor_uses_is_refused(
    watching: Callable[..., str], command: Command, lobby: Path
) -> None:
    complaint = "redis folder alerts.valkey: another monitor uses it; stop it, or set redis.folder to another folder"
    with embedded(Path("alerts.valkey")):
        assert watching() == complaint
        assert command("run", "clip.mp4", "--scene", "lobby", "--scenes", lobby.parent).complaint == complaint


def test_a_damaged_folder_of_the_embedded_redis_is_refused(watching: Callable[..., str]) -> None:
    with embedded(Path("alerts.valkey")):
        pass
    (manifest,) = Path("alerts.valkey").rglob("*.manifest")
    manifest.write_text("garbage\n")
    assert watching() == (
        "redis folder alerts.valkey: the server can't use it (Invalid AOF manifest file format); "
        "restore it from a backup, or move it away and begin with an empty log"
    )


def test_a_full_disk_under_the_embedded_redis_is_refused(watching: Callable[..., str], full_disk: Path) -> None:
    (full_disk / "fill").write_bytes(bytes(16384))
    complaint = watching(more=f"redis: {{folder: '{full_disk}/alerts.valkey'}}")
    assert complaint.startswith(f"redis folder {full_disk}/alerts.valkey: ")
    assert complaint.endswith(", or set redis.folder to another folder")
    assert "no space left on device" in complaint.lower()


# --- cameras: `check` refuses what `run` waits for


SWITCHED_ON = "check that it is switched on, and its url"


def test_a_camera_that_refuses_the_connection_is_named(watching: Callable[..., str], closed_port: int) -> None:
    assert watching(f"rtsp://joe:{PASSWORD}@{HOST}:{closed_port}/a") == (
        f"camera 'lobby': no video (connection refused); {SWITCHED_ON}"
    )


def test_a_camera_that_is_no_device_is_named(watching: Callable[..., str]) -> None:
    assert watching("/dev/video99") == f"camera 'lobby': no video (no such file); {SWITCHED_ON}"


def test_a_wrong_password_is_named(
    watching: Callable[..., str], clip: Path, rtsp_server: Callable[..., RtspServer]
) -> None:
    server = rtsp_server({"lobby": clip}, "joe", "another")
    assert watching(server.url("lobby", f"joe:{PASSWORD}")) == (
        "camera 'lobby': no video (wrong user or password); check the user and password in its url"
    )


def test_a_stream_that_the_camera_does_not_have_is_named(
    watching: Callable[..., str], clip: Path, rtsp_server: Callable[..., RtspServer]
) -> None:
    if not has_gstreamer():
        pytest.skip("aio-rtsp-toolkit hangs up instead")
    server = rtsp_server({"lobby": clip})
    assert watching(server.url("yard")) == f"camera 'lobby': no video (not found); {SWITCHED_ON}"


# --- in a process of its own


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["fot"], "no such command 'fot', did you mean 'fit'?; see `streammon --help`"),
        (["run", "no.mp4"], f"camera 'camera1': its url can't be read as video (no such file); {CAMERA_REMEDY}"),
        (
            ["fit", "no.mp4", "--scene", "lobby", "--json", "-"],
            f"no.mp4: it can't be read as footage (no such file); {FOOTAGE_REMEDY}",
        ),
    ],
    ids=lambda part: part[0] if isinstance(part, list) else "",
)
def test_the_installed_command_says_one_line_too(tmp_path: Path, words: list[str], complaint: str) -> None:
    ended = command_apart(*words, folder=tmp_path)
    assert ended.complaint == complaint
    assert ended.stdout == ""


def test_damaged_footage_is_told_in_a_line_of_ours(tmp_path: Path) -> None:
    """A clip that was cut short is learned as far as it goes."""
    whole = encode(tmp_path / "whole.ts", frames=40)
    cut = tmp_path / "cut.avi"
    encode(cut, frames=40)
    cut.write_bytes(cut.read_bytes()[:-20_000])
    assert whole.exists()
    words = ["--scene", "lobby", "--dimensions", "4", "--hold-out", "0.4"]
    ended = command_apart("fit", "cut.avi", *words, folder=tmp_path)
    assert ended.stderr.startswith("streammon: clip 'cut': ")


def test_standard_output_on_a_full_disk_is_one_line(tmp_path: Path) -> None:
    with open("/dev/full", "w") as full:  # noqa: PTH123 (no file to make)
        ended = subprocess.run(
            [sys.executable, "-m", "streammon", "--help"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (ended.returncode, ended.stderr) == (
        2,
        "streammon: standard output: the disk is full; make room there\n",
    )
