"""Files of frame scores (Parquet, CSV, JSON Lines) and of anomaly maps (`.npy`), written while frames are scored.

One row a frame. Columns, in all three formats:

```
clip      name of the clip
frame     number of the frame in the clip, from 0
pts       presentation timestamp in the video file's own time base; null for images
seconds   stream time since the clip's first frame
score     frame score, higher is more abnormal
level     -log10 of the false alarms a day expected at this score; null without a calibration
rate      those false alarms a day, 10 ** -level
channel   main channel of evidence: speed, looks, …; null for a method without channels
boxes     abnormal regions as x, y, width, height in pixels and peak score; none for a frame below the threshold
```
In CSV, null is an empty cell and `boxes` is JSON. Memory does not grow with the number of rows. A file takes its
place when it is whole: after an error, Ctrl-C or a crash, there is the file of before or none.
"""

import csv
import json
import math
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import asdict
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Generic, Self, TypeVar

import numpy as np

from streammon.errors import StorageError
from streammon.records import AnomalyMap, ScoreRecord
from streammon.storage import refusing_unwritable, replacing, require_writable

COLUMNS = ("clip", "frame", "pts", "seconds", "score", "level", "rate", "channel", "boxes")

ROW_GROUP = 10_000
"""Rows of one row group of a Parquet file, which wait in memory: half an hour at 5 frames a second."""

REMEDY = "make room, or choose another place"

T = TypeVar("T")
Write = Callable[[T], object]


class GrowingFile(Generic[T]):
    """A file that is written piece by piece, and takes its place at the end of the block that it manages.

    Args:
        path: The file; its folder is created if it is missing.
        opened: Opens a file of the format for writing.

    Raises:
        StorageError: The file can't be written, also by `write` and at the end of the block.
    """

    def __init__(self, path: Path, opened: Callable[[Path], AbstractContextManager[Write[T]]]) -> None:
        self._path = path
        self._opened = opened
        self._stack = ExitStack()
        self._write: Write[T] | None = None

    def __enter__(self) -> Self:
        with refusing_unwritable(self._path, REMEDY):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with ExitStack() as stack:
                beside = stack.enter_context(replacing(self._path))
                self._write = stack.enter_context(self._opened(beside))
                self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with refusing_unwritable(self._path, REMEDY):
            self._stack.__exit__(kind, error, trace)

    def write(self, piece: T) -> None:
        """Write the next piece."""
        assert self._write is not None, "only within the block"
        with refusing_unwritable(self._path, REMEDY):
            self._write(piece)


def score_file(path: Path) -> GrowingFile[ScoreRecord]:
    """A file of scores, in the format that its ending names.

    Raises:
        StorageError: The ending is none of `.parquet`, `.csv` and `.jsonl`.

    >>> score_file(Path("scores.txt"))
    Traceback (most recent call last):
    streammon.errors.StorageError: scores.txt: scores are written as .parquet, .csv or .jsonl; choose one of these
    """
    opened = FORMATS.get(path.suffix.lower())
    if opened is None:
        *others, last = FORMATS
        found = f"scores are written as {', '.join(others)} or {last}"
        raise StorageError(str(path), found, "choose one of these")
    return GrowingFile(path, opened)


def require_score_path(path: Path) -> None:
    """Require, before hours of scoring, that `save_scores` can write to a path.

    Raises:
        StorageError: It has another ending than a file of scores, or its folder can't be written.
    """
    if not path.is_dir():
        score_file(path)
    require_writable(path if path.is_dir() else path.parent, REMEDY)


def map_file(path: Path) -> GrowingFile[AnomalyMap]:
    """A `.npy` file of T anomaly maps (H, W) of one size: (T, H, W) float32, on the scale of the scores."""
    return GrowingFile(path, _maps)


def row(record: ScoreRecord) -> dict[str, Any]:
    """Values of a record by column, as JSON has them: None instead of nan, text without bytes that are no UTF-8."""
    return {
        "clip": record.clip.encode(errors="surrogateescape").decode(errors="replace"),
        "frame": record.frame,
        "pts": record.pts,
        "seconds": record.seconds,
        "score": record.score,
        "level": _defined(record.level),
        "rate": _defined(record.rate),
        "channel": None if record.channel is None else record.channel.value,
        "boxes": [asdict(box) for box in record.boxes],
    }


def json_line(record: ScoreRecord) -> str:
    """A record as one line of JSON, without the line's end."""
    return json.dumps(row(record), allow_nan=False)


def _defined(number: float) -> float | None:
    return None if math.isnan(number) else number


