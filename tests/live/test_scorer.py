"""How a scene learns live, in its own time, whatever its cameras do; and what it says once it watches."""

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from streammon.calibration import LEAST_FRAMES
from streammon.config import Config
from streammon.errors import BankError, ConfigError
from streammon.ingest import LatestFrames
from streammon.live.scenes import LiveScene, Outcome
from streammon.live.scorer import ScorerThread
from streammon.motion import Observer
from streammon.padim import (
    BANK_FILE,
    INPUT_SIZE,
    STATISTICS_FILE,
    Backbone,
    Bank,
    as_batch,
    load_backbone,
)
from streammon.records import Alert, AlertEvent, Channel, Frame, SceneProgress, ScoredFrame, Verdict
from streammon.scene import MOTION_FILE, SceneLearner, save_scene
from streammon.scene.watched import WATCHED_FILE
from support.precision import COMPUTED
from support.staging_street import WALK_Y, Walker
from support.walking_frames import frames_of, walking

LEARN_S = 20.0
LEARNED = 208
"""Frames of the street, 10 a second, after which it is learned."""


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return load_backbone(configured(Path("scenes")).model)


def configured(scenes: Path, method: str = "padim", cameras: Mapping[str, dict[str, object]] | None = None) -> Config:
    known = cameras or {"one": {}, "two": {}}
    each = {"url": "rtsp://127.0.0.1/x", "scene": "yard", "learn_for": LEARN_S}
    return Config.parse(
        {
            "cameras": {name: each | camera for name, camera in known.items()},
            "scenes": scenes,
            "model": {"dimensions": 8, "method": method, **COMPUTED},
            "alerting": {"false_alarms_per_day": 10_000},  # seconds of footage can't promise fewer
        },
        "test",
    )


class Yard:
    """A scene that is given noise, a frame at a time, at times of one's choice."""

    def __init__(self, folder: Path, backbone: Backbone, *cameras: str) -> None:
        config = configured(folder, cameras={camera: {} for camera in cameras})
        self.scene = LiveScene("yard", config, backbone, None)
        self.outcomes: list[Outcome] = []
        self._backbone = backbone
        self._rng = np.random.default_rng(0)
        self._seq = 0

    def see(self, camera: str, time_s: float) -> None:
        picture = self._rng.integers(0, 255, (INPUT_SIZE, INPUT_SIZE, 3), dtype=np.uint8)
        frame = Frame(camera, self._seq, picture, (640, 360), time_s, 1000.0 + time_s)
        self._seq += 1
        self.outcomes += self.scene.score_or_learn([frame], self._backbone.maps(as_batch([picture])))


def test_the_time_of_a_scene_with_two_cameras_is_the_mean_of_theirs(tmp_path: Path, backbone: Backbone) -> None:
    yard = Yard(tmp_path, backbone, "one", "two")
    for step in range(11):
        yard.see("one", step)
        if step % 2 == 0:
            yard.see("two", step / 2 + 0.4)
    assert yard.scene.progress == pytest.approx((10 + 5) / 2 / LEARN_S)


def test_a_pause_is_not_learned_and_a_clock_set_back_costs_one_step(tmp_path: Path, backbone: Backbone) -> None:
    yard = Yard(tmp_path, backbone, "one")
    for time_s in (0, 4, 8, 60, 64, -3600, -3596):
        yard.see("one", time_s)
    assert yard.scene.progress == pytest.approx((4 + 4 + 4 + 4) / LEARN_S)


def test_a_scene_learns_then_holds_out_then_watches(tmp_path: Path, backbone: Backbone) -> None:
    yard = Yard(tmp_path, backbone, "one")
    for step in range(22):
        yard.see("one", step)
    progress = [outcome for outcome in yard.outcomes if isinstance(outcome, SceneProgress)]
    assert [outcome.done for outcome in progress] == [False] * (len(progress) - 1) + [True]
    # half of 20 s is over with frame 10; the frames after it, up to frame 20, are held out and learned as well
    facts = Bank.load(tmp_path / "yard").facts
    assert (facts.frames, facts.calibration_frames) == (21, LEAST_FRAMES)
    scores = [outcome for outcome in yard.outcomes if isinstance(outcome, ScoredFrame)]
    assert [score.seq for score in scores] == [21]
    assert scores[0].threshold == yard.scene.threshold > 0
    assert scores[0].basis_s == yard.scene.basis_s == pytest.approx(10.0)
    assert (yard.scene.learning, yard.scene.progress) == (False, 1.0)


