"""Validation of a scene on its normal footage: detection of staged anomalies, and promised false-alarm rates.

- `footage`: folds of the footage, and segments to stage anomalies in.
- `learning`: a bank for each fold, learned from the other folds.
- `staging`, `control`: anomalies, and a control, pasted into segments.
- `catching`: detection of pasted objects by a bank that didn't learn the segment.
- `comparing`: detection of pasted objects by two scenes, before one replaces the other.
- `rates`: promised against observed false-alarm rates.
- `blind`: map of the cells of the picture where anomalies are missed.
- `run`: the whole validation; `report`: its results; `terminal`: their display.
"""

from streammon.validation.comparing import EACH_KIND, StagedComparison, compare_staged
from streammon.validation.report import ValidationReport
from streammon.validation.run import ValidationOptions, require_usable, validate_scene
from streammon.validation.terminal import print_validation

__all__ = [
    "EACH_KIND",
    "StagedComparison",
    "ValidationOptions",
    "ValidationReport",
    "compare_staged",
    "print_validation",
    "require_usable",
    "validate_scene",
]
