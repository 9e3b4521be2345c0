"""Publication of scores, statuses and alerts to Redis, without blocking the monitor."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, Self

from streammon.alerting.delivery import AlertDelivery, PublisherCounts, heatmap_command
from streammon.alerting.history import PAGE, newest_alerts
from streammon.alerting.keys import Keys
from streammon.alerting.link import CALL_TIMEOUT_S, RedisCallError, RedisLink, RedisRefusedError, retry_delay_s
from streammon.alerting.messages import score_json, status_json
from streammon.alerting.spool import Spool
from streammon.config import RedisConfig
from streammon.records import Alert, CameraStatus, HealthAlert, RedisStatus, ScoredFrame, SpoolStatus, Verdict

HEATMAP_EVERY_S = 1.0
STATUS_EVERY_S = 10.0
DRAIN_RETRY_S = 0.1
HISTORY_TIMEOUT_S = 2.0


class RedisPublisher:
    """Publishes the scores, statuses and alerts of all cameras to Redis.

    The `publish_…_nowait` methods never wait for Redis. Alerts go to the spool and from there, in order, to Redis,
    each once however often the connection breaks. Of scores and statuses only the newest of each camera is queued; a
    score that can't be sent is counted as lost, a status is sent again when Redis is back.

    Use the publisher as a context manager around the task group that runs `run`; call `drain` after the group has
    ended. All methods must be called in the event loop's thread.

    Args:
        redis: Address and key prefix of Redis, length of the log, lifetime of a heatmap.
        spool: Queue of the alert messages.
        on_event: Called on the event loop when Redis goes offline or online, when it begins or ceases to refuse what
            is published, when the spool first loses a message, and when its disk starts or stops failing.
        call_timeout_s: Time limit of one Redis call.
        cameras: Names of the cameras that are published; their keys and channels are checked.

    Raises:
        RedisError: The URL can't be used.
    """

    def __init__(
        self,
        redis: RedisConfig,
        spool: Spool,
        on_event: Callable[[RedisStatus | SpoolStatus], None],
        *,
        call_timeout_s: float = CALL_TIMEOUT_S,
        cameras: Collection[str] = (),
    ) -> None:
        self.counts = PublisherCounts()
        self._redis = redis
        self._spool = spool
        self._on_event = on_event
        self._link = RedisLink(redis, self._link_changed, call_timeout_s, cameras)
        self._delivery = AlertDelivery(redis, self._link, spool, self.counts)
        self._spool_losses = (0, 0, "")
        self._scores: dict[str, ScoredFrame] = {}
        self._statuses: dict[str, tuple[CameraStatus, Mapping[str, float] | None]] = {}
        self._unsent_statuses: set[str] = set()  # cameras whose latest status Redis doesn't have
        self._heatmap_at_s: dict[str, float] = {}
        self._something_new = asyncio.Event()
        self._something_spooled = asyncio.Event()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._link.close()

    @property
    def place(self) -> str:
        """Address of Redis, without user and password, and the prefix of what is published."""
        keys = self._link.keys
        in_cluster = f" (a cluster, where keys begin with {keys.key_prefix})" if keys.in_cluster else ""
        return f"{self._link.address} under {keys.prefix}{in_cluster}"

    def heatmap_key(self, camera: str) -> str:
        """Redis key of a camera's latest heatmap."""
        return self._link.keys.heatmap(camera)

    @property
    def status(self) -> RedisStatus:
        """State of the connection to Redis, and the number of spooled messages."""
        link = self._link
        is_fine = link.online and not link.refused
        return RedisStatus(is_fine, link.since_s, link.reason, len(self._spool), link.refused)

    async def check(self) -> None:
        """Connect to Redis, write once, and check the permissions that publishing needs.

        Raises:
            RedisError: Redis can't be reached or written, or denies this user a command.
        """
        await self._link.check()

    async def newest_alerts(self, cameras: Collection[str], limit: int) -> list[Alert]:
        """The latest message of each of the newest alerts in the log and the spool, in the order they opened.

        Takes `HISTORY_TIMEOUT_S` at most. A failure does not mark Redis as offline.

        Args:
            cameras: Names of the cameras whose alerts are wanted.
            limit: Largest number of alerts.

        Raises:
            RedisError: The log can't be read.
        """
        waiting = self._spool.newest(PAGE)
        return await self._link.read(
            lambda client, keys: newest_alerts(client, keys, cameras, waiting, limit, HISTORY_TIMEOUT_S),
            within_s=2 * HISTORY_TIMEOUT_S,  # with the connection
        )

    async def run(self) -> None:
        """Publish until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._link.reconnect_forever(), name="redis link")
            group.create_task(self._deliver_alerts(), name="redis alerts")
            group.create_task(self._publish_newest(), name="redis scores")
            group.create_task(self._repeat_statuses(), name="redis statuses")

    def publish_score_nowait(self, score: ScoredFrame) -> None:
        """Queue a scored frame in place of its camera's unsent one; while Redis is offline it is counted as lost."""
        if not self._link.online:
            self.counts.scores_lost += 1
            return
        if score.camera in self._scores:
            self.counts.scores_replaced += 1
        self._scores[score.camera] = score
        self._something_new.set()

    def publish_status_nowait(self, status: CameraStatus, counters: Mapping[str, float] | None = None) -> None:
        """Queue a camera's status, which is repeated every 10 s until the next status replaces it."""
        self._statuses[status.camera] = (status, counters)
        self._unsent_statuses.add(status.camera)
        self._something_new.set()

    def publish_alerts_nowait(self, alerts: Iterable[Alert], score: ScoredFrame | None = None) -> None:
        """Spool alert messages, in order; unless the disk fails, they are in the spool's file on return.

        Args:
            alerts: Messages of an `AlertRule`.
            score: The frame that caused the messages; its heatmap is stored before they are published.
        """
        for alert in alerts:
            self._delivery.put(alert, score)
            self._something_spooled.set()
        self._report_spool_losses()

    def publish_health_nowait(self, alerts: Iterable[HealthAlert]) -> None:
        """Spool health messages, as `publish_alerts_nowait` does alert messages."""
        for alert in alerts:
            self._delivery.put_health(alert)
            self._something_spooled.set()
        self._report_spool_losses()

    def publish_verdict_nowait(self, verdict: Verdict) -> None:
        """Spool a verdict message, as `publish_alerts_nowait` does alert messages."""
        self._delivery.put_verdict(verdict)
        self._something_spooled.set()
        self._report_spool_losses()

    async def drain(self, timeout_s: float) -> int:
        """Deliver the waiting messages, alerts first, until the deadline.

        Returns:
            Number of alert messages left in the spool for the next start.
        """
        # wait_for, since before Python 3.11.4 asyncio.timeout does not work in a task that is being cancelled.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._deliver_all(), timeout_s)
        return len(self._spool)

    async def _deliver_all(self) -> None:
        while True:
            try:
                if not self._link.online:
                    await self._link.reach()
                while await self._delivery.deliver_oldest():
                    pass
                await self._send_newest()
            except RedisCallError:
                await asyncio.sleep(DRAIN_RETRY_S)
            else:
                return

    async def _deliver_alerts(self) -> None:
        refusals = 0
        while True:
            await self._link.wait_online()
            try:
                is_delivered = await self._delivery.deliver_oldest()
            except RedisRefusedError:
                await asyncio.sleep(retry_delay_s(refusals))
                refusals += 1
                continue
            except RedisCallError:
                continue
            refusals = 0
            self._report_spool_losses()
            if is_delivered:
                continue
            self._something_spooled.clear()
            await self._something_spooled.wait()

    async def _publish_newest(self) -> None:
        while True:
            await self._something_new.wait()
            await self._link.wait_online()
            try:
                await self._send_newest()
            except RedisCallError:
                continue

    async def _send_newest(self) -> None:
        """Send every camera's unsent score and status in one round trip."""
        self._something_new.clear()
        scores, self._scores = self._scores, {}
        unsent, self._unsent_statuses = self._unsent_statuses, set()
        if not scores and not unsent:
            return
        with_heatmap = {camera for camera in scores if self._is_heatmap_due(camera)}

        def commands(keys: Keys) -> Iterator[tuple[Any, ...]]:
            for score in scores.values():
                yield from self._score_commands(keys, score, score.camera in with_heatmap)
            for camera in unsent:
                yield from self._status_commands(keys, camera)

        try:
            await self._link.call("scores", lambda client, keys: _pipelined(client, commands(keys)))
        except BaseException:
            self.counts.scores_lost += len(scores)
            self._unsent_statuses |= unsent
            raise
        self.counts.scores_published += len(scores)

    def _is_heatmap_due(self, camera: str) -> bool:
        now = time.monotonic()
        if now - self._heatmap_at_s.get(camera, float("-inf")) < HEATMAP_EVERY_S:
            return False
        self._heatmap_at_s[camera] = now
        return True

    def _score_commands(self, keys: Keys, score: ScoredFrame, with_heatmap: bool) -> list[tuple[Any, ...]]:
        heatmap_key = keys.heatmap(score.camera) if with_heatmap else None
        heatmap = [heatmap_command(keys, score, self._redis.heatmap_ttl_s)] if with_heatmap else []
        return [*heatmap, ("PUBLISH", keys.scores(score.camera), score_json(score, heatmap_key))]

    def _status_commands(self, keys: Keys, camera: str) -> list[tuple[Any, ...]]:
        status, counters = self._statuses[camera]
        message = status_json(status, time.time(), counters)
        return [
            ("SADD", keys.cameras, camera),
            ("SET", keys.status(camera), message),
            ("PUBLISH", keys.status_channel(camera), message),
        ]

    async def _repeat_statuses(self) -> None:
        """Repeat all statuses every 10 s, so that a reader can distinguish an idle monitor from one that is gone."""
        while True:
            await asyncio.sleep(STATUS_EVERY_S)
            self._requeue_statuses()

    def _requeue_statuses(self) -> None:
        self._unsent_statuses.update(self._statuses)
        self._something_new.set()

    def _link_changed(self) -> None:
        if self._link.online:
            if not self._link.refused:
                self._requeue_statuses()  # Redis may have restarted without its data
        else:
            self.counts.scores_lost += len(self._scores)
            self._scores.clear()
            self._delivery.forget_frames()
        self._on_event(self.status)

    def _report_spool_losses(self) -> None:
        """Report the first refused message, the first dropped message and each change of the disk's state."""
        status = self._spool.status
        before, self._spool_losses = self._spool_losses, (status.refused, status.dropped, status.reason)
        starts = (status.refused > 0 and before[0] == 0) or (status.dropped > 0 and before[1] == 0)
        if starts or status.reason != before[2]:
            self._on_event(status)


async def _pipelined(client: Any, commands: Iterable[tuple[Any, ...]]) -> None:
    async with client.pipeline(transaction=False) as pipeline:
        for command in commands:
            pipeline.execute_command(*command)
        await pipeline.execute()
