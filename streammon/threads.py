"""A thread that ends when it is asked to, and the number of cores for threads."""

import os
import threading
from abc import ABC, abstractmethod


def available_cores() -> int:
    """Number of CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class StoppableThread(ABC):
    """Base of an object with a daemon thread of its own."""

    def __init__(self, thread_name: str) -> None:
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=thread_name, daemon=True)

    def start(self) -> None:
        """Start the thread. Callable once."""
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to end, without waiting."""
        self._stopping.set()

    def join(self, timeout_s: float) -> bool:
        """Wait for the thread to end; True if it ended in time, or was never started."""
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    @abstractmethod
    def _run(self) -> None:
        """Work until `_stopping` is set, in the thread."""
