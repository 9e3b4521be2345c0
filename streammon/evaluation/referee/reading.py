"""Readers of score files: NumPy, text, CSV and Parquet. Nothing is unpickled.

```
.npy       (T,) numbers
.npz       the array `scores` or `score`, or the only one
.txt       one number a line
.csv       the column `score`, or the only column of numbers besides `frame`; without a header, the only column
.parquet   likewise
```

A column `frame` has the number of each row's frame, from 0. A column `clip` has the name of each row's clip, so that
one table may have the scores of all clips. These are the columns that `streammon score` writes, among others.
"""

import csv
import io
import struct
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streammon.errors import DatasetError, system_reason
from streammon.evaluation.datasets.arrays import npy_array
from streammon.evaluation.datasets.checking import COPY_AGAIN

SCORE, FRAME, CLIP = "score", "frame", "clip"
ARRAY_NAMES = ("scores", "score")
TABLES = (".csv", ".parquet")
ONE_A_LINE = "write one number a line"
ONE_COLUMN = f"name the column of the scores '{SCORE}'"
DAMAGED_ARCHIVE = (
    *(ValueError, EOFError, KeyError, RuntimeError, OverflowError, MemoryError),
    *(zipfile.BadZipFile, zlib.error, struct.error),
)
"""Errors of numpy and zipfile on broken bytes, and on an encrypted archive."""


@dataclass(frozen=True, eq=False)
class ScoreSeries:
    """Scores of one clip.

    Attributes:
        scores: (N,) float64; may be nan or infinite.
        frames: (N,) number of each score's frame; None where the file doesn't say, so that score n is of frame n.
    """

    scores: NDArray[np.float64]
    frames: NDArray[np.int64] | None = None


@dataclass(frozen=True, eq=False)
class ScoreTable:
    """Scores of one file.

    Attributes:
        series: All scores, in the file's order.
        clips: Name of each score's clip; None where the file doesn't say.
    """

    series: ScoreSeries
    clips: tuple[str, ...] | None = None

    def by_clip(self) -> dict[str, ScoreSeries]:
        """Scores of each clip by name; empty where the file doesn't say whose they are."""
        names = np.array(self.clips or (), dtype=object)
        parts = {}
        for name in dict.fromkeys(self.clips or ()):
            own = names == name
            frames = None if self.series.frames is None else self.series.frames[own]
            parts[name] = ScoreSeries(self.series.scores[own], frames)
        return parts


def read_scores(path: Path) -> ScoreSeries:
    """Scores of a clip's file with one of the suffixes of `READERS`.

    Raises:
        DatasetError: The file can't be read, has scores of several clips, or has anything else in their place.
    """
    table = _read(path)
    if len(names := set(table.clips or ())) > 1:
        found = f"scores of {len(names)} clips in the file of one"
        raise DatasetError(str(path), found, "give this file itself with --scores, or a file for each clip")
    return table.series


def read_table(path: Path) -> dict[str, ScoreSeries]:
    """Scores of all clips by name, from one table.

    Raises:
        DatasetError: The file is no table, can't be read, or doesn't say whose the scores are.
    """
    if path.suffix.lower() not in TABLES:
        remedy = f"give the folder with one file for each clip, or a table ({' or '.join(TABLES)})"
        raise DatasetError(str(path), "a file, not a folder", remedy)
    parts = _read(path).by_clip()
    if not parts:
        raise DatasetError(
            str(path), f"no column '{CLIP}' in it", "add it, or give a folder with a file for each clip"
        )
    return parts


def _read(path: Path) -> ScoreTable:
    table = READERS[path.suffix.lower()](path)
    if not len(table.series.scores):
        raise DatasetError(str(path), "no scores in it", COPY_AGAIN)
    return table


def _npy(path: Path) -> ScoreTable:
    return _from_array(path, npy_array(path))


