"""Alert rule of one camera: hysteresis from levels to messages that open, update and close an alert."""

import secrets
from dataclasses import dataclass, replace

from streammon.config import AlertingConfig
from streammon.durations import DAY_S
from streammon.records import Alert, AlertEvent, ScoredFrame
from streammon.regions import regions

MAX_GAP_S = 10.0
MAX_GAP_FRAMES = 3


@dataclass(slots=True)
class _Episode:
    """A run of abnormal frames: a candidate until it has lasted `min_duration_s`, then an alert.

    Attributes:
        opened_s: Time of the first abnormal frame.
        abnormal_s: Time of the last abnormal frame.
        peak: The frame with the largest score so far.
        alert_id: Id of the alert; empty for a candidate.
        parts: Number of messages sent.
        sent_s: Time of the latest message.
    """

    opened_s: float
    abnormal_s: float
    peak: ScoredFrame
    alert_id: str = ""
    parts: int = 0
    sent_s: float = 0.0


class AlertRule:
    """Hysteresis that turns the levels of one camera into alerts.

    An alert opens when the level stays at or above `open_level` for `min_duration_s` (at least one frame). The alert
    closes once the level has been below `close_level` for `close_after_s`. In the `cooldown_s` after a close, and
    while the light changes, no frame counts towards another alert. A gap between frames also closes the alert, since
    nothing is known about the scene during the gap.
    Channel and basis of an alert are those of its peak frame so far, so they may change while the alert is open.
    The alert is provisional while the peak's `basis_s` < 86400 / `false_alarms_per_day`.

    All times are those of the frames, so the same frames give the same alerts, except for the random ids.

    Args:
        camera: Name of the camera.
        scene: Name of its scene.
        alerting: Levels and durations.
        frame_interval_s: Usual seconds between scored frames. An interval is a gap when it is longer than
            max(10 s, `close_after_s`, 3 * `frame_interval_s`).
    """

    def __init__(self, camera: str, scene: str, alerting: AlertingConfig, *, frame_interval_s: float = 0.0) -> None:
        self.camera = camera
        self.scene = scene
        self._alerting = alerting
        self._max_gap_s = max(MAX_GAP_S, alerting.close_after_s, MAX_GAP_FRAMES * frame_interval_s)
        self._episode: _Episode | None = None
        self._latest: ScoredFrame | None = None
        self._quiet_until_s = float("-inf")

    @property
    def is_open(self) -> bool:
        """True while an alert is open."""
        return self._episode is not None and bool(self._episode.alert_id)

    def step(self, score: ScoredFrame) -> list[Alert]:
        """Update the rule with the camera's next scored frame.

        Returns:
            The messages that the frame causes, in order: none for most frames, at most two (the alert before a gap
            closes and another opens).
        """
        alerts, now = self._closed_by_gap(score)
        self._latest = score = replace(score, wall_time_s=now)
        episode = self._episode
        if episode is None or not episode.alert_id:
            return alerts + self._opening(score)
        if score.level >= self._alerting.close_level:
            episode.abnormal_s = now
            episode.peak = max(episode.peak, score, key=lambda frame: frame.score)
        elif now - episode.abnormal_s >= self._alerting.close_after_s:
            return [*alerts, self._close(now)]
        if now - episode.sent_s >= self._alerting.update_every_s:
            alerts.append(self._message(AlertEvent.UPDATE, now))
        return alerts

    def close_now(self, wall_time_s: float) -> list[Alert]:
        """Close the open alert and discard a candidate, as when the camera or the monitor stops.

        Args:
            wall_time_s: Unix time now.

        Returns:
            The closing message; empty if no alert was open.
        """
        now = max(wall_time_s, self._latest.wall_time_s) if self._latest else wall_time_s
        alerts = [self._close(now)] if self.is_open else []
        self._episode = None
        return alerts

    def _closed_by_gap(self, score: ScoredFrame) -> tuple[list[Alert], float]:
        """The closing message if the frame follows a gap, and the frame's time, which never decreases without a gap.

        A clock set back by more than a gap also ends the cooldown: waiting for the clock to catch up could take
        hours.
        """
        if self._latest is None:
            return [], score.wall_time_s
        before = self._latest.wall_time_s
        gap_s = score.wall_time_s - before
        if abs(gap_s) <= self._max_gap_s:
            return [], max(before, score.wall_time_s)
        alerts = self.close_now(before)
        if gap_s < 0:
            self._quiet_until_s = float("-inf")
        return alerts, score.wall_time_s

    def _opening(self, score: ScoredFrame) -> list[Alert]:
        now = score.wall_time_s
        if score.level < self._alerting.open_level or now < self._quiet_until_s or score.light_changes:
            self._episode = None
            return []
        if self._episode is None:
            self._episode = _Episode(now, now, score)
        episode = self._episode
        episode.abnormal_s = now
        episode.peak = max(episode.peak, score, key=lambda frame: frame.score)
        if now - episode.opened_s < self._alerting.min_duration_s:
            return []
        episode.alert_id = alert_id(episode.opened_s)
        return [self._message(AlertEvent.OPEN, now)]

    def _close(self, now: float) -> Alert:
        message = self._message(AlertEvent.CLOSE, now)
        self._episode = None
        self._quiet_until_s = now + self._alerting.cooldown_s
        return message

    def _message(self, event: AlertEvent, now: float) -> Alert:
        episode, latest = self._episode, self._latest
        assert episode is not None
        assert latest is not None
        shown = episode.peak if event is AlertEvent.CLOSE else latest
        message = Alert(
            id=episode.alert_id,
            event=event,
            part=episode.parts,
            camera=self.camera,
            scene=self.scene,
            opened_s=episode.opened_s,
            time_s=now,
            closed_s=episode.abnormal_s if event is AlertEvent.CLOSE else None,
            score=latest.score,
            level=latest.level,
            peak_score=episode.peak.score,
            peak_level=episode.peak.level,
            boxes=regions(shown.anomaly_map, shown.threshold, shown.source_size),
            channel=episode.peak.channel,
            basis_s=episode.peak.basis_s,
            provisional=episode.peak.basis_s < DAY_S / self._alerting.false_alarms_per_day,
        )
        episode.parts += 1
        episode.sent_s = now
        return message


def alert_id(opened_s: float) -> str:
    """An id unique over all monitors, which sorts by time: 48 bits of milliseconds, 80 random bits, as in ULID.

    >>> alert_id(1_700_000_000.0)[:12]
    '018bcfe56800'
    """
    return f"{int(opened_s * 1000) & 0xFFFF_FFFF_FFFF:012x}{secrets.token_hex(10)}"
