"""Motion of a frame: dense optical flow between it and the picture shortly before, where the two differ.

The flow is OpenCV's DIS (Kroeger et al., "Fast Optical Flow using Dense Inverse Search", arXiv:1603.03590).
Velocities are in longer sides of the picture per second (1.0 crosses the longer side in a second), so they depend
neither on the camera's resolution nor on its frame rate. Thresholds in pixels are of `Frame.detail`, whose longer
side and time step are about the same for all cameras.

Flow alone reports motion where there is none: each keyframe of a compressed stream changes every pixel by about half
a grey level, and a third of the picture then seems to creep. So a pixel counts as moving only where the two pictures
also differ by more than compression, noise and changes of light cause. Flow is computed in the rectangle around all
such pixels, which is small or empty on a quiet camera.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from threading import local

import cv2
import numpy as np
from numpy.typing import NDArray

from streammon.motion.settings import SETTINGS
from streammon.records import Detail, Grey, has_flow_size

GRID = SETTINGS.flow.grid

Velocities = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Motion:
    """Motion of one frame.

    Attributes:
        moving: (H, W) bool, of the detail's size: pixels that move.
        velocity: (GRID, GRID, 2) mean velocity of all pixels of each cell, rightwards and downwards, longer sides per
            second.
        speed: (GRID, GRID) mean length of the velocities of all pixels of each cell, longer sides per second.
        cells: (GRID, GRID) bool, cells that move: their mean shift is above `least_shift_px`, and at least the share
            `least_differing_share` of their pixels differs.
    """

    moving: NDArray[np.bool_]
    velocity: Velocities
    speed: NDArray[np.float32]
    cells: NDArray[np.bool_]


class FlowEstimator:
    """Computes the motion of frames, several in parallel: OpenCV gains little from several cores on one small flow.

    Args:
        threads: Number of frames computed at once.
    """

    def __init__(self, threads: int = 1) -> None:
        self._own = local()  # one DIS object a thread
        self._pool = ThreadPoolExecutor(threads, "flow") if threads > 1 else None

    def begin(self, detail: Detail | None) -> Callable[[], Motion | None]:
        """Begin to compute the motion of one frame; the returned function waits for it, or raises as `motion`."""
        return partial(self.motion, detail) if self._pool is None else self._pool.submit(self.motion, detail).result

    def motion(self, detail: Detail | None) -> Motion | None:
        """Motion of one frame; None without an earlier picture (the first frames, and the first after a gap).

        Raises:
            ValueError: The detail is too small or too flat for OpenCV, which would end the process.
        """
        if detail is None or detail.earlier is None or detail.step_s <= 0:
            return None
        height, width = detail.picture.shape[:2]
        if not has_flow_size(width, height):
            raise ValueError(f"a detail of {width}x{height} pixels is too small for optical flow")
        grey = np.asarray(cv2.cvtColor(detail.picture, cv2.COLOR_RGB2GRAY), np.uint8)
        differs = differing(detail.earlier, grey)
        if not differs.any():
            return _no_motion(grey.shape)
        shift = self._shift(detail.earlier, grey, differs)  # (H, W, 2) pixels
        length = np.asarray(cv2.magnitude(shift[..., 0], shift[..., 1]), np.float32)
        mean_length = _by_cell(length)
        per_second = 1 / (max(grey.shape) * detail.step_s)
        return Motion(
            moving=differs & (length > SETTINGS.flow.least_shift_px),
            velocity=_to_float16_precision(_by_cell(shift) * per_second),
            speed=_to_float16_precision(mean_length * per_second),
            cells=(mean_length > SETTINGS.flow.least_shift_px)
            & (_by_cell(differs.astype(np.float32)) >= SETTINGS.flow.least_differing_share),
        )

    def _shift(self, earlier: Grey, grey: Grey, differs: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Optical flow in pixels, (H, W, 2), smoothed; 0 outside the rectangle around all differing pixels."""
        shift = np.zeros((*grey.shape, 2), np.float32)
        part = _flow_range(np.any(differs, axis=1)), _flow_range(np.any(differs, axis=0))
        pair = np.ascontiguousarray(earlier[part]), np.ascontiguousarray(grey[part])
        flow = self._dis.calc(*pair, None)  # type: ignore[call-overload]  # None: no initial flow
        shift[part] = cv2.GaussianBlur(flow, (0, 0), SETTINGS.flow.blur * max(grey.shape))
        return shift

    @property
    def _dis(self) -> cv2.DISOpticalFlow:
        """DIS optical flow of the calling thread (OpenCV's object is not thread-safe)."""
        if not hasattr(self._own, "flow"):
            self._own.flow = cv2.DISOpticalFlow.create(SETTINGS.flow.dis_preset)
            self._own.flow.setGradientDescentIterations(SETTINGS.flow.descents)
        flow: cv2.DISOpticalFlow = self._own.flow
        return flow


