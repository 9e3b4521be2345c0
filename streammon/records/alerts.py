"""Alerts, health alerts, and what operators say of them."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal

from streammon.conditions import Condition
from streammon.records.frames import Box, Channel


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
        """Camera, cameras or monitor that the alert is about, in words.

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
    """Latest verdict of operators on an alert, and the first acknowledgement.

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
