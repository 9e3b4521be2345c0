"""Metrics at frame, pixel, region and track level, with null controls and bootstrap intervals.

Uses numpy, scipy, scikit-learn and OpenCV, no torch. `frame_table` computes every frame-level metric in one call;
`PixelLevel` accumulates maps one at a time and `RegionLevel` clip by clip, so no map is kept. `conventions_table`
measures the same scores under each convention of the literature, `difference_table` compares two methods.
"""

from streammon.evaluation.metrics.bootstrap import Interval, intervals
from streammon.evaluation.metrics.comparison import difference_table
from streammon.evaluation.metrics.conventions import convention_names, conventions_table, require_video
from streammon.evaluation.metrics.events import (
    DetectionDelay,
    detection_delay_s,
    false_alarm_share,
    false_alarms_per_hour,
)
from streammon.evaluation.metrics.figures import frame_measures
from streammon.evaluation.metrics.frames import (
    ClipScores,
    average_precision,
    equal_error_rate,
    frame_roc,
    is_still,
    macro_auroc,
    mean_scene_auroc,
    micro_auroc,
    padded_macro_auroc,
    scene_aurocs,
)
from streammon.evaluation.metrics.nulls import NULL_SEED, constant_scores, noise_scores, scene_rate_scores
from streammon.evaluation.metrics.pixels import PixelFigures, PixelLevel
from streammon.evaluation.metrics.regions import RegionLevel, update_levels
from streammon.evaluation.metrics.resampled import PixelUnits, pixel_intervals, region_intervals
from streammon.evaluation.metrics.smoothing import PostProcessing, parse_post_processing
from streammon.evaluation.metrics.table import frame_table, scene_table

__all__ = [
    "NULL_SEED",
    "ClipScores",
    "DetectionDelay",
    "Interval",
    "PixelFigures",
    "PixelLevel",
    "PixelUnits",
    "PostProcessing",
    "RegionLevel",
    "average_precision",
    "constant_scores",
    "convention_names",
    "conventions_table",
    "detection_delay_s",
    "difference_table",
    "equal_error_rate",
    "false_alarm_share",
    "false_alarms_per_hour",
    "frame_measures",
    "frame_roc",
    "frame_table",
    "intervals",
    "is_still",
    "macro_auroc",
    "mean_scene_auroc",
    "micro_auroc",
    "noise_scores",
    "padded_macro_auroc",
    "parse_post_processing",
    "pixel_intervals",
    "region_intervals",
    "require_video",
    "scene_aurocs",
    "scene_rate_scores",
    "scene_table",
    "update_levels",
]
