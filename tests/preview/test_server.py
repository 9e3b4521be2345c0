"""The preview's server: where it listens, what it says of itself, and how it ends."""

import asyncio
import json
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest

from streammon.config import Config
from streammon.errors import ConfigError
from streammon.live.monitor import Monitor
from streammon.preview import Preview, server
from streammon.preview.guard import connections
from streammon.records import CameraState, CameraStatus, Event, Notice
from support.alerting_samples import open_files
from support.certificates import certificate
from support.commands import Command, command_here
from support.courtyard import courtyard, encode
from support.deadlines import DEADLINE_S
from support.precision import LIVE
from support.preview_site import new_figures, response_on_socket, routes_of, serving, site_config, watch_lobby


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    return command_here(monkeypatch, capfd)


def test_over_tls_it_serves_from_1_2_on_and_its_cookie_is_secure(tmp_path: Path) -> None:
    certificate_file, key_file = certificate(tmp_path)
    trusting = ssl.create_default_context(cafile=str(certificate_file))
    token = "a-token-of-many-letters"
    config = site_config(tmp_path, host="localhost", token=token, tls_certificate=certificate_file, tls_key=key_file)

    async def scenario() -> None:
        figures = new_figures(config)
        async with Preview(config, figures) as preview, aiohttp.ClientSession(preview.url) as client:
            assert preview.url.startswith("https://localhost:")
            async with client.post("/login", json={"token": token}, ssl=trusting) as answer:
                assert answer.status == 204
                assert "Secure" in answer.headers["Set-Cookie"]
            assert await response_on_socket(preview, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n") == b""

    asyncio.run(scenario())


def _swapped(folder: Path) -> dict[str, Path]:
    return {"tls_certificate": certificate(folder)[0], "tls_key": certificate(folder, "other")[1]}


def _encrypted(folder: Path) -> dict[str, Path]:
    return dict(zip(("tls_certificate", "tls_key"), certificate(folder, password=b"secret"), strict=True))


def _garbage(folder: Path) -> dict[str, Path]:
    (folder / "site.crt").write_text("no certificate")
    return {"tls_certificate": folder / "site.crt", "tls_key": folder / "site.crt"}


def _keyless(folder: Path) -> dict[str, Path]:
    return {"tls_certificate": certificate(folder)[0], "tls_key": folder / "site.crt"}


def _missing(folder: Path) -> dict[str, Path]:
    return {"tls_certificate": folder / "no.crt", "tls_key": folder / "no.key"}


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        (
            _swapped,
            "preview.tls_key: {0}/other.key is not the key of {0}/site.crt; give the key of this certificate",
        ),
        (_encrypted, "preview.tls_key: {0}/site.key is encrypted; give a key without a password"),
        (
            _garbage,
            "preview.tls_certificate: {0}/site.crt contains no valid certificate; give a certificate and its chain as"
            " PEM",
        ),
        (_keyless, "preview.tls_key: {0}/site.crt contains no valid private key; give a private key as PEM"),
        (
            _missing,
            "preview.tls_certificate: {0}/no.crt can't be read (no such file or directory); name a readable PEM file",
        ),
    ],
)
def test_a_certificate_or_key_that_cannot_be_used_is_an_error_before_anything_starts(
    tmp_path: Path, files: Callable[[Path], dict[str, Path]], complaint: str
) -> None:
    config = site_config(tmp_path, **files(tmp_path))
    with pytest.raises(ConfigError) as refusal:
        Preview(config, new_figures(config))
    assert str(refusal.value) == complaint.format(tmp_path)


