"""Alerts reach a webhook at least once, in order and signed, whatever happens to it or to the program."""

import asyncio
import hashlib
import hmac
import json
import logging
import os
import ssl
import subprocess
import sys
import textwrap
from dataclasses import replace
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest

from streammon.alerting import Spool
from streammon.alerting.messages import health_from_json, health_json
from streammon.alerting.sinks.delivery import REFUSED_TRIES, wait_after_s
from streammon.alerting.sinks.samples import sample_health_alert, sample_notification
from streammon.alerting.sinks.sink import SinkAwayError, SinkRefusedError
from streammon.alerting.sinks.webhook import LONGEST_RETRY_AFTER_S, WebhookSink
from streammon.config import WebhookConfig
from streammon.records import AlertEvent, Condition
from support.alerting_samples import Name, message, until
from support.certificates import certificate
from support.deadlines import DEADLINE_S
from support.redis_server import HOST
from support.sinks import (
    PASSWORD,
    PICTURE,
    SECRET,
    Receiver,
    config_of,
    notifying,
)

EVERY_EVENT = {"events": ["open", "update", "close"]}


def webhook(receiver: Receiver, **settings: Any) -> dict[str, Any]:
    return {"webhook": {"url": receiver.url, "secret": SECRET, **settings}, **EVERY_EVENT}


def without_repeats(names: list[Name]) -> list[Name]:
    """The names in the order in which each came first."""
    return list(dict.fromkeys(names))


def require_valid_signatures(receiver: Receiver) -> None:
    assert receiver.attempts
    for request in receiver.attempts:
        digest = hmac.new(SECRET.encode(), request.body, hashlib.sha256).hexdigest()
        assert request.headers["X-Streammon-Signature"] == f"sha256={digest}"
        assert request.headers["Idempotency-Key"] == f"{request.message['id']}-{request.message['part']}"


@pytest.mark.usefixtures("soon")
def test_a_receiver_that_fails_is_slow_vanishes_and_comes_back_has_every_alert_in_order(tmp_path: Path) -> None:
    sent = [(f"alert{number}", part) for number in range(6) for part in range(10)]
    ten = [sent[begin : begin + 10] for begin in range(0, 60, 10)]

    async def scenario(spool: Spool) -> None:
        async with Receiver() as receiver:
            config = config_of({"desk": webhook(receiver, timeout_s=5)})
            async with notifying(config, spool) as sending:
                sending.send(*(message(*name) for name in ten[0]))
                await until(lambda: len(receiver.taken) == 10)
                assert sending.changes("desk") == []

                receiver.answers += [500, 503, 429]
                sending.send(*(message(*name) for name in ten[1]))
                await until(lambda: len(receiver.taken) == 20)
                assert sending.changes("desk") == [(False, "answers 500 Internal Server Error"), (True, "")]

                receiver.goes_on.clear()
                sending.send(*(message(*name) for name in ten[2]))
                await until(lambda: not sending.status("desk").online)
                assert sending.status("desk").reason == "no answer within 5 s"
                receiver.goes_on.set()
                await until(lambda: set(ten[2]) <= set(receiver.taken))

                await receiver.stop()
                sending.send(*(message(*name) for name in [*ten[3], *ten[4]]))
                await until(
                    lambda: sending.status("desk").reason in ("connection refused", "the connection was lost")
                )
                assert sending.status("desk").waiting == 20
                await receiver.start()
                sending.send(*(message(*name) for name in ten[5]))
                await until(lambda: sent[-1] in receiver.taken)
                await until(lambda: sending.status("desk").waiting == 0)
                assert [online for online, _ in sending.changes("desk")] == [False, True] * 3
                assert (sending.status("desk").sent, sending.status("desk").refused) == (60, 0)
        assert without_repeats(receiver.taken) == sent
        require_valid_signatures(receiver)

    with Spool(tmp_path / "spool", 1000) as spool:
        asyncio.run(scenario(spool))


@pytest.mark.usefixtures("soon")
def test_what_waits_when_the_program_ends_is_delivered_by_the_next_one(tmp_path: Path) -> None:
    async def scenario() -> None:
        receiver = Receiver()
        config = config_of({"desk": webhook(receiver)})
        with Spool(tmp_path / "spool", 100) as spool:
            async with notifying(config, spool) as sending:
                sending.send(*(message("first", part) for part in range(10)))
                await until(lambda: not sending.status("desk").online)
                assert await sending.notifier.drain(DEADLINE_S) == 10  # a sink that is away isn't waited for
        async with receiver:
            with Spool(tmp_path / "spool", 100) as spool:
                async with notifying(config, spool) as sending:
                    sending.send(message("second", 0))
                    assert await sending.notifier.drain(DEADLINE_S) == 0
        assert receiver.taken == [("first", part) for part in range(10)] + [("second", 0)]
        require_valid_signatures(receiver)

    asyncio.run(scenario())


