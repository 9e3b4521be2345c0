"""Alert messages out of the spool and into Redis: in order, and each once."""

import asyncio
from dataclasses import dataclass

from streammon.alerting.heatmap import heatmap_png
from streammon.alerting.keys import Keys
from streammon.alerting.link import RedisLink
from streammon.alerting.messages import alert_json
from streammon.alerting.spool import Spool, SpooledAlert
from streammon.config import RedisConfig
from streammon.records import Alert, ScoredFrame

SEEN_TTL_S = 3 * 24 * 3600  # a repeated delivery is known even after an outage over a long weekend

# A client that loses its connection cannot know whether its command was carried out, so it sends it again.
# Parts of one alert come in order: the highest part in the log tells a new message from a repeated one.
# Where the log refuses the message (memory, permissions), nothing is left behind that would hide the next attempt.
DELIVER = """
local seen = redis.call('GET', KEYS[1])
if seen and tonumber(seen) >= tonumber(ARGV[1]) then return 0 end
local logged = redis.pcall('XADD', KEYS[2], 'MAXLEN', '~', ARGV[3], '*', 'json', ARGV[2])
if type(logged) == 'table' and logged.err then return logged end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[4])
redis.call('PUBLISH', KEYS[3], ARGV[2])
redis.call('PUBLISH', KEYS[4], ARGV[2])
return 1
"""


# A heatmap lives for seconds, and one of each camera is stored every second: some 10 GB a day that an append-only
# file would take for nothing. Replicas get it; a server without the choice (before Redis 5) writes it everywhere.
STORE_HEATMAP = """
pcall(redis.set_repl, redis.REPL_REPLICA)
return redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
"""


@dataclass(slots=True)
class PublisherCounts:
    """What became of everything handed to the publisher, since it started.

    Attributes:
        scores_published: Score messages Redis took.
        scores_replaced: Scores whose place a newer one of the same camera took before they were sent.
        scores_lost: Scores that fell to Redis being away.
        alerts_delivered: Alert messages Redis took.
        alerts_repeated: Those of them that Redis already had: their first delivery looked like a failure.
    """

    scores_published: int = 0
    scores_replaced: int = 0
    scores_lost: int = 0
    alerts_delivered: int = 0
    alerts_repeated: int = 0


class AlertDelivery:
    """What gets alert messages delivered once.

    A message leaves the spool only when Redis has answered that it is in the log. A call whose answer is lost is
    made again, and `DELIVER` finds that the log has the message already.

    Args:
        redis: How long the log is, and how long a heatmap lives.
        link: The connection.
        spool: Where the messages wait.
        counts: Where deliveries are counted.
    """

    def __init__(self, redis: RedisConfig, link: RedisLink, spool: Spool, counts: PublisherCounts) -> None:
        self._redis = redis
        self._link = link
        self._spool = spool
        self._counts = counts
        self._frames: dict[str, ScoredFrame] = {}  # whose heatmap goes ahead of the camera's next message
        self._one_at_a_time = asyncio.Lock()

    def put(self, alert: Alert, score: ScoredFrame | None) -> None:
        """Put a message into the spool, and its frame aside while Redis is there."""
        message = alert_json(alert, self._link.keys.heatmap(alert.camera))
        self._spool.put(alert.id, alert.part, alert.event, alert.camera, message)
        if score is not None and self._link.online:
            self._frames[alert.camera] = score

    def forget_frames(self) -> None:
        """Drop what was put aside: by the time Redis is back it is history."""
        self._frames.clear()

    async def deliver_oldest(self) -> bool:
        """Deliver the message whose turn it is.

        Returns:
            False when none waits.

        Raises:
            RedisAwayError: It may or may not have arrived; it stays in the spool.
        """
        async with self._one_at_a_time:
            message = self._spool.oldest()
            if message is None:
                return False
            frame = self._frames.pop(message.camera, None)
            if frame is not None:
                heatmap = heatmap_command(self._link.keys, frame, self._redis.heatmap_ttl_s)
                await self._link.call(lambda client: client.execute_command(*heatmap))
            is_new = await self._link.call(lambda client: client.execute_command(*self._command(message)))
            self._spool.delivered(message)
            self._counts.alerts_delivered += 1
            self._counts.alerts_repeated += not is_new
            return True

    def _command(self, message: SpooledAlert) -> tuple[str | int, ...]:
        keys = self._link.keys
        names = (keys.seen(message.id), keys.alert_log, keys.alerts, keys.camera_alerts(message.camera))
        return "EVAL", DELIVER, len(names), *names, message.part, message.json, self._redis.log_length, SEEN_TTL_S


def heatmap_command(keys: Keys, score: ScoredFrame, ttl_s: int) -> tuple[str | bytes | int, ...]:
    """What stores a frame's heatmap under its camera's key, and in no append-only file."""
    png = heatmap_png(score.anomaly_map, score.threshold)
    return "EVAL", STORE_HEATMAP, 1, keys.heatmap(score.camera), png, ttl_s
