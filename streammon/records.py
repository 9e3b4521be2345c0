"""What the rooms hand each other. Plain values, no behaviour that needs a library beyond numpy."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
"""(H, W, 3) uint8, RGB."""

AnomalyMap = NDArray[np.float32]
"""(H, W) float32, Mahalanobis distance per pixel of the model's input."""


Grey = NDArray[np.uint8]
"""(H, W) uint8, luma."""


class Channel(StrEnum):
    """What kind of evidence says that a picture isn't normal."""

    LOOKS = "looks"
    CHANGE = "change"
    SPEED = "speed"
    DIRECTION = "direction"
    PLACE = "place"
    SHAPE = "shape"
    OBJECT = "object"
    VIEW = "view"

    @property
    def reason(self) -> str:
        """What it says, for people.

        >>> Channel.SPEED.reason
        'moves too fast here'
        """
        return REASONS[self]


REASONS = {
    Channel.LOOKS: "looks unusual here",
    Channel.CHANGE: "changes in an unusual way here",
    Channel.SPEED: "moves too fast here",
    Channel.DIRECTION: "moves the wrong way here",
    Channel.PLACE: "moves where nothing moves",
    Channel.SHAPE: "has an unusual size or shape here",
    Channel.OBJECT: "what moves here looks unusual",
    Channel.VIEW: "shows another view than was learned",
}


@dataclass(frozen=True, slots=True, eq=False)
class Detail:
    """The moment of a frame, larger, and the picture shortly before it: what motion is read from.

    Attributes:
        picture: (H, W, 3) uint8 RGB in the source's own proportions, its longer side at most 480 pixels.
        earlier: (H, W) uint8 grey, `step_s` before; None where no picture is near enough, as after a gap.
        step_s: Seconds between the two, by the stream's own timestamps; 0 without `earlier`.
    """

    picture: Picture
    earlier: Grey | None = None
    step_s: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One decoded picture, already scaled to the model's input.

    Attributes:
        camera: Name of the camera (or footage) it came from.
        seq: Number of the frame among those the reader kept, from 0; never restarts while the reader lives.
        picture: (H, W, 3) uint8 RGB.
        source_size: Width and height of the stream, in pixels, before scaling.
        stream_time_s: Seconds since the first frame of this connection, from the stream's own timestamps.
        wall_time_s: Unix time at which the frame was decoded; of footage on disk, at which it is due when played
            at its own pace, so that fast footage raises the same alerts.
        detail: The same moment for those who look closer; None where nobody asked for it.
    """

    camera: str
    seq: int
    picture: Picture
    source_size: tuple[int, int]
    stream_time_s: float
    wall_time_s: float
    detail: Detail | None = None


class CameraState(StrEnum):
    """What a camera is doing now."""

    CONNECTING = "connecting"  # never seen a frame yet
    ONLINE = "online"  # frames arrive
    LEARNING = "learning"  # frames arrive, its scene has no bank yet
    OFFLINE = "offline"  # no connection, or the connection ended
    FROZEN = "frozen"  # connected, and no frame for the read timeout
    UNAUTHORISED = "unauthorised"  # the camera refused the password
    ENDED = "ended"  # a file played to its end


@dataclass(frozen=True, slots=True)
class CameraStatus:
    """The state of one camera, since when, and why.

    Attributes:
        camera: Name of the camera.
        state: What it is doing.
        since_s: Unix time at which this state began.
        reason: Why, in a few words without any URL; empty when all is well.
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
    """What one camera's reader did, since it started. Written by its thread alone, read by anyone.

    Attributes:
        decoded: Whole frames the decoder gave.
        kept: Frames handed on for scoring (`score_fps` skips the others).
        corrupt: Frames dropped as damaged or as predicted from a damaged one.
        connections: Connections that gave at least one frame.
        failures: Attempts and connections that ended in an error or a lost stream.
    """

    decoded: int = 0
    kept: int = 0
    corrupt: int = 0
    connections: int = 0
    failures: int = 0


@dataclass(frozen=True, slots=True)
class Box:
    """One abnormal region, in pixels of the camera's own picture.

    Attributes:
        x: Left edge.
        y: Top edge.
        width: Width.
        height: Height.
        peak: Largest Mahalanobis distance inside.
    """

    x: int
    y: int
    width: int
    height: int
    peak: float


@dataclass(frozen=True, slots=True, eq=False)
class ScoredFrame:
    """One scored frame.

    Attributes:
        camera: Name of the camera.
        scene: Name of the scene whose bank scored it.
        seq: The frame's `Frame.seq`.
        wall_time_s: The frame's `Frame.wall_time_s`.
        stream_time_s: Seconds since the connection's first frame.
        score: Frame score in Mahalanobis distance.
        level: -log10 of the false alarms a day expected from normal footage at this score:
            0 is once a day, 1 once in ten days, -2 a hundred times a day.
        threshold: The score at which an alert opens, for heatmaps and boxes.
        anomaly_map: (H, W) float32 distances.
        source_size: Width and height of the camera's own picture.
        channel: The evidence that speaks loudest in this frame.
        basis_s: Seconds of normal footage that the level rests on.
    """

    camera: str
    scene: str
    seq: int
    wall_time_s: float
    stream_time_s: float
    score: float
    level: float
    threshold: float
    anomaly_map: AnomalyMap
    source_size: tuple[int, int]
    channel: Channel = Channel.LOOKS
    basis_s: float = 0.0


