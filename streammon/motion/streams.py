"""State kept for each stream, for a bounded number of streams."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

State = TypeVar("State")

MOST_STREAMS = 512
"""Streams whose state is kept: far more than one device scores at once, so live cameras are never forgotten."""


class RecentStreams(Generic[State]):
    """The state of each of the most recently used streams.

    A stream is a camera, or one clip of footage. Cameras are few; clips come by the thousand and never come back, so
    the state of the least recently used stream is dropped for a new one. A dropped stream that does come back begins
    again, as after a reconnection.

    Args:
        begin: Makes the state of a stream that has none.
        most: The largest number of streams kept.

    Raises:
        ValueError: `most` is below 1.

    >>> seen: RecentStreams[list[int]] = RecentStreams(list, most=2)
    >>> for time_s, stream in enumerate(["lobby", "yard", "lobby", "gate"]):
    ...     seen[stream].append(time_s)
    >>> seen["lobby"], "yard" in seen, len(seen)
    ([0, 2], False, 2)
    """

    def __init__(self, begin: Callable[[], State], most: int = MOST_STREAMS) -> None:
        if most < 1:
            raise ValueError(f"most is {most}; at least one stream must be kept")
        self._begin = begin
        self._most = most
        self._states: OrderedDict[str, State] = OrderedDict()  # least recently used first

    def __getitem__(self, stream: str) -> State:
        if stream in self._states:
            self._states.move_to_end(stream)
        else:
            self._states[stream] = self._begin()
            if len(self._states) > self._most:
                self._states.popitem(last=False)
        return self._states[stream]

    def __contains__(self, stream: str) -> bool:
        return stream in self._states

    def __len__(self) -> int:
        return len(self._states)
