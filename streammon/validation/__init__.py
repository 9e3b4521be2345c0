"""Before a camera is watched: would its anomalies be caught, and do its false alarms stay as rare as promised?

`footage` divides the footage into folds and cuts segments from it, `control` and `staging` put things into those,
`catching` asks a bank whether it sees them, `rates` holds promised against observed false alarms, `blind` draws where
nothing is seen, `run` does it all, `report` keeps what was found and `terminal` prints it.
"""

from streammon.validation.report import ValidationReport
from streammon.validation.run import ValidationOptions, hold_enough_footage, validate_scene
from streammon.validation.terminal import print_validation

__all__ = ["ValidationOptions", "ValidationReport", "hold_enough_footage", "print_validation", "validate_scene"]
