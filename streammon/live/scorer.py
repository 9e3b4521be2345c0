"""The one thread that owns the device: newest frames of all cameras in, scores and learned banks out."""

import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

from torch import Tensor

from streammon.calibration import HOLD_OUT, LEAST_FRAMES
from streammon.config import CameraConfig, Config
from streammon.errors import BankError, ConfigError, StorageError
from streammon.ingest import LatestFrames
from streammon.motion import (
    Observer,
)
from streammon.padim import (
    BANK_FILE,
    Backbone,
    as_batch,
)
from streammon.records import Frame, SceneProgress, ScoredFrame
from streammon.scene import (
    Judge,
    Learning,
    configured_observer,
    load_judge,
)

TAKE_TIMEOUT_S = 0.25  # how soon the thread sees that it shall end
LONGEST_STEP_S = 10.0  # between two frames; more is a pause, in which nothing is learned, nor calibrated
PROGRESS_STEP = 0.01

Outcome = ScoredFrame | SceneProgress


class Scene:
    """One scene while the monitor runs: it learns until it has a bank, then it watches.

    Attributes:
        name: Its name.
        folder: Where its bank is kept.
        threshold: Frame score at which its alerts open; nan while it learns.
    """

    def __init__(
        self, name: str, config: Config, camera: CameraConfig, backbone: Backbone, observer: Observer | None
    ) -> None:
        """Load the scene's bank, or begin to learn it where it has none.

        Args:
            name: Its name.
            config: The whole configuration.
            camera: One of its cameras.
            backbone: Whose maps come with the frames.
            observer: What looks at the frames; None where `model.method` is padim.

        Raises:
            BankError: Its bank is broken, uncalibrated, or was fitted with something else.
        """
        self.name = name
        self.folder = config.scenes / name
        self._backbone = backbone
        self._observer = observer
        self._open_level = config.alerting.open_level
        self._judge: Judge | None = None
        self._learner: Learning | None = None
        self.threshold = float("nan")
        if (self.folder / BANK_FILE).exists():
            self._watch_with(load_judge(self.folder, backbone, config.model, observer))
        else:
            if config.model.reduction == "pca":
                found, remedy = "it has no bank, and pca can't be learned live", "fit it first with `streammon fit`"
                raise BankError(f"scene {name!r}", found, remedy)
            self._learner = Learning(name, backbone, config.model, observer)
        self._learn_for_s = camera.learn_for
        self._learned_s = 0.0
        self._told = -1.0
        self._clock_s = float("-inf")  # of the newest frame learned from

    @property
    def learning(self) -> bool:
        """Whether it has no bank yet."""
        return self._judge is None

    @property
    def progress(self) -> float:
        """Fraction of the learning done; 1 once it watches."""
        return min(self._learned_s / self._learn_for_s, 0.999) if self.learning else 1.0

    def take(self, frames: Sequence[Frame], maps: list[Tensor]) -> list[Outcome]:
        """Score frames, or learn from them.

        Args:
            frames: B frames of this scene's cameras.
            maps: Their feature maps, (B, C, h, w) each.
        """
        if self._judge is None:
            return self._learn(frames, maps)
        return [
            ScoredFrame(
                camera=frame.camera,
                scene=self.name,
                seq=frame.seq,
                wall_time_s=frame.wall_time_s,
                stream_time_s=frame.stream_time_s,
                score=reading.score,
                level=self._judge.calibration.level(reading.score),
                threshold=self.threshold,
                anomaly_map=reading.anomaly_map,
                source_size=frame.source_size,
                channel=reading.channel,
            )
            for frame, reading in zip(frames, self._judge.read(frames, maps), strict=True)
        ]

    def _learn(self, frames: Sequence[Frame], maps: list[Tensor]) -> list[Outcome]:
        assert self._learner is not None
        self._learner.learn(frames, maps, [frame.wall_time_s for frame in frames])
        self._advance(max(frame.wall_time_s for frame in frames))
        patches = self._learner.patches
        if not patches.calibrating:
            if self._learned_s >= (1 - HOLD_OUT) * self._learn_for_s and patches.statistics.gaussian.count >= 2:
                self._learner.begin_calibration()
        elif self._learned_s >= self._learn_for_s and len(patches.statistics.scores) >= LEAST_FRAMES:
            return [self._finish(frames[-1].camera)]
        if self.progress - self._told < PROGRESS_STEP:
            return []
        self._told = self.progress
        return [SceneProgress(self.name, self.progress)]

    def _advance(self, now_s: float) -> None:
        """Count the time learned: the scene's, which two cameras on it don't make run twice as fast."""
        step_s = now_s - self._clock_s
        if 0 < step_s <= LONGEST_STEP_S:
            self._learned_s += step_s
        if step_s > 0 or step_s < -LONGEST_STEP_S:  # else a frame of another camera was newer
            self._clock_s = now_s

    def _finish(self, camera: str) -> SceneProgress:
        assert self._learner is not None
        learned, self._learner = self._learner.finish(), None
        trouble = ""
        try:
            learned.save(self.folder, [f"camera {camera}"])
        except StorageError as error:  # watching goes on with the bank in memory
            trouble = str(error)
        self._watch_with(learned.judge(self._backbone, self._observer))
        return SceneProgress(self.name, 1.0, trouble)

    def _watch_with(self, judge: Judge) -> None:
        self.threshold = judge.calibration.score_at(self._open_level)
        self._judge = judge


