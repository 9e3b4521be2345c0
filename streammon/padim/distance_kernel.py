"""Inner loop of the Mahalanobis distances, compiled for this processor by Numba.

It is compiled at the first use (about two seconds) and kept beside this module or in the user's cache.
"""

from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Kernel = Callable[[Floats, Floats, NDArray[np.int16], Floats, Floats, int, int], None]

SIGNATURE = "void(f4[:,:,::1], f4[:,::1], i2[:,::1], f4[:,::1], f4[:,::1], i8, i8)"
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
    embeddings: Floats,
    mean: Floats,
    steps: NDArray[np.int16],
    scales: Floats,
    distances: Floats,
    first: int,
    last: int,
) -> None:
    """Write the distances of positions `first` to `last`, exclusive.

    Four frames at a time share the conversion of the matrices; what is left over is computed alone.

    Args:
        embeddings: (B, P, D).
        mean: (P, D).
        steps: (P, T) lower triangles of W / scale, row by row.
        scales: (P, D) scale of each row of W.
        distances: (B, P), written.
        first: First position.
        last: Position after the last.
    """
    frames, dimensions = embeddings.shape[0], embeddings.shape[2]
    centred = np.empty((frames, dimensions), np.float32)
    fours = frames - frames % 4
    for position in range(first, last):
        for frame in range(frames):
            for channel in range(dimensions):
                centred[frame, channel] = embeddings[frame, position, channel] - mean[position, channel]
        triangle = steps[position]
        for frame in range(0, fours, 4):
            one, two, three, four = centred[frame], centred[frame + 1], centred[frame + 2], centred[frame + 3]
            square_one = square_two = square_three = square_four = np.float32(0)
            begin = 0
            for row in range(dimensions):
                sum_one = sum_two = sum_three = sum_four = np.float32(0)
                for column in range(row + 1):
                    weight = np.float32(triangle[begin + column])
                    sum_one += weight * one[column]
                    sum_two += weight * two[column]
                    sum_three += weight * three[column]
                    sum_four += weight * four[column]
                begin += row + 1
                scale = scales[position, row]
                square_one += (sum_one * scale) ** 2
                square_two += (sum_two * scale) ** 2
                square_three += (sum_three * scale) ** 2
                square_four += (sum_four * scale) ** 2
            distances[frame, position] = np.sqrt(square_one)
            distances[frame + 1, position] = np.sqrt(square_two)
            distances[frame + 2, position] = np.sqrt(square_three)
            distances[frame + 3, position] = np.sqrt(square_four)
        for frame in range(fours, frames):
            alone = centred[frame]
            square = np.float32(0)
            begin = 0
            for row in range(dimensions):
                summed = np.float32(0)
                for column in range(row + 1):
                    summed += np.float32(triangle[begin + column]) * alone[column]
                begin += row + 1
                square += (summed * scales[position, row]) ** 2
            distances[frame, position] = np.sqrt(square)
