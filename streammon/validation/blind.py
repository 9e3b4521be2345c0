"""Where in the picture a camera is blind."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from streammon.records import Picture

ROWS, COLUMNS = 9, 12
LEAST_SHARE = 0.1
"""Of a cell that something covers in some frame, to count as having been there."""

PICTURE_SIDE = 960
"""Pixels of the longer side of what is drawn, at least: small details are enlarged so that figures fit in."""

CAUGHT, MISSED = (40, 160, 80), (220, 40, 40)
TINT = 0.45

Cells = NDArray[np.bool_]


def touched_cells(masks: Sequence[NDArray[np.bool_]]) -> Cells:
    """(ROWS, COLUMNS) cells of the picture that (H, W) masks cover in any frame."""
    touched = np.zeros((ROWS, COLUMNS), np.bool_)
    for mask in masks:
        if mask.any():
            share = cv2.resize(mask.astype(np.float32), (COLUMNS, ROWS), interpolation=cv2.INTER_AREA)
            touched |= share >= min(LEAST_SHARE, float(share.max()))
    return touched


class BlindMap:
    """Counts, cell by cell, what went through it and what of that was missed.

    Attributes:
        staged: (ROWS, COLUMNS) int, anomalies that went through.
        missed: (ROWS, COLUMNS) int, those of them that were missed.
    """

    def __init__(self) -> None:
        self.staged = np.zeros((ROWS, COLUMNS), np.int64)
        self.missed = np.zeros((ROWS, COLUMNS), np.int64)

    def add(self, cells: Cells, caught: bool) -> None:
        """Count one anomaly."""
        self.staged += cells
        self.missed += cells & (not caught)

    def fractions(self) -> list[list[float | None]]:
        """Share missed in each cell, rows from the top; None where nothing was staged."""
        return [
            [round(int(missed) / int(staged), 3) if staged else None for missed, staged in zip(*row, strict=True)]
            for row in zip(self.missed, self.staged, strict=True)
        ]

    def drawn(self, background: Picture) -> Picture:
        """The scene with each cell tinted from green (all caught) to red (all missed), and grey where nothing was.

        Args:
            background: (H, W, 3) uint8 RGB.

        Returns:
            (h, w, 3) uint8 RGB of the same proportions, in each cell `missed/staged`.
        """
        scale = max(1.0, PICTURE_SIDE / max(background.shape[:2]))
        picture = cv2.resize(background, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
        picture = np.asarray(picture, np.uint8).copy()
        height, width = picture.shape[:2]
        for row in range(ROWS):
            for column in range(COLUMNS):
                top, bottom = height * row // ROWS, height * (row + 1) // ROWS
                left, right = width * column // COLUMNS, width * (column + 1) // COLUMNS
                cell = picture[top:bottom, left:right]
                cell[:] = self._tinted(cell, row, column)
                if self.staged[row, column]:
                    words = f"{self.missed[row, column]}/{self.staged[row, column]}"
                    place = (left + 4, bottom - 6)
                    cv2.putText(picture, words, place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 1, cv2.LINE_AA)
        return picture

    def _tinted(self, cell: Picture, row: int, column: int) -> NDArray[np.uint8]:
        if not self.staged[row, column]:
            grey = cv2.cvtColor(cell, cv2.COLOR_RGB2GRAY)[..., None]
            return np.asarray(0.5 * grey + 64, np.uint8).repeat(3, axis=2)
        share = self.missed[row, column] / self.staged[row, column]
        colour = (1 - share) * np.array(CAUGHT) + share * np.array(MISSED)
        return np.asarray((1 - TINT) * cell + TINT * colour, np.uint8)


def png(picture: Picture) -> bytes:
    """An RGB picture as PNG."""
    done, encoded = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    assert done
    return encoded.tobytes()