def test_a_bank_learned_at_another_rate_is_refused_with_both_named(tmp_path: Path, backbone: Backbone) -> None:
    yard = Yard(tmp_path, backbone, "one")
    for step in range(21):
        yard.see("one", step)
    with pytest.raises(BankError) as refused:
        LiveScene("yard", configured(tmp_path, cameras={"one": {"score_fps": 2}}), backbone, None)
    assert str(refused.value) == (
        "scene 'yard': it was learned at 5 frames a second, its cameras are scored at 2 frames a second; "
        "fit it again with `streammon fit --scene yard --score-fps 2`, or set score_fps"
    )


def test_a_bank_without_calibration_is_refused_before_any_frame(tmp_path: Path, backbone: Backbone) -> None:
    rng = np.random.default_rng(0)
    learner = SceneLearner(
        "yard", backbone, configured(tmp_path).model, None, total_s=8.0, hold_out=0.0, score_fps=5.0
    )
    picture = rng.integers(0, 255, (INPUT_SIZE, INPUT_SIZE, 3), dtype=np.uint8)
    frames = [Frame("one", n, picture, (640, 360), n / 5, 0.0) for n in range(2)]
    learner.learn(frames, backbone.maps(as_batch([picture, picture])))
    save_scene(tmp_path / "yard", learner.finish(), ["noise"])
    with pytest.raises(BankError) as refused:
        LiveScene("yard", configured(tmp_path), backbone, None)
    assert str(refused.value) == (
        "scene 'yard': its bank has no calibration; fit it again on more footage, without --hold-out 0"
    )


def test_two_cameras_that_learn_one_scene_for_different_times_are_refused(tmp_path: Path, backbone: Backbone) -> None:
    config = configured(tmp_path, cameras={"one": {}, "two": {"learn_for": "5m"}})
    with pytest.raises(ConfigError) as refused:
        ScorerThread(config, backbone, LatestFrames(), print, print)
    assert str(refused.value) == (
        "cameras.two.learn_for: it and cameras.one learn scene 'yard' for different times; give both the same"
    )


# --- what moves


def take_all(scene: LiveScene, frames: list[Frame], backbone: Backbone) -> list[Outcome]:
    """What a scene makes of frames, eight at a time."""
    outcomes: list[Outcome] = []
    for first in range(0, len(frames), 8):
        batch = frames[first : first + 8]
        outcomes += scene.score_or_learn(batch, backbone.maps(as_batch([frame.picture for frame in batch])))
    return outcomes


def scores_of(outcomes: list[Outcome]) -> list[ScoredFrame]:
    return [outcome for outcome in outcomes if isinstance(outcome, ScoredFrame)]


def street_scene(folder: Path, backbone: Backbone) -> LiveScene:
    """The street as it is kept there, else still to be learned."""
    return LiveScene("yard", configured(folder, "motion", {"one": {}}), backbone, Observer(backbone))


@pytest.fixture(scope="module")
def learned(backbone: Backbone, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, LiveScene]:
    """A street whose walkers were learned live, at 10 frames a second for 20 s, and its folder."""
    folder = tmp_path_factory.mktemp("street")
    scene = street_scene(folder, backbone)
    outcomes = take_all(scene, frames_of(walking(0, LEARNED)), backbone)
    assert isinstance(outcomes[-1], SceneProgress)
    assert outcomes[-1].done
    return folder, scene


@pytest.mark.slow
def test_what_moves_is_learned_live_and_who_runs_is_told_by_the_speed(
    learned: tuple[Path, LiveScene], backbone: Backbone
) -> None:
    _, scene = learned
    runner = Walker(LEARNED + 16, 0, WALK_Y, 18)  # six times as fast as anybody before
    scores = scores_of(take_all(scene, frames_of(walking(LEARNED, LEARNED + 40, [runner]), "east"), backbone))
    assert len(scores) == 40
    calm, fast = scores[:16], scores[21:32]
    assert max(score.level for score in calm) < min(score.level for score in fast)
    assert all(score.score > 2 * score.threshold for score in fast)
    assert max(fast, key=lambda score: score.score).channel is Channel.SPEED
    assert sum(score.channel is Channel.SPEED for score in fast) >= 9  # of eleven
    peaks = [(score.score, float(score.anomaly_map.max())) for score in scores]
    assert all(peak == pytest.approx(height, rel=1e-5) for height, peak in peaks)
    hottest = fast[5].anomaly_map
    row, column = np.unravel_index(int(hottest.argmax()), hottest.shape)
    x = 18 * (fast[5].seq - 16) + 7
    assert (column / INPUT_SIZE * 320, row / INPUT_SIZE * 200) == pytest.approx((x, WALK_Y + 15), abs=30)


