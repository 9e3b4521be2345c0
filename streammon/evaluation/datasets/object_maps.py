"""Masks and tracks of abnormal objects, from maps that give each pixel the number of its object."""

from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from streammon.errors import DatasetError
from streammon.evaluation.datasets.arrays import text_lines
from streammon.evaluation.datasets.checking import COPY_AGAIN, require_files, require_mask_size
from streammon.evaluation.datasets.masks import StoredMasks
from streammon.evaluation.labelled import Labels, Mask, TrackedBoxes

Line = tuple[int, int, int]
"""Number of an object, and its first and last abnormal frame, from 0."""


class AbnormalObjects:
    """The abnormal objects of one clip.

    Args:
        path: The clip's `_tracks.txt`, beside its object maps.
        frames: T, the number of frames.
        size: Width and height of the frames.

    Attributes:
        labels: (T,) bool, True for frames with an abnormal object.
        files: The file of tracks, and the object maps of the abnormal frames.
        size: Width and height of the frames.

    Raises:
        DatasetError: A file is missing or broken, or a line can't be of the clip.
    """

    def __init__(self, path: Path, frames: int, size: tuple[int, int]) -> None:
        self._lines = [_line(f"{path}, line {n}", text, frames) for n, text in enumerate(text_lines(path), 1)]
        if not self._lines:
            raise DatasetError(str(path), "no tracks in it", COPY_AGAIN)
        self.size = size
        self.labels: Labels = np.zeros(frames, dtype=np.bool_)
        for _, first, last in self._lines:
            self.labels[first : last + 1] = True
        self._stem = str(path).removesuffix("tracks.txt")
        self.files = (path, *map(self._map_file, np.flatnonzero(self.labels).tolist()))
        require_files(self.files)
        self._map(int(np.argmax(self.labels)))  # so that one of another size is refused at once

    def of_frame(self, index: int) -> list[tuple[int, Mask]]:
        """Track and pixels (H, W) of each object that is abnormal in a frame."""
        active = [(track, line[0]) for track, line in enumerate(self._lines) if line[1] <= index <= line[2]]
        return [(track, self._map(index) == number) for track, number in active]

    def _map(self, index: int) -> NDArray[np.uint8]:
        """(H, W) number of the object at each pixel of a frame; 0 for none."""
        path = self._map_file(index)
        found = _object_map(path)
        require_mask_size(path, (found.shape[1], found.shape[0]), self.size)
        return found

    def _map_file(self, index: int) -> Path:
        return Path(f"{self._stem}{index:04}_gt.png")


class ObjectMasks(StoredMasks):
    """Masks of a clip's abnormal objects."""

    def __init__(self, objects: AbnormalObjects) -> None:
        self.files = objects.files
        self._objects = objects

    def __len__(self) -> int:
        return len(self._objects.labels)

    def __getitem__(self, index: int, /) -> Mask:
        width, height = self._objects.size
        mask = np.zeros((height, width), dtype=np.bool_)
        for _, pixels in self._objects.of_frame(index):
            mask |= pixels
        return mask


class ObjectTracks:
    """Boxes of a clip's abnormal objects; an object that isn't visible in a frame has none there."""

    def __init__(self, objects: AbnormalObjects) -> None:
        self.size = objects.size
        self._objects = objects

    def __getitem__(self, index: int, /) -> TrackedBoxes:
        visible = [(track, pixels) for track, pixels in self._objects.of_frame(index) if pixels.any()]
        boxes = np.array([_largest_box(pixels) for _, pixels in visible], dtype=np.float64).reshape(-1, 4)
        return boxes, np.array([track for track, _ in visible], dtype=np.int64)


@lru_cache(maxsize=1)
def _object_map(path: Path) -> NDArray[np.uint8]:
    found = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if found is None:
        raise DatasetError(str(path), "it can't be read as an image", COPY_AGAIN)
    return found.astype(np.uint8, copy=False)


def _largest_box(pixels: Mask) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of the 8-connected part whose box is largest."""
    _, _, found, _ = cv2.connectedComponentsWithStats(pixels.astype(np.uint8), connectivity=8)
    left, top, width, height = max(found[1:, :4].tolist(), key=lambda box: box[2] * box[3])
    return left, top, left + width, top + height


def _line(where: str, text: str, frames: int) -> Line:
    try:
        number, first, last = (int(float(field)) for field in text.split(","))
    except (ValueError, OverflowError):
        raise DatasetError(where, f"'{text[:60]}'; it must be object,first,last", COPY_AGAIN) from None
    if not (0 < number < 256 and 0 <= first <= last < frames):
        found = f"object {number} is abnormal in {first} to {last} of {frames} frames"
        raise DatasetError(where, found, COPY_AGAIN)
    return number, first, last
