"""Kinds of damage to a data set on disk, and the advice that its refusal ends with."""

import pickle
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.io import savemat

from streammon.errors import DatasetError
from streammon.evaluation.datasets import DatasetOptions, load_dataset
from support.dataset_trees import cell_array

AGAIN = "copy it again, or leave it out with --allow-partial"
COMPLETE = "complete the data set, or leave out this clip with --allow-partial"
ROOT = "give the folder of the unpacked data set"
Breaking = Callable[[Path], object]


def assert_refused(dataset: str, root: Path, message: str) -> None:
    """The data set is refused with this message, in which `{root}` is its folder."""
    with pytest.raises(DatasetError) as refusal:
        load_dataset(dataset, root, DatasetOptions())
    assert str(refusal.value) == message.format(root=root)


def assert_recognised(asked: str, root: Path, lacking: str, like: str) -> None:
    """Another data set's folder is refused with its name."""
    assert_refused(asked, root, f"{{root}}: no {lacking} in it; this looks like {like}; ask for --dataset {like}")


def removed(*paths: str) -> Breaking:
    def remove(root: Path) -> None:
        for path in paths:
            shutil.rmtree(root / path) if (root / path).is_dir() else (root / path).unlink()

    return remove


def saved(path: str, array: object) -> Breaking:
    return lambda root: np.save(root / path, np.asarray(array))


def written(path: str, content: bytes) -> Breaking:
    def write(root: Path) -> None:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)

    return write


def cut(path: str, left: float = 0.5) -> Breaking:
    def truncate(root: Path) -> None:
        content = (root / path).read_bytes()
        (root / path).write_bytes(content[: int(len(content) * left)])

    return truncate


def overwritten(path: str, at: int, content: bytes) -> Breaking:
    def overwrite(root: Path) -> None:
        with (root / path).open("r+b") as file:
            file.seek(at)
            file.write(content)

    return overwrite


def moved(path: str, to: str) -> Breaking:
    def move(root: Path) -> None:
        (root / to).parent.mkdir(parents=True, exist_ok=True)
        shutil.move(root / path, root / to)

    return move


def image(path: str, width: int, height: int) -> Breaking:
    return lambda root: cv2.imwrite(str(root / path), np.zeros((height, width), np.uint8))


def cells(path: str, variable: str, arrays: list[np.ndarray]) -> Breaking:
    return lambda root: savemat(root / path, {variable: cell_array(arrays)})


def linked_nowhere(path: str) -> Breaking:
    def link(root: Path) -> None:
        (root / path).unlink()
        (root / path).symlink_to(root / "nowhere")

    return link


def emptied(path: str) -> Breaking:
    def empty(root: Path) -> None:
        shutil.rmtree(root / path, ignore_errors=True)
        (root / path).mkdir()

    return empty


def nested(root: Path) -> None:
    """The data set lies one folder deeper."""
    for path in list(root.iterdir()):
        moved(path.name, f"STC/{path.name}")(root)


def turned_into_a_file(root: Path) -> None:
    shutil.rmtree(root)
    root.write_bytes(b"zip")


class Trap:
    """Unpickled, it would raise."""

    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return exec, ("raise AssertionError('unpickled')",)


NPY_OF_OBJECTS = pickle.dumps(Trap())
MAT_73 = b"MATLAB 7.3 MAT-file".ljust(124, b" ") + struct.pack("<HH", 0x0200, 0x4D49) + bytes(512)
