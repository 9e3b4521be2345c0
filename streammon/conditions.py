"""Conditions of health alerts. Without numpy, so that the configuration loads quickly."""

from enum import StrEnum


class Condition(StrEnum):
    """Fault of a camera or of the monitor itself, or a change of the light."""

    OFFLINE = "offline"  # no picture comes, or one and the same
    BLACK = "black"
    OVEREXPOSED = "overexposed"
    COVERED = "covered"
    BLURRED = "blurred"
    VIEW = "view"
    LIGHT = "light"
    RATE = "rate"  # the stream's frame rate
    BANK = "bank"  # what was learned doesn't fit any more
    DISK = "disk"
    RECORDING = "recording"  # evidence of alerts can't be written
    REDIS = "redis"
    SINK = "sink"  # a receiver of notifications
    SCORER = "scorer"
