"""Delivery of one sink's alert messages from its queue in the spool, in order and at least once each."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from streammon.alerting.sinks.sink import (
    Notification,
    Sink,
    SinkAwayError,
    SinkError,
    SinkRefusedError,
    sink_backoff_s,
)
from streammon.alerting.spool import AlertQueue, SpooledAlert
from streammon.errors import bug_in_one_line
from streammon.records import AlertEvent, SinkStatus

logger = logging.getLogger(__name__)

REFUSED_TRIES = 5
"""Refusals after which a message is given up, over 8 to 15 s: some servers refuse what comes while they start."""

SnapshotSource = Callable[[str], Awaitable[bytes | None]]
"""Picture of the alert of this id with its boxes, as JPEG; None if there is none."""


class SinkDelivery:
    """Delivers the messages of one sink.

    A message leaves the queue when the receiver has taken it, or has refused it `REFUSED_TRIES` times. Until then the
    next one waits, so the order is kept.

    Args:
        name: Name of the sink.
        sink: The sink.
        queue: Its queue in the spool.
        on_status: Called when the sink goes away or refuses, when it is back, and when it first loses a message.
        snapshot: Source of the pictures.
    """

    def __init__(
        self,
        name: str,
        sink: Sink,
        queue: AlertQueue,
        on_status: Callable[[SinkStatus], None],
        snapshot: SnapshotSource,
    ) -> None:
        self.name = name
        self.sink = sink
        self._queue = queue
        self._on_status = on_status
        self._snapshot = snapshot
        self._since_s = time.time()
        self._fault: SinkError | None = None
        self._is_reached = False  # the receiver was there last, as far as is known
        self._sent = 0
        self._refused = 0
        self._lost_before = 0
        self._stale_to = queue.last_position
        self._something_new = asyncio.Event()
        self._settled = asyncio.Event()
        sink.on_lost = self._look_again

    @property
    def status(self) -> SinkStatus:
        """State of the sink and its counters."""
        queue, fault = self._queue.status, self._fault
        return SinkStatus(
            self.name,
            online=fault is None,
            since_s=self._since_s,
            reason="" if fault is None else fault.reason,
            refuses=isinstance(fault, SinkRefusedError),
            waiting=queue.waiting,
            sent=self._sent,
            refused=self._refused,
            dropped=queue.dropped + queue.refused,
        )

    def put_nowait(self, alert_id: str, part: int, event: AlertEvent, camera: str, json: str) -> None:
        """Add a message to the queue."""
        self._queue.put(alert_id, part, event, camera, json)
        if self._fault is None:
            self._settled.clear()
        self._something_new.set()
        lost = self.status.dropped
        if lost and not self._lost_before:
            self._on_status(self.status)
        self._lost_before = lost

    async def run(self) -> None:
        """Deliver until cancelled."""
        outages = refusals = 0  # in a row
        while True:
            message = self._queue.oldest()
            try:
                await self._attempt(message)
            except SinkAwayError as error:
                self._set_fault(error)
                await asyncio.sleep(wait_after_s(outages, error))
                outages += 1
            except SinkRefusedError as error:
                self._set_fault(error)
                refusals += 1
                if message is not None and refusals >= REFUSED_TRIES:
                    self._queue.delivered(message)
                    self._refused += 1
                    refusals = 0
                else:
                    await asyncio.sleep(wait_after_s(refusals - 1, error))
            else:
                outages = refusals = 0
                if message is not None:
                    self._queue.delivered(message)
                    self._sent += 1
                else:
                    self._settled.set()
                    await self._something_new.wait()
                    self._something_new.clear()

    async def settle(self) -> None:
        """Wait until no message waits, or the sink is away."""
        await self._settled.wait()

    async def _attempt(self, message: SpooledAlert | None) -> None:
        """Deliver a message; without one, test whether a receiver that was away can be reached.

        Raises:
            SinkError: The sink is away, or refuses the message.
        """
        try:
            if message is not None:
                await self.sink.deliver(await self._notification(message))
            elif not self._is_reached:
                await self.sink.reach()
            else:
                return
        except SinkAwayError:
            self._is_reached = False
            raise
        except SinkRefusedError:
            self._is_reached = True
            raise
        except Exception as error:  # of the sink's library: it must harm neither the monitor nor other sinks
            raise SinkRefusedError(bug_in_one_line(error)) from None
        self._is_reached = True
        if message is not None or isinstance(self._fault, SinkAwayError):  # a refusal ends when a message is taken
            self._set_fault(None)

    async def _notification(self, message: SpooledAlert) -> Notification:
        return Notification(
            message.id,
            message.part,
            message.camera,
            message.json,
            await self._picture(message),
            is_stale=message.position <= self._stale_to,
        )

    async def _picture(self, message: SpooledAlert) -> bytes | None:
        """Picture for a message; updates have none, and one that can't be made must not cost the message."""
        if not self.sink.takes_snapshots or message.event == AlertEvent.UPDATE:
            return None
        try:
            return await self._snapshot(message.id)
        except Exception as error:
            logger.error("sink '%s': an alert's picture can't be made: %s", self.name, bug_in_one_line(error))
            return None

    def _look_again(self) -> None:
        """Test the receiver, which the sink has lost."""
        self._is_reached = False
        self._something_new.set()

    def _set_fault(self, fault: SinkError | None) -> None:
        """Note a fault, or None; a change between away, refusing and neither is reported."""
        changed = type(fault) is not type(self._fault)
        self._fault = fault
        if fault is not None:
            self._settled.set()
        if changed:
            self._since_s = time.time()
            self._on_status(self.status)


def wait_after_s(failures: int, error: SinkError) -> float:
    """Wait after a failure: what the receiver asks for, else backoff with jitter, from 1 s to 60 s.

    Args:
        failures: Failures in a row before this one.
        error: The failure.
    """
    if isinstance(error, SinkAwayError) and error.retry_in_s is not None:
        return error.retry_in_s
    return sink_backoff_s(failures)
