"""Rows of the index of evidence, and what is asked of it."""

from dataclasses import dataclass, replace

from streammon.records.alerts import Alert, Judgement, VerdictName
from streammon.records.frames import Channel


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
        """Verdict and acknowledgement of the alert."""
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