def test_a_scene_loaded_again_scores_as_the_one_that_learned(
    learned: tuple[Path, LiveScene], backbone: Backbone
) -> None:
    folder, scene = learned
    again = street_scene(folder, backbone)
    frames = frames_of(walking(LEARNED, LEARNED + 16, [Walker(LEARNED, 0, WALK_Y, 12)]), "west")
    first, second = (scores_of(take_all(each, frames, backbone)) for each in (scene, again))
    assert [score.score for score in first] == pytest.approx([score.score for score in second], rel=1e-4)
    assert [score.channel for score in first] == [score.channel for score in second]
    assert again.threshold == pytest.approx(scene.threshold)


def test_the_motion_file_alone_is_read_at_the_start(
    learned: tuple[Path, LiveScene], tmp_path: Path, backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tails and kernel widths are in it; held-out frames are in the statistics, which `--add` and `merge` need."""
    monkeypatch.delattr("streammon.motion.evidence.chosen_width")  # the cross-validation, which takes a second
    folder, scene = learned
    shutil.copytree(folder / "yard", tmp_path / "yard")
    (tmp_path / "yard" / STATISTICS_FILE).unlink()
    frames = frames_of(walking(LEARNED, LEARNED + 8), "alone")
    found = [scores_of(take_all(street_scene(place, backbone), frames, backbone)) for place in (folder, tmp_path)]
    assert [score.score for score in found[0]] == [score.score for score in found[1]]
    assert {score.threshold for each in found for score in each} == {scene.threshold}


def test_two_cameras_of_one_scene_are_told_apart(learned: tuple[Path, LiveScene], backbone: Backbone) -> None:
    folder, _ = learned
    frames = frames_of(walking(LEARNED, LEARNED + 12), "left")
    alone = scores_of(take_all(street_scene(folder, backbone), frames, backbone))
    others = frames_of(walking(LEARNED, LEARNED + 12, [Walker(LEARNED, 0, WALK_Y, 12)]), "right")
    mixed = [frame for pair in zip(frames, others, strict=True) for frame in pair]
    both = scores_of(take_all(street_scene(folder, backbone), mixed, backbone))
    left = [score.score for score in both if score.camera == "left"]
    assert left == pytest.approx([score.score for score in alone], rel=1e-3, abs=1e-3)


def test_a_camera_too_slow_for_motion_is_judged_by_its_looks(
    learned: tuple[Path, LiveScene], backbone: Backbone
) -> None:
    folder, _ = learned
    scores = scores_of(
        take_all(street_scene(folder, backbone), frames_of(walking(LEARNED, LEARNED + 8), "slow", fps=0.5), backbone)
    )
    assert len(scores) == 8
    assert {score.channel for score in scores if score.score > 0} <= {Channel.LOOKS}


def test_a_scene_that_only_a_slow_camera_shows_is_learned_and_watched(tmp_path: Path, backbone: Backbone) -> None:
    scene = street_scene(tmp_path, backbone)
    outcomes = take_all(scene, frames_of(walking(0, 48), "slow", fps=1), backbone)
    assert not scene.learning
    assert len(scores_of(outcomes)) == 24
    assert all(np.isfinite(score.score) for score in scores_of(outcomes))


def test_frames_without_detail_are_scored_by_looks_with_the_calibration_of_looks(
    street: Path, backbone: Backbone
) -> None:
    scene, alone = street_scene(street, backbone), LiveScene("yard", configured(street), backbone, None)
    before_s = scene.basis_s
    frames = frames_of(walking(LEARNED, LEARNED + 8, [Walker(LEARNED, 0, WALK_Y, 12)]), "east")
    mixed = [replace(frame, detail=None) if frame.seq % 2 else frame for frame in frames]
    scores = scores_of(take_all(scene, mixed, backbone))
    by_looks = scores_of(take_all(alone, frames, backbone))
    assert [score.seq for score in scores] == list(range(8))
    for score, looks in list(zip(scores, by_looks, strict=True))[1::2]:
        assert (score.channel, score.moves) == (Channel.LOOKS, False)
        assert score.level == pytest.approx(looks.level)
        assert (score.score >= score.threshold) == (looks.score >= looks.threshold)
        assert score.anomaly_map.max() == pytest.approx(score.score, rel=1e-5)
    assert all(score.moves for score in scores[2::2])
    scene.save_watched()
    watched_s = street_scene(street, backbone).basis_s - before_s
    assert watched_s == pytest.approx(0.6)  # from the first frame with motion to the last


def test_a_scene_learned_without_motion_is_refused_where_motion_is_asked_for(
    learned: tuple[Path, LiveScene], tmp_path: Path, backbone: Backbone
) -> None:
    folder, _ = learned
    shutil.copytree(folder / "yard", tmp_path / "yard")
    file = tmp_path / "yard" / MOTION_FILE
    file.unlink()
    with pytest.raises(BankError) as refused:
        street_scene(tmp_path, backbone)
    assert str(refused.value) == (
        f"scene 'yard': it has no motion file ({file}); "
        "fit it again with `streammon fit --scene yard`, or set model.method to padim"
    )


def test_a_scene_learned_with_motion_serves_padim_alone(learned: tuple[Path, LiveScene], backbone: Backbone) -> None:
    folder, _ = learned
    scene = LiveScene("yard", configured(folder), backbone, None)
    frames = frames_of(walking(0, 8))
    maps = backbone.maps(as_batch([frame.picture for frame in frames]))
    anomaly_maps, scores = Bank.load(folder / "yard").prepare(backbone.device).score(maps)
    found = scores_of(scene.score_or_learn(frames, maps))
    assert [score.score for score in found] == scores.tolist()
    assert all(np.array_equal(one.anomaly_map, other) for one, other in zip(found, anomaly_maps.numpy(), strict=True))


# --- what is watched


@pytest.fixture
def street(learned: tuple[Path, LiveScene], tmp_path: Path) -> Path:
    """A folder of the test's own with the learned street in it."""
    shutil.copytree(learned[0], tmp_path, dirs_exist_ok=True)
    return tmp_path


def message(event: AlertEvent) -> Alert:
    return Alert("a", event, 0, "east", "yard", 0.0, 0.0, 0.0, 9.0, 0.0, 9.0, 0.0)


def test_levels_rest_on_what_was_watched_after_a_restart(street: Path, backbone: Backbone) -> None:
    scene = street_scene(street, backbone)
    learned_s = scene.basis_s
    take_all(scene, frames_of(walking(LEARNED, LEARNED + 40), "east"), backbone)
    scene.save_watched()
    assert street_scene(street, backbone).basis_s == pytest.approx(learned_s + 3.9)


def test_frames_of_an_open_alert_are_not_taken_for_normal(street: Path, backbone: Backbone) -> None:
    scene = street_scene(street, backbone)
    learned_s, frames = scene.basis_s, frames_of(walking(LEARNED, LEARNED + 40), "east")
    take_all(scene, frames[:8], backbone)
    scene.queue_feedback(message(AlertEvent.OPEN))
    take_all(scene, frames[8:24], backbone)
    scene.queue_feedback(message(AlertEvent.CLOSE))
    take_all(scene, frames[24:], backbone)
    scene.save_watched()
    assert street_scene(street, backbone).basis_s == pytest.approx(learned_s + 3.9 - 1.6)


def test_each_alert_raises_the_threshold_until_it_is_called_real(street: Path, backbone: Backbone) -> None:
    scene, frames = street_scene(street, backbone), frames_of(walking(LEARNED, LEARNED + 24), "east")
    before = scene.threshold
    scene.queue_feedback(message(AlertEvent.OPEN))
    scene.queue_feedback(message(AlertEvent.CLOSE))
    take_all(scene, frames[:8], backbone)
    raised = scene.threshold
    assert raised > before
    scene.queue_feedback(Verdict("east", "yard", "a", 0.0, 0.0, False, 9.0))
    take_all(scene, frames[8:], backbone)
    assert before == pytest.approx(scene.threshold, rel=1e-3)


@pytest.mark.slow
def test_learning_anew_forgets_what_was_watched(
    learned: tuple[Path, LiveScene], street: Path, backbone: Backbone
) -> None:
    scene = street_scene(street, backbone)
    take_all(scene, frames_of(walking(LEARNED, LEARNED + 16), "east"), backbone)
    scene.save_watched()
    assert (street / "yard" / WATCHED_FILE).exists()
    (street / "yard" / BANK_FILE).unlink()
    take_all(street_scene(street, backbone), frames_of(walking(0, LEARNED)), backbone)
    assert not (street / "yard" / WATCHED_FILE).exists()
