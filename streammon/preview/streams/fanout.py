"""Fan-out of one stream, which is encoded once, in a thread of its own, for all its viewers."""

import asyncio
import contextlib
import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from streammon.backoff import backoff_s
from streammon.errors import bug_in_one_line
from streammon.preview.streams.compose import Moment
from streammon.preview.streams.encoder import Coded, Encoder, RtpClock, Thinning

MAX_UNREAD_PICTURES = 8
"""Back-pressure: the encoder skips pictures while so many encoded ones wait for the event loop.

Skipping before encoding keeps the stream decodable without a new keyframe.
"""

REPEAT_S = 1.0
"""Interval of repeating the last picture if no new one comes: players delay one picture, networks lose some."""

FIRST_RETRY_S = 1.0
LONGEST_RETRY_S = 30.0

logger = logging.getLogger(__name__)

T = TypeVar("T")


class Viewer(Generic[T]):
    """Bounded queue of encoded pictures for one viewer, used on the event loop.

    A full queue is cleared and filled again from the next keyframe on, so memory is bounded and nothing waits for a
    slow viewer.

    Args:
        limit: Largest number of waiting pictures.

    Attributes:
        skipped: Number of pictures lost so far.
    """

    def __init__(self, limit: int) -> None:
        self.skipped = 0
        self._limit = limit
        self._waiting: deque[T] = deque()
        self._in_step = False  # has received a keyframe and every picture since
        self._ended = False
        self._changed = asyncio.Event()

    def put_nowait(self, coded: Coded[T]) -> None:
        """Add a picture, or skip it while waiting for a keyframe."""
        if len(self._waiting) >= self._limit:
            self.skipped += len(self._waiting)
            self._waiting.clear()
            self._in_step = False
        if not (self._in_step or coded.is_key):
            self.skipped += 1
            return
        self._in_step = True
        self._waiting.append(coded.content)
        self._changed.set()

    def end(self) -> None:
        """End the stream: `get` returns None from now on."""
        self._ended = True
        self._changed.set()

    async def get(self) -> T | None:
        """The next picture; None once the stream has ended."""
        while not self._ended:
            if self._waiting:
                return self._waiting.popleft()
            self._changed.clear()
            await self._changed.wait()
        return None


class SharedStream(Generic[T]):
    """Encodes a camera's newest picture, once for all viewers of one stream, while there are any.

    A thread encodes each new moment and passes the result to the event loop. A picture that can't be encoded is
    logged and counted, and a later one is tried after a while; the viewers stay. All methods but `wake` and
    `wait_ended` must be called on the event loop that the stream was created on.

    Args:
        name: Name of the thread.
        encoder: Encoder that the thread calls.
        newest: Returns the camera's newest moment, or None.
        limit: Largest number of waiting pictures of each viewer.
        on_failure: Called in the thread with each picture that couldn't be encoded.
    """

    def __init__(
        self,
        name: str,
        encoder: Encoder[T],
        newest: Callable[[], Moment | None],
        limit: int,
        on_failure: Callable[[], None],
    ) -> None:
        self._encoder = encoder
        self._newest = newest
        self._limit = limit
        self._on_failure = on_failure
        self._loop = asyncio.get_running_loop()
        self._viewers: list[Viewer[T]] = []
        self._wake = threading.Event()
        self._key_wanted = threading.Event()
        self._stopping = threading.Event()
        self._failures = 0  # in a row
        self._logged = ""  # latest error
        self._room = threading.BoundedSemaphore(MAX_UNREAD_PICTURES)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @property
    def count(self) -> int:
        """Number of viewers."""
        return len(self._viewers)

    def wake(self) -> None:
        """Wake the encoder for a new picture. Callable from any thread; never blocks."""
        self._wake.set()

    def join(self) -> Viewer[T]:
        """Add a viewer, which gets a keyframe next; the first viewer starts the thread."""
        viewer = Viewer[T](self._limit)
        self._viewers.append(viewer)
        self._key_wanted.set()
        self._wake.set()
        if self._thread.ident is None:
            self._thread.start()
        return viewer

    def leave(self, viewer: Viewer[T]) -> None:
        """Remove a viewer; without viewers, the thread ends after its current picture."""
        viewer.end()
        if viewer in self._viewers:
            self._viewers.remove(viewer)
        if not self._viewers:
            self._stopping.set()
            self._wake.set()

    def close(self) -> None:
        """End the stream of every viewer; `leave` must still be called for each."""
        for viewer in self._viewers:
            viewer.end()

    def wait_ended(self, timeout_s: float) -> bool:
        """Wait for the end of the thread; False after the timeout. Blocks, so call it outside the event loop."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        clock, thinning = RtpClock(), Thinning(self._encoder.fps)
        shown: Moment | None = None
        while True:
            repeat = not self._wake.wait(REPEAT_S)
            self._wake.clear()
            if self._stopping.is_set():
                return
            moment, key = self._newest(), self._key_wanted.is_set()
            is_new = moment is not None and (shown is None or moment.picture is not shown.picture)
            if moment is None or not (is_new or key or repeat):
                continue
            ticks = clock.ticks(moment.stream_time_s, time.monotonic(), moment.of_main)
            if not (thinning.keeps(ticks) or key) or not self._room.acquire(blocking=False):
                continue
            self._key_wanted.clear()
            shown = moment
            self._call(self._spread, self._encoded(moment, ticks, key))

    def _encoded(self, moment: Moment, ticks: int, key: bool) -> list[Coded[T]]:
        """The encoded moment; nothing, after a wait, if it can't be encoded."""
        try:
            coded = self._encoder.encode(moment, ticks, key)
        except Exception as error:
            self._on_failure()
            bug = bug_in_one_line(error)
            if bug != self._logged:
                self._logged = bug
                logger.error("%s: a picture can't be encoded: %s", self._thread.name, bug)
            self._key_wanted.set()  # the pictures after a gap can't be predicted from those before
            self._stopping.wait(backoff_s(self._failures, FIRST_RETRY_S, LONGEST_RETRY_S, random.random()))
            self._failures += 1
            return []
        self._failures = 0
        return coded

    def _call(self, function: Callable[..., None], *arguments: object) -> None:
        with contextlib.suppress(RuntimeError):  # the event loop has closed
            self._loop.call_soon_threadsafe(function, *arguments)

    def _spread(self, pictures: list[Coded[T]]) -> None:
        self._room.release()
        for coded in pictures:
            for viewer in self._viewers:
                viewer.put_nowait(coded)
