"""Every kind of score file gives its numbers; nothing is unpickled, and each kind of damage is told in one line."""

import io
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from streammon.errors import DatasetError
from streammon.evaluation.referee.reading import read_scores, read_table
from support.score_folders import write_one

AGAIN = "copy it again, or leave it out with --allow-partial"
SCORES = np.array([0.1, -2.5e-7, 3.0, 1 / 3])


class Trap:
    """Unpickled, it would raise."""

    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return exec, ("raise AssertionError('unpickled')",)


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".txt", ".csv"])
def test_scores_come_back_as_they_were_written(tmp_path: Path, suffix: str) -> None:
    write_one(tmp_path / f"a{suffix}", SCORES)
    series = read_scores(tmp_path / f"a{suffix}")
    assert series.scores.dtype == np.float64
    assert series.scores.tolist() == SCORES.tolist()
    assert (series.frames is None) == (suffix != ".csv")


@pytest.mark.parametrize(
    "array",
    [
        np.array([[1], [2]], np.float16),
        np.array([[1, 2]], np.int32),
        np.array([1, 2], ">f4"),
        np.array([1, 2], np.uint64),
    ],
)
def test_arrays_of_one_column_or_row_and_of_any_numbers_are_taken(tmp_path: Path, array: np.ndarray) -> None:
    np.save(tmp_path / "a.npy", array)
    assert read_scores(tmp_path / "a.npy").scores.tolist() == [1, 2]
    np.savez(tmp_path / "a.npz", array)
    assert read_scores(tmp_path / "a.npz").scores.tolist() == [1, 2]


def test_of_several_arrays_the_scores_are_taken(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", scores=SCORES, labels=np.zeros(9))
    assert read_scores(tmp_path / "a.npz").scores.tolist() == SCORES.tolist()


@pytest.mark.parametrize(
    ("text", "frames"),
    [
        ("1\n2.5\n", None),
        ("1\r\n2.5\r\n\r\n", None),
        ("score\n1\n2.5\n", None),
        ("anything\n1\n2.5\n", None),
        ("\ufeffname,level,score\na,9,1\nb,9,2.5\n", None),
        ('"name","loss"\n"a, b", 1\n"c", 2.5\n', None),
        ("frame,loss\n0,1\n3,2.5\n", [0, 3]),
        ("score,frame,seconds\n1,0,0\n2.5,7,0.28\n", [0, 7]),
    ],
)
def test_the_column_of_the_scores_is_found(tmp_path: Path, text: str, frames: list[int] | None) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text, encoding="utf-8")
    series = read_scores(path)
    assert series.scores.tolist() == [1, 2.5]
    assert (None if series.frames is None else series.frames.tolist()) == frames


