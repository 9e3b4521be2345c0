"""The threads that share the device: read the newest frames of all cameras, deliver scores and learned banks."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from itertools import groupby

from torch import Tensor

from streammon.config import Config
from streammon.errors import StorageError
from streammon.ingest import LatestFrames
from streammon.live.scenes import LiveScene, Outcome, live_scenes
from streammon.live.setbacks import Setbacks
from streammon.padim import Backbone, torch_threads
from streammon.records import Frame, ScoringStatus
from streammon.scene import configured_observer, with_maps
from streammon.threads import StoppableThread

TAKE_TIMEOUT_S = 0.25  # longest time until an idle thread notices a stop request


class ScorerThread(StoppableThread):
    """The thread that owns the device: batches the newest frames across cameras and scenes, delivers their scores.

    A second thread computes the feature maps and the motion of the next batch meanwhile.

    An error in the scoring of one camera's frame leaves that camera out for a while; an error of the backbone, which
    all cameras share, ends the thread. Once stopped, the thread ends after the current batch.

    Attributes:
        scenes: Live scenes by name.
        scored: Number of frames per camera that were scored or learned from, and delivered.
        unscored: Number of frames per camera that failed, or were left out after a failure.
        failures: Number of frames per camera that failed.
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
            backbone: Backbone that computes the feature maps.
            latest: Source of the frames.
            deliver: Receives the outcomes of each batch, in order; may block for a moment (back-pressure).
            failed: Receives the error that ended the thread.

        Raises:
            BankError: A scene's bank can't be used.
            ConfigError: Two cameras of one scene differ in `score_fps`, or in `learn_for` while it has no bank.
        """
        super().__init__("streammon-scorer")
        self._config = config
        self._backbone = backbone
        self._latest = latest
        self._deliver = deliver
        self._failed = failed
        self._observer = configured_observer(config.model, backbone)
        self.scenes = live_scenes(config, backbone, self._observer)
        self.scored: Counter[str] = Counter()
        self.unscored: Counter[str] = Counter()
        self._setbacks = Setbacks()
        self.failures = self._setbacks.counts

    def save_watched(self) -> list[StorageError]:
        """Save the online calibration of every scene, and return the failures. Callable from one thread at a time."""
        failures = []
        for scene in self.scenes.values():
            try:
                scene.save_watched()
            except StorageError as error:
                failures.append(error)
        return failures

    def _run(self) -> None:
        """Score batch after batch; maps and motion of each are computed while the one before is scored."""
        try:
            batches = with_maps(self._batches(), self._backbone, self._observer)
            with torch_threads(self._backbone.engine), closing(batches):
                for frames, maps in batches:
                    if self._stopping.is_set():
                        break
                    if frames:
                        self._take_turn(frames, maps)
        except BaseException as error:
            self._failed(error)

    def _batches(self) -> Iterator[list[Frame]]:
        """The newest frames of different cameras, ordered by scene, so that each has a slice of the maps."""
        while not self._stopping.is_set():
            frames = self._latest.take(self._config.model.batch, TAKE_TIMEOUT_S)
            yield sorted(frames, key=lambda frame: self._config.scene_of(frame.camera))

    def _take_turn(self, frames: Sequence[Frame], maps: list[Tensor]) -> None:
        """Score frames, except those of cameras that are left out, and deliver the outcomes."""
        due = [number for number, frame in enumerate(frames) if not self._setbacks.waits(frame.camera)]
        own = maps if len(due) == len(frames) else [each[due] for each in maps]
        outcomes = self._score([frames[number] for number in due], own)
        if due:
            self._deliver(outcomes)
        failed = {each.camera for each in outcomes if isinstance(each, ScoringStatus) and each.reason}
        scored = {frames[number].camera for number in due} - failed
        self.scored.update(scored)
        self.unscored.update({frame.camera for frame in frames} - scored)

    def _score(self, frames: list[Frame], maps: list[Tensor]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        first = 0
        for name, of_scene in groupby(frames, lambda frame: self._config.scene_of(frame.camera)):
            own = list(of_scene)
            outcomes += self._score_scene(self.scenes[name], own, [each[first : first + len(own)] for each in maps])
            first += len(own)
        return outcomes

    def _score_scene(self, scene: LiveScene, frames: list[Frame], maps: list[Tensor]) -> list[Outcome]:
        """Outcomes of frames of one scene, one of each camera; after an error each is tried alone."""
        try:
            outcomes = scene.score_or_learn(frames, maps)
        except Exception as error:
            if len(frames) == 1:
                return [self._setbacks.failed(frames[0].camera, error)]
            alone = [([frame], [each[index : index + 1] for each in maps]) for index, frame in enumerate(frames)]
            return [outcome for each in alone for outcome in self._score_scene(scene, *each)]
        again = [status for frame in frames for status in self._setbacks.succeeded(frame.camera)]
        return [*again, *outcomes]
