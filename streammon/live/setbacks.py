"""Cameras whose frames can't be scored: each is left out for a while, and the others go on."""

import logging
import random
import time
from collections import Counter
from dataclasses import dataclass

from streammon.backoff import backoff_s
from streammon.errors import InputError, bug_in_one_line
from streammon.records import ScoringStatus

FIRST_RETRY_S = 2.0
LONGEST_RETRY_S = 60.0
RESET_S = 10.0
"""Time without a failure after which the backoff begins again."""

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Setback:
    """State of one camera that has failed.

    Attributes:
        in_a_row: Failures in a row.
        failed_s: Monotonic time of the latest failure.
        retry_s: Monotonic time from which a frame is tried again.
        logged: The latest error that was logged.
        active: True until a frame is scored again.
    """

    in_a_row: int = 0
    failed_s: float = 0.0
    retry_s: float = 0.0
    logged: str = ""
    active: bool = True


class Setbacks:
    """Which cameras are left out, until when, and how often each has failed. Used by one thread.

    Attributes:
        counts: Failures per camera since the start; any thread may read it.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._setbacks: dict[str, _Setback] = {}

    def waits(self, camera: str) -> bool:
        """True while the camera's frames are left out."""
        setback = self._setbacks.get(camera)
        return setback is not None and setback.active and time.monotonic() < setback.retry_s

    def failed(self, camera: str, error: Exception) -> ScoringStatus:
        """Leave the camera out for a while after an error, which is logged unless the latest was the same."""
        setback, now_s = self._setbacks.setdefault(camera, _Setback()), time.monotonic()
        if not setback.active and now_s - setback.failed_s > RESET_S:
            setback.in_a_row = 0
        delay_s = backoff_s(setback.in_a_row, FIRST_RETRY_S, LONGEST_RETRY_S, random.random())
        setback.in_a_row += 1
        setback.failed_s, setback.retry_s, setback.active = now_s, now_s + delay_s, True
        self.counts[camera] += 1
        bug = bug_in_one_line(error)
        if bug != setback.logged:
            setback.logged = bug
            logger.error("camera '%s': its pictures can't be scored: %s", camera, bug)
        found = error.found if isinstance(error, InputError) else f"internal error, {type(error).__name__}"
        return ScoringStatus(camera, f"its pictures can't be scored ({found})", delay_s)

    def succeeded(self, camera: str) -> list[ScoringStatus]:
        """The status to report if this was the camera's first scored frame after a failure, else nothing."""
        setback = self._setbacks.get(camera)
        if setback is None or not setback.active:
            return []
        setback.active = False
        return [ScoringStatus(camera)]
