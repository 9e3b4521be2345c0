"""What a scene has taught so far, as tensors and back, so that an interrupted run goes on with the same scores."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from streammon.motion import Observation, VideoLearner
from streammon.motion.evidence import Evidence
from streammon.motion.fusion import HeldOut
from streammon.motion.statistics import Halves
from streammon.padim import pack_lower, unpack_lower

NUMBERS = ("time_s", "clock_s", "patches")  # of a held-out frame, beside its stream, its sample and its evidence


class MotionState:
    """Keeps a `VideoLearner` between two clips.

    Which of motion's two halves has its turn is watched here: a restored learner begins with the first, so the halves
    change places where the second one is next.
    """

    def __init__(self) -> None:
        self._halves = Halves()
        self._turn = 1  # of the last frame; the next clip has the other, so that before all frames it is the first

    def saw(self, observations: Sequence[Observation]) -> None:
        """Follow the turns of what was learned."""
        for seen in observations:
            self._turn = self._halves.turn(seen)

    def tensors(self, learner: VideoLearner) -> dict[str, Tensor]:
        """All that it takes to go on."""
        statistics = learner.patches.statistics
        state = {
            "count": torch.tensor(statistics.gaussian.count),
            "mean": statistics.gaussian.mean.clone(),
            "scatter": pack_lower(statistics.gaussian.scatter),
            "scores": torch.tensor(statistics.scores, dtype=torch.float64),
            "times_s": torch.tensor(statistics.times_s, dtype=torch.float64),
            "calibrating": torch.tensor(learner.calibrating),
            "turn": torch.tensor(self._turn),
        }
        for number, half in enumerate(learner.motion.halves):
            state |= {f"half{number}.{name}": torch.from_numpy(array.copy()) for name, array in half.arrays().items()}
        return state | {f"held.{name}": tensor for name, tensor in _held_tensors(learner.motion.held_out).items()}

    def restore(self, learner: VideoLearner, state: Mapping[str, Tensor]) -> None:
        """Give a fresh learner what was kept."""
        statistics = learner.patches.statistics
        gaussian = statistics.gaussian
        gaussian.count = int(state["count"])
        gaussian.mean = state["mean"].to(gaussian.mean, copy=True)
        gaussian.scatter = unpack_lower(state["scatter"].to(gaussian.scatter), gaussian.mean.shape[1])
        for number, half in enumerate(learner.motion.halves):
            half.restore({name: tensor.numpy() for name, tensor in _below(state, f"half{number}.").items()})
        if int(state["turn"]) == 0:
            first, second = learner.motion.halves
            learner.motion.halves = (second, first)
        if bool(state["calibrating"]):
            learner.begin_calibration()
        statistics.hold_out(state["scores"].tolist(), state["times_s"].tolist())
        learner.motion.held_out.extend(_held_out(_below(state, "held.")))


def _below(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}


def _held_tensors(frames: Sequence[HeldOut]) -> dict[str, Tensor]:
    """Held-out frames as tensors; their evidence field by field, arrays of several lengths one behind the other."""
    if not frames:
        return {}
    streams = list(dict.fromkeys(frame.stream for frame in frames))
    tensors = {
        "names": torch.frombuffer(bytearray("\n".join(streams).encode()), dtype=torch.uint8),
        "streams": torch.tensor([streams.index(frame.stream) for frame in frames]),
        "samples": torch.from_numpy(np.stack([frame.sample for frame in frames])),
    }
    for name in NUMBERS:
        tensors[name] = torch.tensor([getattr(frame, name) for frame in frames], dtype=torch.float64)
    for field in fields(Evidence):
        values = [getattr(frame.evidence, field.name) for frame in frames]
        if isinstance(values[0], np.ndarray):
            tensors[f"lengths.{field.name}"] = torch.tensor([len(value) for value in values])
            tensors[f"arrays.{field.name}"] = torch.from_numpy(np.concatenate(values))
        else:
            tensors[f"numbers.{field.name}"] = torch.tensor(values, dtype=torch.float64)
    return tensors


def _held_out(tensors: Mapping[str, Tensor]) -> list[HeldOut]:
    if not tensors:
        return []
    names = bytes(tensors["names"].tolist()).decode().split("\n")
    arrays = {name: tensor.numpy() for name, tensor in _below(tensors, "arrays.").items()}
    parts: dict[str, list[NDArray[Any]]] = {
        name: np.split(array, np.cumsum(tensors[f"lengths.{name}"].numpy())[:-1]) for name, array in arrays.items()
    }
    numbers = {name: tensor.tolist() for name, tensor in _below(tensors, "numbers.").items()}
    evidence = [
        Evidence(**{name: values[index] for name, values in (parts | numbers).items()})
        for index in range(len(tensors["streams"]))
    ]
    samples = tensors["samples"].numpy()
    columns = [tensors[name].tolist() for name in ("streams", *NUMBERS)]
    return [
        HeldOut(names[stream], time_s, clock_s, patches, sample, shown)
        for stream, time_s, clock_s, patches, sample, shown in zip(*columns, samples, evidence, strict=True)
    ]
