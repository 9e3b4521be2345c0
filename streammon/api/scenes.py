"""A learned scene with the network that scores its frames: from pictures in memory or from clips, and saved."""

from collections.abc import Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import count
from pathlib import Path

import numpy as np
from torch import Tensor

from streammon.api.models import require_whole_pictures
from streammon.config import SCENES, AlertingConfig
from streammon.ingest import DEFAULT_IMAGE_FPS, Clip, GivenPicture, GivenPictures, batched
from streammon.motion import Observer
from streammon.padim import INPUT_SIZE, Backbone, as_batch, torch_threads
from streammon.records import Box, Frame, ScoredFrame, ScoreRecord
from streammon.regions import regions
from streammon.scene import (
    NewFiles,
    Scene,
    SceneLearner,
    SceneScorer,
    save_scene,
    save_statistics,
    watching_scorer,
    with_maps,
)


@dataclass(frozen=True, eq=False)
class SceneParts:
    """Parts of a `LearnedScene`.

    Attributes:
        scene: What was learned.
        backbone: Network that computes the frames' feature maps.
        observer: Observes motion; None for PaDiM alone.
        batch: Largest number of frames that are computed at once.
        learner: Learner with the running statistics; None where there are none.
        learned_from: Footage, for the summary that is saved.
        folder: Folder that the scene was loaded from, for what was watched of it; None for a scene in memory.
    """

    scene: Scene
    backbone: Backbone
    observer: Observer | None
    batch: int
    learner: SceneLearner | None = None
    learned_from: tuple[str, ...] = ()
    folder: Path | None = None


