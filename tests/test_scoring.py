"""How a scene learns live: in its own time, whatever its cameras do."""

from pathlib import Path

import numpy as np
import pytest

from streammon.config import Config
from streammon.errors import ConfigError
from streammon.ingest import LatestFrames
from streammon.padim import INPUT_SIZE, LEAST_FRAMES, Backbone, Bank, as_batch, load_backbone
from streammon.records import Frame, FrameScore, SceneProgress
from streammon.scoring import Outcome, Scene, ScorerThread

LEARN_S = 20.0


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return load_backbone(configured(Path("scenes")).model)


def configured(scenes: Path, **cameras: dict[str, object]) -> Config:
    known = cameras or {"one": {}, "two": {}}
    each = {"url": "rtsp://127.0.0.1/x", "scene": "yard", "learn_for": LEARN_S}
    return Config.parse(
        {
            "cameras": {name: each | camera for name, camera in known.items()},
            "scenes": scenes,
            "model": {"dimensions": 8, "method": "padim"},
        },
        "test",
    )


class Yard:
    """A scene that is given noise, a frame at a time, at times of one's choice."""

    def __init__(self, folder: Path, backbone: Backbone) -> None:
        config = configured(folder)
        self.scene = Scene("yard", config, config.cameras["one"], backbone, None)
        self.outcomes: list[Outcome] = []
        self._backbone = backbone
        self._rng = np.random.default_rng(0)
        self._seq = 0

    def see(self, camera: str, time_s: float) -> None:
        picture = self._rng.integers(0, 255, (INPUT_SIZE, INPUT_SIZE, 3), dtype=np.uint8)
        frame = Frame(camera, self._seq, picture, (640, 360), time_s, 1000.0 + time_s)
        self._seq += 1
        self.outcomes += self.scene.take([frame], self._backbone.maps(as_batch([picture])))


def test_two_cameras_on_one_scene_do_not_make_its_time_run_twice_as_fast(tmp_path: Path, backbone: Backbone) -> None:
    yard = Yard(tmp_path, backbone)
    for step in range(11):
        yard.see("one", step)
        yard.see("two", step + 0.4)
    assert yard.scene.progress == pytest.approx(10.4 / LEARN_S)


def test_a_pause_is_not_learned_and_a_clock_set_back_costs_one_step(tmp_path: Path, backbone: Backbone) -> None:
    yard = Yard(tmp_path, backbone)
    for time_s in (0, 4, 8, 60, 64, -3600, -3596):
        yard.see("one", time_s)
    assert yard.scene.progress == pytest.approx((4 + 4 + 4 + 4) / LEARN_S)


def test_a_scene_fits_then_calibrates_then_watches(tmp_path: Path, backbone: Backbone) -> None:
    yard = Yard(tmp_path, backbone)
    for step in range(28):
        yard.see("one", step)
    progress = [outcome for outcome in yard.outcomes if isinstance(outcome, SceneProgress)]
    assert [outcome.done for outcome in progress] == [False] * (len(progress) - 1) + [True]
    # 0.8 of 20 s is reached with frame 16, the 17th; then as many frames as a calibration takes, to frame 26
    facts = Bank.load(tmp_path / "yard").facts
    assert (facts.frames, facts.calibration_frames) == (17, LEAST_FRAMES)
    scores = [outcome for outcome in yard.outcomes if isinstance(outcome, FrameScore)]
    assert [score.seq for score in scores] == [27]
    assert scores[0].threshold == yard.scene.threshold > 0
    assert (yard.scene.learning, yard.scene.progress) == (False, 1.0)


def test_two_cameras_that_learn_one_scene_for_different_times_are_refused(tmp_path: Path, backbone: Backbone) -> None:
    config = configured(tmp_path, one={}, two={"learn_for": "5m"})
    with pytest.raises(ConfigError) as refused:
        ScorerThread(config, backbone, LatestFrames(), print, print)
    assert str(refused.value) == (
        "cameras.two.learn_for: it and cameras.one learn scene 'yard' for different times; give both the same"
    )
