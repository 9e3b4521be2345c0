"""Readers of ground-truth files: NumPy, MATLAB and text. Nothing is unpickled."""

import re
from io import BytesIO
from pathlib import Path
from tokenize import TokenError
from zipfile import ZipFile

import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat

from streammon.errors import DatasetError
from streammon.evaluation.datasets.checking import COPY_AGAIN
from streammon.evaluation.labelled import Labels

GT_FRAME = re.compile(r"TestVideoFile\s*\{[^}]*\}\s*\.gt_frame\s*=\s*\[([^\]]*)\]")
SPAN = re.compile(r"(\d+)(?::(\d+))?")

Spans = list[tuple[int, int]]
"""(first, last) frame numbers, counted from 1, both included."""


def npy_array(path: Path) -> NDArray[np.generic]:
    """A memory-mapped NumPy file, of which only the header is read.

    Raises:
        DatasetError: The file isn't a NumPy file, is cut short, or contains Python objects.
    """
    try:
        return np.lib.format.open_memmap(path, mode="r")
    except OSError as error:
        raise DatasetError(str(path), f"it can't be read ({error.strerror})", COPY_AGAIN) from None
    except (ValueError, EOFError, SyntaxError, TokenError, OverflowError, MemoryError):  # also of broken headers
        raise DatasetError(
            str(path), "it is not a NumPy array, is cut short, or contains Python objects", COPY_AGAIN
        ) from None


def npy_labels(path: Path) -> Labels:
    """(T,) labels from a NumPy file of shape (T,), (T, 1) or (1, T) with values 0 and 1.

    Raises:
        DatasetError: The file can't be read, or has another shape or other values.
    """
    return labels_of(npy_array(path), str(path))


def labels_of(array: NDArray[np.generic], where: str) -> Labels:
    """(T,) labels from an array of shape (T,), (T, 1) or (1, T) with values 0 and 1.

    Raises:
        DatasetError: The array has another shape or other values; the message begins with `where`.
    """
    if array.dtype.kind not in "buif":
        raise DatasetError(where, f"labels of type {array.dtype}; they must be 0 or 1", COPY_AGAIN)
    if array.size == 0 or array.size != max(array.shape, default=0):
        raise DatasetError(where, f"labels of shape {array.shape}; it must be one for each frame", COPY_AGAIN)
    values = np.array(array).reshape(-1)
    wrong = ~np.isin(values, (0, 1))
    if wrong.any():
        first = int(np.argmax(wrong))
        raise DatasetError(where, f"label {first} is {values[first]}; it must be 0 or 1", COPY_AGAIN)
    return values.astype(bool)


def npz_arrays(path: Path) -> dict[str, NDArray[np.generic]]:
    """The arrays of a NumPy archive, by name.

    Raises:
        DatasetError: The file can't be read, isn't such an archive, is damaged, or contains Python objects.
    """
    try:
        with ZipFile(path) as archive:
            return {
                name.removesuffix(".npy"): np.load(BytesIO(archive.read(name)), allow_pickle=False)
                for name in archive.namelist()
            }
    except OSError as error:
        raise DatasetError(str(path), f"it can't be read ({error.strerror})", "copy the data set again") from None
    except Exception:  # on broken bytes zipfile and numpy raise errors of zlib, EOFError, ValueError, …
        found = "it is not a NumPy archive, is damaged, or contains Python objects"
        raise DatasetError(str(path), found, "copy the data set again") from None


def text_lines(path: Path, remedy: str = COPY_AGAIN) -> list[str]:
    """Lines of a text file in ASCII, without empty lines at the end.

    Raises:
        DatasetError: The file can't be read, or isn't plain text, for which the message has the `remedy`.
    """
    try:
        return path.read_text(encoding="ascii").rstrip().splitlines()
    except OSError as error:
        raise DatasetError(str(path), f"it can't be read ({error.strerror})", COPY_AGAIN) from None
    except UnicodeDecodeError:
        raise DatasetError(str(path), "it is not plain text", remedy) from None


def text_labels(path: Path) -> Labels:
    """(T,) labels from a text file with one 0 or 1 a line; empty lines at the end don't count.

    Raises:
        DatasetError: The file can't be read, has no labels, or has a line other than 0 or 1.
    """
    lines = text_lines(path, "write one 0 or 1 a line")
    for number, line in enumerate(lines, 1):
        if line.strip() not in ("0", "1"):
            raise DatasetError(str(path), f"line {number} is '{line[:20]}'", "write one 0 or 1 a line")
    if not lines:
        raise DatasetError(str(path), "no labels in it", "write one 0 or 1 a line")
    return np.array([line.strip() == "1" for line in lines])


