"""Interface of all sinks: messages, errors and backoff."""

import json
import random
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from streammon.backoff import backoff_s
from streammon.records import CameraStatus

RETRY_BASE_S, RETRY_CAP_S = 1.0, 60.0


class SinkError(Exception):
    """A sink did not take a message.

    Args:
        reason: Why, in a few words, without any URL or password.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class SinkAwayError(SinkError):
    """The receiver can't be reached or can't take a message now, so trying again may help.

    Args:
        reason: Why, in a few words, without any URL or password.
        retry_in_s: Wait that the receiver asks for; None for the usual backoff.
    """

    def __init__(self, reason: str, retry_in_s: float | None = None) -> None:
        super().__init__(reason)
        self.retry_in_s = retry_in_s


class SinkRefusedError(SinkError):
    """The receiver refuses the message, and will probably refuse it again."""


def sink_backoff_s(failures: int) -> float:
    """Wait before a sink is tried again: exponential backoff with jitter, from 1 s to 60 s.

    Args:
        failures: Failures in a row before this one.
    """
    return backoff_s(failures, RETRY_BASE_S, RETRY_CAP_S, random.random())


@dataclass(frozen=True, slots=True)
class Notification:
    """One alert message for a sink.

    Attributes:
        id: The alert's id.
        part: The message's number within the alert.
        camera: Name of the camera.
        json: The alert message as JSON.
        snapshot: Picture of the alert with its boxes as JPEG; None if there is none.
        is_stale: The message is of an earlier run of the monitor, whose alerts are all over.
    """

    id: str
    part: int
    camera: str
    json: str
    snapshot: bytes | None = None
    is_stale: bool = False

    @property
    def key(self) -> str:
        """Name of the message, the same each time it is sent."""
        return f"{self.id}-{self.part}"

    @property
    def fields(self) -> dict[str, Any]:
        """Fields of the alert message."""
        fields: dict[str, Any] = json.loads(self.json)
        return fields


class Sink(ABC):
    """A receiver of alert messages, as an async context manager around its use.

    The constructor checks what can be checked without the network.

    Attributes:
        place: Kind and address, without anything secret.
        takes_snapshots: Messages are given with their picture.
        on_lost: Called when the sink notices by itself that its receiver is gone.
    """

    place: str
    takes_snapshots: bool
    on_lost: Callable[[], None] = staticmethod(lambda: None)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    async def run(self) -> None:  # noqa: B027 (most sinks have nothing to run)
        """Keep open what the sink needs, until cancelled."""

    @abstractmethod
    async def reach(self) -> None:
        """Test, without a message, whether the receiver can be reached.

        Raises:
            SinkAwayError: It can't.
        """

    async def reach_at_start(self) -> None:
        """Test, before `run`, whether the receiver can be reached.

        Raises:
            SinkAwayError: It can't.
        """
        await self.reach()

    @abstractmethod
    async def deliver(self, notification: Notification) -> None:
        """Send a message, and return once the receiver has it.

        Raises:
            SinkAwayError: The receiver may or may not have it.
            SinkRefusedError: The receiver refuses it.
        """

    async def deliver_test(self, notification: Notification) -> None:
        """Send a message that leaves nothing behind, outside `run`.

        Raises:
            SinkError: The receiver doesn't take it.
        """
        await self.deliver(notification)

    def show_camera_nowait(self, status: CameraStatus) -> None:  # noqa: B027 (most sinks show no cameras)
        """Show a camera's state, where the sink does."""