def _npz(path: Path) -> ScoreTable:
    damaged = DatasetError(str(path), "it is no NumPy archive, is cut short, or contains Python objects", COPY_AGAIN)
    try:
        with path.open("rb") as file:
            archive = np.load(file, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise damaged
            array = archive[_array_name(path, archive.files)]
    except OSError as error:
        raise DatasetError(str(path), f"it can't be read ({system_reason(error)})", COPY_AGAIN) from None
    except DAMAGED_ARCHIVE:
        raise damaged from None
    if not isinstance(array, np.ndarray):
        raise damaged
    return _from_array(path, array)


def _array_name(path: Path, names: Sequence[str]) -> str:
    chosen = [name for name in ARRAY_NAMES if name in names] or list(names)
    if len(chosen) != 1 and not set(chosen) & set(ARRAY_NAMES):
        found = f"{len(names)} arrays ({', '.join(names[:5])}), and none is named 'scores'"
        raise DatasetError(str(path), found, "save one array: numpy.savez(file, scores=…)")
    return chosen[0]


def _from_array(path: Path, array: NDArray[Any]) -> ScoreTable:
    if array.dtype.kind not in "buif":
        raise DatasetError(str(path), f"scores of type {array.dtype}; they must be numbers", "save them as numbers")
    if array.size != max(array.shape, default=0):
        found = f"an array of shape {array.shape}; scores are (T,), one for each frame"
        raise DatasetError(str(path), found, "save one score a frame; anomaly maps go into the folder maps/")
    return ScoreTable(ScoreSeries(np.array(array, dtype=np.float64).reshape(-1)))


def _txt(path: Path) -> ScoreTable:
    lines = _text(path).rstrip().splitlines()
    scores = [_number(path, line, number, ONE_A_LINE) for number, line in enumerate(lines, 1)]
    return ScoreTable(ScoreSeries(np.array(scores)))


def _csv(path: Path) -> ScoreTable:
    rows, lines = _csv_rows(path)
    if not rows:
        return ScoreTable(ScoreSeries(np.zeros(0)))
    names = [f"column {number}" for number in range(1, len(rows[0]) + 1)]
    if not all(map(_is_number, rows[0])):
        names, rows, lines = rows[0], rows[1:], lines[1:]
    for row, line in zip(rows, lines, strict=True):
        if len(row) != len(names):
            raise DatasetError(str(path), f"line {line} has {len(row)} cells, not {len(names)}", COPY_AGAIN)
    cells_of: list[tuple[str, ...]] = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    columns = dict(zip(names, cells_of, strict=True))
    chosen = _score_column(path, names, [name for name, cells in columns.items() if all(map(_is_number, cells))])
    scores = [_number(path, cell, line, "write a number") for cell, line in zip(columns[chosen], lines, strict=True)]
    return _table(path, np.array(scores), columns.get(FRAME), columns.get(CLIP))


def _csv_rows(path: Path) -> tuple[list[list[str]], list[int]]:
    """Rows that aren't empty, as stripped cells, and the line of each."""
    rows, lines = [], []
    reader = csv.reader(io.StringIO(_text(path), newline=""))
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                rows.append([cell.strip() for cell in row])
                lines.append(reader.line_num)
    except csv.Error as error:
        raise DatasetError(str(path), f"line {reader.line_num} can't be read ({error})", COPY_AGAIN) from None
    return rows, lines


def _parquet(path: Path) -> ScoreTable:
    import pyarrow  # here because it takes a while to load and few need it
    from pyarrow import parquet, types

    damaged = DatasetError(str(path), "it is no Parquet file, or is damaged", COPY_AGAIN)
    numbers = (types.is_integer, types.is_floating, types.is_decimal)
    try:
        with parquet.ParquetFile(path) as file:
            kinds = {field.name: field.type for field in file.schema_arrow}
            numeric = [name for name, kind in kinds.items() if any(is_kind(kind) for is_kind in numbers)]
            chosen = _score_column(path, list(file.schema_arrow.names), numeric)
            if chosen not in numeric:
                found = f"its column '{chosen}' is of type {kinds[chosen]}; it must be numbers"
                raise DatasetError(str(path), found, ONE_COLUMN)
            others = [name for name in (FRAME, CLIP) if name in kinds and name != chosen]
            table = file.read(columns=[chosen, *others])
        scores = np.array(table[chosen].cast(pyarrow.float64(), safe=False).to_numpy(), dtype=np.float64)
        cells = {name: table[name].to_pylist() for name in others}
    except OSError as error:
        if error.errno is None:  # of Arrow, on damaged pages
            raise damaged from None
        raise DatasetError(str(path), f"it can't be read ({system_reason(error)})", COPY_AGAIN) from None
    except (pyarrow.ArrowException, ValueError):
        raise damaged from None
    return _table(path, scores, cells.get(FRAME), cells.get(CLIP))


def _table(
    path: Path, scores: NDArray[np.float64], frames: Sequence[object] | None, clips: Sequence[object] | None
) -> ScoreTable:
    """Scores with the cells of the columns `frame` and `clip`, where there are any."""
    try:
        numbers = None if frames is None else np.array([int(str(cell)) for cell in frames], dtype=np.int64)
    except (ValueError, OverflowError):
        found = f"its column '{FRAME}' has cells that are no frame numbers"
        raise DatasetError(str(path), found, COPY_AGAIN) from None
    return ScoreTable(ScoreSeries(scores, numbers), None if clips is None else tuple(map(str, clips)))


def _score_column(path: Path, names: Sequence[str], numeric: Sequence[str]) -> str:
    """Name of the column of the scores: `score`, the only column, or the only column of numbers besides `frame`."""
    if repeated := [name for name in names if names.count(name) > 1]:
        raise DatasetError(str(path), f"two columns with the name '{repeated[0]}'", ONE_COLUMN)
    if SCORE in names:
        return SCORE
    if len(names) == 1:
        return names[0]
    candidates = [name for name in numeric if name not in (FRAME, CLIP)]
    if len(candidates) != 1:
        found = f"no column '{SCORE}', and {len(candidates)} columns of numbers among {', '.join(names[:8])}"
        raise DatasetError(str(path), found, ONE_COLUMN)
    return candidates[0]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DatasetError(str(path), f"it can't be read ({system_reason(error)})", COPY_AGAIN) from None
    except UnicodeDecodeError:
        raise DatasetError(str(path), "it is not plain text", ONE_A_LINE) from None


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _number(path: Path, cell: str, line: int, remedy: str) -> float:
    try:
        return float(cell)
    except ValueError:
        raise DatasetError(str(path), f"line {line} has {cell.strip()[:20]!r}, not a number", remedy) from None


READERS: dict[str, Callable[[Path], ScoreTable]] = {
    ".npy": _npy,
    ".npz": _npz,
    ".csv": _csv,
    ".txt": _txt,
    ".parquet": _parquet,
}
"""Reader of each suffix."""
