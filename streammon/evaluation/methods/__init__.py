"""PaDiM in all its variants, and the baselines of its paper.

`base` says what a method is. `padim` is the live scorer, `layers` its ablation by layer; `spade`, `mahalanobisad`
and `vae` are what its paper compares it with. `maps` makes anomaly maps of the grids that methods give.
"""

from streammon.evaluation.methods.base import Batch, Method, Model, Progress, Scored
from streammon.evaluation.methods.layers import SingleLayer, SummedLayers, layer_ablation
from streammon.evaluation.methods.mahalanobisad import MahalanobisAD
from streammon.evaluation.methods.maps import GridSmoother
from streammon.evaluation.methods.padim import Padim, PadimModel, padim_seeds
from streammon.evaluation.methods.spade import Spade
from streammon.evaluation.methods.vae import Vae

METHODS = ("padim", "spade", "vae", "mahalanobisad")

__all__ = [
    "METHODS",
    "Batch",
    "GridSmoother",
    "MahalanobisAD",
    "Method",
    "Model",
    "Padim",
    "PadimModel",
    "Progress",
    "Scored",
    "SingleLayer",
    "Spade",
    "SummedLayers",
    "Vae",
    "layer_ablation",
    "padim_seeds",
]
