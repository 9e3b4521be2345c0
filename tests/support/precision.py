"""The precision in which the tests compute features, unless a test is about one of its own."""

import os

import torch

from streammon.padim.devices import pick_precision

PRECISION = os.environ.get("STREAMMON_TEST_PRECISION", "float32")
"""`float32`, or `bfloat16` to run the suite in it; never `auto`, which depends on the processor."""

LIVE_PRECISION = PRECISION if pick_precision("auto", torch.device("cpu")) == "bfloat16" else "float32"
"""For tests of live cameras: a processor without bfloat16 emulates it, at less than one frame a second."""
