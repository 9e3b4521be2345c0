"""Trials of engines and precisions on this machine, and the file that keeps them, since they take seconds."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter, ValidationError

from streammon import storage
from streammon.errors import StorageError
from streammon.padim.engines import Engine, torch_threads
from streammon.padim.probe import MOST_DIFFERENCE, difference, probe_pictures

ROUNDS = 5


@dataclass(frozen=True)
class Trial:
    """Speed of one engine in one precision, and its agreement with torch.

    Attributes:
        engine: Name of the engine.
        precision: Number format that it computes in.
        ms_single: Milliseconds a frame in batches of one, median of several rounds beside a busy core.
        ms_batch: Milliseconds a frame in batches of the configured size.
        difference: Largest relative difference of a map from torch's in float32, |a - b| / |b|.
    """

    engine: str
    precision: str
    ms_single: float
    ms_batch: float
    difference: float

    @property
    def agrees(self) -> bool:
        """True if the maps agree with torch's in float32."""
        return self.difference <= MOST_DIFFERENCE


TRIALS = TypeAdapter(dict[str, list[Trial]])


def compare(engines: Sequence[Engine], reference: Engine, batch: int) -> list[Trial]:
    """Trials of engines on made-up pictures, in turn, so that a busy moment meets them all.

    Each has the threads that a scorer would give torch beside it. One core is kept busy, as by decoding in all that
    scores frames: an engine whose threads wait for one another after each operation can be the fastest on idle cores
    and lose a third of its speed beside a decoder.

    Args:
        engines: The engines.
        reference: torch in float32.
        batch: Batch size beside 1.
    """
    pictures = probe_pictures(batch)
    parts = pictures[:1], pictures
    wanted = reference.maps(pictures[:1], 3)
    differences = [difference(engine.maps(pictures[:1], 3), wanted) for engine in engines]
    taken_s = np.empty((ROUNDS, len(engines), len(parts)))  # a frame
    for engine in engines:
        engine.maps(pictures, 3)  # some compile for each batch size at its first use
    with _busy_core():
        for turn in range(ROUNDS):
            for number, engine in enumerate(engines):
                with torch_threads(engine):
                    engine.maps(parts[0], 3)  # meanwhile the threads of the engine before may wait in loops
                    for place, part in enumerate(parts):
                        began_s = time.perf_counter()
                        engine.maps(part, 3)
                        taken_s[turn, number, place] = (time.perf_counter() - began_s) / len(part)
    medians_s = np.median(taken_s, axis=0).tolist()
    return [
        Trial(engine.name, engine.precision, round(1000 * single_s, 3), round(1000 * batch_s, 3), round(differs, 5))
        for engine, (single_s, batch_s), differs in zip(engines, medians_s, differences, strict=True)
    ]


@contextlib.contextmanager
def _busy_core() -> Iterator[None]:
    """Keep one core busy by a thread that, like a decoder, doesn't hold the interpreter's lock."""
    done, values = threading.Event(), np.random.default_rng(0).random(100_000)

    def work() -> None:
        while not done.is_set():
            np.sort(values)

    thread = threading.Thread(target=work, name="streammon-busy", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def fastest(trials: Sequence[Trial]) -> Trial | None:
    """The fastest whose maps agree, by its times alone and in a batch; None if none agrees.

    int8 is never chosen for its speed: its file beside the scenes is made and used only where it is configured.
    """
    agreeing = [each for each in trials if each.agrees and each.precision != "int8"]
    return min(agreeing, key=lambda each: each.ms_single + each.ms_batch, default=None)


def kept_trials(file: Path, key: str, measure: Callable[[], list[Trial]]) -> list[Trial]:
    """Trials from a JSON file, by key; if it has none, they are measured and added to the file.

    A file that can't be read counts as empty. One that can't be written stays as it is.
    """
    kept = _read(file)
    if key not in kept:
        trials = measure()
        kept = _read(file) | {key: trials}
        with contextlib.suppress(StorageError):
            storage.write_atomically(file, lambda beside: beside.write_bytes(TRIALS.dump_json(kept, indent=1)), "")
    return kept[key]


def _read(file: Path) -> dict[str, list[Trial]]:
    try:
        return TRIALS.validate_json(file.read_bytes())
    except (OSError, ValidationError):
        return {}