class LearnedScene:
    """A learned scene with the network that scores its frames, made by `learn_scene` or `load_scene`.

    Scores and levels are those of a camera that is watched: the same scorer, the same calibration, the same thinning
    to the rate at which the scene was learned.

    Args:
        parts: What was learned, and what computes.
        alerting: Rate of false alarms at which alerts open.
        fps: Pictures a second, for those that come without a time.
    """

    def __init__(self, parts: SceneParts, alerting: AlertingConfig, fps: float = DEFAULT_IMAGE_FPS) -> None:
        self._parts = parts
        self._alerting = alerting
        self._fps = fps
        self._recordings = count()
        self._given: GivenPictures | None = None
        self._recording = ""  # id of the recording that the pictures given are of

    def __repr__(self) -> str:
        rate = "all frames" if self.score_fps is None else f"{self.score_fps:g} frames a second"
        return f"<LearnedScene {self.name!r}: {self.method}, {self.frames:,} frames learned, {rate} scored>"

    @property
    def name(self) -> str:
        """Name of the scene."""
        return self._parts.scene.bank.facts.scene

    @property
    def method(self) -> str:
        """`motion` or `padim`."""
        return "padim" if self._parts.observer is None else "motion"

    @property
    def frames(self) -> int:
        """Number of frames that were learned."""
        return self._parts.scene.bank.facts.frames

    @property
    def score_fps(self) -> float | None:
        """Largest number of frames a second that are scored, as they were learned; None for all."""
        return self._parts.scene.bank.facts.score_fps

    @property
    def threshold(self) -> float:
        """Frame score at which an alert opens.

        Raises:
            BankError: The scene has no calibration.
        """
        return self._scorer.threshold

    @property
    def basis_s(self) -> float:
        """Seconds of normal footage that levels rest on.

        Raises:
            BankError: The scene has no calibration.
        """
        return self._scorer.basis_s

    def require_calibration(self) -> None:
        """Require that frames can be scored.

        Raises:
            BankError: The scene has no calibration.
        """
        _ = self._scorer.calibration

    def restart(self, fps: float | None = None) -> None:
        """Begin another recording: the next picture of `score` and `score_batch` follows no other.

        Args:
            fps: Pictures a second, for those that come without a time; default: as before.
        """
        self._fps = fps or self._fps
        self._given = None

    def score(self, picture: GivenPicture, time_s: float | None = None, *, maps: bool = False) -> ScoreRecord | None:
        """Score the next picture of a recording.

        Args:
            picture: (H, W, 3) uint8 RGB, or a frame of PyAV.
            time_s: Time of the picture in seconds, by any clock; default: that of PyAV's frame, else by its number.
            maps: Keep the anomaly map in the record.

        Returns:
            The picture's score; None if it comes earlier than the scene's next frame at `score_fps` is due.

        Raises:
            FootageError: It is no picture, or not later than the one before.
            BankError: The scene has no calibration.
        """
        scored = self.score_batch([picture], None if time_s is None else [time_s], maps=maps)
        return scored[0] if scored else None

    def score_batch(
        self, pictures: Iterable[GivenPicture], times_s: Iterable[float] | None = None, *, maps: bool = False
    ) -> list[ScoreRecord]:
        """Score the next pictures of a recording, as `score` does one, but faster.

        Args:
            pictures: Pictures in order of time, such as an array (T, H, W, 3).
            times_s: Their times in seconds.
            maps: Keep the anomaly maps in the records, a quarter of a megabyte each.

        Returns:
            The scores of those pictures that `score_fps` leaves.

        Raises:
            FootageError: One is no picture, or not later than the one before.
            BankError: The scene has no calibration.
        """
        if self._given is None:
            self._recording, detail = self._next_recording(self.name), self._parts.observer is not None
            self._given = GivenPictures(
                self.name, INPUT_SIZE, detail=detail, fps=self.score_fps, picture_fps=self._fps
            )
        frames = (replace(frame, camera=self._recording) for frame in self._given.frames(pictures, times_s))
        found = []
        for batch in batched(frames, self._parts.batch):
            with torch_threads(self._parts.backbone.engine):
                computed = self._parts.backbone.maps(as_batch([frame.picture for frame in batch]))
                found += self._scored(self.name, batch, computed, maps)
        return found

    def score_clip(self, clip: Clip, *, maps: bool = False) -> Generator[ScoreRecord]:
        """Score the frames of one clip in order, while the next ones are decoded and computed.

        Args:
            clip: The clip.
            maps: Keep the anomaly maps in the records.

        Raises:
            FootageError: A file can't be read as video or picture.
            BankError: The scene has no calibration.
        """
        recording, observer, backbone = self._next_recording(clip.name), self._parts.observer, self._parts.backbone
        read = clip.frames(INPUT_SIZE, detail=observer is not None, fps=self.score_fps)
        frames = (replace(frame, camera=recording) for frame in read)
        with closing(with_maps(batched(frames, self._parts.batch), backbone, observer)) as batches:
            for batch, computed in batches:
                with torch_threads(backbone.engine):
                    scored = self._scored(clip.name, batch, computed, maps)
                yield from scored

    def save(self, folder: str | Path | None = None) -> Path:
        """Write the scene's files, as `streammon fit` does; what was there before is kept for `fit --undo`.

        A scene that was learned by this program also gets its running statistics, with which `add_to` goes on.

        Args:
            folder: Folder of the scene; default: `scenes/<name>`.

        Returns:
            The folder.

        Raises:
            StorageError: The folder can't be written, or another fit writes it.
        """
        target = SCENES / self.name if folder is None else Path(folder)
        with NewFiles(target) as new:
            save_scene(new.folder, self._parts.scene, self._parts.learned_from)
            if self._parts.learner is not None:
                save_statistics(new.folder, self._parts.learner)
            new.commit()
        return target

    @cached_property
    def _scorer(self) -> SceneScorer:
        """The scorer, with what was watched of a scene in a folder."""
        parts = self._parts
        if parts.folder is None:
            return SceneScorer(parts.scene, parts.backbone, parts.observer, self._alerting.open_level)
        return watching_scorer(parts.scene, parts.folder, parts.backbone, parts.observer, self._alerting)

    def _next_recording(self, name: str) -> str:
        """A new id, since two recordings may have one name.

        Raises:
            BankError: The scene was learned from a crop, and whole pictures are scored.
        """
        require_whole_pictures(self._parts.scene.bank.facts)
        return f"{name}#{next(self._recordings)}"

    def _scored(self, clip: str, frames: Sequence[Frame], computed: list[Tensor], maps: bool) -> list[ScoreRecord]:
        scored = self._scorer.score(frames, computed)
        return [_record(clip, frame, each, maps) for frame, each in zip(frames, scored, strict=True)]


def _record(clip: str, frame: Frame, scored: ScoredFrame, has_map: bool) -> ScoreRecord:
    boxes: tuple[Box, ...] = ()
    if scored.score >= scored.threshold:
        boxes = regions(scored.anomaly_map, scored.threshold, scored.source_size)
    return ScoreRecord(
        clip=clip,
        frame=frame.seq,
        pts=frame.pts,
        seconds=frame.stream_time_s,
        score=scored.score,
        level=scored.level,
        channel=scored.channel,
        boxes=boxes,
        # bicubic upsampling undershoots 0 beside steep edges
        anomaly_map=np.maximum(scored.anomaly_map, 0) if has_map else None,
    )
