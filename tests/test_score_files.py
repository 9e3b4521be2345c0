"""Files of scores and maps: the same rows in every format, whole or not at all, and in constant memory."""

import csv
import json
import math
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from streammon import score_files
from streammon.errors import StorageError
from streammon.records import Box, Channel, ScoreRecord
from streammon.score_files import COLUMNS, map_file, save_scores, saving_maps

MAPS = np.random.default_rng(0).random((5, 6, 8), np.float32)

RECORDS = [
    ScoreRecord("monday/lobby", 0, 512, 0.0, 3.25, -1.0, Channel.SPEED, (Box(1, 2, 30, 40, 3.25),), MAPS[0]),
    ScoreRecord("monday/lobby", 5, 2560, 0.2, 0.5, 2.0, Channel.LOOKS, (), MAPS[1]),
    ScoreRecord("monday/lobby", 10, 5120, 0.4, 0.0, -2.5, Channel.VIEW, (), MAPS[2]),
    ScoreRecord("caf\udce9", 0, None, 0.0, 7.0, math.nan, None, (), MAPS[3]),
    ScoreRecord("caf\udce9", 1, None, 0.04, 8.0, math.nan, None, (), MAPS[4]),
]
"""Of two clips; the second has a name that is no UTF-8, no timestamps, and no calibration."""

ROWS: list[dict[str, Any]] = [
    {
        "clip": "monday/lobby",
        "frame": 0,
        "pts": 512,
        "seconds": 0.0,
        "score": 3.25,
        "level": -1.0,
        "rate": 10.0,
        "channel": "speed",
        "boxes": [{"x": 1, "y": 2, "width": 30, "height": 40, "peak": 3.25}],
    },
    {
        "clip": "monday/lobby",
        "frame": 5,
        "pts": 2560,
        "seconds": 0.2,
        "score": 0.5,
        "level": 2.0,
        "rate": 0.01,
        "channel": "looks",
        "boxes": [],
    },
    {
        "clip": "monday/lobby",
        "frame": 10,
        "pts": 5120,
        "seconds": 0.4,
        "score": 0.0,
        "level": -2.5,
        "rate": 10**2.5,
        "channel": "view",
        "boxes": [],
    },
    *(
        {
            "clip": "caf�",
            "frame": number,
            "pts": None,
            "seconds": 0.04 * number,
            "score": 7.0 + number,
            "level": None,
            "rate": None,
            "channel": None,
            "boxes": [],
        }
        for number in (0, 1)
    ),
]


def test_parquet_has_the_rows_in_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(score_files, "ROW_GROUP", 2)
    assert save_scores(RECORDS, tmp_path / "scores.parquet") == 5
    file = pq.ParquetFile(tmp_path / "scores.parquet")
    assert [file.metadata.row_group(n).num_rows for n in range(file.metadata.num_row_groups)] == [2, 2, 1]
    assert tuple(file.schema_arrow.names) == COLUMNS
    assert file.read().to_pylist() == ROWS


def test_json_lines_have_the_rows(tmp_path: Path) -> None:
    save_scores(RECORDS, tmp_path / "new" / "scores.JSONL")
    lines = (tmp_path / "new" / "scores.JSONL").read_text("utf-8").splitlines()
    assert [json.loads(line) for line in lines] == ROWS


def test_csv_has_the_rows_with_empty_cells_for_null(tmp_path: Path) -> None:
    save_scores(RECORDS, tmp_path / "scores.csv")
    with (tmp_path / "scores.csv").open(newline="", encoding="utf-8") as file:
        found = list(csv.DictReader(file))
    assert [json.loads(each.pop("boxes")) for each in found] == [each["boxes"] for each in ROWS]
    for cells, values in zip(found, ROWS, strict=True):
        assert cells == {name: "" if values[name] is None else str(values[name]) for name in cells}


