"""Delivery of alert messages from the spool to Redis, in order and once each."""

import asyncio
import contextlib
import json
import time
from dataclasses import dataclass

from streammon.alerting.heatmap import heatmap_png
from streammon.alerting.keys import Keys
from streammon.alerting.link import RedisLink, RedisRefusedError
from streammon.alerting.messages import alert_json, health_json, verdict_json
from streammon.alerting.rule import alert_id
from streammon.alerting.spool import NO_CAMERA, Spool, SpooledAlert
from streammon.config import RedisConfig
from streammon.records import Alert, AlertEvent, HealthAlert, ScoredFrame, Verdict

SEEN_TTL_S = 3 * 24 * 3600  # recognises a repeated delivery after an outage of a long weekend

# Makes delivery idempotent: a client that loses its connection cannot know whether its command was executed, so it
# repeats the command. The parts of one alert arrive in order. Part N has at most three steps, the log and channels;
# after step k the seen key holds N - 1 + k/4, after all of them N. So a step that is refused (permissions, another
# type of key) is repeated by the next attempt, and those before it are not. The seen key is written first: where it
# can't be (memory, permissions), nothing is done.
DELIVER = """
local part = tonumber(ARGV[1])
local seen = tonumber(redis.call('GET', KEYS[1]) or -1)
if seen >= part then return 0 end
local done = math.max(0, 4 * (seen - part + 1))
local steps = {
    {'XADD', KEYS[2], 'MAXLEN', '~', ARGV[3], '*', 'json', ARGV[2]},
}
for channel = 5, #ARGV do table.insert(steps, {'PUBLISH', ARGV[channel], ARGV[2]}) end
redis.call('SET', KEYS[1], part - 1 + done / 4, 'EX', ARGV[4])
for step = done + 1, #steps do
    local reply = redis.pcall(unpack(steps[step]))
    if type(reply) == 'table' and reply.err then return reply end
    redis.call('SET', KEYS[1], part - 1 + step / 4, 'EX', ARGV[4])
end
redis.call('SET', KEYS[1], part, 'EX', ARGV[4])
return 1
"""


# Keeps heatmaps out of the append-only file: they expire within seconds, and one a second per camera would add some
# 10 GB a day. Replicas still receive them. Redis before version 5 has no such choice and writes them to the file too.
STORE_HEATMAP = """
pcall(redis.set_repl, redis.REPL_REPLICA)
return redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
"""


@dataclass(slots=True)
class PublisherCounts:
    """Numbers of published, replaced and lost messages since the publisher started.

    Attributes:
        scores_published: Score messages sent to Redis.
        scores_replaced: Scores replaced by a newer one of the same camera before they were sent.
        scores_lost: Scores lost because Redis was offline or a call failed.
        alerts_delivered: Alert messages delivered to Redis.
        alerts_repeated: Delivered alert messages that the log already had, since an earlier call's reply was lost.
    """

    scores_published: int = 0
    scores_replaced: int = 0
    scores_lost: int = 0
    alerts_delivered: int = 0
    alerts_repeated: int = 0


class AlertDelivery:
    """Delivers the spooled alert messages to Redis, once each.

    A message leaves the spool only when Redis has confirmed that the log has it. A call whose reply is lost is
    repeated, and the script `DELIVER` makes the repetition idempotent.

    Args:
        redis: Length of the log and lifetime of a heatmap.
        link: Connection to Redis.
        spool: Queue of the alert messages.
        counts: Counters of the deliveries.
    """

    def __init__(self, redis: RedisConfig, link: RedisLink, spool: Spool, counts: PublisherCounts) -> None:
        self._redis = redis
        self._link = link
        self._spool = spool
        self._counts = counts
        self._frames: dict[str, ScoredFrame] = {}  # camera → frame whose heatmap is stored before its next message
        self._one_at_a_time = asyncio.Lock()

    def put(self, alert: Alert, score: ScoredFrame | None) -> None:
        """Spool a message; while Redis is online, also keep its frame for the heatmap."""
        message = alert_json(alert, self._link.keys.heatmap(alert.camera))
        self._spool.put(alert.id, alert.part, alert.event, alert.camera, message)
        if score is not None and self._link.online:
            self._frames[alert.camera] = score

    def put_health(self, health: HealthAlert) -> None:
        """Spool a health message."""
        self._spool.put(health.id, health.part, health.event, NO_CAMERA, health_json(health))

    def put_verdict(self, verdict: Verdict) -> None:
        """Spool a verdict message; each has an id of its own, since a verdict may be changed and withdrawn."""
        now_s = time.time()
        self._spool.put(alert_id(now_s), 0, AlertEvent.CLOSE, verdict.camera, verdict_json(verdict, now_s))

    def forget_frames(self) -> None:
        """Discard the kept frames, which are outdated by the time Redis is back."""
        self._frames.clear()

    async def deliver_oldest(self) -> bool:
        """Deliver the oldest spooled message, and its frame's heatmap before it.

        Returns:
            False if the spool is empty.

        Raises:
            RedisOfflineError: The call failed. The message may have arrived; it stays in the spool.
            RedisRefusedError: Redis refuses the message, which stays in the spool.
        """
        async with self._one_at_a_time:
            message = self._spool.oldest()
            if message is None:
                return False
            await self._store_heatmap(message.camera)
            is_new = await self._link.call(
                "alerts", lambda client, keys: client.execute_command(*self._command(keys, message))
            )
            self._spool.delivered(message)
            self._counts.alerts_delivered += 1
            self._counts.alerts_repeated += not is_new
            return True

    async def _store_heatmap(self, camera: str) -> None:
        """Store the heatmap of the camera's kept frame; where Redis refuses it, the alert is published without."""
        frame = self._frames.pop(camera, None)
        if frame is None:
            return
        with contextlib.suppress(RedisRefusedError):
            await self._link.call(
                "heatmaps",
                lambda client, keys: client.execute_command(*heatmap_command(keys, frame, self._redis.heatmap_ttl_s)),
            )

    def _command(self, keys: Keys, message: SpooledAlert) -> tuple[str | int, ...]:
        match json.loads(message.json)["kind"]:
            case "health":
                log, channels = keys.health_log, [keys.health]
            case "verdict":
                log, channels = keys.verdict_log, [keys.verdicts]
            case _:
                log, channels = keys.alert_log, [keys.alerts, keys.camera_alerts(message.camera)]
        names = (keys.seen(message.id), log)
        arguments = (message.part, message.json, self._redis.log_length, SEEN_TTL_S)
        return "EVAL", DELIVER, len(names), *names, *arguments, *channels


def heatmap_command(keys: Keys, score: ScoredFrame, ttl_s: int) -> tuple[str | bytes | int, ...]:
    """Redis command that stores a frame's heatmap under its camera's key, but not in the append-only file."""
    png = heatmap_png(score.anomaly_map, score.threshold)
    return "EVAL", STORE_HEATMAP, 1, keys.heatmap(score.camera), png, ttl_s