def test_alerts_of_a_killed_program_are_delivered_by_the_next_one(tmp_path: Path) -> None:
    script = """
        import asyncio, sys
        from pathlib import Path
        from streammon.alerting import Spool
        from streammon.alerting.sinks import Notifier
        from streammon.config import Config
        from support.alerting_samples import message

        async def main():
            hook = {"webhook": {"url": sys.argv[1]}, "events": ["open", "update", "close"]}
            config = Config.parse({"cameras": {"lobby": {"url": "a.mp4"}}, "notify": {"desk": hook}}, "test")
            notifier = Notifier(config, lambda status: print(status.reason, flush=True))
            with Spool(Path(sys.argv[2]), 1000) as spool:
                async with notifier.running(spool):
                    notifier.publish_alerts_nowait([message("a", part) for part in range(10)], str)
                    await asyncio.Event().wait()

        asyncio.run(main())
    """

    async def scenario() -> None:
        receiver = Receiver()
        path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            textwrap.dedent(script),
            receiver.url,
            str(tmp_path / "spool"),
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": path},
        )
        assert process.stdout is not None
        assert await process.stdout.readline() == b"connection refused\n"
        process.kill()
        await process.wait()
        async with receiver:
            with Spool(tmp_path / "spool", 100) as spool:
                async with notifying(config_of({"desk": webhook(receiver)}), spool) as sending:
                    assert await sending.notifier.drain(DEADLINE_S) == 0
        assert receiver.taken == [("a", part) for part in range(10)]

    asyncio.run(scenario())


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 410, 413, 422])
def test_what_cannot_heal_is_tried_a_few_times_told_once_and_counted(tmp_path: Path, status: int) -> None:
    async def scenario(spool: Spool) -> None:
        async with Receiver() as receiver:
            receiver.answers += [status] * (2 * REFUSED_TRIES)
            async with notifying(config_of({"desk": webhook(receiver)}), spool) as sending:
                sending.send(*(message("a", part) for part in range(4)))
                await until(lambda: sending.status("desk").sent == 2)
                assert receiver.taken == [("a", 2), ("a", 3)]
                tried = [request.message["part"] for request in receiver.attempts]
                assert tried == [0] * REFUSED_TRIES + [1] * REFUSED_TRIES + [2, 3]
                (first, back) = sending.statuses
                assert (first.online, first.refuses, first.reason[:11]) == (False, True, f"answers {status}")
                assert back.online
                assert (sending.status("desk").refused, sending.status("desk").waiting) == (2, 0)

    with Spool(tmp_path / "spool", 100) as spool:
        asyncio.run(scenario(spool))


