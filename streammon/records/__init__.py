"""Records passed between the packages: plain values that need no library beyond numpy."""

from streammon.conditions import Condition
from streammon.records.alerts import Alert, AlertEvent, HealthAlert, Judgement, Verdict, VerdictName
from streammon.records.cameras import (
    CameraFigures,
    CameraState,
    CameraStatus,
    MainStreamStatus,
    ReaderCounts,
    ScoringRate,
)
from streammon.records.evidence import EventCounts, EventQuery, EventRow
from streammon.records.frames import (
    AnomalyMap,
    Box,
    Channel,
    Detail,
    Frame,
    Grey,
    Picture,
    ScoredFrame,
    has_flow_size,
)
from streammon.records.scores import ScoreRecord
from streammon.records.statuses import Notice, RedisStatus, SceneProgress, ScoringStatus, SinkStatus, SpoolStatus

__all__ = [
    "Alert",
    "AlertEvent",
    "AnomalyMap",
    "Box",
    "CameraFigures",
    "CameraState",
    "CameraStatus",
    "Channel",
    "Condition",
    "Detail",
    "Event",
    "EventCounts",
    "EventQuery",
    "EventRow",
    "Frame",
    "Grey",
    "HealthAlert",
    "Judgement",
    "MainStreamStatus",
    "Notice",
    "Picture",
    "ReaderCounts",
    "RedisStatus",
    "SceneProgress",
    "ScoreRecord",
    "ScoredFrame",
    "ScoringRate",
    "ScoringStatus",
    "SinkStatus",
    "SpoolStatus",
    "Verdict",
    "VerdictName",
    "has_flow_size",
]

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
