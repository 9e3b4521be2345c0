"""What moves in a frame, and how fast: dense optical flow between it and the picture shortly before.

The flow is OpenCV's DIS (Kroeger et al., "Fast Optical Flow using Dense Inverse Search", arXiv:1603.03590).
Velocities are in longer sides of the picture a second: they depend neither on the camera's resolution nor on its
frame rate, since the pair's own distance in time divides them.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from streammon.records import Detail

GRID = 64  # cells a side on which motion is learned and judged: those of PaDiM's finest map
LEAST_SHIFT_PX = 0.3  # between the two pictures; DIS finds less in noise too
BLUR = 1 / 240  # sigma, of the longer side: one moving thing has one velocity

Velocities = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Motion:
    """The motion in one frame.

    Attributes:
        moving: (H, W) bool, of the detail's size: what moves.
        velocity: (GRID, GRID, 2) rightwards and downwards, longer sides a second, mean of each cell.
        speed: (GRID, GRID) mean length of the velocities in each cell, longer sides a second.
        cells: (GRID, GRID) bool: cells in which something moves.
    """

    moving: NDArray[np.bool_]
    velocity: Velocities
    speed: NDArray[np.float32]
    cells: NDArray[np.bool_]


class FlowReader:
    """Reads motion from details. Holds OpenCV's buffers, so each thread needs its own."""

    def __init__(self) -> None:
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)

    def read(self, detail: Detail | None) -> Motion | None:
        """The motion in a frame; None where no earlier picture is at hand (the first frames, after a gap)."""
        if detail is None or detail.earlier is None or detail.step_s <= 0:
            return None
        grey = cv2.cvtColor(detail.picture, cv2.COLOR_RGB2GRAY)
        longer = max(grey.shape)
        flow = self._flow.calc(detail.earlier, grey, None)  # type: ignore[call-overload]  # None: no first guess
        shift = cv2.GaussianBlur(flow, (0, 0), BLUR * longer)  # (H, W, 2) pixels
        length = cv2.magnitude(shift[..., 0], shift[..., 1])
        per_second = 1 / (longer * detail.step_s)
        velocity = cv2.resize(shift, (GRID, GRID), interpolation=cv2.INTER_AREA) * per_second
        mean_length = cv2.resize(length, (GRID, GRID), interpolation=cv2.INTER_AREA)
        return Motion(
            moving=length > LEAST_SHIFT_PX,
            velocity=velocity,
            speed=mean_length * per_second,
            cells=mean_length > LEAST_SHIFT_PX,
        )
