"""Records passed between the packages: plain values that need no library beyond numpy."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from streammon.conditions import Condition as Condition

Picture = NDArray[np.uint8]
"""(H, W, 3) uint8, RGB."""

AnomalyMap = NDArray[np.float32]
"""(H, W) float32, >= 0: anomaly score per pixel of the model's input, on the scale of the frame score."""


Grey = NDArray[np.uint8]
"""(H, W) uint8, luma."""


class Channel(StrEnum):
    """Kind of evidence that a frame is abnormal."""

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
        """The channel in words, for alert messages.

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
    Channel.OBJECT: "a moving object looks unusual here",
    Channel.VIEW: "shows another view than was learned",
}


@dataclass(frozen=True, slots=True, eq=False)
class Detail:
    """A frame's picture at up to 480 pixels, and the picture shortly before it: the input of motion analysis.

    Attributes:
        picture: (H, W, 3) uint8 RGB in the source's aspect ratio, its longer side at most 480 pixels.
        earlier: (H, W) uint8 grey, `step_s` before `picture`; None without a recent one, as after a gap.
        step_s: Seconds from `earlier` to `picture`, by the stream's own timestamps; 0 without `earlier`.
    """

    picture: Picture
    earlier: Grey | None = None
    step_s: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One decoded picture, already scaled to the model's input.

    Attributes:
        camera: Name of the camera, or of the clip.
        seq: Index among the frames kept by the camera's reader, from 0, continued over reconnections. In a clip,
            index as counted by `Clip.frames`.
        picture: (H, W, 3) uint8 RGB.
        source_size: Width and height of the stream, in pixels, before scaling.
        stream_time_s: Seconds since the first frame of this connection, from the stream's own timestamps.
        wall_time_s: Unix time at which the frame was decoded. For footage played as a camera, the time at which
            the frame is due at the footage's own pace, so that `play: fast` raises the same alerts.
        detail: Larger picture and earlier picture for motion analysis; None unless requested.
        light_changes: True while the light of the whole picture changes (`ingest.light`).
    """

    camera: str
    seq: int
    picture: Picture
    source_size: tuple[int, int]
    stream_time_s: float
    wall_time_s: float
    detail: Detail | None = None
    light_changes: bool = False


def has_flow_size(width: int, height: int) -> bool:
    """True if a detail of this size is large enough for optical flow, which needs at least 16 pixels a side.

    OpenCV's DIS halves both sides as often as the sizes allow, for small pictures as often as the width alone allows,
    and then reads 8 rows: on flatter pictures it raises, or ends the process. A picture less than 40 pixels wide is
    not halved, so there 8 pixels a side are enough, and 12 on the longer side.

    >>> [has_flow_size(*size) for size in ((480, 16), (480, 12), (12, 480), (32, 24), (40, 15), (8, 8))]
    [True, False, True, True, False, False]
    """
    shorter, longer = min(width, height), max(width, height)
    return shorter >= 16 or (width < 40 and shorter >= 8 and longer >= 12)


class CameraState(StrEnum):
    """State of a camera."""

    CONNECTING = "connecting"  # before the first frame
    ONLINE = "online"  # frames arrive
    LEARNING = "learning"  # frames arrive, its scene has no bank yet
    OFFLINE = "offline"  # no connection, or the connection ended
    FROZEN = "frozen"  # connected, but no frame for the read timeout, or the same one for five of them
    UNAUTHORISED = "unauthorised"  # the camera refused the user or password
    ENDED = "ended"  # a file played to its end


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
class Box:
    """One abnormal region, in pixels of the picture of the stream that was scored.

    Attributes:
        x: Left edge.
        y: Top edge.
        width: Width.
        height: Height.
        peak: Largest value of the anomaly map inside the box.
    """

    x: int
    y: int
    width: int
    height: int
    peak: float