class AlertEvent(StrEnum):
    """What an alert message tells about its alert."""

    OPEN = "open"
    UPDATE = "update"
    CLOSE = "close"


@dataclass(frozen=True, slots=True)
class Alert:
    """One message about one alert: it opened, it goes on, it closed.

    Attributes:
        id: The alert's own id, the same in all its messages, unique over all monitors.
        event: Open, update or close.
        part: 0 for open, then counting up; (id, part) names one message.
        camera: Name of the camera.
        scene: Name of the scene.
        opened_s: Unix time of the first abnormal frame.
        time_s: Unix time of the frame this message speaks of.
        closed_s: Unix time of the last abnormal frame; None while it is open.
        score: Frame score at `time_s`.
        level: Level at `time_s`.
        peak_score: Largest frame score so far.
        peak_level: Largest level so far.
        boxes: Abnormal regions: of the peak frame on close, else of the frame at `time_s`; the worst first.
        channel: The evidence that spoke loudest in the peak frame so far.
        basis_s: Seconds of normal footage that the peak's level rests on.
        provisional: The asked rate of false alarms is rarer than those seconds can show.
    """

    id: str
    event: AlertEvent
    part: int
    camera: str
    scene: str
    opened_s: float
    time_s: float
    closed_s: float | None
    score: float
    level: float
    peak_score: float
    peak_level: float
    boxes: tuple[Box, ...] = ()
    channel: Channel = Channel.LOOKS
    basis_s: float = 0.0
    provisional: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a person says about an alert; a later verdict on the same alert replaces it.

    Attributes:
        camera: Name of the camera.
        scene: Name of the scene.
        alert_id: The alert's `id`.
        opened_s: Unix time of its first abnormal frame.
        closed_s: Unix time of its last abnormal frame; None while it was open.
        normal: It showed what is normal there; else it was a real anomaly.
        peak_score: Its highest frame score so far.
    """

    camera: str
    scene: str
    alert_id: str
    opened_s: float
    closed_s: float | None
    normal: bool
    peak_score: float


@dataclass(frozen=True, slots=True)
class RedisStatus:
    """Whether Redis takes what is published.

    Attributes:
        online: It answers and takes writes.
        since_s: Unix time at which this began.
        reason: Why it is away, in a few words without any password; empty when all is well.
        spooled: Alert messages that wait for it.
    """

    online: bool
    since_s: float
    reason: str = ""
    spooled: int = 0


@dataclass(frozen=True, slots=True)
class SpoolStatus:
    """How the spool of alert messages is doing.

    Attributes:
        waiting: Messages that Redis doesn't have yet.
        refused: Updates refused since the start, because the spool was full.
        dropped: Messages dropped since the start, because it was full or its file became unreadable.
        reason: Why messages are kept in memory alone, in a few words; empty while the file takes them.
    """

    waiting: int
    refused: int = 0
    dropped: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class SceneProgress:
    """How far a scene without a bank has been learned.

    Attributes:
        scene: Name of the scene.
        progress: Fraction done; 1 when the bank is ready.
        trouble: Why the bank couldn't be saved; empty when all is well.
    """

    scene: str
    progress: float
    trouble: str = ""

    @property
    def done(self) -> bool:
        """Whether the scene is watched from now on."""
        return self.progress >= 1.0


@dataclass(frozen=True, slots=True)
class Notice:
    """Something an operator may want to read once.

    Attributes:
        text: One line, without any password.
    """

    text: str


@dataclass(slots=True)
class CameraFigures:
    """One camera's figures, for tables and metrics.

    Attributes:
        status: Its state.
        score: Its latest frame score; None before the first.
        level: Its latest level; None before the first.
        alerts: Alerts opened so far.
        alert_open: Whether one is open now.
        decoded: Frames decoded.
        scored: Frames scored or learned from.
        dropped: Frames a newer one replaced before they were scored.
        corrupt: Frames dropped as damaged.
        fps_read: Frames decoded a second, lately.
        fps_scored: Frames scored a second, lately.
        connections: Connections that gave frames.
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

    def counters(self) -> dict[str, float]:
        """The numbers that go with the status to Redis."""
        return {
            "decoded": self.decoded,
            "scored": self.scored,
            "dropped": self.dropped,
            "corrupt": self.corrupt,
            "fps_read": round(self.fps_read, 2),
            "fps_scored": round(self.fps_scored, 2),
            "connections": self.connections,
            "alerts": self.alerts,
        }


Event = CameraStatus | Alert | ScoredFrame | RedisStatus | SpoolStatus | Notice
"""What a monitor tells as it happens."""
