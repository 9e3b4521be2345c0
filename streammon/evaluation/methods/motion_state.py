"""What a scene has taught so far, as tensors and back, so that an interrupted run goes on with the same scores."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import Tensor

from streammon.motion import MOTION_FILE, Observation, VideoLearner, load_motion, save_motion
from streammon.motion.statistics import Halves
from streammon.padim import pack_lower, unpack_lower


class MotionState:
    """Keeps a `VideoLearner` between two clips.

    The patches are kept as their running sums, motion as the file in which a scene's folder has it. Which of motion's
    two halves has its turn is watched here: a restored learner begins with the first, so the halves change places
    where the second one is next.
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
        with TemporaryDirectory(prefix="streammon-eval-") as folder:
            save_motion(Path(folder), learner.motion, statistics.facts)
            motion = np.frombuffer((Path(folder) / MOTION_FILE).read_bytes(), np.uint8)
        return {
            "count": torch.tensor(statistics.gaussian.count),
            "mean": statistics.gaussian.mean.clone(),
            "scatter": pack_lower(statistics.gaussian.scatter),
            "scores": torch.tensor(statistics.scores, dtype=torch.float64),
            "times_s": torch.tensor(statistics.times_s, dtype=torch.float64),
            "calibrating": torch.tensor(learner.calibrating),
            "turn": torch.tensor(self._turn),
            "motion": torch.from_numpy(motion.copy()),
        }

    def restore(self, learner: VideoLearner, state: Mapping[str, Tensor]) -> None:
        """Give a fresh learner what was kept."""
        statistics = learner.patches.statistics
        gaussian = statistics.gaussian
        gaussian.count = int(state["count"])
        gaussian.mean = state["mean"].to(gaussian.mean, copy=True)
        gaussian.scatter = unpack_lower(state["scatter"].to(gaussian.scatter), gaussian.mean.shape[1])
        with TemporaryDirectory(prefix="streammon-eval-") as folder:
            (Path(folder) / MOTION_FILE).write_bytes(state["motion"].numpy().tobytes())
            load_motion(Path(folder), learner.motion, statistics.facts)
        if int(state["turn"]) == 0:
            first, second = learner.motion.halves
            learner.motion.halves = (second, first)
        if bool(state["calibrating"]):
            learner.begin_calibration()
        statistics.hold_out(state["scores"].tolist(), state["times_s"].tolist())
