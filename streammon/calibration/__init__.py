"""From scores of normal footage to false alarms a day: numpy and scipy, no torch and no video.

`recordings` says what belongs together in time, `hold_out` which footage calibrates, `tails` (with `drift`) how rare
a value is, `rates` how many false alarms a day a threshold costs; `online` goes on with that while cameras are
watched. `settings` has every number that was chosen; `README.md` lists them.
"""

from streammon.calibration.hold_out import HOLD_OUT, HoldOut
from streammon.calibration.online import OnlineCalibration, WatchedState, first_false_alarms
from streammon.calibration.rates import LEAST_FRAMES, Calibration
from streammon.calibration.recordings import (
    LONGEST_STEP_S,
    FootageClock,
    RecentRecordings,
    peaks_above,
    stretches,
    watched_s,
)
from streammon.calibration.settings import SETTINGS
from streammon.calibration.tails import Tail

__all__ = [
    "HOLD_OUT",
    "LEAST_FRAMES",
    "LONGEST_STEP_S",
    "SETTINGS",
    "Calibration",
    "FootageClock",
    "HoldOut",
    "OnlineCalibration",
    "RecentRecordings",
    "Tail",
    "WatchedState",
    "first_false_alarms",
    "peaks_above",
    "stretches",
    "watched_s",
]
