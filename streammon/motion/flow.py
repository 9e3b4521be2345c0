"""What moves in a frame, and how fast: dense optical flow between it and the picture shortly before.

The flow is OpenCV's DIS (Kroeger et al., "Fast Optical Flow using Dense Inverse Search", arXiv:1603.03590).
Velocities are in longer sides of the picture a second: they depend neither on the camera's resolution nor on its
frame rate, since the pair's own distance in time divides them.

Flow alone sees motion where there is none: a compressed camera's keyframe redraws all of its picture, each pixel by
half a grey level, and a third of it then seems to creep. So a place moves only where the two pictures also differ by
more than compression, noise and a change of light do; and flow is only computed around such places, which on a quiet
camera are few.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import local

import cv2
import numpy as np
from numpy.typing import NDArray

from streammon.records import Detail, Grey

GRID = 64  # cells a side on which motion is learned and judged: those of PaDiM's finest map
LEAST_SHIFT_PX = 0.3  # between the two pictures; DIS finds less in noise too
BLUR = 1 / 240  # sigma, of the longer side: one moving thing has one velocity

LEAST_DIFFERENCE = 2.0
"""Grey levels between the two pictures where something moves: keyframes make 1, people of low contrast 5 to 7."""

AMBIENT = 2.0
"""Times the difference that half of the picture has, which is needed beside: noise and light are everywhere."""

DIFFERENCE_BLUR = 1 / 120  # sigma, of the longer side: against the noise of single pixels

REACH = 1 / 45
"""Of the longer side, around what differs, that counts as differing: a plain coat or a cart does at its rim alone."""

MOST_OF_CELL = 0.5  # share of its pixels that differ, where a cell may move
MARGIN_PX = 32  # around what differs: as far as a thing may have come, so that the flow finds where from
LEAST_SIDE_PX = 128  # of the part that flow is computed for; DIS begins at a coarse scale of it
DESCENTS = 12  # DIS takes 25; half as many differ by 0.01 pixels on UCSD Ped2's walkers

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
    """Reads motion from details, several at a time: OpenCV hardly spreads one small flow over cores.

    Args:
        threads: That read at once.
    """

    def __init__(self, threads: int = 1) -> None:
        self._own = local()  # OpenCV's buffers
        self._pool = ThreadPoolExecutor(threads, "flow") if threads > 1 else None

    def read_all(self, details: Sequence[Detail | None]) -> list[Motion | None]:
        """The motion in each frame."""
        return list(map(self.read, details) if self._pool is None else self._pool.map(self.read, details))

    def read(self, detail: Detail | None) -> Motion | None:
        """The motion in a frame; None where no earlier picture is at hand (the first frames, after a gap)."""
        if detail is None or detail.earlier is None or detail.step_s <= 0:
            return None
        grey = np.asarray(cv2.cvtColor(detail.picture, cv2.COLOR_RGB2GRAY), np.uint8)
        differs = differing(detail.earlier, grey)
        shift = self._shift(detail.earlier, grey, differs)  # (H, W, 2) pixels
        length = np.asarray(cv2.magnitude(shift[..., 0], shift[..., 1]), np.float32)
        mean_length = _by_cell(length)
        per_second = 1 / (max(grey.shape) * detail.step_s)
        return Motion(
            moving=differs & (length > LEAST_SHIFT_PX),
            velocity=_rounded(_by_cell(shift) * per_second),
            speed=_rounded(mean_length * per_second),
            cells=(mean_length > LEAST_SHIFT_PX) & (_by_cell(differs.astype(np.float32)) >= MOST_OF_CELL),
        )

    def _shift(self, earlier: Grey, grey: Grey, differs: NDArray[np.bool_]) -> NDArray[np.float32]:
        """(H, W, 2) pixels by which the picture shifted; 0 far from what differs."""
        shift = np.zeros((*grey.shape, 2), np.float32)
        if differs.any():
            part = _reach(np.any(differs, axis=1)), _reach(np.any(differs, axis=0))
            pair = np.ascontiguousarray(earlier[part]), np.ascontiguousarray(grey[part])
            flow = self._dis.calc(*pair, None)  # type: ignore[call-overload]  # None: no first guess
            shift[part] = cv2.GaussianBlur(flow, (0, 0), BLUR * max(grey.shape))
        return shift

    @property
    def _dis(self) -> cv2.DISOpticalFlow:
        """This thread's."""
        if not hasattr(self._own, "flow"):
            self._own.flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
            self._own.flow.setGradientDescentIterations(DESCENTS)
        flow: cv2.DISOpticalFlow = self._own.flow
        return flow


def differing(earlier: Grey, later: Grey) -> NDArray[np.bool_]:
    """Where two pictures differ by more than a fixed camera's do by themselves, or right beside.

    Args:
        earlier: (H, W) uint8.
        later: The same camera's, of the same size.

    Returns:
        (H, W) bool.
    """
    height, width = later.shape
    half = (max(1, width // 2), max(1, height // 2))  # what is blurred needs no more pixels
    difference = cv2.resize(cv2.absdiff(earlier, later), half, interpolation=cv2.INTER_AREA).astype(np.float32)
    smooth = cv2.GaussianBlur(difference, (0, 0), DIFFERENCE_BLUR * max(half))
    usual = float(np.median(smooth[::4, ::4]))
    reach = 2 * round(REACH * max(half)) + 1
    beyond = (smooth > LEAST_DIFFERENCE + AMBIENT * usual).view(np.uint8)
    beyond = np.asarray(cv2.dilate(beyond, np.ones((reach, reach), np.uint8)), np.uint8)
    return cv2.resize(beyond, (width, height), interpolation=cv2.INTER_NEAREST).view(np.bool_)


def _reach(lines: NDArray[np.bool_]) -> slice:
    """Of rows or columns: from the first to the last that is set, with a margin, and not too few.

    >>> _reach(np.arange(400) == 200)
    slice(137, 265, None)
    """
    (inside,) = np.nonzero(lines)
    first, last = int(inside[0]) - MARGIN_PX, int(inside[-1]) + 1 + MARGIN_PX
    widen = max(0, LEAST_SIDE_PX - (last - first))
    return slice(max(0, first - widen // 2), min(len(lines), last + widen - widen // 2))


def _rounded(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """To half a thousandth of each: OpenCV's last bits vary with where in memory a picture lies."""
    return values.astype(np.float16).astype(np.float32)


def _by_cell(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """(GRID, GRID, …) means of what is (H, W, …)."""
    return np.asarray(cv2.resize(values, (GRID, GRID), interpolation=cv2.INTER_AREA), np.float32)
