"""The engine and the precision that the tests compute features with, unless a test is about others."""

import os
from importlib.util import find_spec

from streammon.padim.devices import multiplies_bfloat16

PRECISION = os.environ.get("STREAMMON_TEST_PRECISION", "float32")
"""`float32`, or `bfloat16` to run the suite in it; never `auto`, which depends on the processor."""

LIVE_PRECISION = PRECISION if multiplies_bfloat16() else "float32"
"""For tests of live cameras: a processor without bfloat16 emulates it, at less than one frame a second."""

_FAST = "openvino" if find_spec("openvino") and PRECISION == LIVE_PRECISION else "torch"
ENGINE = os.environ.get("STREAMMON_TEST_ENGINE", _FAST)
"""`openvino` where it can be used, or `torch`; never `auto`, which depends on the machine."""

COMPUTED = {"engine": ENGINE, "precision": PRECISION}
LIVE = {"engine": ENGINE, "precision": LIVE_PRECISION}