@pytest.mark.parametrize(
    ("status", "headers", "retry_in_s"),
    [
        (429, {"Retry-After": "7"}, 7.0),
        (503, {"Retry-After": "86400"}, LONGEST_RETRY_AFTER_S),
        (503, {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
        (503, {"Retry-After": "soon"}, None),
        (408, {}, None),
        (425, {}, None),
        (500, {}, None),
    ],
)
def test_what_may_heal_is_tried_again_when_the_server_says(
    status: int, headers: dict[str, str], retry_in_s: float | None
) -> None:
    async def scenario() -> None:
        async with Receiver() as receiver, sink_of(receiver) as sink:
            receiver.answers.append((status, headers))
            with pytest.raises(SinkAwayError) as away:
                await sink.deliver(sample_notification("lobby"))
            assert away.value.retry_in_s == retry_in_s
            if retry_in_s is not None:
                assert wait_after_s(3, away.value) == retry_in_s

    asyncio.run(scenario())


def sink_of(receiver: Receiver, **settings: Any) -> WebhookSink:
    webhook = WebhookConfig.model_validate({"url": receiver.url, **settings})
    return WebhookSink("notify.desk.webhook", webhook, ())


def test_a_health_alert_is_delivered_where_it_is_wanted(tmp_path: Path) -> None:
    async def scenario(spool: Spool) -> None:
        async with Receiver() as desk, Receiver() as gate:
            sinks = {
                "desk": webhook(desk, snapshot=False),
                "gate": webhook(gate) | {"cameras": ["gate"]},
                "deaf": webhook(gate) | {"health": False},
            }
            async with notifying(config_of(sinks), spool) as sending:
                opened, closed = (sample_health_alert(event) for event in (AlertEvent.OPEN, AlertEvent.CLOSE))
                closed = replace(closed, id=opened.id)
                sending.notifier.publish_health_nowait([opened, closed])
                of_monitor = replace(opened, id="monitor", condition=Condition.DISK, cameras=())
                sending.notifier.publish_health_nowait([of_monitor])
                await until(lambda: len(desk.taken) == 3 and len(gate.taken) == 1)
                assert [health_from_json(request.body) for request in desk.requests] == [
                    health_from_json(health_json(each)) for each in (opened, closed, of_monitor)
                ]
                assert gate.taken == [("monitor", 0)]
                require_valid_signatures(desk)

    with Spool(tmp_path / "spool", 100) as spool:
        asyncio.run(scenario(spool))


@pytest.mark.usefixtures("soon")
def test_the_backlog_of_a_sink_that_is_away_is_bounded_and_delays_no_other(tmp_path: Path) -> None:
    async def scenario(spool: Spool) -> None:
        async with Receiver() as receiver:
            gone = {"webhook": {"url": Receiver().url}, **EVERY_EVENT}
            async with notifying(config_of({"gone": gone, "desk": webhook(receiver)}), spool) as sending:
                names = [(f"alert{number}", part) for number in range(10) for part in (0, 9)]
                for name in names:
                    sending.send(message(*name))
                    await until(lambda name=name: name in receiver.taken)  # type: ignore[misc]
                assert receiver.taken == names
                gone_status = sending.status("gone")
                assert (gone_status.waiting, gone_status.dropped) == (10, 10)
                told = [status for status in sending.statuses if status.sink == "gone"]
                assert [(status.online, status.dropped) for status in told] == [(False, 0), (False, 1)]

    with Spool(tmp_path / "spool", 10) as spool:
        asyncio.run(scenario(spool))


@pytest.mark.usefixtures("soon")
def test_a_receiver_that_is_not_there_at_the_start_is_told_then_and_again_when_it_is(tmp_path: Path) -> None:
    async def scenario(spool: Spool) -> None:
        receiver = Receiver()
        async with notifying(config_of({"desk": webhook(receiver)}), spool) as sending:
            await until(lambda: bool(sending.statuses))
            async with receiver:
                await until(lambda: len(sending.statuses) == 2)
            assert sending.changes("desk") == [(False, "connection refused"), (True, "")]
            assert receiver.attempts == []

    with Spool(tmp_path / "spool", 10) as spool:
        asyncio.run(scenario(spool))


def test_a_sink_that_is_no_longer_configured_loses_its_queue(tmp_path: Path) -> None:
    async def scenario() -> None:
        receiver = Receiver()
        both = config_of({"desk": webhook(receiver), "Desk": webhook(receiver)})
        with Spool(tmp_path / "spool", 100) as spool:
            async with notifying(both, spool) as sending:
                sending.send(message("a", 0))
                await until(lambda: not sending.status("Desk").online and not sending.status("desk").online)
        with Spool(tmp_path / "spool", 100) as spool:
            async with notifying(config_of({"desk": webhook(receiver)}), spool) as sending:
                assert sending.status("desk").waiting == 1
        with Spool(tmp_path / "spool", 100) as spool:
            async with notifying(both, spool) as sending:
                assert [status.waiting for status in sending.notifier.statuses] == [1, 0]

    asyncio.run(scenario())


def test_a_template_makes_the_body_and_headers_are_added() -> None:
    async def scenario() -> None:
        body = '{"text": {{ (camera ~ " " ~ reason) | tojson }}, "level": {{ "%.1f" | format(peak_level) }}}'
        headers = {"authorization": f"Bearer {PASSWORD}", "X-Room": "12"}
        async with Receiver() as receiver, sink_of(receiver, body=body, headers=headers) as sink:
            await sink.deliver(sample_notification("gate"))
            (request,) = receiver.requests
            assert request.message == {"text": "gate moves too fast here", "level": 1.0}
            assert request.headers["Authorization"] == f"Bearer {PASSWORD}"
            assert (request.headers["X-Room"], request.headers["Content-Type"]) == ("12", "application/json")
            assert "X-Streammon-Signature" not in request.headers
        async with Receiver() as receiver, sink_of(receiver, body="{{ camera }}: {{ reason }}") as sink:
            await sink.deliver(sample_notification("gate"))
            assert receiver.requests[0].body == b"gate: moves too fast here"
            assert receiver.requests[0].headers["Content-Type"] == "text/plain; charset=utf-8"

    asyncio.run(scenario())


def test_a_message_that_the_template_fails_with_is_refused() -> None:
    async def scenario() -> None:
        body = "{{ 1 / (level - 3) }}"
        async with Receiver() as receiver, sink_of(receiver, body=body) as sink:
            notification = sample_notification("lobby")
            fields = {**notification.fields, "level": 3}
            with pytest.raises(SinkRefusedError, match=r"the template fails \(ZeroDivisionError: division by zero\)"):
                await sink.deliver(type(notification)("a", 0, "lobby", json.dumps(fields)))

    asyncio.run(scenario())


def test_a_picture_goes_along_as_a_part_of_its_own_and_the_whole_body_is_signed(tmp_path: Path) -> None:
    async def scenario(spool: Spool) -> None:
        async with Receiver() as receiver:
            async with notifying(config_of({"desk": webhook(receiver, snapshot=True)}), spool) as sending:
                sending.send(message("a", 0), message("a", 1), message("a", 9))
                await until(lambda: len(receiver.requests) == 3)
            for request, part, has_picture in zip(receiver.requests, (0, 1, 9), (True, False, True), strict=True):
                head = f"Content-Type: {request.headers['Content-Type']}\r\n\r\n".encode()
                parts = message_from_bytes(head + request.body).get_payload()
                names = [each.get_param("name", header="content-disposition") for each in parts]  # type: ignore[union-attr]
                assert names == (["alert", "snapshot"] if has_picture else ["alert"])
                alert = json.loads(parts[0].get_payload(decode=True))  # type: ignore[arg-type, union-attr, index]
                assert (alert["id"], alert["part"]) == ("a", part)
                if has_picture:
                    assert parts[1].get_content_type() == "image/jpeg"  # type: ignore[union-attr, index]
                    assert parts[1].get_payload(decode=True) == PICTURE  # type: ignore[union-attr, index]
                digest = hmac.new(SECRET.encode(), request.body, hashlib.sha256).hexdigest()
                assert request.headers["X-Streammon-Signature"] == f"sha256={digest}"

    with Spool(tmp_path / "spool", 10) as spool:
        asyncio.run(scenario(spool))


def test_a_certificate_is_verified_by_the_configured_authority(tmp_path: Path) -> None:
    async def scenario() -> None:
        own, key = certificate(tmp_path)
        serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        serving.load_cert_chain(own, key)
        async with Receiver(serving) as receiver:
            async with sink_of(receiver, ca_file=own) as sink:
                await sink.reach()
                await sink.deliver(sample_notification("lobby"))
                assert len(receiver.requests) == 1
            async with sink_of(receiver) as sink:
                for call in (sink.reach(), sink.deliver(sample_notification("lobby"))):
                    with pytest.raises(SinkAwayError, match=r"its certificate can't be verified \(self.signed"):
                        await call
            assert len(receiver.requests) == 1

    asyncio.run(scenario())


@pytest.mark.usefixtures("soon")
def test_no_secret_is_in_logs_and_messages(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    async def scenario(spool: Spool) -> None:
        async with Receiver() as receiver:
            url = f"http://user:{PASSWORD}@{HOST}:{receiver.port}/hook?key={PASSWORD}"
            headers = {"X-Token": PASSWORD}
            hook = {"webhook": {"url": url, "secret": PASSWORD, "headers": headers}, **EVERY_EVENT}
            config = config_of({"desk": hook})
            assert PASSWORD not in repr(config)
            async with notifying(config, spool) as sending:
                assert sending.notifier.places == {"desk": f"webhook http://{HOST}:{receiver.port}/…"}
                receiver.answers += [500, 401]
                sending.send(message("a", 0))
                await until(lambda: len(receiver.requests) == 1)
                await receiver.stop()
                sending.send(message("a", 1))
                await until(lambda: not sending.status("desk").online)
            assert PASSWORD in receiver.requests[0].headers["X-Token"]
            assert len(sending.statuses) >= 3
            assert PASSWORD not in repr(sending.statuses)

    with Spool(tmp_path / "spool", 10) as spool:
        asyncio.run(scenario(spool))
    assert PASSWORD not in caplog.text
