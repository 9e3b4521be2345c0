"""How long callbacks hold the event loop, by asyncio's own debug timing."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

SLOW_S = 0.05


@dataclass
class Stalls:
    """Slow callbacks.

    Attributes:
        found: Seconds and description of each.
    """

    found: list[tuple[float, str]] = field(default_factory=list)

    @property
    def longest_s(self) -> float:
        """0 without any."""
        return max((took_s for took_s, _ in self.found), default=0.0)


class _Recorder(logging.Handler):
    """Takes asyncio's reports of slow callbacks."""

    def __init__(self, stalls: Stalls) -> None:
        super().__init__()
        self._stalls = stalls

    def emit(self, record: logging.LogRecord) -> None:
        if isinstance(record.args, tuple) and str(record.msg).startswith("Executing"):
            what, took_s = record.args
            self._stalls.found.append((float(str(took_s)), str(what)))


@contextmanager
def record_stalls(stalls: Stalls) -> Iterator[None]:
    """Record the slow callbacks of loops in debug mode, instead of logging them; `watch_loop` makes 50 ms slow."""
    logger, recorder = logging.getLogger("asyncio"), _Recorder(stalls)
    before = logger.handlers[:], logger.propagate
    logger.handlers, logger.propagate = [recorder], False
    try:
        yield
    finally:
        logger.handlers, logger.propagate = before


def watch_loop() -> None:
    """Report callbacks of the running loop that take 50 ms; the loop runs in debug mode."""
    asyncio.get_running_loop().slow_callback_duration = SLOW_S
