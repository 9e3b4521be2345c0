"""What an evaluation has worked out so far, on disk, so that an interrupted one goes on where it ended.

```
<folder>/<context>/<method>/<clip>.scores.npy      (N,) float64
                            <clip>.grid0.npy …     (N, g, g) float32
                            <bank>.fit.safetensors what was learned of it so far; gone once its clips are scored
                            <bank>.facts.json      thresholds and memory of the finished model
```
`context` and `method` are hashes of everything that changes a score: the data set's contents, the view, the frames
taken, the backbone's weights, the method and its settings, streammon's version. Nothing stale is ever read, and
two evaluations share what they have in common. Files appear whole or not at all.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from streammon.errors import StorageError


@dataclass(frozen=True, eq=False)
class ClipResult:
    """What one method says of one clip.

    Attributes:
        scores: (N,) float64, one for each scored frame.
        grids: (N, g, g) float32 each, memory-mapped; see `methods.Scored`.
    """

    scores: NDArray[np.float64]
    grids: tuple[NDArray[np.float32], ...]


@dataclass(frozen=True, order=True)
class Position:
    """How far a model has learned: everything before this clip of this pass."""

    number: int
    clip: int


def digest(*parts: object) -> str:
    """A short hash of some facts, for the name of a folder.

    >>> digest("a", 1) == digest("a", 1), digest("a", 1) == digest("a", 2)
    (True, False)
    """
    return hashlib.sha256(json.dumps([str(part) for part in parts]).encode()).hexdigest()[:20]


class Cache:
    """The results of one method in one context.

    Args:
        folder: The cache's own folder.
        context: All that the results of every method depend on.
        method: The method's key.

    Raises:
        StorageError: The folder can't be made.
    """

    def __init__(self, folder: Path, context: str, method: str) -> None:
        self._folder = folder / context / digest(method)
        self._writing(lambda: self._folder.mkdir(parents=True, exist_ok=True))

    def result(self, clip: str, frames: int) -> ClipResult | None:
        """The result of a clip of so many scored frames; None where it isn't known, or damaged."""
        try:
            scores = np.load(self._file(clip, "scores.npy"))
            grids: list[NDArray[np.float32]] = []
            while (path := self._file(clip, f"grid{len(grids)}.npy")).exists():
                grids.append(np.load(path, mmap_mode="r"))
        except (OSError, ValueError, EOFError):
            return None
        whole = len(scores) == frames and all(len(grid) == frames for grid in grids)
        return ClipResult(scores, tuple(grids)) if whole else None

    def keep_result(self, clip: str, result: ClipResult) -> None:
        """Write a clip's result; the scores come last and make it count.

        Raises:
            StorageError: It can't be written.
        """
        for number, grid in enumerate(result.grids):
            self._write(self._file(clip, f"grid{number}.npy"), partial(_save, grid))
        self._write(self._file(clip, "scores.npy"), partial(_save, result.scores))

    def fit(self, bank: str) -> tuple[Position, dict[str, Tensor]] | None:
        """What was learned of a bank so far, and how far; None where nothing is kept, or it is damaged."""
        try:
            with safe_open(self._file(bank, "fit.safetensors"), framework="pt") as file:
                position = Position(*json.loads(file.metadata()["position"]))
                # clones: what safetensors gives would keep the whole file mapped
                return position, {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
        except (OSError, SafetensorError, KeyError, TypeError, ValueError):
            return None

    def keep_fit(self, bank: str, position: Position, state: Mapping[str, Tensor]) -> None:
        """Write what was learned so far.

        Raises:
            StorageError: It can't be written.
        """
        tensors = {name: tensor.contiguous() for name, tensor in state.items()}
        metadata = {"position": json.dumps([position.number, position.clip])}
        self._write(self._file(bank, "fit.safetensors"), lambda path: save_file(tensors, path, metadata))

    def drop_fit(self, bank: str) -> None:
        """Let go of what was learned: all that it was needed for is scored."""
        self._file(bank, "fit.safetensors").unlink(missing_ok=True)

    def facts(self, bank: str) -> dict[str, Any] | None:
        """What was noted about a finished model; None where nothing is."""
        try:
            noted: dict[str, Any] = json.loads(self._file(bank, "facts.json").read_text())
        except (OSError, ValueError):
            return None
        return noted

    def keep_facts(self, bank: str, facts: Mapping[str, Any]) -> None:
        """Note facts about a finished model.

        Raises:
            StorageError: They can't be written.
        """
        self._write(self._file(bank, "facts.json"), lambda path: path.write_text(json.dumps(facts)))

    def _file(self, name: str, ending: str) -> Path:
        return self._folder / f"{quote(name, safe=' ')}.{ending}"

    def _write(self, path: Path, write: Callable[[Path], object]) -> None:
        unfinished = path.with_name(f"{path.name}.{os.getpid()}.part")
        try:
            self._writing(lambda: write(unfinished))
            self._writing(lambda: unfinished.replace(path))
        finally:
            with contextlib.suppress(OSError):  # what stopped the writing may stop this too
                unfinished.unlink(missing_ok=True)

    def _writing(self, write: Callable[[], object]) -> None:
        try:
            write()
        except OSError as error:
            remedy = "make room or choose another --cache DIR"
            raise StorageError(str(self._folder), f"it can't be written ({_reason(error)})", remedy) from None
        except SafetensorError as error:  # wraps the system's error in words of its own
            remedy = "make room or choose another --cache DIR"
            raise StorageError(str(self._folder), f"it can't be written ({error})", remedy) from None


def _save(array: NDArray[Any], path: Path) -> None:
    with path.open("wb") as file:  # given a name, numpy would add an ending
        np.save(file, array)


def _reason(error: OSError) -> str:
    return str(error.strerror or error).lower()
