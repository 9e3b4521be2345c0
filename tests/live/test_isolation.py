"""One camera can't harm another: whatever its pictures, its bank or its reader do, the others go on."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from streammon.config import Config, ModelConfig
from streammon.errors import FootageError
from streammon.ingest import CameraReader
from streammon.live import setbacks
from streammon.live.capacity import CapacityEstimate
from streammon.motion.observe import Observer
from streammon.padim import BANK_FILE
from streammon.preview.operations.metrics import Gauges, Metrics
from streammon.records import CameraState, CameraStatus, Frame, Notice, ScoredFrame
from streammon.scene import SceneLearner
from streammon.scene.fit import FitOptions, fit_scene
from support.courtyard import FPS
from support.flat_footage import textured
from support.monitors import Events, watching
from support.precision import LIVE
from support.redis_server import RedisServer

SOON_S = 0.05


@pytest.fixture(scope="module")
def scenes(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The courtyard, learned with motion and without."""
    folder = tmp_path_factory.mktemp("scenes")
    options = FitOptions(score_fps=FPS, keep_statistics=False)
    for method in ("motion", "padim"):
        fit_scene(method, [clip], folder / method, model(method), options, lambda done, total: None)
    return folder


@pytest.fixture(autouse=True)
def soon_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A camera that can't be scored is tried again soon."""
    monkeypatch.setattr(setbacks, "backoff_s", lambda *_: SOON_S)


