"""Settings of motion: every number that was chosen, its unit, its reason and the footage it was chosen on.

"Look 16" is number 16 in `streammon/evaluation/looks.csv`: a design and its frame AUROC on UCSD Ped2's test labels.
The footage was recorded for each design, not for each number of a design.

Not settings: values derived from settings (`MotionSettings.cells_per_place`, odd kernel sides), values fixed by the
method (one speed a cell, three values of an object's shape), and limits that change no score (threads, streams kept).
"""

import math
from dataclasses import dataclass

from streammon.settings import Effect, setting

PED2 = "Ped2 training clips"
PED2_RUNNERS = f"{PED2}, staged runners (look 16)"
PED2_PASTED = f"{PED2}, staged people and pasted patches (look 17)"


@dataclass(frozen=True)
class FlowSettings:
    """Optical flow, and the difference between two pictures above which flow counts as motion."""

    grid: int = setting(
        64, "cells a side", "motion is learned and judged on the grid of PaDiM's finest map", effect=Effect.FILES
    )
    difference_scale: int = setting(
        2, "pixels", "side of the block averaged before two pictures are compared: a blur follows in any case"
    )
    difference_blur: float = setting(
        1 / 120, "longer sides, sigma", "suppresses the noise of single pixels", PED2_RUNNERS
    )
    least_difference: float = setting(
        2.0, "grey levels", "a codec's keyframes change pixels by 1, people of low contrast by 5 to 7", PED2_RUNNERS
    )
    ambient_factor: float = setting(
        2.0,
        "times the median difference",
        "added to least_difference: noise and changes of light are everywhere",
        PED2_RUNNERS,
    )
    median_stride: int = setting(
        4, "compared pixels", "one pixel in 16 is enough for the median difference", effect=Effect.NUMERICAL
    )
    difference_reach: float = setting(
        1 / 45,
        "longer sides",
        "a plain coat or a cart differs at its rim alone; what lies within this of a difference counts as differing",
        PED2_PASTED,
    )
    margin_px: int = setting(
        32, "pixels", "flow is computed this far around a difference, as far as a thing may have come"
    )
    least_side_px: int = setting(
        128, "pixels", "least side of the part that flow is computed for: DIS begins at a coarse scale of it"
    )
    dis_preset: int = setting(
        2,
        "OpenCV's number (MEDIUM)",
        "the finer preset separates speeds better",
        f"{PED2}, staged anomalies (look 7)",
    )
    descents: int = setting(
        12,
        "iterations",
        "gradient descent of DIS; the preset's 25 differ by 0.01 pixels",
        "Ped2's walkers",
    )
    blur: float = setting(
        1 / 240,
        "longer sides, sigma",
        "one moving thing has one velocity",
        f"{PED2}, staged anomalies (look 7)",
    )
    least_shift_px: float = setting(0.3, "pixels", "least shift that is motion; DIS finds less in noise too")
    least_differing_share: float = setting(
        0.5, "share of a cell's pixels", "a cell moves where at least so much of it differs", PED2_RUNNERS
    )


@dataclass(frozen=True)
class ObjectSettings:
    """Moving objects, their crops and their features."""

    connectivity: int = setting(8, "neighbours of a pixel", "pixels that touch at a corner are one region")
    least_area: float = setting(0.0005, "share of the picture", "smaller regions are no objects")
    widest: float = setting(
        1.5, "width over height", "a wider region is walkers side by side, cut into windows as wide as high"
    )
    highest: float = setting(3.5, "height over width", "a higher region is cut into windows")
    window_height: float = setting(3.0, "height over width", "of the windows that a high region is cut into")
    most_objects: int = setting(12, "objects a frame", "the largest are kept; bounds the cost of crops")
    crop_side_px: int = setting(64, "pixels", "a quarter of the model's input side, so a sixteenth of its cost")
    crop_margin: float = setting(1.15, "crop's side over the object's longer side", "some background around it")
    least_crop_px: int = setting(16, "pixels", "a smaller object's crop would be mostly interpolation")
    outside_weight: float = setting(
        1e-3,
        "weight",
        "of crop pixels beside the object, so that no crop has a total weight of 0",
        effect=Effect.NUMERICAL,
    )
    most_features: int = setting(
        64, "channels", "an object has at most so many of the first stage's", effect=Effect.FILES
    )


@dataclass(frozen=True)
class ChangeSettings:
    """Differences of embeddings over time, on a coarse grid and few channels."""

    grid: int = setting(
        16, "places a side", "coarse embeddings are enough for a difference over time", effect=Effect.FILES
    )
    channels: int = setting(32, "channels", "few channels are enough for a difference over time", effect=Effect.FILES)
    seed: int = setting(0, "seed", "of the random choice of channels", effect=Effect.FILES)
    lag_s: float = setting(0.3, "seconds", "time between the two embeddings: three frames at 10 a second")
    gap_s: float = setting(1.0, "seconds", "frames further apart are not compared; the history begins again")


@dataclass(frozen=True)
class StatisticsSettings:
    """Sums by place, and the two cross-validation halves."""

    object_grid: int = setting(16, "places a side", "objects are fewer than moving cells", effect=Effect.FILES)
    directions: int = setting(8, "bins of the circle", "resolution of the direction histogram", effect=Effect.FILES)
    turn_s: float = setting(
        15.0, "seconds", "length of a window; long enough that the two halves are nearly independent"
    )


