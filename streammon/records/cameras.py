"""States, rates and figures of cameras."""

from dataclasses import dataclass
from enum import StrEnum


class CameraState(StrEnum):
    """State of a camera."""

    CONNECTING = "connecting"  # before the first frame
    ONLINE = "online"  # frames arrive
    LEARNING = "learning"  # frames arrive, its scene has no bank yet
    OFFLINE = "offline"  # no connection, or the connection ended
    FROZEN = "frozen"  # connected, but no frame for the read timeout, or the same one for five of them
    UNAUTHORISED = "unauthorised"  # the camera refused the user or password
    ENDED = "ended"  # a file played to its end

    @property
    def sends_pictures(self) -> bool:
        """True while frames arrive."""
        return self in (CameraState.ONLINE, CameraState.LEARNING)


@dataclass(frozen=True, slots=True)
class CameraStatus:
    """The state of one camera, since when, and why.

    Attributes:
        camera: Name of the camera.
        state: State of the camera.
        since_s: Unix time at which the state began.
        reason: Cause of the state in a few words, without any URL; empty when all is well.
        retry_in_s: Seconds until the next attempt, or None when none is planned.
        progress: Fraction of learning done, 0 to 1; None when the scene isn't learning.
    """

    camera: str
    state: CameraState
    since_s: float
    reason: str = ""
    retry_in_s: float | None = None
    progress: float | None = None


@dataclass(slots=True)
class ReaderCounts:
    """Counters of one camera's reader since its start. Only the reader's thread writes them, any thread may read.

    Attributes:
        decoded: Undamaged frames decoded.
        kept: Frames passed on for scoring (those beyond `score_fps`, or the planned rate below it, are skipped).
        corrupt: Frames dropped as damaged or as predicted from a damaged one.
        connections: Connections that delivered at least one frame.
        failures: Attempts and connections that ended in an error or a lost stream.
    """

    decoded: int = 0
    kept: int = 0
    corrupt: int = 0
    connections: int = 0
    failures: int = 0


@dataclass(frozen=True, slots=True)
class ScoringRate:
    """How often a camera is scored, and by what.

    Attributes:
        fps: Largest number of frames scored a second.
        looks_only: True if frames are scored by their looks alone, without motion.
    """

    fps: float
    looks_only: bool = False


@dataclass(frozen=True, slots=True)
class MainStreamStatus:
    """State of the main stream of a camera whose sub-stream is scored.

    Attributes:
        camera: Name of the camera.
        reason: Why viewers see the sub-stream, in a few words, without any URL; empty once the main stream is shown
            again.
    """

    camera: str
    reason: str = ""


@dataclass(slots=True)
class CameraFigures:
    """One camera's figures, for tables and metrics.

    Attributes:
        status: Latest status.
        score: Latest frame score; None before the first.
        level: Latest level; None before the first.
        alerts: Alerts opened so far.
        alert_open: True while an alert is open.
        decoded: Frames decoded.
        scored: Frames scored or learned from.
        dropped: Frames not scored: replaced by a newer one, or left out after an error.
        corrupt: Frames dropped as damaged.
        fps_read: Frames decoded a second, over about 2 s.
        fps_scored: Frames scored a second, over about 2 s.
        connections: Connections that delivered at least one frame.
        failures: Failed attempts to connect, lost connections, and frames that could not be scored by an error.
        fps_planned: Largest number of frames scored a second: `score_fps`, or less while the machine is overloaded.
        looks_only: True while frames are scored by their looks alone, since the machine is overloaded.
    """

    status: CameraStatus
    score: float | None = None
    level: float | None = None
    alerts: int = 0
    alert_open: bool = False
    decoded: int = 0
    scored: int = 0
    dropped: int = 0
    corrupt: int = 0
    fps_read: float = 0.0
    fps_scored: float = 0.0
    connections: int = 0
    failures: int = 0
    fps_planned: float = 0.0
    looks_only: bool = False

    def counters(self) -> dict[str, float]:
        """Counters that are published to Redis with the status."""
        return {
            "decoded": self.decoded,
            "scored": self.scored,
            "dropped": self.dropped,
            "corrupt": self.corrupt,
            "fps_read": round(self.fps_read, 2),
            "fps_scored": round(self.fps_scored, 2),
            "connections": self.connections,
            "failures": self.failures,
            "alerts": self.alerts,
            "fps_planned": round(self.fps_planned, 2),
            "looks_only": self.looks_only,
        }
