"""Facts of scored frames that scores and grids don't have: times, picture sizes, levels, channels."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from streammon.records import Channel, Frame

FIELDS = np.dtype(
    [
        ("pts", np.int64),  # NO_PTS for none
        ("time_s", np.float64),
        ("width", np.int32),
        ("height", np.int32),
        ("level", np.float64),  # nan without a calibration
        ("channel", "U12"),  # empty for none
    ]
)
NO_PTS = np.iinfo(np.int64).min

FrameFacts = NDArray[np.void]
"""(N,) of `FIELDS`, one a frame."""


def frame_facts(frames: Sequence[Frame]) -> FrameFacts:
    """Times and sizes of B frames."""
    return np.array(
        [
            (NO_PTS if frame.pts is None else frame.pts, frame.stream_time_s, *frame.source_size, np.nan, "")
            for frame in frames
        ],
        FIELDS,
    )


def unknown_facts(frames: int, interval_s: float) -> FrameFacts:
    """Facts of the frames of a clip of which only the frame rate is known."""
    return np.array([(NO_PTS, number * interval_s, 0, 0, np.nan, "") for number in range(frames)], FIELDS)


def with_levels(
    frames: FrameFacts, levels: NDArray[np.float64] | None, channels: Sequence[Channel] | None
) -> FrameFacts:
    """The facts of B frames with the levels and channels that a method gave them, if any."""
    facts = frames.copy()
    if levels is not None:
        facts["level"] = levels
    if channels is not None:
        facts["channel"] = [channel.value for channel in channels]
    return facts


def of_all_frames(
    scored: FrameFacts, numbers: NDArray[np.int64], latest: NDArray[np.int64], interval_s: float
) -> FrameFacts:
    """Facts of all frames of a clip: a frame that was not scored has those of the last scored one, but its own time.

    Args:
        scored: (N,) facts of the scored frames.
        numbers: (N,) their numbers in the clip.
        latest: (T,) index of the last scored frame of each frame.
        interval_s: Seconds between two frames.

    Returns:
        (T,) facts; a frame that was not scored has no pts.
    """
    facts = scored[latest]
    later = np.arange(len(latest)) - numbers[latest]
    facts["time_s"] += later * interval_s
    facts["pts"][later > 0] = NO_PTS
    return facts
