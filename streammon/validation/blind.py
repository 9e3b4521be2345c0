"""Map of the cells of the picture in which anomalies are missed."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from streammon.records import Picture

ROWS, COLUMNS = 9, 12
LEAST_SHARE = 0.1
"""Share of a cell that an object must cover in a frame to touch the cell; a smaller object touches the cell that it
covers most."""

PICTURE_SIDE = 960
"""Minimum longer side of the drawn picture in pixels; small pictures are enlarged so that the numbers fit."""

CAUGHT, MISSED = (40, 160, 80), (220, 40, 40)
TINT = 0.45

Cells = NDArray[np.bool_]


def touched_cells(masks: Sequence[NDArray[np.bool_]]) -> Cells:
    """(ROWS, COLUMNS) bool, cells of the picture that (H, W) masks touch in any frame."""
    touched = np.zeros((ROWS, COLUMNS), np.bool_)
    for mask in masks:
        if mask.any():
            share = cv2.resize(mask.astype(np.float32), (COLUMNS, ROWS), interpolation=cv2.INTER_AREA)
            touched |= share >= min(LEAST_SHARE, float(share.max()))
    return touched


class BlindMap:
    """Numbers of staged and of missed anomalies in each cell of the picture.

    Attributes:
        staged: (ROWS, COLUMNS) int, anomalies that touched the cell.
        missed: (ROWS, COLUMNS) int, missed anomalies that touched the cell.
    """

    def __init__(self) -> None:
        self.staged = np.zeros((ROWS, COLUMNS), np.int64)
        self.missed = np.zeros((ROWS, COLUMNS), np.int64)

    def add(self, cells: Cells, caught: bool) -> None:
        """Count one anomaly."""
        self.staged += cells
        self.missed += cells & (not caught)

    def fractions(self) -> list[list[float | None]]:
        """Share of missed anomalies in each cell, rows from the top; None where nothing was staged."""
        return [
            [round(int(missed) / int(staged), 3) if staged else None for missed, staged in zip(*row, strict=True)]
            for row in zip(self.missed, self.staged, strict=True)
        ]

    def drawn(self, background: Picture) -> Picture:
        """The background with each cell tinted from green (all caught) to red (all missed), or grey (none staged).

        Args:
            background: (H, W, 3) uint8 RGB.

        Returns:
            (h, w, 3) uint8 RGB of the same proportions, with `missed/staged` written into each cell.
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
