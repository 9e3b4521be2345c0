"""Time of each stage from file to score, and of both methods as a whole, alternating in the same run."""

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from itertools import cycle
from pathlib import Path

import av
import numpy as np
import torch
from numpy.typing import NDArray

from streammon.ingest import Clip, Pace, batched, clips, default_jobs, frames_ahead
from streammon.ingest.detail import DetailBuffer
from streammon.motion import Detector, Observation, Observer
from streammon.motion.change import Embedding
from streammon.motion.flow import Motion
from streammon.motion.objects import MovingObject
from streammon.padim import (
    INPUT_SIZE,
    Backbone,
    Bank,
    MapSmoother,
    as_batch,
    cpu_threads,
    frame_scores,
    torch_threads,
)
from streammon.records import Frame
from streammon.scene import Fused, SceneScorer, with_maps

STAGE_FRAMES = 64  # frames that the stages are measured on, spread over the footage
LEAST_ROUNDS = 5
DECODED_PER_SCORED = 5  # decoded frames for each scored one: the default for a camera of 25 frames a second
STEP_S = 0.2  # between the frames whose change over time is measured


@dataclass(frozen=True)
class StageTime:
    """Time of one stage.

    Attributes:
        stage: Name of the stage.
        ms_per_frame: Median over rounds, in milliseconds a frame.
        batch: Batch size.
    """

    stage: str
    ms_per_frame: float
    batch: int


@dataclass(frozen=True)
class Comparison:
    """Time of both methods on the same footage, decoding, resizing and scoring batches in turn.

    Attributes:
        padim_ms: Median milliseconds a frame of PaDiM alone.
        motion_ms: Median milliseconds a frame of patches and motion.
        ratio: motion_ms / padim_ms.
    """

    padim_ms: float
    motion_ms: float
    ratio: float


def spread_frames(clip: Clip) -> list[Frame]:
    """At most 64 frames with their details, evenly spread over a clip."""
    every = max(1, clip.frame_count() // STAGE_FRAMES)
    return [frame for _, frame in zip(range(STAGE_FRAMES), clip.frames(INPUT_SIZE, every, detail=True), strict=False)]


def decoded(footage: Path, batch: int, *, detail: bool) -> Iterator[list[Frame]]:
    """Endless batches of frames: the footage is repeated, and a batch may continue at the beginning."""
    frames: list[Frame] = []
    while True:
        for clip in clips(footage):
            for frame in clip.frames(INPUT_SIZE, detail=detail):
                frames.append(frame)
                if len(frames) == batch:
                    yield frames
                    frames = []


def pictures_of(frames: list[Frame]) -> torch.Tensor:
    """(B, H, W, 3) uint8, for the backbone."""
    return as_batch([frame.picture for frame in frames])


def padim_stages(
    path: Path, frames: list[Frame], backbone: Backbone, bank: Bank, batch: int, seconds: float
) -> list[StageTime]:
    """Times of the stages from the file to PaDiM's frame score.

    Args:
        path: A video file; decoding isn't measured for a folder of images.
        frames: Frames of the footage.
        backbone: Backbone to measure.
        bank: Prepared bank.
        batch: Largest batch size; a batch of 1 is measured too.
        seconds: Seconds of decoding, and of all other stages together for each batch size.
    """
    found = decoding_stages(path, seconds) if path.is_file() else []
    for size in dict.fromkeys((1, min(batch, len(frames)))):
        pictures = pictures_of(frames[:size])
        maps = backbone.maps(pictures)
        distances = bank.distances(maps)
        side = bank.facts.crop
        smoother = MapSmoother(bank.facts.grid, (side, side), backbone.device)
        anomaly_maps = smoother(distances)
        work: dict[str, Callable[[], object]] = {
            "backbone": partial(backbone.maps, pictures),
            "embedding": partial(bank.reduction.embed, maps),
            "embedding and Mahalanobis": partial(bank.distances, maps),
            "upsampling and blur": partial(smoother, distances),
            "frame score": partial(frame_scores, anomaly_maps, bank.facts.frame_score),
        }
        found += [StageTime(name, median_ms(call, seconds / 5) / size, size) for name, call in work.items()]
    return found


class MotionBatch:
    """A batch of frames with the input of each stage of motion, the output of the stage before.

    Args:
        frames: Frames with details.
        backbone: Backbone of the frames and the objects' crops.
        scorer: Scorer of the scene.
        detector: Object detector; None for the regions of motion.
    """

    def __init__(
        self, frames: list[Frame], backbone: Backbone, scorer: SceneScorer, detector: Detector | None
    ) -> None:
        self._frames = frames
        self._scorer = scorer
        self._observer = Observer(backbone, detector, cpu_threads())
        self._maps = backbone.maps(pictures_of(frames))
        self._time_s = 0.0
        self._motions = self.flow()
        self._found = self.objects()
        self._observations = [
            Observation(frame.camera, frame.stream_time_s, motion, found, features, change, embedding)
            for frame, motion, (found, features), change, embedding in zip(
                frames, self._motions, self._found, self.change(), self._observer.embeddings(self._maps), strict=True
            )
        ]
        self._fused = self.fusion()

    def flow(self) -> list[Motion | None]:
        """Optical flow of each frame."""
        return self._observer.motions(self._frames)

    def objects(self) -> list[tuple[list[MovingObject], NDArray[np.float32]]]:
        """Moving objects of each frame, and the features of their crops, in one batch of the backbone."""
        return self._observer.objects_and_features(self._frames, self._motions)

    def change(self) -> list[Embedding | None]:
        """Rate of change of each frame's embedding over time."""
        step = range(1, len(self._frames) + 1)
        timed = [
            replace(frame, stream_time_s=self._time_s + STEP_S * n)
            for n, frame in zip(step, self._frames, strict=True)
        ]
        self._time_s = timed[-1].stream_time_s
        return self._observer.changes(timed, self._observer.embeddings(self._maps))

    def fusion(self) -> list[Fused]:
        """Distances of the patches, evidence of motion, and one score for each frame."""
        return self._scorer.fuse(self._frames, self._scorer.measure.measure(self._maps, self._observations))

    def anomaly_maps(self) -> None:
        """Compute the anomaly maps, upsampled and blurred."""
        self._scorer.anomaly_maps(self._fused)


MOTION_STAGES: dict[str, Callable[[MotionBatch], object]] = {
    "flow": MotionBatch.flow,
    "objects and their crops": MotionBatch.objects,
    "change": MotionBatch.change,
    "distances, evidence and fusion": MotionBatch.fusion,
    "anomaly maps": MotionBatch.anomaly_maps,
}


def motion_stages(
    frames: list[Frame],
    backbone: Backbone,
    scorer: SceneScorer,
    batch: int,
    seconds: float,
    detector: Detector | None = None,
) -> list[StageTime]:
    """Times of the stages that motion adds to PaDiM's, over batches spread over the footage.

    Args:
        frames: Frames with details.
        backbone: Backbone of the frames and the objects' crops.
        scorer: Scorer of the scene.
        detector: Object detector; None for the regions of motion.
        batch: Largest batch size.
        seconds: Seconds of all stages together.
    """
    size = min(batch, len(frames))
    firsts = range(0, len(frames) - size + 1, size)
    batches = [MotionBatch(frames[first : first + size], backbone, scorer, detector) for first in firsts]
    found = []
    for name, stage in MOTION_STAGES.items():
        turns = cycle(batches)

        def call(stage: Callable[[MotionBatch], object] = stage, turns: Iterator[MotionBatch] = turns) -> object:
            return stage(next(turns))

        found.append(StageTime(name, median_ms(call, seconds / 5, len(batches)) / size, size))
    return found


def median_ms(call: Callable[[], object], seconds: float, least_rounds: int = LEAST_ROUNDS) -> float:
    """Median milliseconds of a call, repeated for `seconds` and at least `least_rounds` times."""
    call()
    times: list[float] = []
    end = time.perf_counter() + seconds
    while len(times) < least_rounds or time.perf_counter() < end:
        began = time.perf_counter()
        call()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        times.append(time.perf_counter() - began)
    return 1000 * statistics.median(times)


def decoding_stages(path: Path, seconds: float) -> list[StageTime]:
    """Times to decode and resize each frame, and to make the detail of every fifth, as for a live camera."""
    times: dict[str, list[float]] = {"decode": [], "resize": [], "detail": []}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times["detail"]) < LEAST_ROUNDS:
        buffer = DetailBuffer()
        with av.open(str(path)) as container:
            container.streams.video[0].thread_type = "SLICE"
            began = time.perf_counter()
            for number, picture in enumerate(container.decode(video=0)):
                times["decode"].append(time.perf_counter() - began)
                began = time.perf_counter()
                picture.reformat(INPUT_SIZE, INPUT_SIZE, "rgb24", interpolation="BICUBIC").to_ndarray()
                times["resize"].append(time.perf_counter() - began)
                buffer.add(picture, picture.time or 0.0)
                if number % DECODED_PER_SCORED == 0:
                    began = time.perf_counter()
                    buffer.detail()
                    times["detail"].append(time.perf_counter() - began)
                began = time.perf_counter()
                if began > end and len(times["detail"]) >= LEAST_ROUNDS:
                    break
        buffer.close()
    return [StageTime(name, 1000 * statistics.median(taken), 1) for name, taken in times.items()]


