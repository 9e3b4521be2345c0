"""Rules of alerts and health alerts, and publication of them, of scores and of statuses to Redis."""

from streammon.alerting.delivery import PublisherCounts
from streammon.alerting.embedded import embedded_valkey, redis_for
from streammon.alerting.health import HealthFinding, HealthRule
from streammon.alerting.heatmap import heatmap_png
from streammon.alerting.keys import Keys
from streammon.alerting.link import check_redis
from streammon.alerting.messages import (
    alert_from_json,
    alert_json,
    false_alarms_per_day,
    health_from_json,
    health_json,
    score_json,
    status_json,
)
from streammon.alerting.publisher import RedisPublisher
from streammon.alerting.rule import AlertRule
from streammon.alerting.spool import Spool, SpooledAlert
from streammon.alerting.subscriber import subscribe

__all__ = [
    "AlertRule",
    "HealthFinding",
    "HealthRule",
    "Keys",
    "PublisherCounts",
    "RedisPublisher",
    "Spool",
    "SpooledAlert",
    "alert_from_json",
    "alert_json",
    "check_redis",
    "embedded_valkey",
    "false_alarms_per_day",
    "health_from_json",
    "health_json",
    "heatmap_png",
    "redis_for",
    "score_json",
    "status_json",
    "subscribe",
]
