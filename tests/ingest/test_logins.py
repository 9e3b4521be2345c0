"""Cameras that ask for a password: whatever characters it has, and however the URL is written."""

import base64
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from streammon.config import CameraConfig, Config
from streammon.errors import FootageError
from streammon.ingest import probe
from support.cameras import RtspServer
from support.numbered_footage import encode
from support.redis_server import HOST

ODD_PASSWORDS = ("pa#ss", "12#3", "a/b?c", "p@s:s", "[50%]", "%41 b", "ü'\"\\")


@contextmanager
def http_camera(clip: Path, user: str, password: str) -> Iterator[str]:
    """A camera that sends a clip over HTTP to those who give the password (basic authentication)."""
    login = base64.b64encode(f"{user}:{password}".encode()).decode()

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.headers.get("Authorization") != f"Basic {login}":
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="camera"')
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(200)
            self.send_header("Content-Type", "video/mp2t")
            self.end_headers()
            self.wfile.write(clip.read_bytes())

        def log_message(self, *_args: object) -> None:
            pass

    server = ThreadingHTTPServer((HOST, 0), Answer)
    thread = threading.Thread(target=server.serve_forever, name="HTTP camera")
    thread.start()
    try:
        yield f"{HOST}:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def configured(url: str) -> CameraConfig:
    return Config.parse({"cameras": {"lobby": {"url": url}}}, "config.yaml").cameras["lobby"]


@pytest.mark.parametrize("password", ODD_PASSWORDS)
def test_an_rtsp_camera_takes_any_password_from_the_environment(
    password: str, numbered_clip: Path, rtsp_server: Callable[..., RtspServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = rtsp_server({"lobby": numbered_clip}, "viewer", password)
    monkeypatch.setenv("PASSWORD", password)
    found = probe(configured(f"RTSP://viewer:${{PASSWORD}}@{HOST}:{server.port}/lobby"), "lobby")
    assert (found.codec, found.width, found.height) == ("h264", 320, 240)


def test_a_password_as_long_as_ffmpeg_reads_is_taken(
    numbered_clip: Path, rtsp_server: Callable[..., RtspServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    password = "#" * 40  # with `viewer:` 127 characters
    server = rtsp_server({"lobby": numbered_clip}, "viewer", password)
    monkeypatch.setenv("PASSWORD", password)
    assert probe(configured(f"rtsp://viewer:${{PASSWORD}}@{HOST}:{server.port}/lobby"), "lobby").codec == "h264"


@pytest.mark.parametrize("password", ODD_PASSWORDS)
def test_an_http_camera_takes_any_password_from_the_environment(
    password: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = encode(tmp_path / "clip.ts", frames=25)
    monkeypatch.setenv("PASSWORD", password)
    with http_camera(clip, "viewer", password) as place:
        assert probe(configured(f"HTTP://viewer:${{PASSWORD}}@{place}/live.ts"), "lobby").codec == "h264"
        with pytest.raises(FootageError) as error:
            probe(configured(f"http://viewer:another@{place}/live.ts"), "lobby")
    assert str(error.value) == (
        "camera 'lobby': no video (wrong user or password); check the user and password in its url"
    )