@dataclass(frozen=True, slots=True, eq=False)
class ScoredFrame:
    """Score, level and anomaly map of one frame.

    Attributes:
        camera: Name of the camera.
        scene: Name of the scene whose bank scored it.
        seq: The frame's `Frame.seq`.
        wall_time_s: The frame's `Frame.wall_time_s`.
        stream_time_s: Seconds since the connection's first frame.
        score: Frame score: a Mahalanobis distance with the method `padim`, surprise (-log10 of a tail probability)
            with `motion`.
        level: -log10 of the false alarms a day expected from normal footage at this score:
            0 is once a day, 1 once in ten days, -2 a hundred times a day.
        threshold: The score at which an alert opens, for heatmaps and boxes.
        anomaly_map: (H, W) float32, on the scale of `score`.
        source_size: Width and height of the pictures of the stream that was scored.
        channel: Main channel of evidence for the score.
        basis_s: Seconds of normal footage that the level is calibrated on.
        moves: True if something moves in the frame; False too where motion wasn't measured.
        light_changes: The frame's `Frame.light_changes`: no alert opens by it.
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
    moves: bool = False
    light_changes: bool = False


class AlertEvent(StrEnum):
    """Kind of an alert message."""

    OPEN = "open"
    UPDATE = "update"
    CLOSE = "close"


@dataclass(frozen=True, slots=True)
class Alert:
    """One message of an alert: its opening, an update or its close.

    Attributes:
        id: Id of the alert, the same in all its messages, unique over all monitors.
        event: Open, update or close.
        part: Number of the message within the alert, 0 for open; (id, part) identifies a message.
        camera: Name of the camera.
        scene: Name of the scene.
        opened_s: Unix time of the first abnormal frame.
        time_s: Unix time of the latest frame. On close without a new frame (the camera was lost, the monitor ends),
            the time of closing.
        closed_s: Unix time of the last abnormal frame; None while the alert is open.
        score: Score of the latest frame.
        level: Level of the latest frame.
        peak_score: Largest frame score so far.
        peak_level: Largest level so far.
        boxes: Abnormal regions, the worst first: of the peak frame on close, else of the latest frame.
        channel: Main channel of evidence in the peak frame so far.
        basis_s: Seconds of normal footage that the peak's level is calibrated on.
        provisional: True if `basis_s` < 86400 / `alerting.false_alarms_per_day`, too short to confirm that rate.
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
class HealthAlert:
    """One message of a health alert: its opening or its close.

    Attributes:
        id: Id of the health alert, the same in both messages, unique over all monitors.
        event: Open or close.
        part: 0 for open, 1 for close.
        condition: What is wrong.
        cameras: Names of the cameras that it is wrong with; empty for the monitor itself.
        place: Host or network (`10.0.3.x`) that several cameras share; else empty.
        opened_s: Unix time at which it began.
        time_s: Unix time of the message.
        closed_s: Unix time from which on all was well again; None while the alert is open.
        reason: In a few words, without any URL.
    """

    id: str
    event: AlertEvent
    part: int
    condition: Condition
    cameras: tuple[str, ...]
    place: str
    opened_s: float
    time_s: float
    closed_s: float | None
    reason: str

    @property
    def subject(self) -> str:
        """What the alert is about, in words.

        >>> HealthAlert("", AlertEvent.OPEN, 0, Condition.DISK, (), "", 0.0, 0.0, None, "").subject
        'monitor'
        """
        if not self.cameras:
            return "monitor"
        if len(self.cameras) == 1:
            return f"camera '{self.cameras[0]}'"
        return f"{len(self.cameras)} cameras at {self.place}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """An operator's judgement of an alert; a later verdict on the same alert replaces it.

    Attributes:
        camera: Name of the camera.
        scene: Name of the scene.
        alert_id: The alert's `id`.
        opened_s: Unix time of the alert's first abnormal frame.
        closed_s: Unix time of the alert's last abnormal frame; None if it was open.
        normal: True for a false alarm on normal footage, False for a real anomaly, None if the verdict is withdrawn.
        peak_score: Highest frame score of the alert so far.
        user: Who judged, or withdrew the verdict; empty where nobody logs in.
    """

    camera: str
    scene: str
    alert_id: str
    opened_s: float
    closed_s: float | None
    normal: bool | None
    peak_score: float
    user: str = ""


VerdictName = Literal["normal", "real"]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What operators said of an alert: their latest verdict and the first acknowledgement.

    Attributes:
        verdict: `normal` or `real`; None before a verdict.
        judged_s: Unix time of the verdict.
        judged_by: User of the verdict; empty where nobody logs in.
        acknowledged_s: Unix time of the acknowledgement.
        acknowledged_by: User who acknowledged; empty where nobody logs in.

    >>> judgement = Judgement().acknowledged(5.0, "anna").judged("real", 9.0, "ben")
    >>> judgement.acknowledged_by, judgement.judged_by
    ('anna', 'ben')
    >>> judgement.withdrawn() == Judgement().acknowledged(5.0, "anna")
    True
    >>> Judgement().acknowledged(9.0, "anna").judged("real", 9.0, "anna").withdrawn().acknowledged_s
    9.0
    >>> Judgement().judged("real", 9.0, "ben").withdrawn() == judgement.withdrawn().withdrawn() == Judgement()
    True
    """

    verdict: VerdictName | None = None
    judged_s: float | None = None
    judged_by: str | None = None
    acknowledged_s: float | None = None
    acknowledged_by: str | None = None

    def acknowledged(self, time_s: float, user: str) -> "Judgement":
        """With an acknowledgement; the first one counts."""
        return self if self.acknowledged_s is not None else replace(self, acknowledged_s=time_s, acknowledged_by=user)

    def judged(self, verdict: VerdictName, time_s: float, user: str) -> "Judgement":
        """With another verdict, which also acknowledges.

        It is later than an earlier acknowledgement, by a millisecond at least, so that `withdrawn` keeps that one.
        """
        time_s = max(time_s, (self.acknowledged_s or 0.0) + 0.001)
        return replace(self, verdict=verdict, judged_s=time_s, judged_by=user).acknowledged(time_s, user)

    def withdrawn(self) -> "Judgement":
        """Without the verdict and the acknowledgement that came with it; without a verdict, unacknowledged."""
        if self.verdict is None or self.acknowledged_s == self.judged_s:
            return Judgement()
        return Judgement(acknowledged_s=self.acknowledged_s, acknowledged_by=self.acknowledged_by)


