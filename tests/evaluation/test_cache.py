"""What an evaluation keeps on disk is whole, or as good as not there."""

from pathlib import Path

import numpy as np
import pytest
import torch

from streammon.errors import StorageError
from streammon.evaluation.cache import Cache, ClipResult, Position

GRID = np.arange(3 * 4 * 4, dtype=np.float32).reshape(3, 4, 4)
RESULT = ClipResult(np.array([1.0, 2.5, 2.0]), (GRID, GRID[:, :2, :2].copy()))


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path, "context", "PaDiM, seed 0")


def files(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in tmp_path.rglob("*") if path.is_file())


def test_a_result_comes_back_as_it_was_kept(cache: Cache) -> None:
    cache.keep_result("hazelnut/colour", RESULT)
    kept = cache.result("hazelnut/colour", 3)
    assert kept is not None
    assert np.array_equal(kept.scores, RESULT.scores)
    assert len(kept.grids) == 2
    assert all(np.array_equal(a, b) for a, b in zip(kept.grids, RESULT.grids, strict=True))


def test_grids_stay_on_disk_until_they_are_read(cache: Cache) -> None:
    cache.keep_result("01", RESULT)
    kept = cache.result("01", 3)
    assert kept is not None
    assert isinstance(kept.grids[0], np.memmap)


@pytest.mark.parametrize("name", ["..", "a/b", "a%2Fb", "with space", "scène"])
def test_any_name_of_a_clip_stays_inside_the_cache(cache: Cache, tmp_path: Path, name: str) -> None:
    cache.keep_result(name, RESULT)
    assert cache.result(name, 3) is not None
    assert all((tmp_path / "context") in path.parents for path in tmp_path.rglob("*.npy"))


def test_two_methods_keep_apart(tmp_path: Path) -> None:
    Cache(tmp_path, "context", "PaDiM, seed 0").keep_result("01", RESULT)
    assert Cache(tmp_path, "context", "PaDiM, seed 1").result("01", 3) is None
    assert Cache(tmp_path, "another", "PaDiM, seed 0").result("01", 3) is None


def test_a_result_of_another_length_counts_as_none(cache: Cache) -> None:
    cache.keep_result("01", RESULT)
    assert cache.result("01", 4) is None


@pytest.mark.parametrize("ending", ["scores.npy", "grid0.npy"])
def test_a_damaged_result_counts_as_none(cache: Cache, tmp_path: Path, ending: str) -> None:
    cache.keep_result("01", RESULT)
    [file] = tmp_path.rglob(f"01.{ending}")
    file.write_bytes(file.read_bytes()[:40])
    assert cache.result("01", 3) is None


def test_grids_without_their_scores_count_as_none(cache: Cache, tmp_path: Path) -> None:
    cache.keep_result("01", RESULT)
    next(tmp_path.rglob("*.scores.npy")).unlink()
    assert cache.result("01", 3) is None


def test_what_was_learned_comes_back_with_its_place(cache: Cache) -> None:
    state = {"count": torch.tensor(5), "mean": torch.arange(4.0)}
    cache.keep_fit("lobby", Position(1, 3), state)
    kept = cache.fit("lobby")
    assert kept is not None
    assert kept[0] == Position(1, 3)
    assert {name: tensor.tolist() for name, tensor in kept[1].items()} == {"count": 5, "mean": [0, 1, 2, 3]}
    cache.drop_fit("lobby")
    assert cache.fit("lobby") is None


def test_what_was_learned_counts_as_nothing_when_it_is_damaged(cache: Cache, tmp_path: Path) -> None:
    cache.keep_fit("lobby", Position(0, 1), {"mean": torch.arange(4.0)})
    [file] = tmp_path.rglob("lobby.fit.safetensors")
    file.write_bytes(file.read_bytes()[:20])
    assert cache.fit("lobby") is None


def test_positions_are_in_order_of_work() -> None:
    assert Position(0, 7) < Position(1, 0) < Position(1, 1)


def test_facts_come_back(cache: Cache) -> None:
    assert cache.facts("lobby") is None
    cache.keep_facts("lobby", {"thresholds": {"1 a day": 22.5}})
    assert cache.facts("lobby") == {"thresholds": {"1 a day": 22.5}}


def test_nothing_unfinished_is_left_behind(cache: Cache, tmp_path: Path) -> None:
    cache.keep_result("01", RESULT)
    cache.keep_fit("lobby", Position(0, 1), {"mean": torch.arange(4.0)})
    assert files(tmp_path) == ["01.grid0.npy", "01.grid1.npy", "01.scores.npy", "lobby.fit.safetensors"]


def test_a_place_that_cant_be_written_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(StorageError) as refusal:
        Cache(tmp_path / "cache", "context", "method")
    assert str(refusal.value).endswith(
        "it can't be written (not a directory); make room or choose another --cache DIR"
    )


def test_a_place_that_is_gone_is_told_in_one_line(cache: Cache, tmp_path: Path) -> None:
    for folder in sorted(tmp_path.rglob("*"), reverse=True):
        folder.rmdir()
    (tmp_path / "context").write_text("a file")
    with pytest.raises(StorageError, match="it can't be written"):
        cache.keep_result("01", RESULT)
