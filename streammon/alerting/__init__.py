"""Alert rules over scored frames, and publication of alerts, scores and statuses to Redis."""

from streammon.alerting.delivery import PublisherCounts
from streammon.alerting.embedded import embedded_valkey, redis_for
from streammon.alerting.heatmap import heatmap_png
from streammon.alerting.keys import Keys
from streammon.alerting.link import check_redis
from streammon.alerting.messages import alert_from_json, alert_json, false_alarms_per_day, score_json, status_json
from streammon.alerting.publisher import RedisPublisher
from streammon.alerting.regions import regions
from streammon.alerting.rule import AlertRule
from streammon.alerting.spool import Spool, SpooledAlert
from streammon.alerting.subscriber import subscribe

__all__ = [
    "AlertRule",
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
    "heatmap_png",
    "redis_for",
    "regions",
    "score_json",
    "status_json",
    "subscribe",
]
