"""Frames → evidence of what moves: how fast, which way, how it looks, and how that compares with normal footage.

`flow` finds what moves, `objects` crops it, `change` compares embeddings over time; `observe` does all three for a
frame. `statistics` learns by place (`gaussians`), `evidence` measures against what was learned, `still` leaves to the
patches what doesn't move, `view` compares the whole picture with the learned one.
"""

from streammon.motion.evidence import Evidence, Measure
from streammon.motion.objects import Box, feature_dimensions
from streammon.motion.observe import Detector, Observation, Observer
from streammon.motion.statistics import MotionSums
from streammon.motion.still import StillPatches
from streammon.motion.streams import RecentStreams

__all__ = [
    "Box",
    "Detector",
    "Evidence",
    "Measure",
    "MotionSums",
    "Observation",
    "Observer",
    "RecentStreams",
    "StillPatches",
    "feature_dimensions",
]