def test_a_taken_port_ends_run_with_one_line_before_anything_else_starts(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    clip = encode(tmp_path / "clip.mp4", courtyard(0.5))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = command("run", clip, "--preview", f"127.0.0.1:{port}", "--log-json")
    remedy = "stop the process that uses it, or choose another port; 0 picks a free one"
    assert ended.complaint == f"preview.port: port {port} of 127.0.0.1 is taken; {remedy}"
    assert ended.stdout == ""
    assert not list(tmp_path.glob("*.spool.sqlite*"))


@pytest.mark.parametrize(
    ("place", "complaint"),
    [
        ("80:90:100", "--preview: it is '80:90:100'; give a port, or host:port as in 127.0.0.1:8088"),
        ("65536", "--preview: it is '65536'; give a port, or host:port as in 127.0.0.1:8088"),
        (
            "0.0.0.0:0",
            "command line: preview.insecure is False; set preview.token or preview.users to listen on 0.0.0.0, which"
            " others can reach, or make this true and let everyone in",
        ),
    ],
)
def test_an_option_without_a_valid_address_is_an_error(command: Command, place: str, complaint: str) -> None:
    assert command("run", "clip.mp4", "--preview", place).complaint == complaint


@pytest.mark.parametrize(
    ("host", "complaint"),
    [
        (
            "192.0.2.1",
            "preview.host: 192.0.2.1 is no address of this machine; give one of its own, or 0.0.0.0 for all",
        ),
        ("no.such.invalid", None),
    ],
)
def test_an_address_of_another_machine_is_an_error(tmp_path: Path, host: str, complaint: str | None) -> None:
    async def scenario() -> None:
        config = site_config(tmp_path, host=host, insecure=True)
        async with Preview(config, new_figures(config)):
            raise AssertionError

    with pytest.raises(ConfigError) as refusal:
        asyncio.run(scenario())
    assert complaint in (None, str(refusal.value))
    assert "preview.host" in str(refusal.value)


def test_without_a_preview_nothing_of_it_is_loaded() -> None:
    script = "import sys, streammon.cli, streammon.live.monitor, streammon.live.check; print(*sys.modules)"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = set(ended.stdout.split())
    assert "torch" in loaded
    assert loaded.isdisjoint({"aiohttp", "aiortc", "argon2", "prometheus_client", "streammon.preview"})


def test_alive_needs_no_token_ready_does_and_says_why_not(tmp_path: Path) -> None:
    config = site_config(tmp_path)

    async def scenario() -> None:
        figures = new_figures(config)
        async with Preview(config, figures) as preview, aiohttp.ClientSession(preview.url) as client:
            async with client.get("/healthz") as answer:
                assert (answer.status, await answer.json()) == (200, {"alive": True})
            now = time.time()
            figures["lobby"].status = CameraStatus("lobby", CameraState.LEARNING, now, progress=0.34)
            figures["gate"].status = CameraStatus("gate", CameraState.OFFLINE, now, "connection refused", 4.0)
            reasons = ["camera 'lobby' is learning, its scene is 34% learned"]
            reasons += ["camera 'gate' is offline (connection refused)"]
            async with client.get("/readyz") as answer:
                assert (answer.status, await answer.json()) == (503, {"ready": False, "reasons": reasons})
            watch_lobby(preview, figures)
            async with client.get("/readyz") as answer:
                assert (answer.status, await answer.json()) == (200, {"ready": True, "reasons": reasons[1:]})

    asyncio.run(scenario())


def test_every_route_is_described_and_nothing_else_is(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving(site_config(tmp_path)) as (preview, client):
            async with client.get("/api/openapi.json") as answer:
                paths = (await answer.json())["paths"]
            described = {(method.upper(), path) for path, operations in paths.items() for method in operations}
            served = {
                (method, "/page/{file}" if path.startswith("/page/") else path) for method, path in routes_of(preview)
            }
            assert described == served
            for path, operations in paths.items():
                wanted = {part.strip("{}") for part in path.replace(".jpg", "").split("/") if "{" in part}
                for operation in operations.values():
                    assert {one["name"] for one in operation["parameters"] if one["in"] == "path"} == wanted

    asyncio.run(scenario())


def test_it_ends_whatever_its_clients_do_and_gives_them_no_more_than_a_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert 2 * server.CLOSE_S <= 1
    monkeypatch.setattr(connections, "HEADERS_S", 3 * DEADLINE_S)
    monkeypatch.setattr(connections, "BODY_S", 3 * DEADLINE_S)

    async def scenario() -> None:
        async with serving(site_config(tmp_path)) as (preview, client):
            port = int(preview.url.rstrip("/").rpartition(":")[2])
            events = await client.get("/api/events")
            motion = await client.get("/mjpeg/lobby")
            assert (events.status, motion.status) == (200, 200)
            await events.content.readany()
            half = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
            half[0][1].write(b"GET /healthz HTTP/1.1\r\n")
            half[1][1].write(b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
            await half[1][1].drain()
            async with asyncio.timeout(DEADLINE_S):
                await preview.__aexit__(None, None, None)
            for _, writer in half:
                writer.close()
            events.close()
            motion.close()
            with pytest.raises(aiohttp.ClientConnectorError):
                await client.get("/healthz")

    asyncio.run(scenario())


def test_thirty_starts_and_stops_leave_no_thread_and_no_file(tmp_path: Path) -> None:
    async def once() -> None:
        async with serving(site_config(tmp_path)) as (_, client), client.get("/snapshot/lobby.jpg") as answer:
            assert answer.status == 200

    asyncio.run(once())
    before, threads = open_files(), set(threading.enumerate())
    for _ in range(30):
        asyncio.run(once())
    assert open_files() <= before
    assert set(threading.enumerate()) == threads


def test_the_monitor_shows_its_cameras_and_says_where(tmp_path: Path) -> None:
    clip = encode(tmp_path / "clip.mp4", courtyard(4))
    values = {
        "cameras": {"yard": {"url": str(clip), "loop": True}},
        "model": LIVE,
        "scenes": tmp_path / "scenes",
        "alerting": {"spool": tmp_path / "spool"},
        "preview": {"port": 0},
    }
    events: list[Event] = []
    learning = asyncio.Event()

    def on_event(event: Event) -> None:
        events.append(event)
        if isinstance(event, CameraStatus) and event.state is CameraState.LEARNING and event.progress:
            learning.set()

    async def scenario() -> None:
        running = asyncio.create_task(Monitor(Config.parse(values, "test"), on_event).run())
        async with asyncio.timeout(DEADLINE_S):
            await learning.wait()
        assert isinstance(events[0], Notice)
        url = events[0].text.removeprefix("preview on ")
        async with aiohttp.ClientSession(url) as client:
            async with client.get("/snapshot/yard.jpg") as answer:
                assert (answer.status, answer.content_type) == (200, "image/jpeg")
            async with client.get("/readyz") as answer:
                assert (answer.status, "learning" in await answer.text()) == (503, True)
            async with client.get("/metrics") as answer:
                text = await answer.text()
                assert 'streammon_camera_state{camera="yard",state="learning"} 1.0' in text
                assert "streammon_redis_online 1.0" in text
            async with client.get("/api/cameras") as answer:
                assert json.loads(await answer.text())["cameras"][0]["state"] == "learning"
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            async with asyncio.timeout(DEADLINE_S):
                await running

    asyncio.run(scenario())