@dataclass(frozen=True, slots=True)
class EventRow:
    """One alert in the index of the evidence.

    Attributes:
        id: Id of the alert.
        scene: Name of the scene.
        camera: Name of the camera.
        channel: Main channel of evidence at the peak.
        opened_s: Unix time of the first abnormal frame.
        closed_s: Unix time of the last abnormal frame; None while the alert is open.
        updated_s: Unix time of the latest message about the alert.
        peak_score: Largest frame score.
        peak_level: Largest level.
        basis_s: Seconds of normal footage that the peak's level is calibrated on.
        provisional: True if the footage was too short to confirm the accepted rate of false alarms.
        false_alarms_per_day: Accepted rate of false alarms, as configured when the alert opened.
        folder: Folder of the files, relative to that of the index.
        verdict: As in `Judgement`, like the next four.
        judged_s: Unix time of the verdict.
        judged_by: User of the verdict.
        acknowledged_s: Unix time of the acknowledgement.
        acknowledged_by: User who acknowledged.
        files: Names of the files in `folder`.
        bytes: Size of the files in all.
        state: `recording`, `kept`, or `removing` while the files are removed.
        note: Why something is missing, in a few words; empty if nothing is.
    """

    id: str
    scene: str
    camera: str
    channel: Channel
    opened_s: float
    closed_s: float | None
    updated_s: float
    peak_score: float
    peak_level: float
    basis_s: float
    provisional: bool
    false_alarms_per_day: float
    folder: str
    verdict: VerdictName | None = None
    judged_s: float | None = None
    judged_by: str | None = None
    acknowledged_s: float | None = None
    acknowledged_by: str | None = None
    files: tuple[str, ...] = ()
    bytes: int = 0
    state: str = "recording"
    note: str = ""

    def updated(self, alert: Alert) -> "EventRow":
        """The row with the figures of a later message about its alert."""
        return replace(
            self,
            channel=alert.channel,
            closed_s=alert.closed_s,
            updated_s=alert.time_s,
            peak_score=alert.peak_score,
            peak_level=alert.peak_level,
            basis_s=alert.basis_s,
            provisional=alert.provisional,
        )

    @property
    def judgement(self) -> Judgement:
        """What operators said of the alert."""
        return Judgement(self.verdict, self.judged_s, self.judged_by, self.acknowledged_s, self.acknowledged_by)


@dataclass(frozen=True, slots=True)
class EventQuery:
    """Selection of alerts whose evidence is kept; None selects all.

    Attributes:
        camera: Name of the camera.
        channel: Main channel of evidence.
        since_s: Unix time; alerts that opened then or later.
        until_s: Unix time; alerts that opened before.
        verdict: `normal`, `real`, or `none` for alerts without a verdict.
        is_open: Whether the alert is open.
        acknowledged: Whether the alert is acknowledged.
    """

    camera: str | None = None
    channel: Channel | None = None
    since_s: float | None = None
    until_s: float | None = None
    verdict: str | None = None
    is_open: bool | None = None
    acknowledged: bool | None = None


@dataclass(frozen=True, slots=True)
class EventCounts:
    """Numbers of the alerts of a selection.

    Attributes:
        matching: All of them.
        unacknowledged: Those not acknowledged.
        unjudged: Those without a verdict.
        normal: Those judged normal.
        real: Those judged real.
    """

    matching: int
    unacknowledged: int
    unjudged: int
    normal: int
    real: int


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
class MainStreamStatus:
    """State of the main stream of a camera whose sub-stream is scored.

    Attributes:
        camera: Name of the camera.
        reason: Why viewers see the sub-stream, in a few words, without any URL; empty once the main stream is shown
            again.
    """

    camera: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Notice:
    """A log line for the operator.

    Attributes:
        text: One line, without any password.
    """

    text: str


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


Event = (
    CameraStatus
    | MainStreamStatus
    | Alert
    | HealthAlert
    | ScoredFrame
    | RedisStatus
    | SpoolStatus
    | SinkStatus
    | Notice
)
"""Event that a monitor reports."""