def mat_cells(path: Path, variable: str) -> list[NDArray[np.generic]]:
    """The cells of a MATLAB file's cell array.

    Raises:
        DatasetError: The file can't be read, or has no such cell array.
    """
    try:
        content = loadmat(path, variable_names=[variable])
    except OSError as error:
        reason = error.strerror or "it is cut short"
        raise DatasetError(str(path), f"it can't be read ({reason})", COPY_AGAIN) from None
    except NotImplementedError:  # raised by scipy for MATLAB 7.3 files, which are HDF5
        found, remedy = "a MATLAB 7.3 file", "save it in MATLAB with -v7, or take the official file"
        raise DatasetError(str(path), found, remedy) from None
    except Exception:  # on broken bytes scipy raises errors of zlib and struct, TypeError, ValueError, …
        raise DatasetError(str(path), "it can't be read as a MATLAB file", COPY_AGAIN) from None
    cells = content.get(variable)
    if cells is None or cells.dtype != object or cells.size == 0:
        raise DatasetError(str(path), f"no cell array '{variable}' in it", COPY_AGAIN)
    return [np.asarray(cell) for cell in cells.reshape(-1)]


def vol_label(path: Path) -> list[NDArray[np.generic]]:
    """T masks (H, W) of one size, from Avenue's cell array `volLabel`.

    Raises:
        DatasetError: The file can't be read, or the masks are not numeric or not of one size.
    """
    cells = mat_cells(path, "volLabel")
    for index, cell in enumerate(cells):
        if cell.ndim != 2 or cell.dtype.kind not in "buif" or cell.shape != cells[0].shape:
            found = f"mask {index} of shape {cell.shape} of {cell.dtype}, the first of {cells[0].shape}"
            raise DatasetError(str(path), found, COPY_AGAIN)
    return cells


def mat_spans(path: Path) -> list[Spans]:
    """The abnormal spans of each clip, from the cell array `gt` with a (2, N) array of first and last frames a clip.

    Raises:
        DatasetError: The file can't be read, or an array has another shape or type.
    """
    spans = []
    for number, cell in enumerate(mat_cells(path, "gt"), 1):
        if cell.size and (cell.ndim != 2 or len(cell) != 2 or cell.dtype.kind not in "uif"):
            raise DatasetError(str(path), f"clip {number} has spans of shape {cell.shape}, not (2, N)", COPY_AGAIN)
        spans.append([(int(first), int(last)) for first, last in cell.T] if cell.size else [])
    return spans


def script_spans(path: Path) -> list[Spans]:
    """The abnormal spans of each clip, from UCSD's MATLAB script: `TestVideoFile{end+1}.gt_frame = [5:90, 140:200];`.

    Raises:
        DatasetError: The file can't be read, or has no or malformed spans.
    """
    try:
        text = path.read_text(encoding="latin-1")
    except OSError as error:
        raise DatasetError(str(path), f"it can't be read ({error.strerror})", COPY_AGAIN) from None
    text = re.sub(r"%.*", "", text)
    spans: list[Spans] = []
    for content in GT_FRAME.findall(text):
        pieces = [SPAN.fullmatch(piece) for piece in re.split(r"[,;\s]+", content.strip()) if piece]
        if None in pieces:
            raise DatasetError(str(path), f"clip {len(spans) + 1} has '[{content}]', not spans", COPY_AGAIN)
        spans.append([(int(piece[1]), int(piece[2] or piece[1])) for piece in pieces if piece])
    if not spans:
        raise DatasetError(str(path), "no line 'TestVideoFile{end+1}.gt_frame = […];' in it", COPY_AGAIN)
    return spans


def span_labels(path: Path, number: int, spans: Spans, frames: int) -> Labels:
    """(T,) labels of a clip from its abnormal spans.

    Raises:
        DatasetError: A span doesn't lie within the clip.
    """
    labels = np.zeros(frames, bool)
    for first, last in spans:
        if not 1 <= first <= last <= frames:
            raise DatasetError(
                str(path), f"clip {number} is abnormal in {first}:{last} of {frames} frames", COPY_AGAIN
            )
        labels[first - 1 : last] = True
    return labels
