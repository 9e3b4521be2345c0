"""Published tracks: the boxes of abnormal objects, each with the number of its track, from text files."""

import math
from collections.abc import Mapping
from pathlib import Path, PureWindowsPath

import numpy as np
from numpy.typing import NDArray

from streammon.errors import DatasetError
from streammon.evaluation.datasets.arrays import text_lines
from streammon.evaluation.datasets.checking import COPY_AGAIN
from streammon.evaluation.datasets.masks import StoredMasks
from streammon.evaluation.labelled import Labels, Mask, TrackedBoxes
from streammon.ingest import Clip

FIELDS = "image, track, centre x, centre y, width, height"
LARGEST_TRACK = 2**31

Row = tuple[int, int, float, float, float, float]
"""Frame from 0, track, left, top, right, bottom."""


class BoxTracks:
    """The published tracks of one clip.

    Args:
        rows: The boxes, in any order.
        size: Width and height of the frames, in pixels.
    """

    def __init__(self, rows: list[Row], size: tuple[int, int]) -> None:
        ordered = np.array(sorted(rows), dtype=np.float64).reshape(-1, 6)
        self._frames = ordered[:, 0].astype(np.int64)
        self._tracks = ordered[:, 1].astype(np.int64)
        self._boxes: NDArray[np.float64] = ordered[:, 2:]
        self.size = size

    def __getitem__(self, index: int, /) -> TrackedBoxes:
        first, end = np.searchsorted(self._frames, (index, index + 1))
        return self._boxes[first:end], self._tracks[first:end]

    def labels(self, frames: int) -> Labels:
        """(T,) labels of a clip of `frames` frames: a frame with a box is abnormal."""
        labels = np.zeros(frames, dtype=np.bool_)
        labels[self._frames] = True
        return labels


class BoxMasks(StoredMasks):
    """Masks from the boxes of tracks: every pixel that a box touches is abnormal.

    Args:
        path: File of the tracks.
        tracks: The tracks.
        frames: T, the number of frames.
    """

    def __init__(self, path: Path, tracks: BoxTracks, frames: int) -> None:
        self.files = (path,)
        self._tracks = tracks
        self._frames = frames

    def __len__(self) -> int:
        return self._frames

    def __getitem__(self, index: int, /) -> Mask:
        width, height = self._tracks.size
        mask = np.zeros((height, width), dtype=np.bool_)
        for left, top, right, bottom in self._tracks[index][0]:
            mask[max(math.floor(top), 0) : math.ceil(bottom), max(math.floor(left), 0) : math.ceil(right)] = True
        return mask


def read_tracks(path: Path, clip: Clip, frames: int, size: tuple[int, int]) -> BoxTracks:
    """Tracks from a text file with a line `image track x y width height` for each box, x and y of its centre.

    The image is the name of the frame's file, with or without folders before it; of a video, whose frames have no
    names, it is the number of the frame from 1.

    Args:
        path: The file.
        clip: The clip.
        frames: T, the number of frames of the clip.
        size: Width and height of the frames, in pixels.

    Raises:
        DatasetError: The file can't be read, has no boxes, or has a line that can't be of the clip.
    """
    numbers = _frame_numbers(clip, frames)
    rows: list[Row] = []
    seen: set[tuple[int, int]] = set()
    for number, line in enumerate(text_lines(path), 1):
        row = _row(f"{path}, line {number}", line, numbers, size)
        if row[:2] in seen:
            raise DatasetError(f"{path}, line {number}", f"a second box of track {row[1]} in its frame", COPY_AGAIN)
        seen.add(row[:2])
        rows.append(row)
    if not rows:
        raise DatasetError(str(path), "no boxes in it", COPY_AGAIN)
    return BoxTracks(rows, size)


def _frame_numbers(clip: Clip, frames: int) -> dict[str, int]:
    """Number of each frame from 0, by its name without leading zeros."""
    names = [image.stem for image in clip.images] or [str(number) for number in range(1, frames + 1)]
    return {name.lstrip("0"): index for index, name in enumerate(names)}


def _row(where: str, line: str, numbers: Mapping[str, int], size: tuple[int, int]) -> Row:
    fields = line.split()
    if len(fields) != 6:
        raise DatasetError(where, f"{len(fields)} fields; it must be {FIELDS}", COPY_AGAIN)
    name = PureWindowsPath(fields[0]).stem  # of either kind of slash
    if name.lstrip("0") not in numbers:
        raise DatasetError(where, f"a box in '{fields[0]}', which is no frame of the clip", COPY_AGAIN)
    try:
        track = int(fields[1])
        x, y, width, height = map(float, fields[2:])
    except ValueError:
        raise DatasetError(where, f"'{line[:60]}'; it must be {FIELDS}, five of them numbers", COPY_AGAIN) from None
    if not 0 <= track < LARGEST_TRACK:
        raise DatasetError(where, f"track {track}; it must be a number from 0", COPY_AGAIN)
    left, top, right, bottom = x - width / 2, y - height / 2, x + width / 2, y + height / 2
    inside = left < size[0] and top < size[1] and right > 0 and bottom > 0
    if not (0 < width < math.inf and 0 < height < math.inf and inside):
        found = f"a box of {width:g}x{height:g} around {x:g},{y:g} in a frame of {size[0]}x{size[1]}"
        raise DatasetError(where, found, COPY_AGAIN)
    return numbers[name.lstrip("0")], track, left, top, right, bottom
