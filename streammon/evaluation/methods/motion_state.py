"""What a scene has taught so far, as tensors and back, so that an interrupted run goes on with the same scores."""

from collections.abc import Mapping
from copy import deepcopy

import torch
from torch import Tensor

from streammon.evaluation.methods.gaussians import judge_tensors, restored_judge
from streammon.padim import pack_lower, unpack_lower
from streammon.scene import (
    VideoLearner,
)
from streammon.scene.held_out import held_out_arrays, held_out_frames
from streammon.scene.motion_file import below


def learner_tensors(learner: VideoLearner) -> dict[str, Tensor]:
    """All that it takes to go on, between two clips."""
    statistics, motion = learner.patches.statistics, learner.motion
    arrays = {f"held.{name}": array for name, array in held_out_arrays(motion.held_out).items()}
    for kind, halves in (("half", motion.halves), ("before", motion.calibrating_halves or ())):
        for number, half in enumerate(halves):
            arrays |= {f"{kind}{number}.{name}": array for name, array in half.arrays().items()}
    state = {
        "count": torch.tensor(statistics.gaussian.count),
        "mean": statistics.gaussian.mean.clone(),
        "scatter": pack_lower(statistics.gaussian.scatter),
        "scores": torch.tensor(statistics.scores, dtype=torch.float64),
        "times_s": torch.tensor(statistics.times_s, dtype=torch.float64),
        "turn": torch.tensor(motion.turns.last),
    }
    if learner.patches.judge is not None:
        state |= judge_tensors(learner.patches.judge)
    return state | {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}


def restore_learner(learner: VideoLearner, state: Mapping[str, Tensor]) -> None:
    """Give a fresh learner what was kept."""
    statistics, motion = learner.patches.statistics, learner.motion
    gaussian = statistics.gaussian
    gaussian.count = int(state["count"])
    gaussian.mean = state["mean"].to(gaussian.mean, copy=True)
    gaussian.scatter = unpack_lower(state["scatter"].to(gaussian.scatter), gaussian.mean.shape[1])
    arrays = {name: tensor.numpy() for name, tensor in state.items() if name.startswith(("half", "held", "before"))}
    for number, half in enumerate(motion.halves):
        half.restore(below(arrays, f"half{number}."))
    motion.turns.last = int(state["turn"])
    if "judge_mean" in state:
        judge = restored_judge(statistics.facts, statistics.reduction, state, gaussian.scatter.device)
        halves = deepcopy(motion.halves)
        for number, half in enumerate(halves):
            half.restore(below(arrays, f"before{number}."))
        learner.go_on_calibrating(judge, halves)
    statistics.hold_out(state["scores"].tolist(), state["times_s"].tolist())
    motion.held_out.extend(held_out_frames(below(arrays, "held.")))
