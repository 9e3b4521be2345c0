"""Scores as Parquet: those that streammon writes, and those of others."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from streammon.errors import DatasetError
from streammon.evaluation.referee.reading import read_scores, read_table

AGAIN = "copy it again, or leave it out with --allow-partial"


def written(path: Path, **columns: Any) -> Path:
    parquet.write_table(pa.table(columns), path)
    return path


def test_the_columns_that_streammon_writes_are_read(tmp_path: Path) -> None:
    path = written(
        tmp_path / "01.parquet",
        clip=["01", "01", "01"],
        frame=pa.array([0, 5, 10], pa.int64()),
        pts=pa.array([0, 450_000, None], pa.int64()),
        seconds=[0.0, 0.2, 0.4],
        score=pa.array([1.5, 2.25, 0.5], pa.float64()),
        level=pa.array([-3.0, None, -2.5], pa.float64()),
        rate=[1e3, 2e3, 3e3],
        channel=["speed", "patches", "speed"],
        boxes=[[[1, 2, 3, 4]], [], [[5, 6, 7, 8], [0, 0, 1, 1]]],
    )
    for series in (read_scores(path), read_table(path)["01"]):
        assert series.scores.tolist() == [1.5, 2.25, 0.5]
        assert series.frames is not None
        assert series.frames.tolist() == [0, 5, 10]


@pytest.mark.parametrize(
    "columns",
    [
        {"loss": np.array([1, 2], np.float32)},
        {"name": ["a", "b"], "loss": np.array([1, 2], np.int16)},
        {"frame": [0, 1], "loss": pa.array([1, 2], pa.decimal128(10, 2))},
        {"level": [7.0, 8.0], "score": np.array([1, 2], np.uint8)},
    ],
)
def test_the_column_of_the_scores_is_found(tmp_path: Path, columns: dict[str, Any]) -> None:
    assert read_scores(written(tmp_path / "a.parquet", **columns)).scores.tolist() == [1, 2]


def test_a_score_that_is_null_is_no_number(tmp_path: Path) -> None:
    assert np.isnan(read_scores(written(tmp_path / "a.parquet", score=[1.0, None])).scores[1])


def table(**columns: Any) -> Callable[[Path], object]:
    return lambda path: written(path, **columns)


def cut(path: Path) -> None:
    written(path, score=np.arange(1000.0))
    path.write_bytes(path.read_bytes()[:-200])


def overwritten(path: Path) -> None:
    """The pages are noise while the footer is whole."""
    written(path, score=np.arange(1000.0))
    content = bytearray(path.read_bytes())
    content[4:600] = bytes(range(256)) * 2 + bytes(84)
    path.write_bytes(bytes(content))


COLUMN = "name the column of the scores 'score'"


@pytest.mark.parametrize(
    ("write", "complaint"),
    [
        (lambda path: path.write_bytes(b""), f"it is no Parquet file, or is damaged; {AGAIN}"),
        (lambda path: path.write_bytes(b"score\n1\n2\n3\n4\n"), f"it is no Parquet file, or is damaged; {AGAIN}"),
        (cut, f"it is no Parquet file, or is damaged; {AGAIN}"),
        (overwritten, f"it is no Parquet file, or is damaged; {AGAIN}"),
        (lambda path: path.mkdir(), None),
        (table(score=pa.array([], pa.float64())), f"no scores in it; {AGAIN}"),
        (table(score=["high"]), f"its column 'score' is of type string; it must be numbers; {COLUMN}"),
        (table(a=[1.0], b=[2.0]), f"no column 'score', and 2 columns of numbers among a, b; {COLUMN}"),
        (table(frame=[0], label=["x"]), f"no column 'score', and 0 columns of numbers among frame, label; {COLUMN}"),
        (
            table(frame=pa.array([0, None], pa.int64()), score=[1.0, 2.0]),
            f"its column 'frame' has cells that are no frame numbers; {AGAIN}",
        ),
    ],
)
def test_what_is_no_score_file_is_told_in_one_line(
    tmp_path: Path, write: Callable[[Path], object], complaint: str | None
) -> None:
    path = tmp_path / "a.parquet"
    write(path)
    with pytest.raises(DatasetError) as refusal:
        read_scores(path)
    assert "\n" not in str(refusal.value)
    if complaint is not None:
        assert str(refusal.value) == f"{path}: {complaint}"
