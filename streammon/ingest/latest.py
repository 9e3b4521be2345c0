"""Hand-off of frames from the readers to the scorer: newest wins, and losses are counted."""

import threading
import time
from collections import Counter
from collections.abc import Callable

from streammon.records import Frame

STOPPING_CHECK_S = 0.5


class LatestFrames:
    """The newest unread frame of each camera.

    Live scoring must not fall behind, so nothing queues here:
    a newer frame takes the place of its camera's unread one, and the loss is counted.
    A camera keeps its place in line, so a fast one cannot starve a slow one.
    Any thread may call any method.
    """

    def __init__(self) -> None:
        self._unread: dict[str, Frame] = {}  # in queue order: a dict keeps a key's place when its value is replaced
        self._lost: Counter[str] = Counter()
        self._waited_s = 0.0
        self._changed = threading.Condition()
        self._closed = False

    def put_nowait(self, frame: Frame) -> None:
        """Make `frame` its camera's newest frame; an unread frame of the same camera is lost."""
        with self._changed:
            if frame.camera in self._unread:
                self._lost[frame.camera] += 1
            self._unread[frame.camera] = frame
            self._changed.notify_all()

    def put(self, frame: Frame, stopping: Callable[[], bool]) -> None:
        """Wait until the camera's unread frame is taken, then put this one: for footage, so that no frame is lost.

        Args:
            frame: The next frame.
            stopping: Called twice a second while waiting; if it returns True, the frame is dropped.
        """
        with self._changed:
            while frame.camera in self._unread and not self._closed and not stopping():
                self._changed.wait(STOPPING_CHECK_S)
            if frame.camera not in self._unread and not self._closed:
                self._unread[frame.camera] = frame
                self._changed.notify_all()

    def take(self, max_frames: int, timeout_s: float) -> list[Frame]:
        """Wait for an unread frame and take the first in line, at most one of each camera.

        Returns:
            1 to `max_frames` frames, the longest waiting first;
            none if `timeout_s` passed without a frame, or after `close`.

        Raises:
            ValueError: `max_frames` is below 1.
        """
        if max_frames < 1:
            raise ValueError(f"max_frames is {max_frames}; it must be at least 1")
        with self._changed:
            began_s = time.monotonic()
            self._changed.wait_for(lambda: self._unread or self._closed, timeout_s)
            self._waited_s += time.monotonic() - began_s
            if self._closed:
                return []
            first_in_line = list(self._unread)[:max_frames]
            frames = [self._unread.pop(camera) for camera in first_in_line]
            self._changed.notify_all()  # wakes threads that wait in `put`
            return frames

    def close(self) -> None:
        """Make every `take`, waiting or later, return no frames at once, and end every wait in `put`."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def lost(self) -> dict[str, int]:
        """Number of frames per camera that were replaced before they were taken, for cameras with a loss."""
        with self._changed:
            return dict(self._lost)

    @property
    def waited_s(self) -> float:
        """Seconds that `take` has waited for frames so far: the idle time of the one thread that takes them."""
        with self._changed:
            return self._waited_s

    def __len__(self) -> int:
        with self._changed:
            return len(self._unread)