@pytest.fixture(autouse=True)
def unplanned(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine loses frames here, it doesn't fall back to looks alone: these tests are about motion."""
    monkeypatch.setattr(CapacityEstimate, "update", lambda *_: None)


def model(method: str) -> ModelConfig:
    return ModelConfig.model_validate({"method": method, "dimensions": 32, **LIVE})


@pytest.fixture
def configured(tmp_path: Path, scenes: Path, clip: Path, redis: RedisServer) -> Callable[..., Config]:
    """`configured("motion", good={}, bad={…})`: cameras on the learned courtyard that play for ever."""

    def config(method: str, *, folder: Path = scenes, **cameras: dict[str, Any]) -> Config:
        usual = {"url": str(clip), "loop": True, "scene": method, "score_fps": FPS}
        return Config.parse(
            {
                "cameras": {name: usual | camera for name, camera in cameras.items()},
                "redis": redis.url,
                "scenes": folder,
                "alerting": {"spool": tmp_path / "spool", "adapt": False, "false_alarms_per_day": 300},
                "model": model(method).model_dump(),
            },
            "test",
        )

    return config


async def goes_on(events: Events, camera: str, frames: int = 10) -> None:
    """Wait for so many more scored frames of a camera."""
    start = len(events.told)
    for _ in range(frames):
        score = await events.wait_for(ScoredFrame, lambda score: score.camera == camera, start)
        start = events.told.index(score, start) + 1


def states(events: Events, camera: str) -> list[CameraState]:
    found = [status.state for status in events.of(CameraStatus) if status.camera == camera]
    return [state for index, state in enumerate(found) if index == 0 or found[index - 1] is not state]


@pytest.mark.slow
@pytest.mark.parametrize("size", [(1281, 33), (1281, 20)], ids=str)
def test_a_flat_camera_is_offline_with_the_reason_and_the_other_is_watched(
    configured: Callable[..., Config], tmp_path: Path, size: tuple[int, int]
) -> None:
    """Such pictures ended the process: by a segmentation fault, or by an error of OpenCV."""
    config = configured("motion", good={}, flat={"url": str(textured(tmp_path / "flat.avi", size))})

    async def scenario() -> Events:
        async with watching(config) as (monitor, events):
            status = await events.wait_for_state("flat", CameraState.OFFLINE)
            assert status.reason == f"pictures of {size[0]}x{size[1]} pixels are too flat to watch for motion"
            assert status.retry_in_s is not None
            await goes_on(events, "good")
            monitor._count()
            assert monitor.figures["flat"].failures >= 1
        return events

    assert states(asyncio.run(scenario()), "good") == ["connecting", "online"]


@pytest.mark.parametrize("shared", [True, False], ids=["in one scene", "in scenes of their own"])
def test_a_camera_whose_observation_fails_is_offline_until_it_can_be_scored_again(
    configured: Callable[..., Config],
    scenes: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    shared: bool,
) -> None:
    folder = tmp_path / "scenes"
    folder.mkdir()
    for name in ("motion", "other"):
        (folder / name).symlink_to(scenes / "motion")
    config = configured("motion", folder=folder, good={}, bad={} if shared else {"scene": "other"})
    failing, observed = asyncio.Event(), Observer._objects
    failing.set()

    def objects(self: Observer, frame: Frame, *others: Any) -> Any:
        if frame.camera == "bad" and failing.is_set():
            raise ZeroDivisionError("a strange picture")
        return observed(self, frame, *others)

    monkeypatch.setattr(Observer, "_objects", objects)

    async def scenario() -> Events:
        async with watching(config) as (monitor, events):
            status = await events.wait_for_state("bad", CameraState.OFFLINE)
            assert status.reason == "its pictures can't be scored (internal error, ZeroDivisionError)"
            assert status.retry_in_s == SOON_S
            await goes_on(events, "good")
            assert [score.camera for score in events.of(ScoredFrame) if score.camera == "bad"] == []
            failing.clear()
            mended_at = len(events.told)
            await events.wait_for(
                CameraStatus, lambda each: (each.camera, each.state) == ("bad", "online"), mended_at
            )
            await goes_on(events, "bad", 3)
            monitor._count()
            bad, good = monitor.figures["bad"], monitor.figures["good"]
            assert bad.failures >= 2
            assert bad.dropped >= bad.failures
            assert good.failures == 0
            text = Metrics(config, monitor.figures, Gauges(), dict, int).exposition("")[0].decode()
            assert f'streammon_camera_failures_total{{camera="bad"}} {float(bad.failures)}' in text
        return events

    events = asyncio.run(scenario())
    assert states(events, "good") == ["connecting", "online"]
    assert states(events, "bad")[-2:] == ["offline", "online"]
    seqs = [score.seq for score in events.of(ScoredFrame) if score.camera == "good"]
    assert seqs == sorted(set(seqs))  # no frame twice, though a shared batch was tried again
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith("camera 'bad': its pictures can't be scored: ZeroDivisionError in ")


def test_a_camera_whose_bank_gives_no_number_is_offline_and_the_other_is_watched(
    configured: Callable[..., Config], scenes: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "scenes"
    for name in ("padim", "spoiled"):
        (folder / name).mkdir(parents=True)
        for file in (scenes / "padim").iterdir():
            (folder / name / file.name).write_bytes(file.read_bytes())
    spoil(folder / "spoiled" / BANK_FILE)
    config = configured("padim", folder=folder, good={}, bad={"scene": "spoiled"})

    async def scenario() -> Events:
        async with watching(config) as (_, events):
            status = await events.wait_for_state("bad", CameraState.OFFLINE)
            assert status.reason == "its pictures can't be scored (internal error, ValueError)"
            await goes_on(events, "good")
        return events

    events = asyncio.run(scenario())
    assert {score.camera for score in events.of(ScoredFrame)} == {"good"}


def spoil(bank: Path) -> None:
    """Turn the means of a bank to nan, as a broken memory module does."""
    with safe_open(bank, "pt") as opened:
        facts = opened.metadata()
    tensors = load_file(bank)
    name = next(name for name in tensors if "mean" in name)
    tensors[name] = tensors[name] * float("nan")
    save_file(tensors, bank, facts)


def test_a_camera_whose_reader_fails_is_offline_and_the_other_is_watched(
    configured: Callable[..., Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = CameraReader._keep

    def kept(self: CameraReader, *frame: Any) -> None:
        if self.name == "bad":
            raise OverflowError("a strange timestamp")
        keep(self, *frame)

    monkeypatch.setattr(CameraReader, "_keep", kept)

    async def scenario() -> Events:
        async with watching(configured("padim", good={}, bad={})) as (_, events):
            status = await events.wait_for_state("bad", CameraState.OFFLINE)
            assert status.reason == "internal error (OverflowError)"
            await goes_on(events, "good")
        return events

    assert states(asyncio.run(scenario()), "good") == ["connecting", "online"]


def test_a_scene_that_cannot_be_learned_is_learned_again_from_the_beginning(
    configured: Callable[..., Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries, finish = [], SceneLearner.finish

    def finished(self: SceneLearner, **options: bool) -> Any:
        tries.append(self)
        if len(tries) == 1:
            raise FootageError("scene 'new'", "it shows nothing", "give it light")
        return finish(self, **options)

    monkeypatch.setattr(SceneLearner, "finish", finished)
    new = {"scene": "new", "learn_for": "8s", "play": "fast"}
    config = configured("padim", folder=tmp_path / "scenes", bad=new)

    async def scenario() -> Events:
        async with watching(config) as (_, events):
            await events.wait_for(ScoredFrame, lambda score: score.camera == "bad")
        return events

    notices = [notice.text for notice in asyncio.run(scenario()).of(Notice)]
    assert "scene 'new': it shows nothing; give it light; learning begins again" in notices
    assert notices[-1].startswith("scene 'new' is learned; alerts open at score ")
    assert tries[0] is not tries[1]
