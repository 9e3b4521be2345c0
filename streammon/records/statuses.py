"""States of the monitor's parts."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RedisStatus:
    """Availability of Redis.

    Attributes:
        online: True if Redis answers and accepts what is published.
        since_s: Unix time at which this state began.
        reason: Cause of the outage or refusal in a few words, without any password; empty when all is well.
        spooled: Alert messages that wait in the spool.
        refused: True if Redis answers, but refuses what is published; `online` is False then.
    """

    online: bool
    since_s: float
    reason: str = ""
    spooled: int = 0
    refused: bool = False


@dataclass(frozen=True, slots=True)
class SpoolStatus:
    """Fill level and losses of the alert spool.

    Attributes:
        waiting: Messages not yet delivered to Redis.
        refused: Updates refused since the start because the spool was full.
        dropped: Messages dropped since the start because the spool was full or its file became unreadable.
        reason: Why new messages are kept in memory alone, in a few words; empty while the file can be written.
    """

    waiting: int
    refused: int = 0
    dropped: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class SinkStatus:
    """Availability of a sink of alerts, and what it did with them since the start.

    Attributes:
        sink: Name of the sink.
        online: True if the sink takes what it is sent.
        since_s: Unix time at which this state began.
        reason: Cause of the outage or refusal in a few words, without any password; empty when all is well.
        refuses: True if the receiver answers, but refuses alert messages; `online` is False then.
        waiting: Alert messages that wait for the sink.
        sent: Alert messages that the receiver took.
        refused: Alert messages given up because the receiver refused them.
        dropped: Alert messages lost because too many waited, or because the spool became unreadable.
    """

    sink: str
    online: bool
    since_s: float
    reason: str = ""
    refuses: bool = False
    waiting: int = 0
    sent: int = 0
    refused: int = 0
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class SceneProgress:
    """Progress of learning a scene that has no bank.

    Attributes:
        scene: Name of the scene.
        progress: Fraction done; 1 when the bank is ready.
        trouble: Why the bank couldn't be saved, or why learning begins again; empty when all is well.
    """

    scene: str
    progress: float
    trouble: str = ""

    @property
    def done(self) -> bool:
        """True if learning has ended and the scene is scored from now on."""
        return self.progress >= 1.0


@dataclass(frozen=True, slots=True)
class ScoringStatus:
    """State of a camera's scoring: its frames can be scored or learned from, or they can't.

    Attributes:
        camera: Name of the camera.
        reason: Why they can't, in a few words; empty once they can again.
        retry_in_s: Seconds until a frame is tried again; None once they can.
    """

    camera: str
    reason: str = ""
    retry_in_s: float | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """A log line for the operator.

    Attributes:
        text: One line, without any password.
    """

    text: str
