"""Clips decoded ahead of the frames that are needed, several clips at once, in threads."""

import logging
import threading
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import islice
from typing import Generic, TypeVar

from streammon.ingest.contents import Pace
from streammon.ingest.footage import Clip
from streammon.ingest.images import Size
from streammon.records import Frame
from streammon.threads import available_cores

FRAMES_AHEAD = 64
"""Largest number of decoded frames that wait of each clip: with details about 45 MB."""

MOST_DEFAULT_JOBS = 4
"""Largest default: more decoding threads than that are seldom what a fit waits for."""

T = TypeVar("T")

logger = logging.getLogger(__name__)


def default_jobs() -> int:
    """Number of clips that are decoded at once by default: the cores of this process, at most 4."""
    return min(available_cores(), MOST_DEFAULT_JOBS)


def frames_ahead(
    pieces: Iterable[Clip], jobs: int, size: Size, pace: Pace, *, detail: bool = False
) -> Generator[Frame]:
    """Frames of all clips in order, as `Clip.frames` yields them, with `jobs` clips decoded at once in threads.

    Frames, warnings and errors come in the order of the clips, whatever `jobs` is. Close the iterator to end the
    threads before the last frame.

    Args:
        pieces: Clips in order; a clip is taken when its decoding begins.
        jobs: Number of clips decoded at once, at least 1. At most 64 frames of each wait in memory.
        size: Size of the frames' pictures.
        pace: Selection of the frames.
        detail: Add a `Detail` to each frame.

    Raises:
        FootageError: A clip can't be read; raised after the last frame before the fault.
    """

    def read(clip: Clip) -> Generator[Frame | str]:
        warnings: list[str] = []
        yield from clip.frames(size, pace.every, detail, pace.fps, warn=warnings.append)
        yield from warnings

    with closing(_in_order(map(read, pieces), jobs)) as read_ahead:
        for each in read_ahead:
            if isinstance(each, str):
                logger.warning("%s", each)
            else:
                yield each


def _in_order(sources: Iterable[Generator[T]], jobs: int) -> Generator[T]:
    """Values of all sources, one source after the other; the next `jobs` sources are read at once."""
    following = iter(sources)
    begun: deque[_Source[T]] = deque()
    # the same threads for all sources: malloc keeps memory for each thread that there ever was
    with ThreadPoolExecutor(jobs, "streammon-decoding") as threads:
        try:
            begun.extend(_Source(source, threads) for source in islice(following, jobs))
            while begun:
                yield from begun[0].values()
                begun.popleft()
                begun.extend(_Source(source, threads) for source in islice(following, 1))
        finally:
            for source in begun:
                source.stop()


class _Source(Generic[T]):
    """One generator, read by a thread until `FRAMES_AHEAD` values wait."""

    def __init__(self, source: Generator[T], threads: ThreadPoolExecutor) -> None:
        self._source = source
        self._waiting: deque[T] = deque()
        self._changed = threading.Condition()
        self._stopped = self._ended = False
        self._reading = threads.submit(self._read)

    def values(self) -> Iterator[T]:
        """Values in order, then the error of the generator, if any."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._ended)
                if not self._waiting:
                    break
                value = self._waiting.popleft()
                self._changed.notify()
            yield value
        self._reading.result()

    def stop(self) -> None:
        """End the reading after the current value, without waiting."""
        with self._changed:
            self._stopped = True
            self._changed.notify()

    def _read(self) -> None:
        try:
            with closing(self._source):
                for value in self._source:
                    if not self._put(value):
                        break
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify()

    def _put(self, value: T) -> bool:
        """Add a value once there is room; False if the reading shall end."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or len(self._waiting) < FRAMES_AHEAD)
            self._waiting.append(value)
            self._changed.notify()
            return not self._stopped
