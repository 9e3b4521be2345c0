"""Conditions of health alerts. Without numpy, so that the configuration loads quickly."""

from enum import StrEnum


class Condition(StrEnum):
    """What is wrong with a camera or with the monitor itself, or that the light changes."""

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
