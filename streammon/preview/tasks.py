"""Tasks that begin at any time, with an owner who ends them."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

AGAIN_S = 0.1

logger = logging.getLogger(__name__)


class Tasks:
    """Tasks of one owner: `close` cancels those that run and waits for their end.

    For tasks that begin outside any task, or whose failure must not end the others; else a TaskGroup. A failure is
    logged.
    """

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._running)

    def start_nowait(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Begin a task; on the event loop."""
        task = asyncio.create_task(work, name=name)
        self._running.add(task)
        task.add_done_callback(self._on_end)
        return task

    async def close(self) -> None:
        """Cancel what runs and wait for its end; what takes its time to clean up is cancelled again."""
        while self._running:
            for task in self._running:
                task.cancel()
            await asyncio.wait(set(self._running), timeout=AGAIN_S)

    def _on_end(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("preview: %s failed", task.get_name(), exc_info=error)
