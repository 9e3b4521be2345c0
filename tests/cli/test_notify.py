"""`streammon notify test`: an alert to each sink, and whether it was taken."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.commands import Command, command_here
from support.deadlines import DEADLINE_S
from support.sinks import PASSWORD, Receiver


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    monkeypatch.chdir(tmp_path)
    return command_here(monkeypatch, capfd)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver that runs in a thread of its own, since the command has this one."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="receiver")
    thread.start()

    def run(work: Callable[[], Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work(), loop).result(DEADLINE_S)

    async def new() -> Receiver:
        return Receiver()

    started: Receiver = run(new)
    run(started.start)
    yield started
    run(started.stop)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(DEADLINE_S)
    loop.close()


def configured(notify: dict[str, Any], more: str = "") -> None:
    config = {"cameras": {"lobby": {"url": "clip.mp4"}, "gate": {"url": "clip.mp4"}}, "notify": notify}
    Path("config.yaml").write_text(yaml.safe_dump(config) + more)


def test_it_sends_an_alert_to_each_sink_and_says_which_took_it(
    command: Command, receiver: Receiver, closed_port: int
) -> None:
    desk = {"webhook": {"url": receiver.url}, "cameras": ["gate"], "hours": {"from": "00:00", "until": "00:01"}}
    gone = {"webhook": {"url": f"http://user:{PASSWORD}@127.0.0.1:{closed_port}/{PASSWORD}"}}
    home = {"mqtt": {"url": f"mqtt://user:{PASSWORD}@127.0.0.1:{closed_port}"}}
    configured({"desk": desk, "gone": gone, "home": home})
    ended = command("notify", "test")
    assert ended.code == 1
    assert ended.stdout.splitlines() == [
        f"desk: taken, webhook http://127.0.0.1:{receiver.port}/…",
        f"gone: not taken (connection refused), webhook http://127.0.0.1:{closed_port}/…",
        f"home: not taken (connection refused), mqtt mqtt://127.0.0.1:{closed_port}/…",
    ]
    assert PASSWORD not in ended.stdout + ended.stderr
    (request,) = receiver.requests
    assert (request.message["test"], request.message["camera"]) == (True, "gate")

    receiver.answers.append(404)
    ended = command("notify", "test", "desk", "--json", "-")
    assert ended.code == 1
    assert json.loads(ended.stdout)[0]["reason"] == "answers 404 Not Found"
    ended = command("notify", "test", "desk")
    assert (ended.code, ended.stderr) == (0, "")


@pytest.mark.parametrize(
    ("notify", "words", "complaint"),
    [
        ({}, (), "notify: no sink is configured; add one, see streammon/config/README.md"),
        (
            {"desk": {"webhook": {"url": "http://10.0.0.5/"}}},
            ("Desk",),
            "SINK: there is no sink 'Desk'; name one of desk",
        ),
        (
            {"desk": {"webhook": {"url": f"ftp://{PASSWORD}@10.0.0.5/"}}},
            (),
            "config.yaml: notify.desk.webhook.url can't be used; it must begin with http:// or https://",
        ),
        (
            {"desk": {"webhook": {"url": "http://10.0.0.5/", "body": "{{ camera"}}},
            (),
            "notify.desk.webhook.body: line 1 of the template can't be read (unexpected end of template, expected"
            " 'end of print statement'.); mend it, see jinja.palletsprojects.com",
        ),
    ],
)
def test_a_mistake_is_told_in_one_line(
    command: Command, notify: dict[str, Any], words: tuple[str, ...], complaint: str
) -> None:
    configured(notify)
    assert command("notify", "test", *words).complaint == complaint


def test_without_a_configuration_it_says_so(command: Command) -> None:
    assert command("notify", "test").complaint == "config.yaml: there is no such file; give --config FILE"


def test_check_and_run_refuse_a_sink_that_cannot_be_used(command: Command) -> None:
    configured({"desk": {"webhook": {"url": "http://10.0.0.5/", "ca_file": "no.pem"}}})
    complaint = "notify.desk.webhook.ca_file: no.pem can't be read (no such file or directory)"
    assert complaint in command("check").stderr
    assert command("run").complaint == f"{complaint}; name a PEM file of authorities"
