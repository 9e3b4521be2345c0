"""`motion.safetensors` in a scene's folder: the sums of motion and what held-out frames showed."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from streammon.errors import BankError
from streammon.motion.evidence import Evidence
from streammon.motion.fusion import HeldOut
from streammon.motion.learner import MotionLearner
from streammon.padim import BankFacts, read_tensors, write_tensors

MOTION_FILE = "motion.safetensors"
NUMBERS = ("direction", "place", "shape")


def save_motion(folder: Path, learner: MotionLearner, facts: BankFacts) -> None:
    """Write what a learner knows.

    Raises:
        StorageError: It can't be written.
    """
    arrays: dict[str, NDArray[np.generic]] = {}
    for number, half in enumerate(learner.halves):
        arrays |= {f"half{number}.{name}": array for name, array in half.arrays().items()}
    frames = list(learner.held_out)
    streams = sorted({frame.stream for frame in frames})
    arrays["held.stream"] = np.array([streams.index(frame.stream) for frame in frames], np.int32)
    arrays["held.time_s"] = np.array([frame.time_s for frame in frames], np.float64)
    arrays["held.clock_s"] = np.array([frame.clock_s for frame in frames], np.float64)
    arrays["held.patches"] = np.array([frame.patches for frame in frames], np.float64)
    arrays["held.sample"] = np.array([frame.sample for frame in frames], np.float16)
    arrays["held.moving"] = np.array([len(frame.evidence.cells) for frame in frames], np.int32)
    for name in NUMBERS:
        arrays[f"held.{name}"] = np.array([getattr(frame.evidence, name) for frame in frames], np.float64)
    for name, kind in (("cells", np.int32), ("speed", np.float16), ("looks", np.float16), ("change", np.float16)):
        parts = [getattr(frame.evidence, name).astype(kind) for frame in frames]
        arrays[f"held.{name}"] = np.concatenate(parts) if parts else np.zeros(0, kind)
    tensors = {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}
    write_tensors(folder / MOTION_FILE, tensors, facts, streams={"names": streams})


def load_motion(folder: Path, learner: MotionLearner, facts: BankFacts) -> None:
    """Give a fresh learner what was written; it can then make a bank, learn on, or be merged.

    Args:
        folder: The scene's.
        learner: Made for the same backbone.
        facts: Of the bank beside it.

    Raises:
        BankError: It is missing, broken, or belongs to another bank.
    """
    path = folder / MOTION_FILE
    where = f"scene {folder.name!r}"
    fit_again = f"fit it again with `streammon fit --scene {folder.name}`, or set model.method to padim"
    if not path.exists():
        raise BankError(where, f"it has no motion file ({path})", fit_again)
    stored, tensors, header = read_tensors(path)
    difference = stored.mismatch(facts)
    if difference:
        found = f"its motion file was fitted with {difference[0]}, its bank with {difference[1]}"
        raise BankError(where, found, fit_again)
    arrays = {name: tensor.numpy().copy() for name, tensor in tensors.items()}
    try:
        for number, half in enumerate(learner.halves):
            prefix = f"half{number}."
            half.restore({name[len(prefix) :]: each for name, each in arrays.items() if name.startswith(prefix)})
        learner.held_out.extend(_held_out(arrays, header["streams"]["names"]))
    except (KeyError, ValueError, IndexError, TypeError):
        raise BankError(str(path), "it makes no sense", fit_again) from None


def _held_out(arrays: dict[str, NDArray[np.generic]], streams: list[str]) -> list[HeldOut]:
    held = {name.removeprefix("held."): array for name, array in arrays.items() if name.startswith("held.")}
    ends = np.cumsum(held["moving"].astype(np.int64))
    if len(ends) and ends[-1] != len(held["cells"]):
        raise ValueError("cells are missing")
    frames = []
    for index, end in enumerate(ends):
        part = slice(int(end) - int(held["moving"][index]), int(end))
        evidence = Evidence(
            held["cells"][part].astype(np.uint16),
            held["speed"][part].astype(np.float16),
            held["looks"][part].astype(np.float16),
            held["change"][part].astype(np.float16),
            *(float(held[name][index]) for name in NUMBERS),
        )
        frames.append(
            HeldOut(
                stream=streams[int(held["stream"][index])],
                time_s=float(held["time_s"][index]),
                clock_s=float(held["clock_s"][index]),
                patches=float(held["patches"][index]),
                sample=held["sample"][index].astype(np.float16),
                evidence=evidence,
            )
        )
    return frames
