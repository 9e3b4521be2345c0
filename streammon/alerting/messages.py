"""JSON messages of the monitor, version 1.

Every message has `v` (1), `kind` (`score`, `alert`, `health`, `verdict` or `status`) and `camera`. Names ending in
`_s` are seconds; a time is Unix time in seconds, to the millisecond. Scores are Mahalanobis distances for the method
`padim`, and for `motion` surprise: -log10 of a tail probability on normal footage. A level is -log10 of the false
alarms a day expected from normal footage: 0 is once a day, 1 once in ten days. `channel` names the evidence that
contributes most (`looks`, `change`, `speed`, `direction`, `place`, `shape`, `object` or `view`; see `Channel`).
`basis_s` is the number of seconds of normal footage that a level is calibrated on: a rate rarer than once in
`basis_s` is extrapolated. Fields and channels are only ever added. A message of an earlier release may lack
`channel`, which means `looks`, and `basis_s`, which is then unknown.

**score**, one for each scored frame that could be published:
`scene`; `seq`, the number of the frame at its camera; `time`, when the frame was decoded; `stream_time_s`, since the
connection's first frame; `score`; `level`; `false_alarms_per_day`, the level as a rate; `channel` of this frame;
`basis_s` of the level; `heatmap`, the key under which this frame's heatmap was just stored, or null if it was not
(one heatmap a second is stored).

**alert**:
`id`; `event`, `open`, `update` or `close`; `part`, 0 for open and counting up; `scene`; `opened_s`, time of the
first abnormal frame; `time_s`, time of the frame that caused the message, or of the close when the camera or the
monitor stopped; `closed_s`, time of the last abnormal frame, null while the alert is open; `duration_s`, from
`opened_s` to `closed_s` or else `time_s`; `score` and `level` of the latest frame; `peak_score` and `peak_level` so
far; `false_alarms_per_day` at the peak; `channel` of the peak frame so far; `reason`, the channel in words for
people, such as "moves too fast here"; `basis_s` of the peak's level; `provisional`, true where the configured rate of
false alarms is rarer than once in `basis_s`, so that the footage can't confirm it; `boxes`, abnormal regions as
`{x, y, width, height, peak}` in pixels of the stream that is scored, the highest peak first (of the latest frame; of
the peak frame on close); `heatmap`, the key of the camera's latest heatmap, which expires.

**health**:
`id`; `event`, `open` or `close`; `part`, 0 for open and 1 for close; `condition` (see `Condition`); `camera`, null
for several cameras and for the monitor itself; `cameras`, all names; `place`, the host or network that several
cameras share, else null; `opened_s`, when it began; `time_s`, of the message; `closed_s`, when all was well again,
null while it is open; `reason` in words.

**verdict**, what an operator says of an alert; a later one on the same alert replaces it:
`id` of the alert; `scene`; `verdict`, `normal` or `real`, or null where it was withdrawn; `user`, empty where nobody
logs in; `time_s`; `opened_s`, `closed_s` and `peak_score` of the alert.

**status**:
`state` (see `CameraState`); `time`, when the message was written (a status is repeated every few seconds, so an old
time means that the monitor is gone); `since_s`, when the state began; `reason`; `retry_in_s`, null when no attempt is
planned; `progress` of learning from 0 to 1, or null; `counters`, numbers by name, present only if the monitor passes
any.
"""

import dataclasses
import json
import math
from collections.abc import Mapping
from typing import Any

from streammon.records import (
    Alert,
    AlertEvent,
    Box,
    CameraStatus,
    Channel,
    Condition,
    HealthAlert,
    ScoredFrame,
    Verdict,
)

VERSION = 1
LEVEL_LIMIT = 300.0  # 10 ** -300 is still a float above 0
PARSED = ("event", "boxes", "channel")  # fields of `Alert` converted from their JSON value


def false_alarms_per_day(level: float) -> float:
    """Expected false alarms a day on normal footage: 10 ** -level, with the level limited to ±300.

    >>> false_alarms_per_day(1.0)
    0.1
    """
    return math.pow(10.0, -_bounded(level))


def score_json(score: ScoredFrame, heatmap_key: str | None) -> str:
    """A score message.

    Args:
        score: The scored frame.
        heatmap_key: Redis key of this frame's heatmap; None if it is not stored.

    Raises:
        ValueError: The score is not a number or not finite.
    """
    level = _bounded(score.level)
    return _compact(
        {
            "v": VERSION,
            "kind": "score",
            "camera": score.camera,
            "scene": score.scene,
            "seq": score.seq,
            "time": round(score.wall_time_s, 3),
            "stream_time_s": round(score.stream_time_s, 3),
            "score": _rounded(score.score),
            "level": _rounded(level),
            "false_alarms_per_day": _rounded(false_alarms_per_day(level)),
            "channel": score.channel,
            "basis_s": round(score.basis_s, 3),
            "heatmap": heatmap_key,
        }
    )