class ScorerThread:
    """Owns the device. Takes the newest frames, batches them across cameras and scenes, hands on what they say.

    Attributes:
        scenes: By name.
        scored: Frames scored or learned from and handed on, per camera.
    """

    def __init__(
        self,
        config: Config,
        backbone: Backbone,
        latest: LatestFrames,
        deliver: Callable[[list[Outcome]], None],
        failed: Callable[[BaseException], None],
    ) -> None:
        """Prepare every scene; `deliver` and `failed` are called in the scorer's thread.

        Args:
            config: The cameras and their scenes.
            backbone: Where frames go through.
            latest: Where frames come from.
            deliver: Takes each batch's outcomes, in order; may block for a moment, which slows the scorer.
            failed: Takes the error that ended the thread.

        Raises:
            BankError: A scene's bank can't be used.
            ConfigError: Two cameras of one scene ask for different things.
        """
        self._config = config
        self._backbone = backbone
        self._latest = latest
        self._deliver = deliver
        self._failed = failed
        self.scenes = _scenes(config, backbone)
        self.scored: Counter[str] = Counter()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="streammon-scorer", daemon=True)

    def start(self) -> None:
        """Begin to score; once only."""
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to end after the batch at hand, without waiting."""
        self._stopping.set()

    def join(self, timeout_s: float) -> bool:
        """Wait for the thread's end; whether it came in time. One that never began has ended."""
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                frames = self._latest.take(self._config.model.batch, TAKE_TIMEOUT_S)
                if frames:
                    self._deliver(self._score(frames))
                    self.scored.update(frame.camera for frame in frames)
        except BaseException as error:
            self._failed(error)

    def _score(self, frames: list[Frame]) -> list[Outcome]:
        maps = self._backbone.maps(as_batch([frame.picture for frame in frames]))
        by_scene: defaultdict[str, list[int]] = defaultdict(list)
        for index, frame in enumerate(frames):
            by_scene[self._config.scene_of(frame.camera)].append(index)
        outcomes: list[Outcome] = []
        for name, indices in by_scene.items():
            own = maps if len(by_scene) == 1 else [each[indices] for each in maps]
            outcomes += self.scenes[name].take([frames[index] for index in indices], own)
        return outcomes


def observer_for(config: Config, backbone: Backbone) -> Observer | None:
    """What looks at the frames of one scoring thread; None where the patches alone are judged."""
    return configured_observer(config.model, backbone)


def _scenes(config: Config, backbone: Backbone) -> dict[str, Scene]:
    observer = observer_for(config, backbone)
    first: dict[str, str] = {}  # scene → its first camera
    scenes: dict[str, Scene] = {}
    for name, camera in config.cameras.items():
        scene = config.scene_of(name)
        if scene in scenes:
            if scenes[scene].learning and camera.learn_for != config.cameras[first[scene]].learn_for:
                found = f"it and cameras.{first[scene]} learn scene {scene!r} for different times"
                raise ConfigError(f"cameras.{name}.learn_for", found, "give both the same")
            continue
        first[scene] = name
        scenes[scene] = Scene(scene, config, camera, backbone, observer)
    return scenes


def missing_banks(config: Config) -> list[Path]:
    """The bank files of scenes that will be learned live."""
    files = {config.scenes / config.scene_of(name) / BANK_FILE for name in config.cameras}
    return sorted(file for file in files if not file.exists())
