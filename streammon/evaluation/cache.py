"""Cache of an evaluation's results on disk, from which an interrupted evaluation resumes.

```
<folder>/<context>/<method>/<clip>.scores.npy      (N,) float64
                            <clip>.grid0.npy …     (N, g, g) float32
                            <clip>.frames.npy      (N,) time, size, level and channel of each frame
                            <bank>.fit.safetensors learned state of the bank, also of a training that has begun;
                                                   deleted once its clips are scored
                            <bank>.facts.json      thresholds and memory of the finished model
```
`context` and `method` are hashes of everything that changes a score: the data set's contents, the view, the frames
taken, the backbone's weights, the method and its settings, streammon's version. So stale results are never read, and
evaluations with equal hashes share results. Each file is written under a temporary name and then renamed, so that no
incomplete file is read.
"""

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from torch import Tensor

from streammon import storage
from streammon.evaluation.frame_facts import FrameFacts
from streammon.padim import save_tensors

logger = logging.getLogger(__name__)

REMEDY = "make room or choose another --cache DIR"


@dataclass(frozen=True, eq=False)
class ClipResult:
    """Scores and anomaly grids of one clip by one method.

    Attributes:
        scores: (N,) float64, one for each frame that `FrameSelection.every` leaves.
        grids: (N, g, g) float32 each, memory-mapped when read from the cache; see `methods.Scored`.
        frames: (N,) further facts of the frames; None for none.
    """

    scores: NDArray[np.float64]
    grids: tuple[NDArray[np.float32], ...]
    frames: FrameFacts | None = None


@dataclass(frozen=True, order=True)
class Position:
    """Progress of a fit: every clip before index `clip` of pass `number` is learned."""

    number: int
    clip: int


def digest(*parts: object) -> str:
    """First 20 hexadecimal digits of the SHA-256 of the parts, for folder names.

    >>> digest("a", 1) == digest("a", 1), digest("a", 1) == digest("a", 2)
    (True, False)
    """
    return hashlib.sha256(json.dumps([str(part) for part in parts]).encode()).hexdigest()[:20]


class Cache:
    """Cached results of one method in one context.

    Args:
        folder: Root folder of the cache.
        context: Hash of everything that the results of every method depend on.
        method: The method's key.

    Raises:
        StorageError: The folder can't be made.
    """

    def __init__(self, folder: Path, context: str, method: str) -> None:
        self._folder = folder / context / digest(method)
        storage.require_writable(self._folder, REMEDY)

    def result(self, clip: str, frames: int) -> ClipResult | None:
        """Cached result of a clip of `frames` frames; None if it is missing, damaged or of another length."""
        try:
            scores = np.load(self._file(clip, "scores.npy"))
            grids: list[NDArray[np.float32]] = []
            while (path := self._file(clip, f"grid{len(grids)}.npy")).exists():
                grids.append(np.load(path, mmap_mode="r"))
            facts = self._file(clip, "frames.npy")
            shown = np.load(facts) if facts.exists() else None
        except (OSError, ValueError, EOFError):
            return None
        arrays = [scores, *grids] if shown is None else [scores, *grids, shown]
        return ClipResult(scores, tuple(grids), shown) if all(len(each) == frames for each in arrays) else None

    def keep_result(self, clip: str, result: ClipResult) -> None:
        """Write the result of a clip; the scores are written last and mark the result as complete.

        Raises:
            StorageError: A file can't be written.
        """
        for number, grid in enumerate(result.grids):
            storage.write_atomically(self._file(clip, f"grid{number}.npy"), partial(_save, grid), REMEDY)
        if result.frames is not None:
            storage.write_atomically(self._file(clip, "frames.npy"), partial(_save, result.frames), REMEDY)
        storage.write_atomically(self._file(clip, "scores.npy"), partial(_save, result.scores), REMEDY)

    def fit(self, bank: str) -> tuple[Position, dict[str, Tensor]] | None:
        """Progress and learned state of a bank's fit; None if no fit is saved or, with a warning, it is damaged."""
        path = self._file(bank, "fit.safetensors")
        try:
            with safe_open(path, framework="pt") as file:
                position = Position(*json.loads(file.metadata()["position"]))
                # clones: the tensors of safetensors would keep the whole file mapped
                return position, {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
        except FileNotFoundError:
            return None
        except (OSError, SafetensorError, KeyError, TypeError, ValueError):
            logger.warning("%s: it can't be read or is damaged; %s is learned from the beginning", path, bank)
            return None

    def keep_fit(self, bank: str, position: Position, state: Mapping[str, Tensor]) -> None:
        """Save the progress and the learned state of a bank's fit.

        Raises:
            StorageError: The file can't be written.
        """
        tensors = {name: tensor.contiguous() for name, tensor in state.items()}
        metadata = {"position": json.dumps([position.number, position.clip])}
        file = self._file(bank, "fit.safetensors")
        storage.write_atomically(file, lambda path: save_tensors(path, tensors, metadata), REMEDY)

    def drop_fit(self, bank: str) -> None:
        """Delete the saved fit of a bank whose clips are all scored."""
        self._file(bank, "fit.safetensors").unlink(missing_ok=True)

    def facts(self, bank: str) -> dict[str, Any] | None:
        """Facts of a finished model, such as thresholds and memory; None if none are saved."""
        try:
            noted: dict[str, Any] = json.loads(self._file(bank, "facts.json").read_text())
        except (OSError, ValueError):
            return None
        return noted

    def keep_facts(self, bank: str, facts: Mapping[str, Any]) -> None:
        """Save facts of a finished model.

        Raises:
            StorageError: The file can't be written.
        """
        text = json.dumps(facts)
        storage.write_atomically(self._file(bank, "facts.json"), lambda path: path.write_text(text), REMEDY)

    def _file(self, name: str, ending: str) -> Path:
        return self._folder / f"{quote(name, safe=' ')}.{ending}"


def _save(array: NDArray[Any], path: Path) -> None:
    with path.open("wb") as file:  # np.save would add .npy to a path
        np.save(file, array)
