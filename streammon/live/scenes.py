"""Scenes of a running monitor: learned until they have a bank, then scored, and taken over when fitted anew."""

import math
import queue
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from torch import Tensor

from streammon.calibration import LEAST_FRAMES, OnlineCalibration, WatchedState
from streammon.config import Config
from streammon.durations import in_words
from streammon.errors import BankError, ConfigError, StorageError, StreammonError
from streammon.motion import Observer
from streammon.padim import BANK_FILE, Backbone, format_rate
from streammon.records import Alert, AlertEvent, Frame, SceneProgress, ScoredFrame, ScoringStatus, Verdict
from streammon.scene import (
    MOTION_FILE,
    NewFiles,
    NormalPictures,
    Scene,
    SceneLearner,
    SceneScorer,
    is_same_fit,
    load_scene,
    save_scene,
    save_statistics,
    save_watched,
    watching_scorer,
)

PROGRESS_STEP = 0.01

Outcome = ScoredFrame | SceneProgress | ScoringStatus

Watched = tuple[SceneScorer, NormalPictures | None]
"""Scorer of a scene, and whole pictures of its normal footage."""


class LiveScene:
    """One scene in a running monitor: learned until it has a bank, then scored.

    Files that change are loaded by `reload` in another thread and used from a next frame on.

    Attributes:
        name: Name of the scene.
        folder: Folder of the scene's files.
    """

    def __init__(self, name: str, config: Config, backbone: Backbone, observer: Observer | None) -> None:
        """Load the scene's bank, or begin to learn the scene if it has none.

        Args:
            name: Name of the scene.
            config: The whole configuration.
            backbone: Backbone that computes the feature maps of the frames.
            observer: Motion analysis of the frames; None if `model.method` is padim.

        Raises:
            BankError: The bank is broken, uncalibrated, or was fitted with another configuration; or it is missing
                and the reduction is pca, which can't be learned live.
        """
        self.name = name
        self.folder = config.scenes / name
        self._config = config
        self._backbone = backbone
        self._observer = observer
        self._alerting = config.alerting
        self._feedback: queue.SimpleQueue[Alert | Verdict] = queue.SimpleQueue()  # event loop → scorer thread
        self._saved: WatchedState | None = None
        self._scorer: SceneScorer | None = None
        self._pictures: NormalPictures | None = None
        self._reloaded: deque[Watched] = deque(maxlen=1)  # loading thread → scorer thread
        self._writing = threading.Lock()  # while the scene's own files are written and their version is noted
        self._version = _files_version(self.folder)
        self._learner: SceneLearner | None = None
        self._cameras = [camera for each, camera in config.cameras.items() if config.scene_of(each) == name]
        self._learn_for_s = self._cameras[0].learn_for
        self._announced = -1.0
        if (self.folder / BANK_FILE).exists():
            self._scorer, self._pictures = self._loaded()
            return
        if config.model.reduction == "pca":
            found_nothing, remedy = (
                "it has no bank, and pca can't be learned live",
                "fit it first with `streammon fit`",
            )
            raise BankError(f"scene {name!r}", found_nothing, remedy)
        self._learner = self._new_learner()

    def _new_learner(self) -> SceneLearner:
        return SceneLearner(
            self.name,
            self._backbone,
            self._config.model,
            self._observer,
            total_s=self._learn_for_s,
            cameras=len(self._cameras),
            score_fps=self._cameras[0].score_fps,
        )

    @property
    def learning(self) -> bool:
        """True while the scene has no bank."""
        return self._scorer is None

    @property
    def threshold(self) -> float:
        """Frame score at which the scene's alerts open; nan while learning."""
        return float("nan") if self._scorer is None else self._scorer.threshold

    @property
    def basis_s(self) -> float:
        """Seconds of normal footage that the scene's levels are calibrated on; 0 while learning."""
        return 0.0 if self._scorer is None else self._scorer.basis_s

    @property
    def progress(self) -> float:
        """Fraction of learning done; 1 once the scene has a bank."""
        return 1.0 if self._learner is None else min(self._learner.seconds / self._learn_for_s, 0.999)

    @property
    def pictures(self) -> NormalPictures | None:
        """Whole pictures of normal footage; None while learning, or if the scene was learned without them."""
        return self._pictures

    def score_or_learn(self, frames: Sequence[Frame], maps: list[Tensor]) -> list[Outcome]:
        """Score frames, or learn from them.

        Args:
            frames: B frames of this scene's cameras.
            maps: Feature maps of the frames, (B, C, h, w) each.
        """
        self._take_reloaded()
        if self._scorer is not None:
            return list(self._score(self._scorer, frames, maps))
        assert self._learner is not None
        self._learner.learn(frames, maps)
        if self._learner.seconds >= self._learn_for_s and len(self._learner.held_out) >= LEAST_FRAMES:
            return [self._finish(self._learner, frames[-1].camera)]
        if self.progress - self._announced < PROGRESS_STEP:
            return []
        self._announced = self.progress
        return [SceneProgress(self.name, self.progress)]

    def _finish(self, learner: SceneLearner, camera: str) -> SceneProgress:
        try:
            learned = learner.finish()
        except StreammonError as error:  # such pictures can't be learned; later ones perhaps can
            self._learner, self._announced = self._new_learner(), -1.0
            return SceneProgress(self.name, 0.0, f"{error}; learning begins again")
        trouble = ""
        try:
            with self._writing, NewFiles(self.folder) as new:
                save_scene(new.folder, learned, [f"camera {camera}"])
                save_statistics(new.folder, learner)
                new.commit()
                self._version = _files_version(self.folder)
        except StorageError as error:  # watching goes on with the bank in memory
            trouble = f"{error}; the bank is lost when the monitor ends"
        self._scorer, self._pictures = self._watching(learned)
        self._learner = None
        return SceneProgress(self.name, 1.0, trouble)

    def reload(self) -> str:
        """Load the scene's files if they have changed; the next batch is scored with them. For one thread at a time.

        Returns:
            What has changed, in one line; empty if nothing has.

        Raises:
            InputError: The changed files can't be used; the scene stays as it was loaded.
        """
        with self._writing:
            version = _files_version(self.folder)
            if version == self._version:
                return ""
            self._version = version
        loaded = self._loaded()
        self._reloaded.append(loaded)
        scorer, _ = loaded
        basis = in_words(scorer.basis_s, math.floor)
        return (
            f"scene '{self.name}': its files have changed and are used from now on; alerts open at score "
            f"{scorer.threshold:.1f}, levels rest on {basis} of normal footage"
        )

    def _take_reloaded(self) -> None:
        """Go on with files that were loaded meanwhile.

        What was watched goes on if the fit is the same. Otherwise it begins as at a start, and the frames of alerts
        that are open stay no normal ones.
        """
        with suppress(IndexError):
            (scorer, pictures), before = self._reloaded.popleft(), self._scorer
            if before is not None and before.online is not None and scorer.online is not None:
                if is_same_fit(before.calibration, scorer.calibration):
                    scorer.online = before.online
                else:
                    for camera in before.online.open_cameras:
                        scorer.online.alert_opened(camera)
            self._scorer, self._pictures, self._learner, self._saved = scorer, pictures, None, None

    def queue_feedback(self, message: Alert | Verdict) -> None:
        """Queue an alert's open or close or a verdict for the online calibration (`alerting.adapt`). Thread-safe."""
        if self._alerting.adapt and not (isinstance(message, Alert) and message.event is AlertEvent.UPDATE):
            self._feedback.put(message)

    def save_watched(self) -> None:
        """Save the state of the online calibration, if it changed. Callable from any thread, one at a time.

        Raises:
            StorageError: The file can't be written.
        """
        scorer = self._scorer
        if scorer is None or scorer.online is None or scorer.online.state == self._saved:
            return
        state = scorer.online.state
        if _files_version(self.folder) != self._version:  # of another fit, soon to be loaded
            return
        save_watched(self.folder, scorer.calibration, state)
        self._saved = state

    def _score(self, scorer: SceneScorer, frames: Sequence[Frame], maps: list[Tensor]) -> list[ScoredFrame]:
        online = scorer.online
        if online is None:
            return self._checked(scorer.score(frames, maps))
        while not self._feedback.empty():
            self._apply_feedback(online, self._feedback.get_nowait())
        scored = self._checked(scorer.score(frames, maps))
        for frame, each in zip(frames, scored, strict=True):
            # The calibration is of frames with motion. Those of a change of light would only raise the threshold.
            if not scorer.scores_looks_only(frame) and not frame.light_changes:
                online.watch(each.camera, each.stream_time_s, each.score)
        return scored

    @staticmethod
    def _checked(scored: list[ScoredFrame]) -> list[ScoredFrame]:
        """The frames, if each has a score: one of nan would never alert, and its boxes can't be drawn.

        Raises:
            ValueError: A score is nan.
        """
        if any(math.isnan(each.score) for each in scored):
            raise ValueError("the score is not a number")
        return scored

    @staticmethod
    def _apply_feedback(online: OnlineCalibration, message: Alert | Verdict) -> None:
        if isinstance(message, Verdict):
            online.alert_judged(message.alert_id, message.peak_score, normal=message.normal)
        elif message.event is AlertEvent.OPEN:
            online.alert_opened(message.camera)
        elif message.event is AlertEvent.CLOSE:
            online.alert_closed(message.camera, message.id)

    def _loaded(self) -> Watched:
        """Scorer and pictures of the scene's files.

        Raises:
            InputError: They can't be used.
        """
        detector = None if self._observer is None else self._observer.detector
        found = load_scene(self.folder, self._backbone, self._config.model, detector)
        require_rate(found, self._cameras[0].score_fps)
        return self._watching(found)  # a scene without calibration is refused here, not at the first frame

    def _watching(self, scene: Scene) -> Watched:
        scorer = watching_scorer(scene, self.folder, self._backbone, self._observer, self._alerting)
        return scorer, None if scene.pictures is None else scene.pictures.normal()