def alert_json(alert: Alert, heatmap_key: str) -> str:
    """An alert message.

    Args:
        alert: The message's content.
        heatmap_key: Redis key of the camera's latest heatmap.

    Raises:
        ValueError: A score is not a number or not finite.
    """
    return _compact(
        {
            "v": VERSION,
            "kind": "alert",
            "id": alert.id,
            "event": alert.event,
            "part": alert.part,
            "camera": alert.camera,
            "scene": alert.scene,
            "opened_s": round(alert.opened_s, 3),
            "time_s": round(alert.time_s, 3),
            "closed_s": None if alert.closed_s is None else round(alert.closed_s, 3),
            "duration_s": round((alert.time_s if alert.closed_s is None else alert.closed_s) - alert.opened_s, 3),
            "score": _rounded(alert.score),
            "level": _rounded(_bounded(alert.level)),
            "peak_score": _rounded(alert.peak_score),
            "peak_level": _rounded(_bounded(alert.peak_level)),
            "false_alarms_per_day": _rounded(false_alarms_per_day(alert.peak_level)),
            "channel": alert.channel,
            "reason": alert.channel.reason,
            "basis_s": round(alert.basis_s, 3),
            "provisional": alert.provisional,
            "boxes": [
                {"x": box.x, "y": box.y, "width": box.width, "height": box.height, "peak": _rounded(box.peak)}
                for box in alert.boxes
            ],
            "heatmap": heatmap_key,
        }
    )


def alert_from_json(text: str | bytes) -> Alert:
    """Parse an alert message; the numbers stay rounded as in the message.

    A message of an earlier release may lack `channel`, `basis_s` and `provisional`, which become `looks`, 0 and
    False.

    Raises:
        ValueError: The text is not an alert message of version 1.
    """
    message = json.loads(text)
    if not isinstance(message, dict) or (message.get("v"), message.get("kind")) != (VERSION, "alert"):
        raise ValueError("not an alert message of version 1")
    try:
        return Alert(
            **{name: message[name] for name in _expected(message)},
            event=AlertEvent(message["event"]),
            channel=Channel(message.get("channel", Channel.LOOKS)),
            boxes=tuple(Box(*(box[edge] for edge in Box.__dataclass_fields__)) for box in message["boxes"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"not an alert message of version 1 ({error})") from None


def health_json(health: HealthAlert) -> str:
    """A health message."""
    return _compact(
        {
            "v": VERSION,
            "kind": "health",
            "id": health.id,
            "event": health.event,
            "part": health.part,
            "condition": health.condition,
            "camera": health.cameras[0] if len(health.cameras) == 1 else None,
            "cameras": health.cameras,
            "place": health.place or None,
            "opened_s": round(health.opened_s, 3),
            "time_s": round(health.time_s, 3),
            "closed_s": None if health.closed_s is None else round(health.closed_s, 3),
            "reason": health.reason,
        }
    )


def health_from_json(text: str | bytes) -> HealthAlert:
    """Parse a health message.

    Raises:
        ValueError: The text is not a health message of version 1, or of a condition that this release doesn't know.
    """
    message = json.loads(text)
    if not isinstance(message, dict) or (message.get("v"), message.get("kind")) != (VERSION, "health"):
        raise ValueError("not a health message of version 1")
    try:
        return HealthAlert(
            **{name: message[name] for name in ("id", "part", "opened_s", "time_s", "closed_s", "reason")},
            event=AlertEvent(message["event"]),
            condition=Condition(message["condition"]),
            cameras=tuple(map(str, message["cameras"])),
            place=message["place"] or "",
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"not a health message of version 1 ({error})") from None


def verdict_json(verdict: Verdict, time_s: float) -> str:
    """A verdict message.

    Args:
        verdict: What was said of an alert.
        time_s: Unix time now.
    """
    return _compact(
        {
            "v": VERSION,
            "kind": "verdict",
            "id": verdict.alert_id,
            "camera": verdict.camera,
            "scene": verdict.scene,
            "verdict": {True: "normal", False: "real", None: None}[verdict.normal],
            "user": verdict.user,
            "time_s": round(time_s, 3),
            "opened_s": round(verdict.opened_s, 3),
            "closed_s": None if verdict.closed_s is None else round(verdict.closed_s, 3),
            "peak_score": _rounded(verdict.peak_score),
        }
    )


def _expected(message: Mapping[str, Any]) -> list[str]:
    """Fields of `Alert` to copy from the message unconverted: all required ones, and optional ones it contains."""
    fields = (field for field in dataclasses.fields(Alert) if field.name not in PARSED)
    return [field.name for field in fields if field.default is dataclasses.MISSING or field.name in message]


def status_json(status: CameraStatus, time_s: float, counters: Mapping[str, float] | None = None) -> str:
    """A status message.

    Args:
        status: State of the camera.
        time_s: Unix time now.
        counters: Numbers by name, such as frames read and dropped.
    """
    message: dict[str, Any] = {
        "v": VERSION,
        "kind": "status",
        "camera": status.camera,
        "state": status.state,
        "time": round(time_s, 3),
        "since_s": round(status.since_s, 3),
        "reason": status.reason,
        "retry_in_s": None if status.retry_in_s is None else round(status.retry_in_s, 3),
        "progress": None if status.progress is None else round(status.progress, 4),
    }
    if counters is not None:
        message["counters"] = dict(counters)
    return _compact(message)


def _compact(message: dict[str, Any]) -> str:
    return json.dumps(message, allow_nan=False, ensure_ascii=False, separators=(",", ":"))


def _rounded(number: float) -> float:
    """The number to six significant digits, enough for a float32 score."""
    return float(f"{number:.6g}")


def _bounded(level: float) -> float:
    """The level limited to ±`LEVEL_LIMIT`: it is infinite for a rate that underflows, and JSON has no infinity."""
    return math.copysign(LEVEL_LIMIT, level) if abs(level) > LEVEL_LIMIT else level
