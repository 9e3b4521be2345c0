"""Methods to evaluate: motion with PaDiM, PaDiM in all variants, and the baselines of the PaDiM paper.

`base` defines the protocols. `motion` is the live scorer of video, `padim` the live scorer of patches alone and
`layers` the ablation of PaDiM by layer. `spade`, `mahalanobisad` and `vae` are the baselines. `own` finds and adapts
the methods of other packages. `maps` computes anomaly maps from the grids of a method.
"""

from streammon.evaluation.methods.base import Batch, DerivedMethod, Method, Model, Progress, Scored, Scorer
from streammon.evaluation.methods.layers import SingleLayer, SummedLayers
from streammon.evaluation.methods.mahalanobisad import MahalanobisAD
from streammon.evaluation.methods.maps import GridSmoother
from streammon.evaluation.methods.motion import (
    MotionMethod,
    MotionPart,
    delay_fact,
    motion_parts,
    motion_seeds,
)
from streammon.evaluation.methods.own import OwnMethod, registered_method
from streammon.evaluation.methods.padim import Padim, padim_seeds
from streammon.evaluation.methods.scenes import SceneModel
from streammon.evaluation.methods.spade import Spade
from streammon.evaluation.methods.vae import Vae

METHODS = ("motion", "padim", "spade", "vae", "mahalanobisad")

__all__ = [
    "METHODS",
    "Batch",
    "DerivedMethod",
    "GridSmoother",
    "MahalanobisAD",
    "Method",
    "Model",
    "MotionMethod",
    "MotionPart",
    "OwnMethod",
    "Padim",
    "Progress",
    "SceneModel",
    "Scored",
    "Scorer",
    "SingleLayer",
    "Spade",
    "SummedLayers",
    "Vae",
    "delay_fact",
    "motion_parts",
    "motion_seeds",
    "padim_seeds",
    "registered_method",
]