def _files_version(folder: Path) -> tuple[tuple[int, int, int] | None, ...]:
    """Inode, size and time of the files that scoring reads; None for a missing one."""
    return tuple(_file_version(folder / name) for name in (BANK_FILE, MOTION_FILE))


def _file_version(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def require_rate(scene: Scene, score_fps: float) -> None:
    """Refuse to score a scene at another frame rate than it was learned at: averages over time would differ.

    Raises:
        BankError: The rates differ; the message names both.
    """
    facts = scene.bank.facts
    if facts.score_fps != score_fps:
        rates = [format_rate(each) for each in (facts.score_fps, score_fps)]
        found = f"it was learned at {rates[0]}, its cameras are scored at {rates[1]}"
        remedy = (
            f"fit it again with `streammon fit --scene {facts.scene} --score-fps {score_fps:g}`, or set score_fps"
        )
        raise BankError(f"scene {facts.scene!r}", found, remedy)


def live_scenes(config: Config, backbone: Backbone, observer: Observer | None) -> dict[str, LiveScene]:
    """The scenes of all cameras, by name.

    Args:
        config: The cameras and their scenes.
        backbone: Backbone that computes the feature maps of the frames.
        observer: Motion analysis of the frames; None if `model.method` is padim.

    Raises:
        BankError: A scene's bank can't be used.
        ConfigError: Two cameras of one scene differ in `score_fps`, or in `learn_for` while it has no bank.
    """
    first: dict[str, str] = {}  # scene → its first camera
    for name, camera in config.cameras.items():
        other = first.setdefault(config.scene_of(name), name)
        for key, words in (("score_fps", "score"), ("learn_for", "learn")):
            mine, others = getattr(camera, key), getattr(config.cameras[other], key)
            if mine != others and not (key == "learn_for" and _has_bank(config, name)):
                times = "at different rates" if key == "score_fps" else "for different times"
                found = f"it and cameras.{other} {words} scene {config.scene_of(name)!r} {times}"
                raise ConfigError(f"cameras.{name}.{key}", found, "give both the same")
    return {scene: LiveScene(scene, config, backbone, observer) for scene in first}


def _has_bank(config: Config, camera: str) -> bool:
    return (config.scenes / config.scene_of(camera) / BANK_FILE).exists()


def missing_banks(config: Config) -> list[Path]:
    """The bank files of scenes that will be learned live."""
    files = {config.scenes / config.scene_of(name) / BANK_FILE for name in config.cameras}
    return sorted(file for file in files if not file.exists())
