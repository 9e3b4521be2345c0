"""Masks, each read when it is asked for: those of one clip can be hundreds of megabytes."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from streammon.errors import DatasetError
from streammon.evaluation.datasets.arrays import npy_array, vol_label
from streammon.evaluation.datasets.checking import COPY_AGAIN, hold_files, hold_mask_count, hold_mask_size
from streammon.evaluation.labelled import Labels, Mask
from streammon.ingest.faults import StreamFault
from streammon.ingest.images import Scaler, decode_image
from streammon.records import Picture

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


class StoredMasks(ABC):
    """The masks of one clip.

    Attributes:
        files: What they are read from; empty where nothing is.
    """

    files: tuple[Path, ...] = ()

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __getitem__(self, index: int, /) -> Mask: ...


class EmptyMasks(StoredMasks):
    """The masks of frames in which nothing is abnormal.

    Args:
        sizes: Width and height of each frame.
    """

    def __init__(self, sizes: Sequence[tuple[int, int]]) -> None:
        self._sizes = sizes

    def __len__(self) -> int:
        return len(self._sizes)

    def __getitem__(self, index: int, /) -> Mask:
        width, height = self._sizes[index]
        return np.zeros((height, width), bool)


class ImageMasks(StoredMasks):
    """One image file a frame; what isn't black is abnormal.

    Args:
        files: In the order of the frames.
        sizes: Width and height of each frame.

    Raises:
        DatasetError: They aren't as many as the frames, or one is missing or empty.
    """

    def __init__(self, files: tuple[Path, ...], sizes: Sequence[tuple[int, int]]) -> None:
        hold_mask_count(files[0].parent, len(files), len(sizes))
        hold_files(files)
        self.files = files
        self._sizes = sizes

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int, /) -> Mask:
        path = self.files[index]
        picture = _decoded(path)
        mask = (picture[..., 0] | picture[..., 1] | picture[..., 2]) != 0  # ten times as fast as any(axis=-1)
        hold_mask_size(path, (mask.shape[1], mask.shape[0]), self._sizes[index])
        return cast(Mask, mask)


class ArrayMasks(StoredMasks):
    """A NumPy file (T, H, W) of booleans or whole numbers, of which only the asked frame is read; not 0 is abnormal.

    Args:
        path: The file.
        frames: T.
        size: Width and height of the frames.

    Raises:
        DatasetError: It isn't such a file, or of another shape.
    """

    def __init__(self, path: Path, frames: int, size: tuple[int, int]) -> None:
        array = npy_array(path)
        if array.ndim != 3 or array.dtype.kind not in "bui":
            found = f"an array of shape {array.shape} of {array.dtype}; masks are (T, H, W) of whole numbers"
            raise DatasetError(str(path), found, COPY_AGAIN)
        hold_mask_count(path, len(array), frames)
        hold_mask_size(path, (array.shape[2], array.shape[1]), size)
        self.files = (path,)
        self._frames = frames

    def __len__(self) -> int:
        return self._frames

    def __getitem__(self, index: int, /) -> Mask:
        # mapped anew each time: pages that were read stay with a mapping, and count as this process's memory
        return cast(Mask, np.asarray(npy_array(self.files[0])[index]) != 0)


class MatMasks(StoredMasks):
    """Avenue's `volLabel`: a MATLAB file holds a cell array with a mask for each frame.

    Such a file can only be read whole, so the one that was used last is kept, a bit for each pixel.

    Args:
        path: The file.
        size: Width and height of the frames.

    Attributes:
        abnormal: (T,) whether a pixel of each mask is set.

    Raises:
        DatasetError: It can't be read, or its masks have another size.
    """

    def __init__(self, path: Path, size: tuple[int, int]) -> None:
        self.files = (path,)
        bits, (height, width) = _packed(path)
        hold_mask_size(path, (width, height), size)
        self._frames = len(bits)
        self.abnormal = cast(Labels, bits.any(axis=1))

    def __len__(self) -> int:
        return self._frames

    def __getitem__(self, index: int, /) -> Mask:
        bits, (height, width) = _packed(self.files[0])
        return np.unpackbits(bits[index], count=height * width).reshape(height, width).astype(bool)


@lru_cache(maxsize=1)
def _packed(path: Path) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    """(T, ceil(H W / 8)) bits, and H and W."""
    cells = vol_label(path)
    return np.stack([np.packbits(cell != 0) for cell in cells]), (cells[0].shape[0], cells[0].shape[1])


def image_size(path: Path) -> tuple[int, int]:
    """Width and height of an image file: of a PNG from its header, of others by decoding.

    Raises:
        DatasetError: It can't be read.
    """
    try:
        with path.open("rb") as file:
            head = file.read(24)
    except OSError as error:
        raise DatasetError(str(path), f"it can't be read ({error.strerror})", COPY_AGAIN) from None
    if head.startswith(PNG_SIGNATURE) and len(head) == 24:  # then IHDR: length, name, width, height
        return int.from_bytes(head[16:20]), int.from_bytes(head[20:24])
    height, width, _ = _decoded(path).shape
    return width, height


def _decoded(path: Path) -> Picture:
    try:
        return Scaler(None).scale(decode_image(path))
    except StreamFault as fault:
        raise DatasetError(str(path), f"it can't be read as an image ({fault.reason})", COPY_AGAIN) from None
