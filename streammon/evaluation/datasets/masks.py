"""Masks that are read from disk on access, since the masks of one clip can take hundreds of megabytes."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from streammon.errors import DatasetError
from streammon.evaluation.datasets.arrays import npy_array, vol_label
from streammon.evaluation.datasets.checking import COPY_AGAIN, require_files, require_mask_count, require_mask_size
from streammon.evaluation.labelled import Labels, Mask
from streammon.ingest.faults import StreamFault
from streammon.ingest.images import Scaler, decode_image
from streammon.records import Picture

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
JPEG_SUFFIXES = frozenset((".jpg", ".jpeg"))
JPEG_BLACK = 127
UNKNOWN_SIZE = (1, 1)  # of the empty masks of normal frames, without their footage
PNG_DISPLAY = (b"eXIf", b"pHYs")  # chunks that may turn or stretch the picture, so that it must be decoded


class StoredMasks(ABC):
    """The masks of one clip.

    Attributes:
        files: Files that contain the masks; empty without files.
    """

    files: tuple[Path, ...] = ()

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __getitem__(self, index: int, /) -> Mask: ...


class EmptyMasks(StoredMasks):
    """Masks of normal frames, all False.

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
    """Masks from one image file a frame, in which pixels that are not black are abnormal.

    JPEG blurs the borders of a mask, so there pixels above half of white are.

    Args:
        files: Image files in the order of the frames.
        sizes: Width and height of each frame.

    Raises:
        DatasetError: The numbers of files and frames differ, or a file is missing or empty.
    """

    def __init__(self, files: tuple[Path, ...], sizes: Sequence[tuple[int, int]]) -> None:
        require_mask_count(files[0].parent, len(files), len(sizes))
        require_files(files)
        self.files = files
        self._sizes = sizes

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int, /) -> Mask:
        path = self.files[index]
        picture = _decoded(path)
        darkest = JPEG_BLACK if path.suffix.lower() in JPEG_SUFFIXES else 0
        mask = np.maximum(np.maximum(picture[..., 0], picture[..., 1]), picture[..., 2]) > darkest
        require_mask_size(path, (mask.shape[1], mask.shape[0]), self._sizes[index])
        return mask


class ArrayMasks(StoredMasks):
    """Masks from a NumPy file (T, H, W) of booleans or integers, read one frame at a time; non-zero is abnormal.

    Args:
        path: The file.
        frames: T, the number of frames.
        size: Width and height of the frames; None if unknown.

    Raises:
        DatasetError: The file can't be read, or has another shape or type.
    """

    def __init__(self, path: Path, frames: int, size: tuple[int, int] | None) -> None:
        array = npy_array(path)
        if array.dtype.kind == "f":
            found = f"masks of {array.dtype}; masks are booleans or whole numbers, 0 where the frame is normal"
            raise DatasetError(str(path), found, "save them as booleans: numpy.save(file, masks > 0.5)")
        if array.ndim != 3 or array.dtype.kind not in "bui":
            found = f"an array of shape {array.shape} of {array.dtype}; masks are (T, H, W) of whole numbers"
            raise DatasetError(str(path), found, COPY_AGAIN)
        require_mask_count(path, len(array), frames)
        if size is not None:
            require_mask_size(path, (array.shape[2], array.shape[1]), size)
        self.files = (path,)
        self._frames = frames

    def __len__(self) -> int:
        return self._frames

    def __getitem__(self, index: int, /) -> Mask:
        # mapped anew on each access: the pages read through a mapping count as memory of the process
        return cast(Mask, np.asarray(npy_array(self.files[0])[index]) != 0)


class MatMasks(StoredMasks):
    """Masks from Avenue's `volLabel`, a cell array in a MATLAB file with a mask for each frame.

    Such a file can only be read whole, so the masks of the file used last stay in memory, one bit for each pixel.

    Args:
        path: The file.
        size: Width and height of the frames; None if unknown.

    Attributes:
        abnormal: (T,) bool, True for frames whose mask has a pixel set.

    Raises:
        DatasetError: The file can't be read, or the masks have another size.
    """

    def __init__(self, path: Path, size: tuple[int, int] | None) -> None:
        self.files = (path,)
        bits, (height, width) = _packed(path)
        if size is not None:
            require_mask_size(path, (width, height), size)
        self._frames = len(bits)
        self.abnormal = cast(Labels, bits.any(axis=1))

    def __len__(self) -> int:
        return self._frames

    def __getitem__(self, index: int, /) -> Mask:
        bits, (height, width) = _packed(self.files[0])
        return np.unpackbits(bits[index], count=height * width).reshape(height, width).astype(bool)


@lru_cache(maxsize=1)
def _packed(path: Path) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    """(T, ceil(H W / 8)) packed bits of the masks in a file, and (H, W)."""
    cells = vol_label(path)
    return np.stack([np.packbits(cell != 0) for cell in cells]), (cells[0].shape[0], cells[0].shape[1])


def image_size(path: Path) -> tuple[int, int]:
    """Width and height of an image file, in pixels: from the header of a PNG, otherwise by decoding.

    Raises:
        DatasetError: The file can't be read.
    """
    try:
        with path.open("rb") as file:
            head = file.read(1024)
    except OSError as error:
        raise DatasetError(str(path), f"it can't be read ({error.strerror})", COPY_AGAIN) from None
    if head.startswith(PNG_SIGNATURE) and len(head) >= 24 and not any(chunk in head for chunk in PNG_DISPLAY):
        # after the signature comes IHDR: length, name, width, height
        return int.from_bytes(head[16:20]), int.from_bytes(head[20:24])
    height, width, _ = _decoded(path).shape
    return width, height


def _decoded(path: Path) -> Picture:
    try:
        return Scaler(None).scale(decode_image(path))
    except StreamFault as fault:
        raise DatasetError(str(path), f"it can't be read as an image ({fault.reason})", COPY_AGAIN) from None
