"""`motion.safetensors` in a scene's folder: the sums of motion and what held-out frames showed."""

from pathlib import Path

import numpy as np
import torch

from streammon.errors import BankError
from streammon.padim import BankFacts, read_tensors, write_tensors
from streammon.scene.held_out import Arrays, held_out_arrays, held_out_frames
from streammon.scene.motion_learner import MotionLearner

MOTION_FILE = "motion.safetensors"

READING = 5
"""How motion is read: what was read in different ways doesn't add up. 1, unwritten: logarithms of speeds; 2: what
stays counted alike everywhere; 3: directions were counted by frames; 4: the view as a whole wasn't looked at."""


def save_motion(folder: Path, learner: MotionLearner, facts: BankFacts) -> None:
    """Write what a learner knows.

    Args:
        folder: The scene's.
        learner: Of its motion.
        facts: Of the bank beside it.

    Raises:
        StorageError: It can't be written.
    """
    arrays = {f"held.{name}": array for name, array in held_out_arrays(learner.held_out).items()}
    for number, half in enumerate(learner.halves):
        arrays |= {f"half{number}.{name}": array for name, array in half.arrays().items()}
    arrays["detector"] = np.frombuffer(f"sha256:{learner.detector}".encode(), np.uint8)
    arrays["reading"] = np.array([READING], np.int64)
    tensors = {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}
    write_tensors(folder / MOTION_FILE, tensors, facts)


def load_motion(folder: Path, learner: MotionLearner, facts: BankFacts) -> None:
    """Give a fresh learner what was written; it can then make a bank, learn on, or be merged.

    Args:
        folder: The scene's.
        learner: Made for the same backbone.
        facts: Of the bank beside it, or of a learner that goes on.

    Raises:
        BankError: It is missing, broken, belongs to another bank, or an earlier streammon wrote it that read motion
            otherwise.
    """
    path = folder / MOTION_FILE
    where = f"scene {folder.name!r}"
    fit_again = f"fit it again with `streammon fit --scene {folder.name}`, or set model.method to padim"
    if not path.exists():
        raise BankError(where, f"it has no motion file ({path})", fit_again)
    stored, tensors, _ = read_tensors(path)
    difference = stored.mismatch(facts)
    if difference:
        found = f"its motion file was fitted with {difference[0]}, its bank with {difference[1]}"
        raise BankError(where, found, fit_again)
    if facts.frames and stored.frames != facts.frames:  # a learner that goes on has none yet
        found = f"its motion was learned from {stored.frames:,} frames, its bank from {facts.frames:,}"
        raise BankError(where, found, fit_again)
    arrays = {name: tensor.numpy().copy() for name, tensor in tensors.items()}
    reading = arrays.get("reading", np.array([1])).tolist()
    if reading != [READING]:
        found = "its motion was read as another version of streammon does"
        raise BankError(where, found, fit_again)
    try:
        detector = bytes(arrays["detector"].tolist()).decode().removeprefix("sha256:")
        for number, half in enumerate(learner.halves):
            half.restore(below(arrays, f"half{number}."))
        learner.held_out.extend(held_out_frames(below(arrays, "held.")))
    except (KeyError, ValueError, IndexError, TypeError):
        raise BankError(str(path), "it makes no sense", fit_again) from None
    if learner.detector is None:
        learner.detector = detector
    if learner.detector != detector:
        fitted = "with another detector" if learner.detector else "with a detector"
        found = f"its motion was fitted {fitted if detector else 'without a detector'}, against model.detector"
        raise BankError(where, found, fit_again)


def below(arrays: Arrays, prefix: str) -> Arrays:
    """Those whose names begin with a prefix, without it."""
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
