"""What every test of the preview must leave behind: nothing."""

import threading
from collections.abc import Iterator

import pytest

from support.deadlines import DEADLINE_S


@pytest.fixture(autouse=True)
def every_encoder_ends() -> Iterator[None]:
    """Fail a test after which a thread goes on encoding pictures for viewers who have left."""
    yield
    for thread in threading.enumerate():
        if thread.name.startswith(("streammon-h264", "streammon-jpeg")):
            thread.join(DEADLINE_S)
            assert not thread.is_alive(), thread.name
