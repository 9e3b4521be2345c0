"""Background tasks that start at any time and end with their owner."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

AGAIN_S = 0.1

logger = logging.getLogger(__name__)


class Tasks:
    """Background tasks of one owner: `close` cancels the running tasks and waits for their end.

    For tasks that start outside of a task, or whose failure must not end the others; otherwise use a TaskGroup. A
    failure is logged.
    """

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()

    def start_nowait(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Start a task. Call it on the event loop."""
        task = asyncio.create_task(work, name=name)
        self._running.add(task)
        task.add_done_callback(self._on_end)
        return task

    async def close(self) -> None:
        """Cancel the running tasks and wait for their end; a slow task is cancelled again every `AGAIN_S`."""
        while self._running:
            for task in self._running:
                task.cancel()
            await asyncio.wait(set(self._running), timeout=AGAIN_S)

    def _on_end(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("preview: %s failed", task.get_name(), exc_info=error)