@pytest.mark.parametrize("ending", [".parquet", ".csv", ".jsonl"])
def test_without_a_row_there_is_a_table_without_rows(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"scores{ending}"
    assert save_scores([], path) == 0
    if ending == ".parquet":
        assert pq.read_table(path).column_names == list(COLUMNS)
    else:
        assert path.read_text() == ("" if ending == ".jsonl" else ",".join(COLUMNS) + "\n")


def test_a_folder_gets_a_file_of_each_clip(tmp_path: Path) -> None:
    assert save_scores(RECORDS, tmp_path) == 5
    assert pq.read_table(tmp_path / "monday" / "lobby.parquet").column("frame").to_pylist() == [0, 5, 10]
    with (tmp_path / "caf\udce9.parquet").open("rb") as file:
        assert pq.read_table(file).column("score").to_pylist() == [7.0, 8.0]


def test_the_maps_of_each_clip_are_one_array(tmp_path: Path) -> None:
    save_scores(RECORDS, tmp_path / "scores.csv", maps=tmp_path / "maps")
    lobby = np.load(tmp_path / "maps" / "monday" / "lobby.npy", mmap_mode="r")
    assert lobby.dtype == np.float32
    np.testing.assert_array_equal(lobby, MAPS[:3])
    np.testing.assert_array_equal(np.load(tmp_path / "maps" / "caf\udce9.npy"), MAPS[3:])


@pytest.mark.parametrize("frames", [0, 1, 1000])
def test_an_array_of_maps_may_have_any_length(tmp_path: Path, frames: int) -> None:
    with map_file(tmp_path / "maps.npy") as file:
        for number in range(frames):
            file.write(np.full((2, 3), number, np.float32))
    found = np.load(tmp_path / "maps.npy")
    assert len(found) == frames
    assert (found == np.arange(frames)[:, None, None]).all()


def test_records_without_maps_are_refused_where_maps_are_asked_for(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="frame 0 of clip 'lobby' has no anomaly map; score with maps=True"):
        list(saving_maps([ScoreRecord("lobby", 0, None, 0.0, 1.0)], tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["scores.parquet", "scores.csv", "scores.jsonl"])
@pytest.mark.parametrize("reason", [KeyboardInterrupt, BrokenPipeError])
def test_what_breaks_off_leaves_the_file_of_before(tmp_path: Path, name: str, reason: type[BaseException]) -> None:
    def breaking_off() -> Iterator[ScoreRecord]:
        yield from RECORDS[:2]
        raise reason

    path = tmp_path / name
    save_scores(RECORDS[3:], path)
    before = path.read_bytes()
    with pytest.raises(reason):
        save_scores(breaking_off(), path, maps=tmp_path)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir() if each.is_file()] == [name]


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """A limit that the system puts on files, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("name", ["scores.parquet", "scores.csv", "scores.jsonl"])
def test_a_file_that_can_t_be_written_is_told_in_one_line(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with files_of_at_most(100), pytest.raises(StorageError) as told:
        save_scores(RECORDS * 100, path)
    assert str(told.value) == f"{path}: it can't be written (file too large); make room, or choose another place"
    assert list(tmp_path.iterdir()) == []


def test_maps_that_can_t_be_written_are_told_in_one_line(tmp_path: Path) -> None:
    with files_of_at_most(300), pytest.raises(StorageError) as told:
        save_scores(RECORDS, tmp_path / "scores.csv", maps=tmp_path / "maps")
    where = tmp_path / "maps" / "monday" / "lobby.npy"
    assert str(told.value) == f"{where}: it can't be written (file too large); make room, or choose another place"
    assert not [each for each in tmp_path.rglob("*") if each.is_file()]


def test_a_place_that_can_t_be_written_is_told_before_the_first_row() -> None:
    with pytest.raises(StorageError, match=r"/dev/null/scores\.csv: it can't be written \(file exists\)"):
        save_scores(iter([]), "/dev/null/scores.csv")
