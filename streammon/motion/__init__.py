"""Frames → evidence of motion: speed, direction, place, shape and looks of moving objects, against normal footage.

`flow` computes motion, `objects` crops moving objects, `change` differences embeddings over time; `observe` does all
three for each frame. `statistics` sums observations by place, `gaussians` fits Gaussians to the sums, `evidence`
measures the distances of a frame from them. `still` measures patches where nothing moves, `view` the picture as a
whole. `settings` has every number that was chosen; `README.md` lists the settings.
"""

from streammon.motion.evidence import Evidence, Measure, chosen_widths
from streammon.motion.objects import PixelBox, feature_dimensions
from streammon.motion.observe import Detector, Observation, Observer
from streammon.motion.settings import SETTINGS, MotionSettings
from streammon.motion.statistics import MotionSums
from streammon.motion.still import StillPatches

__all__ = [
    "SETTINGS",
    "Detector",
    "Evidence",
    "Measure",
    "MotionSettings",
    "MotionSums",
    "Observation",
    "Observer",
    "PixelBox",
    "StillPatches",
    "chosen_widths",
    "feature_dimensions",
]
