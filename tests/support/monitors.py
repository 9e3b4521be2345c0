"""Monitors that run inside a test, and what they report, waited for under a deadline."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

from streammon.config import Config
from streammon.live.monitor import Monitor
from streammon.records import Alert, AlertEvent, CameraState, CameraStatus, Event, ScoredFrame
from support.deadlines import DEADLINE_S

E = TypeVar("E", bound=Event)


class Events:
    """What a monitor tells, kept, and waited for under a deadline."""

    def __init__(self) -> None:
        self.told: list[Event] = []
        self._more = asyncio.Event()

    def __call__(self, event: Event) -> None:
        self.told.append(event)
        self._more.set()

    def of(self, kind: type[E]) -> list[E]:
        """All of one kind so far."""
        return [event for event in self.told if isinstance(event, kind)]

    async def wait_for(self, kind: type[E], expected: Callable[[E], bool], start: int = 0) -> E:
        """The first of its kind, from the `start`-th event on, that is as expected."""
        try:
            async with asyncio.timeout(DEADLINE_S):
                while True:
                    for event in self.told[start:]:
                        if isinstance(event, kind) and expected(event):
                            return event
                    start = len(self.told)
                    self._more.clear()
                    await self._more.wait()
        except TimeoutError:
            rest = [event for event in self.told if not isinstance(event, ScoredFrame)]
            raise AssertionError(f"not within {DEADLINE_S} s; the last events were {rest[-8:]}") from None

    async def wait_for_state(self, camera: str, state: CameraState) -> CameraStatus:
        return await self.wait_for(CameraStatus, lambda s: (s.camera, s.state) == (camera, state))

    async def wait_for_alert(self, event: AlertEvent, start: int = 0) -> Alert:
        return await self.wait_for(Alert, lambda alert: alert.event is event, start)


@contextlib.asynccontextmanager
async def watching(config: Config) -> AsyncIterator[tuple[Monitor, Events]]:
    """A monitor that runs; cancelled at the end, as a signal does it."""
    events = Events()
    async with running_until_cancelled(Monitor(config, events)) as monitor:
        yield monitor, events


@contextlib.asynccontextmanager
async def running_until_cancelled(monitor: Monitor) -> AsyncIterator[Monitor]:
    """The same of a monitor that was made before the loop ran, as the command line makes it."""
    running = asyncio.create_task(monitor.run(), name="monitor")
    try:
        yield monitor
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


def threads_left() -> list[str]:
    """Names of the threads that a monitor started and that still run."""
    return [each.name for each in threading.enumerate() if each.name.startswith("streammon-")]
