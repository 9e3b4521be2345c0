"""From scores of normal footage to false alarms a day: numpy and scipy, no torch and no video."""

from streammon.calibration.hold_out import HOLD_OUT, HoldOut
from streammon.calibration.rates import LEAST_FRAMES, Calibration
from streammon.calibration.tails import Tail

__all__ = ["HOLD_OUT", "LEAST_FRAMES", "Calibration", "HoldOut", "Tail"]