@contextmanager
def _parquet(path: Path) -> Iterator[Write[ScoreRecord]]:
    import pyarrow as pa  # takes a fifth of a second; the other formats don't need it
    import pyarrow.parquet as pq

    sides = [(side, pa.int32()) for side in ("x", "y", "width", "height")]
    box = pa.struct([*sides, ("peak", pa.float32())])
    types = (pa.string(), pa.int64(), pa.int64(), *[pa.float64()] * 4, pa.string(), pa.list_(box))
    schema = pa.schema(list(zip(COLUMNS, types, strict=True)))
    waiting: list[dict[str, Any]] = []
    # a file of Python's own, since pyarrow words the system's errors in its own way
    with path.open("wb") as file, pq.ParquetWriter(file, schema) as writer:

        def write_rows() -> None:
            writer.write_table(pa.Table.from_pylist(waiting, schema))
            waiting.clear()

        def write(record: ScoreRecord) -> None:
            waiting.append(row(record))
            if len(waiting) == ROW_GROUP:
                write_rows()

        yield write
        if waiting:
            write_rows()


@contextmanager
def _csv(path: Path) -> Iterator[Write[ScoreRecord]]:
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)

        def write(record: ScoreRecord) -> None:
            values = row(record)
            table.writerow((values | {"boxes": json.dumps(values["boxes"])}).values())

        yield write


@contextmanager
def _json_lines(path: Path) -> Iterator[Write[ScoreRecord]]:
    with path.open("w", encoding="utf-8") as file:
        yield lambda record: file.write(json_line(record) + "\n")


@contextmanager
def _maps(path: Path) -> Iterator[Write[AnomalyMap]]:
    shape = (0, 0, 0)
    with path.open("wb") as file:

        def write(anomaly_map: AnomalyMap) -> None:
            nonlocal shape
            if not shape[0]:
                shape = (0, *anomaly_map.shape)
                _write_header(file, shape)
            assert anomaly_map.shape == shape[1:], "maps of one clip have one size"
            file.write(np.ascontiguousarray(anomaly_map, "<f4").tobytes())
            shape = (shape[0] + 1, *shape[1:])

        yield write
        _write_header(file, shape)


def _write_header(file: IO[bytes], shape: tuple[int, ...]) -> None:
    """Header of a `.npy` file, at its beginning: NumPy leaves room in it for the first axis to grow."""
    file.seek(0)
    header = {"descr": "<f4", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)


FORMATS: dict[str, Callable[[Path], AbstractContextManager[Write[ScoreRecord]]]] = {
    ".parquet": _parquet,
    ".csv": _csv,
    ".jsonl": _json_lines,
}


def save_scores(records: Iterable[ScoreRecord], path: str | Path, *, maps: str | Path | None = None) -> int:
    """Write the scores of footage to a file, one row a frame, while they are computed.

    Args:
        records: Scores, the frames of each clip together.
        path: A file that ends in `.parquet`, `.csv` or `.jsonl`, or an existing folder, in which each clip gets
            `<clip>.parquet`.
        maps: Folder for the anomaly maps of each clip, `<clip>.npy`: (T, 256, 256) float32.

    Returns:
        Number of rows written.

    Raises:
        StorageError: The path has another ending, or a file can't be written.
        ValueError: Maps are asked for, and the records have none.

    >>> import tempfile
    >>> records = [ScoreRecord("lobby", 0, None, 0.0, score=0.5), ScoreRecord("lobby", 1, None, 0.2, score=2.5)]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "scores.csv")
    ...     rows = save_scores(records, path)
    ...     print(rows, path.read_text(), sep="\\n")
    2
    clip,frame,pts,seconds,score,level,rate,channel,boxes
    lobby,0,,0.0,0.5,,,,[]
    lobby,1,,0.2,2.5,,,,[]
    """
    path = Path(path)
    taken = records if maps is None else saving_maps(records, Path(maps))
    if path.is_dir():
        return sum(_save(path / f"{clip}.parquet", own) for clip, own in groupby(taken, attrgetter("clip")))
    return _save(path, taken)


def saving_maps(records: Iterable[ScoreRecord], folder: Path) -> Generator[ScoreRecord]:
    """The records, while the anomaly maps of each clip are written to `<clip>.npy` in a folder.

    Raises:
        StorageError: A file can't be written.
        ValueError: A record has no map.
    """
    for clip, own in groupby(records, attrgetter("clip")):
        with map_file(folder / f"{clip}.npy") as file:
            for record in own:
                if record.anomaly_map is None:
                    raise ValueError(
                        f"frame {record.frame} of clip {clip!r} has no anomaly map; score with maps=True"
                    )
                file.write(record.anomaly_map)
                yield record


def _save(path: Path, records: Iterable[ScoreRecord]) -> int:
    rows = 0
    with score_file(path) as file:
        for record in records:
            file.write(record)
            rows += 1
    return rows
