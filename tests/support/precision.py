"""The precision in which the tests compute features, unless a test is about one of its own."""

import os

PRECISION = os.environ.get("STREAMMON_TEST_PRECISION", "float32")
"""`float32`, or `bfloat16` to run the suite in it; never `auto`, which depends on the processor."""