def test_a_table_has_the_scores_of_several_clips(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("clip,frame,score\nb,0,1\na,0,2\nb,1,3\n")
    parts = read_table(path)
    assert {name: part.scores.tolist() for name, part in parts.items()} == {"b": [1, 3], "a": [2]}
    assert [None if part.frames is None else part.frames.tolist() for part in parts.values()] == [[0, 1], [0]]
    with pytest.raises(DatasetError) as refusal:
        read_scores(path)
    assert str(refusal.value) == (
        f"{path}: scores of 2 clips in the file of one; give this file itself with --scores, or a file for each clip"
    )
    path.write_text("clip,score\na,1\na,2\n")
    assert read_scores(path).scores.tolist() == [1, 2]


def written(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


def saved(array: object) -> Callable[[Path], object]:
    return lambda path: np.save(path, np.asarray(array))


def cut(array: object) -> Callable[[Path], object]:
    def write(path: Path) -> None:
        held = io.BytesIO()
        (np.save if path.suffix == ".npy" else np.savez)(held, np.asarray(array))
        path.write_bytes(held.getvalue()[:-60])

    return write


def zipped(name: str, content: bytes) -> Callable[[Path], object]:
    def write(path: Path) -> None:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(name, content)

    return write


def flipped(path: Path) -> None:
    """A byte of the stored numbers is another one, which the archive's checksum shows."""
    np.savez(path, scores=np.zeros(500))
    content = bytearray(path.read_bytes())
    content[1000] ^= 0xFF
    path.write_bytes(bytes(content))


NO_NPY = f"it is not a NumPy array, is cut short, or contains Python objects; {AGAIN}"
NO_NPZ = f"it is no NumPy archive, is cut short, or contains Python objects; {AGAIN}"
SHAPE = "; scores are (T,), one for each frame; save one score a frame; anomaly maps go into the folder maps/"
LINE = "write one number a line"
COLUMN = "name the column of the scores 'score'"


@pytest.mark.parametrize(
    ("name", "write", "complaint"),
    [
        ("a.npy", written(b""), NO_NPY),
        ("a.npy", written(b"0.5\n"), NO_NPY),
        ("a.npy", written(pickle.dumps(Trap())), NO_NPY),
        ("a.npy", lambda path: np.save(path, np.array([Trap()], object), allow_pickle=True), NO_NPY),
        ("a.npy", cut(np.zeros(20)), NO_NPY),
        ("a.npy", saved(np.zeros((4, 2))), f"an array of shape (4, 2){SHAPE}"),
        ("a.npy", saved(np.zeros((4, 8, 8))), f"an array of shape (4, 8, 8){SHAPE}"),
        ("a.npy", saved(np.zeros(())), "an array of shape ()" + SHAPE),
        ("a.npy", saved(np.zeros(0)), f"no scores in it; {AGAIN}"),
        ("a.npy", saved(["a", "b"]), "scores of type <U1; they must be numbers; save them as numbers"),
        ("a.npy", saved([1j]), "scores of type complex128; they must be numbers; save them as numbers"),
        ("a.npz", written(b""), NO_NPZ),
        ("a.npz", written(b"PK\x03\x04 and no more"), NO_NPZ),
        ("a.npz", written(pickle.dumps(Trap())), NO_NPZ),
        ("a.npz", lambda path: np.savez(path, scores=np.array([Trap()], object)), NO_NPZ),
        ("a.npz", cut(np.zeros(20)), NO_NPZ),
        ("a.npz", flipped, NO_NPZ),
        ("a.npz", zipped("scores.npy", b"0.5"), NO_NPZ),
        ("a.npz", zipped("scores.txt", b"0.5"), NO_NPZ),
        (
            "a.npz",
            lambda path: np.savez(path, one=np.zeros(2), two=np.zeros(2)),
            "2 arrays (one, two), and none is named 'scores'; save one array: numpy.savez(file, scores=…)",
        ),
        ("a.npz", lambda path: np.savez(path, scores=np.zeros((2, 3))), f"an array of shape (2, 3){SHAPE}"),
        ("a.txt", written(b""), f"no scores in it; {AGAIN}"),
        ("a.txt", written(b"0.5\n\n0.7\n"), f"line 2 has '', not a number; {LINE}"),
        ("a.txt", written(b"0.5\nhigh\n"), f"line 2 has 'high', not a number; {LINE}"),
        ("a.txt", written(b"0 0.5\n1 0.7\n"), f"line 1 has '0 0.5', not a number; {LINE}"),
        ("a.txt", written(b"\xff\xfe0.5"), f"it is not plain text; {LINE}"),
        ("a.csv", written(b"\n"), f"no scores in it; {AGAIN}"),
        ("a.csv", written(b"frame,score\n"), f"no scores in it; {AGAIN}"),
        ("a.csv", written(b"frame,score\n0,1\n1,\n"), "line 3 has '', not a number; write a number"),
        ("a.csv", written(b"1\n2\nx\n"), "line 3 has 'x', not a number; write a number"),
        ("a.csv", written(b"frame,score\n0,1,2\n"), f"line 2 has 3 cells, not 2; {AGAIN}"),
        (
            "a.csv",
            written(b"frame,score\nfirst,1\n"),
            f"its column 'frame' has cells that are no frame numbers; {AGAIN}",
        ),
        (
            "a.csv",
            written(b"loss,gain\n1,2\n"),
            f"no column 'score', and 2 columns of numbers among loss, gain; {COLUMN}",
        ),
        (
            "a.csv",
            written(b"1,2\n3,4\n"),
            f"no column 'score', and 2 columns of numbers among column 1, column 2; {COLUMN}",
        ),
        ("a.csv", written(b"a,b\nx,y\n"), f"no column 'score', and 0 columns of numbers among a, b; {COLUMN}"),
        ("a.csv", written(b"score,score\n1,2\n"), f"two columns with the name 'score'; {COLUMN}"),
        ("a.csv", written(b"score\n\x00\n"), None),
    ],
)
def test_what_is_no_score_file_is_told_in_one_line(
    tmp_path: Path, name: str, write: Callable[[Path], object], complaint: str | None
) -> None:
    write(tmp_path / name)
    with pytest.raises(DatasetError) as refusal:
        read_scores(tmp_path / name)
    assert "\n" not in str(refusal.value)
    if complaint is not None:
        assert str(refusal.value) == f"{tmp_path / name}: {complaint}"


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".txt", ".csv"])
def test_a_folder_in_a_file_s_place_is_told(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"a{suffix}").mkdir()
    with pytest.raises(DatasetError, match="it can't be read"):
        read_scores(tmp_path / f"a{suffix}")
