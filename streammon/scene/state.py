"""A learner's state as tensors and back, so that an interrupted run can continue with the same scores."""

from collections.abc import Mapping
from copy import deepcopy

import torch
from torch import Tensor

from streammon.motion import Measure
from streammon.padim import restored_bank, scoring_tensors
from streammon.scene.files import halves_arrays, restored_halves, strip_prefix
from streammon.scene.held_out import HeldOutFrames
from streammon.scene.learner import SceneLearner
from streammon.scene.measure import SceneMeasure
from streammon.scene.pictures import PictureSums


def learner_tensors(learner: SceneLearner) -> dict[str, Tensor]:
    """Complete state of a learner between two recordings."""
    arrays = {f"held.{name}": array for name, array in learner.held_out.arrays().items()}
    if learner.pictures is not None:
        arrays |= {f"pictures.{name}": array for name, array in learner.pictures.arrays().items()}
    if learner.halves is not None:
        arrays |= halves_arrays("half", learner.halves)
    state = learner.statistics.tensors() | {
        "turn": torch.tensor(learner.turns.last),
        "clock": torch.tensor([learner.seconds, learner.step], dtype=torch.float64),
    }
    if learner.measure is not None:
        state |= {f"measure.{name}": tensor for name, tensor in scoring_tensors(learner.measure.bank).items()}
        if learner.measured_halves is not None:
            arrays |= halves_arrays("before", learner.measured_halves)
    return state | {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}


def restore_learner(learner: SceneLearner, state: Mapping[str, Tensor]) -> None:
    """Load the state of a learner with the same settings into a new one."""
    learner.statistics.restore(state)
    kinds = ("half", "held.", "before", "pictures.")
    arrays = {name: tensor.numpy() for name, tensor in state.items() if name.startswith(kinds)}
    seconds, step = state["clock"].tolist()
    learner.restore_clock(seconds, int(step))
    learner.turns.last = int(state["turn"])
    learner.held_out = HeldOutFrames.of_arrays(strip_prefix(arrays, "held."))
    learner.pictures = PictureSums.of_arrays(strip_prefix(arrays, "pictures."))
    dimensions = 0 if learner.halves is None else learner.halves[0].looks.total.shape[-1]
    if learner.halves is not None:
        learner.halves = restored_halves("half", arrays, dimensions)
    if "measure.mean" in state:
        statistics = learner.statistics
        kept = {name.removeprefix("measure."): each for name, each in state.items() if name.startswith("measure.")}
        bank = restored_bank(statistics.facts, statistics.reduction, kept, statistics.gaussian.device)
        motion = None
        if learner.halves is not None:
            learner.measured_halves = restored_halves("before", arrays, dimensions)
            motion = Measure(deepcopy(learner.measured_halves))
        learner.measure = SceneMeasure(bank, motion)
