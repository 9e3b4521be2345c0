"""A running monitor goes on with a scene that was fitted meanwhile; with the old one if the new is of no use."""

import asyncio
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from streammon.config import Config, ModelConfig
from streammon.errors import BankError
from streammon.live import reloading
from streammon.live.scenes import LiveScene
from streammon.padim import BANK_FILE, Backbone, as_batch, load_backbone
from streammon.records import Alert, AlertEvent, Frame, Notice, ScoredFrame, Verdict
from streammon.scene import NewFiles, put_back
from streammon.scene.fit import FitOptions, fit_scene
from streammon.scene.replacing import FILES
from support.courtyard import FPS, courtyard, encode
from support.monitors import Events, threads_left, watching
from support.precision import LIVE
from support.redis_server import RedisServer

MODEL = {"method": "padim", "dimensions": 16, **LIVE}
WATCHED_FRAMES = 300
"""Half a minute: many times what it takes to notice a change and to load a scene."""


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return load_backbone(ModelConfig.model_validate(MODEL))


@pytest.fixture(scope="module")
def fits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of one scene: `first`, learned from 16 s, `second`, from 24 s, and `another`, with other scores."""
    folder = tmp_path_factory.mktemp("fits")
    for name, seconds, model in (
        ("first", 16, {}),
        ("second", 24, {}),
        ("another", 16, {"frame_score": "worst_percent"}),
    ):
        clip = encode(folder / f"{name}.mp4", courtyard(seconds))
        options = FitOptions(score_fps=FPS)
        fit_scene(name, [clip], folder / name, ModelConfig.model_validate(MODEL | model), options, lambda *_: None)
    return folder


@pytest.fixture(scope="module")
def watched_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return encode(tmp_path_factory.mktemp("watched") / "clip.mp4", courtyard(WATCHED_FRAMES / FPS, seed=7))


@pytest.fixture
def scenes(tmp_path: Path, fits: Path) -> Path:
    """A folder with the scenes `yard` and `gate`, both as first learned."""
    for scene in ("yard", "gate"):
        replace_files(tmp_path / "scenes" / scene, fits / "first")
    return tmp_path / "scenes"


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(reloading, "CHECK_S", 0.05)
    yield
    assert threads_left() == []


def replace_files(scene: Path, fit: Path) -> None:
    """Put the files of a fit in place, as `streammon fit` does."""
    with NewFiles(scene) as new:
        for name in FILES:
            if (fit / name).exists():
                shutil.copy(fit / name, new.folder / name)
        new.commit()


def configured(scenes: Path, redis: str = "embedded", clip: str = "rtsp://127.0.0.1/x", **alerting: object) -> Config:
    asked = {"false_alarms_per_day": 300, "spool": scenes.parent / "spool", "adapt": False} | alerting
    cameras = {name: {"url": clip, "play": "fast", "score_fps": FPS, "scene": name} for name in ("yard", "gate")}
    if clip.startswith("rtsp"):
        cameras = {name: {"url": clip, "score_fps": FPS, "scene": name} for name in ("yard", "gate")}
    values = {"cameras": cameras, "redis": redis, "scenes": scenes, "alerting": asked, "model": MODEL}
    return Config.parse(values, "test")


# --- in a running monitor


def is_frame(camera: str, seq: int, score: ScoredFrame) -> bool:
    return (score.camera, score.seq) == (camera, seq)


@pytest.mark.slow
def test_a_monitor_goes_on_with_a_new_fit_and_no_frame_of_any_camera_is_lost(
    scenes: Path, fits: Path, watched_clip: Path, redis: RedisServer, quick: None
) -> None:
    config = configured(scenes, redis.url, str(watched_clip))

    async def scenario() -> Events:
        async with watching(config) as (_, events):
            await events.wait_for(ScoredFrame, lambda score: score.seq >= 40)
            await asyncio.to_thread(replace_files, scenes / "yard", fits / "second")
            await events.wait_for(Notice, lambda notice: "have changed" in notice.text)
            for last in ("yard", "gate"):
                await events.wait_for(ScoredFrame, partial(is_frame, last, WATCHED_FRAMES - 1))
        return events

    events = asyncio.run(scenario())
    scores = events.of(ScoredFrame)
    yard, gate = ([score for score in scores if score.camera == name] for name in ("yard", "gate"))
    assert [score.seq for score in yard] == [score.seq for score in gate] == list(range(WATCHED_FRAMES))
    thresholds = [score.threshold for score in yard]
    before, after = thresholds[0], thresholds[-1]
    assert before != after
    changed = thresholds.index(after)
    assert 0 < changed < WATCHED_FRAMES
    assert thresholds == [before] * changed + [after] * (WATCHED_FRAMES - changed)
    assert {score.threshold for score in gate} == {before}
    told = [notice.text for notice in events.of(Notice) if "scene" in notice.text]
    assert told == [
        f"scene 'yard': its files have changed and are used from now on; alerts open at score {after:.1f}, "
        "levels rest on 11 s of normal footage"
    ]


@pytest.mark.parametrize("broken", ["cut short", "another frame score", "gone"])
def test_a_fit_of_no_use_is_told_once_and_the_old_scene_goes_on(
    scenes: Path, fits: Path, watched_clip: Path, redis: RedisServer, quick: None, broken: str
) -> None:
    config = configured(scenes, redis.url, str(watched_clip))
    bank = scenes / "yard" / BANK_FILE

    def spoil() -> None:
        match broken:
            case "cut short":
                bank.write_bytes(bank.read_bytes()[:1000])
            case "another frame score":
                replace_files(scenes / "yard", fits / "another")
            case "gone":
                bank.unlink()

    async def scenario() -> tuple[Events, list[ScoredFrame]]:
        async with watching(config) as (_, events):
            await events.wait_for(ScoredFrame, lambda score: score.camera == "yard" and score.seq >= 40)
            await asyncio.to_thread(spoil)
            await events.wait_for(Notice, lambda notice: "stays as it was loaded" in notice.text)
            told_at = len(events.told)
            await events.wait_for(ScoredFrame, lambda score: score.camera == "yard", start=told_at)
            await asyncio.to_thread(replace_files, scenes / "yard", fits / "second")  # and what can be used, is used
            await events.wait_for(Notice, lambda notice: "are used from now on" in notice.text)
            later = [event for event in events.told[told_at:] if isinstance(event, ScoredFrame)]
        return events, later

    events, later = asyncio.run(scenario())
    told = [notice.text for notice in events.of(Notice) if "stays as it was loaded" in notice.text]
    assert len(told) == 1
    assert told[0].startswith("scene 'yard': ")
    assert {score.threshold for score in later if score.camera == "gate"} == {events.of(ScoredFrame)[0].threshold}


# --- what was watched, and open alerts


class Yard:
    """The scene of a running monitor, shown the courtyard a frame at a time."""

    def __init__(self, scenes: Path, backbone: Backbone) -> None:
        self.scene = LiveScene("yard", configured(scenes, adapt=True), backbone, None)
        self._backbone = backbone
        self._pictures = courtyard(20, seed=9)
        self._seen = 0

    def see(self, frames: int) -> list[ScoredFrame]:
        found: list[ScoredFrame] = []
        for _ in range(frames):
            picture = np.ascontiguousarray(np.resize(self._pictures[self._seen % 200], (256, 256, 3)))
            time_s = self._seen / FPS
            frame = Frame("yard", self._seen, picture, (320, 240), time_s, 1000.0 + time_s)
            outcomes = self.scene.score_or_learn([frame], self._backbone.maps(as_batch([picture])))
            found += [outcome for outcome in outcomes if isinstance(outcome, ScoredFrame)]
            self._seen += 1
        return found

    def tell(self, message: Alert | Verdict) -> None:
        self.scene.queue_feedback(message)


def alert(event: AlertEvent) -> Alert:
    return Alert("a", event, 0, "yard", "yard", 0.0, 0.0, 0.0, 9.0, 0.0, 9.0, 0.0)


def watched_s(yard: Yard) -> float:
    scorer = yard.scene._scorer
    assert scorer is not None
    assert scorer.online is not None
    return scorer.online.state.watched_s


def test_files_that_have_not_changed_are_not_loaded(scenes: Path, backbone: Backbone) -> None:
    yard = Yard(scenes, backbone)
    assert yard.scene.reload() == ""
    yard.see(4)
    yard.scene.save_watched()
    assert yard.scene.reload() == ""


def test_what_was_watched_goes_on_where_the_fit_is_the_same(scenes: Path, fits: Path, backbone: Backbone) -> None:
    yard = Yard(scenes, backbone)
    yard.see(21)
    replace_files(scenes / "yard", fits / "first")
    assert "have changed" in yard.scene.reload()
    yard.see(10)
    assert watched_s(yard) == pytest.approx(3.0)


def test_what_was_watched_begins_anew_with_another_fit(scenes: Path, fits: Path, backbone: Backbone) -> None:
    yard = Yard(scenes, backbone)
    (before, *_) = yard.see(21)
    replace_files(scenes / "yard", fits / "second")
    assert "have changed" in yard.scene.reload()
    assert watched_s(yard) == pytest.approx(2.0)  # until the next frame
    (after, *_) = yard.see(11)
    assert after.threshold != before.threshold
    assert watched_s(yard) == pytest.approx(1.0)


def test_what_was_watched_before_a_fit_goes_on_when_the_fit_is_undone(
    scenes: Path, fits: Path, backbone: Backbone
) -> None:
    yard = Yard(scenes, backbone)
    yard.see(21)
    yard.scene.save_watched()
    replace_files(scenes / "yard", fits / "second")
    yard.scene.reload()
    yard.see(5)
    put_back(scenes / "yard")
    yard.scene.save_watched()  # of the fit that was undone: not written over what was put back
    yard.scene.reload()
    (again, *_) = yard.see(1)
    assert watched_s(yard) == pytest.approx(2.0)
    assert again.threshold == pytest.approx(Yard(scenes, backbone).scene.threshold)


def test_the_frames_of_an_alert_that_was_open_at_the_change_are_not_taken_for_normal(
    scenes: Path, fits: Path, backbone: Backbone
) -> None:
    yard = Yard(scenes, backbone)
    yard.see(5)
    yard.tell(alert(AlertEvent.OPEN))
    yard.see(5)
    replace_files(scenes / "yard", fits / "second")
    yard.scene.reload()
    yard.see(11)
    assert watched_s(yard) == 0
    yard.tell(alert(AlertEvent.CLOSE))
    yard.see(11)
    assert watched_s(yard) == pytest.approx(1.1)


def test_a_scene_that_is_learned_takes_a_fit_that_comes_meanwhile(
    scenes: Path, fits: Path, backbone: Backbone
) -> None:
    shutil.rmtree(scenes / "yard")
    yard = Yard(scenes, backbone)
    assert yard.see(5) == []
    assert yard.scene.reload() == ""
    replace_files(scenes / "yard", fits / "second")
    assert "have changed" in yard.scene.reload()
    assert len(yard.see(3)) == 3
    assert not yard.scene.learning


@pytest.mark.slow
def test_a_scene_at_another_rate_is_refused_and_the_old_one_goes_on(
    scenes: Path, fits: Path, backbone: Backbone, tmp_path: Path
) -> None:
    yard = Yard(scenes, backbone)
    (before, *_) = yard.see(1)
    slow = tmp_path / "slow"
    clip = encode(tmp_path / "slow.mp4", courtyard(24))
    fit_scene("slow", [clip], slow, ModelConfig.model_validate(MODEL), FitOptions(score_fps=2.0), lambda *_: None)
    replace_files(scenes / "yard", slow)
    with pytest.raises(BankError, match="it was learned at 2 frames a second, its cameras are scored at 10 frames"):
        yard.scene.reload()
    assert yard.scene.reload() == ""
    (after, *_) = yard.see(1)
    assert after.threshold == before.threshold