def _no_motion(size: tuple[int, ...]) -> Motion:
    """Motion of a frame without differing pixels."""
    grid = (GRID, GRID)
    return Motion(
        moving=np.zeros(size, bool),
        velocity=np.zeros((*grid, 2), np.float32),
        speed=np.zeros(grid, np.float32),
        cells=np.zeros(grid, bool),
    )


def differing(earlier: Grey, later: Grey) -> NDArray[np.bool_]:
    """Mask of the pixels that differ by more than noise, compression and changes of light cause, dilated.

    A pixel differs where d = smoothed |later - earlier|, in grey levels, is above least_difference + ambient_factor *
    median(d). d is computed at 1 / `difference_scale` of the size. The mask is dilated by `difference_reach`.

    Args:
        earlier: (H, W) uint8.
        later: (H, W) uint8 of the same camera.

    Returns:
        (H, W) bool.
    """
    chosen = SETTINGS.flow
    height, width = later.shape
    small = (max(1, width // chosen.difference_scale), max(1, height // chosen.difference_scale))
    difference = cv2.resize(cv2.absdiff(earlier, later), small, interpolation=cv2.INTER_AREA).astype(np.float32)
    smooth = cv2.GaussianBlur(difference, (0, 0), chosen.difference_blur * max(small))
    usual = float(np.median(smooth[:: chosen.median_stride, :: chosen.median_stride]))
    reach = 2 * round(chosen.difference_reach * max(small)) + 1
    beyond = (smooth > chosen.least_difference + chosen.ambient_factor * usual).view(np.uint8)
    beyond = np.asarray(cv2.dilate(beyond, np.ones((reach, reach), np.uint8)), np.uint8)
    return cv2.resize(beyond, (width, height), interpolation=cv2.INTER_NEAREST).view(np.bool_)


def _flow_range(lines: NDArray[np.bool_]) -> slice:
    """Range of rows or columns from the first to the last that is set, with a margin of `margin_px` on each side.

    A range shorter than `least_side_px` is widened to that. What lies outside the picture is cut off.

    >>> _flow_range(np.arange(400) == 200)
    slice(137, 265, None)
    """
    (inside,) = np.nonzero(lines)
    first, last = int(inside[0]) - SETTINGS.flow.margin_px, int(inside[-1]) + 1 + SETTINGS.flow.margin_px
    widen = max(0, SETTINGS.flow.least_side_px - (last - first))
    return slice(max(0, first - widen // 2), min(len(lines), last + widen - widen // 2))


def _to_float16_precision(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Values rounded to float16, so that runs rarely differ: OpenCV's last bits depend on memory alignment."""
    return values.astype(np.float16).astype(np.float32)


def _by_cell(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Means over each cell, (GRID, GRID, …), of pixels (H, W, …)."""
    return np.asarray(cv2.resize(values, (GRID, GRID), interpolation=cv2.INTER_AREA), np.float32)
