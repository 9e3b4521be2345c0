"""Frames as they are read and scored."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
"""(H, W, 3) uint8, RGB."""


AnomalyMap = NDArray[np.float32]
"""(H, W) float32, >= 0: anomaly score per pixel of the model's input, on the scale of the frame score."""


Grey = NDArray[np.uint8]
"""(H, W) uint8, luma."""


class Channel(StrEnum):
    """Kind of evidence that a frame is abnormal."""

    LOOKS = "looks"
    CHANGE = "change"
    SPEED = "speed"
    DIRECTION = "direction"
    PLACE = "place"
    SHAPE = "shape"
    OBJECT = "object"
    VIEW = "view"

    @property
    def reason(self) -> str:
        """The channel in words, for alert messages.

        >>> Channel.SPEED.reason
        'moves too fast here'
        """
        return REASONS[self]


REASONS = {
    Channel.LOOKS: "looks unusual here",
    Channel.CHANGE: "changes in an unusual way here",
    Channel.SPEED: "moves too fast here",
    Channel.DIRECTION: "moves the wrong way here",
    Channel.PLACE: "moves where nothing moves",
    Channel.SHAPE: "has an unusual size or shape here",
    Channel.OBJECT: "a moving object looks unusual here",
    Channel.VIEW: "shows another view than was learned",
}


@dataclass(frozen=True, slots=True, eq=False)
class Detail:
    """A frame's picture at up to 480 pixels, and the picture shortly before it: the input of motion analysis.

    Attributes:
        picture: (H, W, 3) uint8 RGB in the source's aspect ratio, its longer side at most 480 pixels.
        earlier: (H, W) uint8 grey, `step_s` before `picture`; None without a recent one, as after a gap.
        step_s: Seconds from `earlier` to `picture`, by the stream's own timestamps; 0 without `earlier`.
    """

    picture: Picture
    earlier: Grey | None = None
    step_s: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One decoded picture, already scaled to the model's input.

    Attributes:
        camera: Name of the camera, or of the clip.
        seq: Index among the frames kept by the camera's reader, from 0, continued over reconnections. In a clip,
            index as counted by `Clip.frames`.
        picture: (H, W, 3) uint8 RGB.
        source_size: Width and height of the stream, in pixels, before scaling.
        stream_time_s: Seconds since the first frame of this connection, from the stream's own timestamps.
        wall_time_s: Unix time at which the frame was decoded. For footage played as a camera, the time at which
            the frame is due at the footage's own pace, so that `play: fast` raises the same alerts.
        detail: Larger picture and earlier picture for motion analysis; None unless requested.
        light_changes: True while the light of the whole picture changes (`ingest.light`).
        pts: Presentation timestamp in the video file's own time base; None for images and live streams.
    """

    camera: str
    seq: int
    picture: Picture
    source_size: tuple[int, int]
    stream_time_s: float
    wall_time_s: float
    detail: Detail | None = None
    light_changes: bool = False
    pts: int | None = None


def has_flow_size(width: int, height: int) -> bool:
    """True if a detail of this size is large enough for optical flow, which needs at least 16 pixels a side.

    OpenCV's DIS halves both sides as often as the sizes allow, for small pictures as often as the width alone allows,
    and then reads 8 rows: on flatter pictures it raises, or ends the process. A picture less than 40 pixels wide is
    not halved, so there 8 pixels a side are enough, and 12 on the longer side.

    >>> [has_flow_size(*size) for size in ((480, 16), (480, 12), (12, 480), (32, 24), (40, 15), (8, 8))]
    [True, False, True, True, False, False]
    """
    shorter, longer = min(width, height), max(width, height)
    return shorter >= 16 or (width < 40 and shorter >= 8 and longer >= 12)


@dataclass(frozen=True, slots=True)
class Box:
    """One abnormal region, in pixels of the picture of the stream that was scored.

    Attributes:
        x: Left edge.
        y: Top edge.
        width: Width.
        height: Height.
        peak: Largest value of the anomaly map inside the box.
    """

    x: int
    y: int
    width: int
    height: int
    peak: float


@dataclass(frozen=True, slots=True, eq=False)
class ScoredFrame:
    """Score, level and anomaly map of one frame.

    Attributes:
        camera: Name of the camera.
        scene: Name of the scene whose bank scored it.
        seq: The frame's `Frame.seq`.
        wall_time_s: The frame's `Frame.wall_time_s`.
        stream_time_s: Seconds since the connection's first frame.
        score: Frame score: a Mahalanobis distance with the method `padim`, surprise (-log10 of a tail probability)
            with `motion`.
        level: -log10 of the false alarms a day expected from normal footage at this score:
            0 is once a day, 1 once in ten days, -2 a hundred times a day.
        threshold: The score at which an alert opens, for heatmaps and boxes.
        anomaly_map: (H, W) float32, on the scale of `score`.
        source_size: Width and height of the pictures of the stream that was scored.
        channel: Main channel of evidence for the score.
        basis_s: Seconds of normal footage that the level is calibrated on.
        moves: True if something moves in the frame; False too where motion wasn't measured.
        light_changes: The frame's `Frame.light_changes`: no alert opens by it.
    """

    camera: str
    scene: str
    seq: int
    wall_time_s: float
    stream_time_s: float
    score: float
    level: float
    threshold: float
    anomaly_map: AnomalyMap
    source_size: tuple[int, int]
    channel: Channel = Channel.LOOKS
    basis_s: float = 0.0
    moves: bool = False
    light_changes: bool = False