@dataclass(frozen=True)
class GaussianSettings:
    """Gaussians by place, pooled over neighbours."""

    shrinkage: float = setting(20.0, "observations", "weight of the whole scene's Gaussian at every place")
    ridge: float = setting(0.01, "share of the scene's variance", "added to each place's variance")
    least_variance: float = setting(
        1e-6, "squared units of the channel", "added to each variance, so that none is 0", effect=Effect.NUMERICAL
    )
    widths: tuple[float, ...] = setting(
        (0.75, 1.5, 3.0, 6.0, math.inf),
        "cells, sigma",
        "pooling kernels to choose from by cross-validated likelihood; inf is one Gaussian of the whole scene",
    )
    kernel_reach: int = setting(4, "sigma", "the pooling kernel ends here", effect=Effect.NUMERICAL)
    least_observations: int = setting(
        2, "observations", "a scene with fewer has no Gaussian", effect=Effect.NUMERICAL
    )


@dataclass(frozen=True)
class EvidenceSettings:
    """Distances of one frame from the learned statistics."""

    slowest: float = setting(
        -3.0, "standard deviations", "slower speeds are clipped to this: slower is not more normal"
    )
    neighbourhood: int = setting(
        5,
        "cells a side",
        "the excess speed is averaged over the moving cells in it: a lone cell is noise",
        f"{PED2}, staged people and pasted patches (looks 17 and 18)",
    )
    least_speed_width: float = setting(
        3.0,
        "cells, sigma",
        "a cell smaller than an object contains mostly its edges, so speeds are pooled at least so far",
    )
    count_width: float = setting(1.5, "cells, sigma", "presence and directions are pooled with this kernel")
    prior_frames: float = setting(
        1.0, "frames", "pseudo-count of motion and of none at each place, the least for presence"
    )
    prior_turns: float = setting(
        1.0,
        "turns (`statistics.turn_s`)",
        "pseudo-count of the presence and direction priors: minutes of footage make no place and no way certain",
        f"{PED2} in four folds (looks 25 and 28)",
    )
    least_prior: float = setting(
        1e-6, "speed times frames", "direction prior where nothing ever moved", effect=Effect.NUMERICAL
    )
    pace: float = setting(
        0.5,
        "times the mean speed by distance covered",
        "directions count by speed over this pace: swaying on the spot then counts little",
        "the walking clip (look 26)",
    )


@dataclass(frozen=True)
class StillSettings:
    """Patches where nothing moves."""

    reach: float = setting(
        1 / 8, "picture sides", "a moving thing shows in patches this far away: their receptive field is wide"
    )
    blur: float = setting(1 / 64, "picture sides, sigma", "as PaDiM smooths its maps (4 of 256 pixels)")
    rise_s: float = setting(300.0, "seconds, time constant", "what came and stays becomes the place's usual distance")
    fall_s: float = setting(1.0, "seconds, time constant", "the usual distance falls quickly when a place clears")
    dwell_s: float = setting(
        3.0,
        "seconds, time constant",
        "what came and stays becomes conspicuous; a walker's short halt does not",
        f"{PED2}, staged anomalies (look 13)",
    )
    least_comparable: float = setting(
        0.25,
        "share of the places",
        "that are still and known: with fewer, no change of light is estimated from them",
        "dusk of the painted plaza",
    )
    noise: float = setting(
        2.0,
        "Mahalanobis distance",
        "a place's distance varies by so much by itself; the least scale of the tail of looks (scene)",
    )
    least_weight: float = setting(
        0.1,
        "weight",
        "of a place where things always move, against 1 where nothing ever did",
        f"{PED2} and the walking clip (looks 19 to 21)",
    )


@dataclass(frozen=True)
class ViewSettings:
    """Likeness of a whole picture to the learned view."""

    margin: int = setting(
        1, "places", "left out at the border, where the backbone's padding looks alike in all pictures"
    )
    least_norm: float = setting(
        1e-6, "feature units", "a channel that is flatter counts as the same everywhere", effect=Effect.NUMERICAL
    )


@dataclass(frozen=True)
class MotionSettings:
    """All settings of motion.

    Raises:
        ValueError: The grid of flow is no multiple of the grid of change, or the widths are not in ascending order.
    """

    flow: FlowSettings = FlowSettings()
    objects: ObjectSettings = ObjectSettings()
    change: ChangeSettings = ChangeSettings()
    statistics: StatisticsSettings = StatisticsSettings()
    gaussians: GaussianSettings = GaussianSettings()
    evidence: EvidenceSettings = EvidenceSettings()
    still: StillSettings = StillSettings()
    view: ViewSettings = ViewSettings()

    def __post_init__(self) -> None:
        if self.flow.grid % self.change.grid:
            raise ValueError(
                f"flow.grid is {self.flow.grid}; it must be a multiple of change.grid, {self.change.grid}"
            )
        if list(self.gaussians.widths) != sorted(set(self.gaussians.widths)):
            raise ValueError(f"gaussians.widths is {self.gaussians.widths}; it must ascend")

    @property
    def cells_per_place(self) -> int:
        """Side, in cells of flow's grid, of one place of the change grid.

        >>> SETTINGS.cells_per_place
        4
        """
        return self.flow.grid // self.change.grid


SETTINGS = MotionSettings()
"""The settings in use."""