def method_times(
    footage: Path, backbone: Backbone, scorers: tuple[SceneScorer, SceneScorer], batch: int, seconds: float
) -> Comparison:
    """Times of both methods from the file to frame scores and maps, in turn.

    Args:
        footage: Footage that both methods read.
        backbone: Backbone of both methods.
        scorers: PaDiM alone, and motion.
        batch: Batch size.
        seconds: Seconds for each method.
    """
    times = [
        [1000 / file_fps(footage, backbone, scorer, batch, seconds / LEAST_ROUNDS) for scorer in scorers]
        for _ in range(LEAST_ROUNDS)
    ]
    padim_ms, motion_ms = map(statistics.median, zip(*times, strict=True))
    return Comparison(round(padim_ms, 2), round(motion_ms, 2), round(motion_ms / padim_ms, 2))


def file_fps(footage: Path, backbone: Backbone, scorer: SceneScorer, batch: int, seconds: float) -> float:
    """Frames a second from a file to frame scores and maps, after the first batch.

    Decoding and the network are ahead of the scores, as in a fit and in a running monitor.

    Args:
        footage: Footage, which is repeated.
        backbone: Backbone of the scorer.
        scorer: Scorer of the footage's scene.
        batch: Batch size.
        seconds: Duration of the measurement.
    """
    observer, repeated = scorer.observer, cycle(clips(footage))
    with (
        closing(frames_ahead(repeated, default_jobs(), INPUT_SIZE, Pace(), detail=observer is not None)) as frames,
        closing(with_maps(batched(frames, batch), backbone, observer)) as batches,
        torch_threads(backbone.engine),
    ):
        scorer.score(*next(batches))
        done, began = 0, time.perf_counter()
        while time.perf_counter() < began + seconds:
            done += len(scorer.score(*next(batches)))
        return done / (time.perf_counter() - began)
