"""One stream, encoded once in a thread of its own, for all who watch it."""

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from streammon.preview.compose import Moment
from streammon.preview.encoder import Coded, Encoder, Thinning, Timeline

UNTAKEN_PICTURES = 8
"""The encoder skips pictures while the event loop is so many behind: what isn't encoded is missed by nobody."""

REPEAT_S = 1.0
"""A picture is sent again when no other comes for so long: players hold one back, and networks lose some."""

T = TypeVar("T")


class Viewer(Generic[T]):
    """What waits for one viewer; lives on the event loop.

    A viewer who doesn't take what is sent loses it all and goes on at the next keyframe: nothing grows, nobody waits.

    Args:
        limit: So many pictures wait at most.

    Attributes:
        skipped: Pictures lost so far.
    """

    def __init__(self, limit: int) -> None:
        self.skipped = 0
        self._limit = limit
        self._waiting: deque[T] = deque()
        self._in_step = False  # has had a keyframe and everything since
        self._ended = False
        self._changed = asyncio.Event()

    def put_nowait(self, coded: Coded[T]) -> None:
        """Add a picture, or skip to the next keyframe."""
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
        """Nothing more comes."""
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
    """Encodes a camera's newest picture for every viewer of one stream, while there is one.

    Its thread takes the newest moment whenever there is a new one and hands the result to the event loop.
    Everything but the thread belongs to the event loop it was made on.

    Args:
        name: Of the thread.
        encoder: What the thread calls.
        newest: The camera's newest moment, or None.
        limit: So many pictures wait for each viewer.
        on_end: Called on the event loop when the thread has ended by itself, which is a bug in it.
    """

    def __init__(
        self,
        name: str,
        encoder: Encoder[T],
        newest: Callable[[], Moment | None],
        limit: int,
        on_end: Callable[[], None],
    ) -> None:
        self._encoder = encoder
        self._newest = newest
        self._limit = limit
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._viewers: list[Viewer[T]] = []
        self._wake = threading.Event()
        self._key_wanted = threading.Event()
        self._stopping = threading.Event()
        self._room = threading.BoundedSemaphore(UNTAKEN_PICTURES)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @property
    def count(self) -> int:
        """Viewers now."""
        return len(self._viewers)

    def wake(self) -> None:
        """Tell that there is a new picture; from any thread, never blocks."""
        self._wake.set()

    def join(self) -> Viewer[T]:
        """A new viewer, who gets a keyframe next; the first starts the thread."""
        viewer = Viewer[T](self._limit)
        self._viewers.append(viewer)
        self._key_wanted.set()
        self._wake.set()
        if self._thread.ident is None:
            self._thread.start()
        return viewer

    def leave(self, viewer: Viewer[T]) -> None:
        """A viewer has gone; with the last one the thread ends after the picture it is at."""
        viewer.end()
        if viewer in self._viewers:
            self._viewers.remove(viewer)
        if not self._viewers:
            self._stopping.set()
            self._wake.set()

    def close(self) -> None:
        """Tell every viewer that nothing more comes; each still leaves by itself."""
        for viewer in self._viewers:
            viewer.end()

    def wait_ended(self, timeout_s: float) -> bool:
        """Wait for the thread's end, in a thread; whether it came in time."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._encode_until_stopped()
        finally:
            if not self._stopping.is_set():
                self._call(self._end)

    def _encode_until_stopped(self) -> None:
        timeline, thinning = Timeline(), Thinning(self._encoder.fps)
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
            ticks = timeline.ticks(moment.stream_time_s, time.monotonic())
            if not (thinning.keeps(ticks) or key) or not self._room.acquire(blocking=False):
                continue
            self._key_wanted.clear()
            shown = moment
            self._call(self._spread, self._encoder.encode(moment, ticks, key))

    def _call(self, function: Callable[..., None], *arguments: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has closed: nobody is left to tell
            self._loop.call_soon_threadsafe(function, *arguments)

    def _spread(self, pictures: list[Coded[T]]) -> None:
        self._room.release()
        for coded in pictures:
            for viewer in self._viewers:
                viewer.put_nowait(coded)

    def _end(self) -> None:
        for viewer in self._viewers:
            viewer.end()
        self._viewers.clear()
        self._on_end()
