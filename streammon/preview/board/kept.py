"""Alerts whose evidence is kept on disk, queried in a thread of their own."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol, TypeVar

from streammon.records import EventCounts, EventQuery, EventRow, Judgement

Found = TypeVar("Found")


class ReviewedEvents(Protocol):
    """Index and files of the evidence, such as `streammon.events.EventReview`. Used in one thread."""

    def newest(
        self, query: EventQuery, limit: int, before: tuple[float, str] | None = None
    ) -> tuple[list[EventRow], EventCounts]:
        """Selected alerts after an alert of this opening time and id, the newest first, and the numbers of all."""

    def find(self, alert_id: str) -> EventRow | None:
        """The row of an alert; None if its evidence isn't kept."""

    def judge(self, alert_id: str, judgement: Judgement) -> None:
        """Write what operators said of an alert."""

    def clip_parts(self, row: EventRow) -> list[Path]:
        """Files of an alert's clip, in order."""

    def file(self, row: EventRow, ending: str) -> Path | None:
        """A file of an alert by what follows the id in its name; None if there is none."""

    def close(self) -> None:
        """Close the index."""


class KeptEvents:
    """The thread that reads and writes the index, since a disk may be slow.

    Args:
        events: Index and files of the evidence.
    """

    def __init__(self, events: ReviewedEvents) -> None:
        self._events = events
        self._worker = ThreadPoolExecutor(1, "streammon-review")

    async def ask(self, work: Callable[[ReviewedEvents], Found]) -> Found:
        """Result of a function of the events, called in the thread.

        Raises:
            StorageError: The index can't be read or written.
        """
        return await asyncio.get_running_loop().run_in_executor(self._worker, work, self._events)

    async def close(self) -> None:
        """Close the index and end the thread."""
        self._worker.submit(self._events.close)
        await asyncio.to_thread(self._worker.shutdown)
