"""Inner loop of the Mahalanobis distances, compiled for this processor by Numba.

It is compiled at the first use (about two seconds) and kept beside this module or in the user's cache.
"""

from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]
Kernel = Callable[
    [Floats, Floats, Floats, Integers, Integers, Integers, Floats, NDArray[np.int16], Floats, Floats, int, int], None
]

LANES = 64
"""Positions side by side: the innermost loops run over them, whose lengths the compiler then knows."""

LINE = 16
"""Values of a cache line."""

SIGNATURE = (
    "void(f4[:,::1], f4[:,::1], f4[:,::1], i8[::1], i8[::1], i8[:,::1], "
    "f4[:,::1], i2[:,:,::1], f4[:,::1], f4[:,::1], i8, i8)"
)
SUMS_IN_ANY_ORDER = {"reassoc", "contract", "nsz"}
"""LLVM's fast-math flags: sums may be reordered into vectors, nan and infinity stay what they are."""


@cache
def distance_kernel() -> Kernel:
    """The compiled loop, which releases the interpreter's lock: see `_distances` for its arguments."""
    from numba import njit  # takes half a second, and few commands score

    try:
        return njit(SIGNATURE, nogil=True, fastmath=SUMS_IN_ANY_ORDER, cache=True)(_distances)
    except (RuntimeError, OSError):  # no folder for the cache can be written
        return njit(SIGNATURE, nogil=True, fastmath=SUMS_IN_ANY_ORDER)(_distances)


def _distances(
    fine: Floats,
    middle: Floats,
    coarse: Floats,
    sources: Integers,
    channels: Integers,
    offsets: Integers,
    mean: Floats,
    steps: NDArray[np.int16],
    scales: Floats,
    distances: Floats,
    first: int,
    last: int,
) -> None:
    """Write the distances of groups `first` to `last`, exclusive, of `LANES` positions each.

    Four frames at a time share the conversion of the matrices; what is left over is computed alone, several columns
    at a time.

    Args:
        fine: (B, N) values of the first map, as in `reduction.Patches`.
        middle: (B, N) values of the second map.
        coarse: (B, N) values of the third map.
        sources: (D,) number of the map that has each channel.
        channels: (D,) channels within these maps.
        offsets: (3, P) first channel of each position in each map.
        mean: (P, D).
        steps: (G, T, LANES) lower triangles of W / scale, row by row; the last group may have more than P.
        scales: (P, D) scale of each row of W.
        distances: (B, P), written.
        first: First group.
        last: Group after the last.
    """
    frames, dimensions, positions = len(fine), len(channels), offsets.shape[1]
    # begins with a cache line: a vector that crosses one takes two loads
    raw = np.zeros((4 + 4 * dimensions) * LANES + LINE, np.float32)
    skipped = -raw.ctypes.data // 4 % LINE
    scratch = raw[skipped : len(raw) - LINE + skipped].reshape((-1, LANES))
    sums, centred = scratch[:4], scratch[4:].reshape((4, dimensions, LANES))
    means = np.zeros((dimensions, LANES), np.float32)
    scale = np.zeros((dimensions, LANES), np.float32)
    squares = np.empty((4, LANES), np.float32)
    one, two, three, four = sums[0], sums[1], sums[2], sums[3]
    for group in range(first, last):
        begin = group * LANES
        lanes = min(LANES, positions - begin)
        for lane in range(lanes):
            for row in range(dimensions):
                means[row, lane] = mean[begin + lane, row]
                scale[row, lane] = scales[begin + lane, row]
        frame = 0
        while frame < frames:
            together = 4 if frame + 4 <= frames else 1
            for other in range(together):
                for row in range(dimensions):
                    feature = fine
                    if sources[row] == 1:
                        feature = middle
                    elif sources[row] == 2:
                        feature = coarse
                    values = feature[frame + other]
                    places = offsets[sources[row]]
                    for lane in range(lanes):
                        centred[other, row, lane] = values[places[begin + lane] + channels[row]] - means[row, lane]
            squares[:] = 0
            step = 0
            for row in range(dimensions):
                sums[:] = 0
                column = 0
                if together == 4:
                    while column + 2 <= row + 1:
                        left, right = steps[group, step], steps[group, step + 1]
                        one_left, one_right = centred[0, column], centred[0, column + 1]
                        two_left, two_right = centred[1, column], centred[1, column + 1]
                        three_left, three_right = centred[2, column], centred[2, column + 1]
                        four_left, four_right = centred[3, column], centred[3, column + 1]
                        for lane in range(LANES):
                            a, b = np.float32(left[lane]), np.float32(right[lane])
                            one[lane] += a * one_left[lane] + b * one_right[lane]
                            two[lane] += a * two_left[lane] + b * two_right[lane]
                            three[lane] += a * three_left[lane] + b * three_right[lane]
                            four[lane] += a * four_left[lane] + b * four_right[lane]
                        step += 2
                        column += 2
                else:
                    while column + 4 <= row + 1:
                        s, t = steps[group, step], steps[group, step + 1]
                        u, v = steps[group, step + 2], steps[group, step + 3]
                        x, y = centred[0, column], centred[0, column + 1]
                        z, w = centred[0, column + 2], centred[0, column + 3]
                        for lane in range(LANES):
                            pair = np.float32(s[lane]) * x[lane] + np.float32(t[lane]) * y[lane]
                            one[lane] += pair + (np.float32(u[lane]) * z[lane] + np.float32(v[lane]) * w[lane])
                        step += 4
                        column += 4
                while column <= row:
                    for other in range(together):
                        for lane in range(LANES):
                            sums[other, lane] += np.float32(steps[group, step, lane]) * centred[other, column, lane]
                    step += 1
                    column += 1
                for other in range(together):
                    for lane in range(LANES):
                        squares[other, lane] += (sums[other, lane] * scale[row, lane]) ** 2
            for other in range(together):
                for lane in range(lanes):
                    distances[frame + other, begin + lane] = np.sqrt(squares[other, lane])
            frame += together
