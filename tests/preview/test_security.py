"""The preview against those who mean it harm: no way in, no way around, nothing given away, nobody held up."""

import asyncio
import http.client
import json
import re
import socket
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import streammon
from streammon.preview.guard import connections
from streammon.preview.guard.answers import SECURITY_HEADERS
from streammon.preview.guard.connections import MAX_BODY_BYTES, client_of
from streammon.preview.operations.openapi import describe
from support.deadlines import DEADLINE_S
from support.preview_site import (
    ALERT,
    BEARER,
    PASSWORD,
    SECRETS,
    TOKEN,
    USERS,
    Site,
    response_on_socket,
    serving,
    site,
    site_config,
)

OPEN = {("GET", "/"), ("GET", "/healthz"), ("GET", "/login"), ("POST", "/login")}
PACKAGE = str(Path(streammon.__file__).parent)
TELLTALES = ("Traceback", 'File "', PACKAGE, "site-packages", "aiohttp", "Python/", "root:", "scenes/")
REQUESTS = 1000


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One that wants a token or a password."""
    folder = tmp_path_factory.mktemp("guarded")
    with site(site_config(folder, token=TOKEN, users=USERS)) as served:
        yield served


def ask(
    served: Site, method: str, target: str, headers: dict[str, str], body: bytes | None
) -> tuple[int, str, bytes]:
    """Status, all headers, and the beginning of the body, which may never end."""
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=DEADLINE_S)
    try:
        connection.request(method, target, body, headers)
        answer = connection.getresponse()
        return answer.status, str(answer.headers), answer.read1(65536)
    finally:
        connection.close()


def assert_nothing_given_away(said: str) -> None:
    for secret in (*SECRETS, *TELLTALES):
        assert secret not in said


def test_every_route_wants_a_token_but_the_page_and_what_logging_in_needs(guarded: Site) -> None:
    asked = set(guarded.routes)
    assert {("GET", "/api/events"), ("POST", "/whep/{camera}"), ("GET", "/metrics")} <= asked
    for method, pattern in asked:
        target = pattern.replace("{camera}", "lobby").replace("{id}", ALERT)
        status, headers, body = ask(guarded, method, target, {"X-Streammon": "1"}, None)
        is_open = (method, pattern) in OPEN or pattern.startswith("/page/")
        assert (method, pattern, status == 401) == (method, pattern, not is_open)
        for name, value in SECURITY_HEADERS.items():
            assert f"{name}: {value}\n" in headers
        if not is_open:
            assert json.loads(body) == {"error": "log in, or send the token"}
    for method in ("PUT", "TRACE", "CONNECT", "BREW"):
        assert ask(guarded, method, "/api/cameras", {}, None)[0] in (400, 401, 421)
    assert ask(guarded, "GET", "/no/such/place", {}, None)[0] == 401  # which routes exist is not revealed either


def test_the_open_routes_are_described_as_such() -> None:
    described = {
        (method.upper(), path)
        for path, operations in describe()["paths"].items()
        for method, operation in operations.items()
        if operation.get("security") == []
    }
    assert described == OPEN | {("GET", "/page/{file}")}


@pytest.mark.parametrize("beginning", ["/page/", "/", "/snapshot/", "/whep/", "/api/alerts/", "/api/"])
@pytest.mark.parametrize(
    "way",
    [
        "../../../../../../etc/passwd",
        "..%2f..%2f..%2f..%2f..%2f..%2fetc%2fpasswd",
        "%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "..%252f..%252fetc%252fpasswd",
        "....//....//etc/passwd",
        "..\\..\\..\\etc\\passwd",
        "/etc/passwd",
        "%00/etc/passwd",
        "server.py",
        "../server.py",
        "..%2fserver.py",
    ],
)
def test_no_path_leads_out_of_the_page(guarded: Site, beginning: str, way: str) -> None:
    # a library would tidy the path
    with socket.create_connection(("127.0.0.1", guarded.port), timeout=DEADLINE_S) as client:
        head = f"GET {beginning}{way} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        client.sendall(f"{head}Authorization: Bearer {TOKEN}\r\n\r\n".encode())
        response = b"".join(iter(lambda: client.recv(65536), b"")).decode("utf-8", "replace")
    assert response.startswith(("HTTP/1.1 400", "HTTP/1.1 404", "HTTP/1.1 405"))
    assert_nothing_given_away(response)


def test_a_large_body_is_refused_whether_it_says_so_or_not(guarded: Site) -> None:
    large = b"x" * (MAX_BODY_BYTES + 1)
    for target in ("/login", f"/api/alerts/{ALERT}/acknowledge", "/whep/lobby"):
        sdp = {**BEARER, "Content-Type": "application/sdp"}
        assert ask(guarded, "POST", target, sdp, large)[0] == 413
        status = ask(
            guarded,
            "POST",
            target,
            {**sdp, "Transfer-Encoding": "chunked"},
            b"%x\r\n%b\r\n0\r\n\r\n" % (len(large), large),
        )[0]
        assert status == 413


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GARBAGE\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS where there is none
        b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 1000 + b"\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        b"GET /" + b"y" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
)
def test_what_is_no_request_gets_one_line_and_no_more(guarded: Site, request_bytes: bytes) -> None:
    with socket.create_connection(("127.0.0.1", guarded.port), timeout=DEADLINE_S) as client:
        client.sendall(request_bytes)
        try:
            response = b"".join(iter(lambda: client.recv(65536), b"")).decode()
        except ConnectionResetError:  # it hung up on what was still on its way
            return
    assert response.startswith("HTTP/1.0 400 Bad Request")
    assert response.endswith('{"error": "invalid HTTP request"}')
    assert "Server: streammon\r\n" in response
    assert_nothing_given_away(response)


def test_a_slow_client_is_cut_off_and_delays_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEADERS_S", 0.4)
    monkeypatch.setattr(connections, "BODY_S", 0.4)
    monkeypatch.setattr(connections, "LINGERING_S", 0.2)

    async def scenario() -> None:
        async with serving(site_config(tmp_path)) as (preview, client):
            slow = [
                asyncio.create_task(response_on_socket(preview, *sent))
                for sent in (
                    (),
                    (b"GET /healthz HTTP/1.1\r\nHost: local",),
                    (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", b"GET /healthz HTT"),
                    (b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{",),
                )
            ]
            async with client.get("/api/cameras") as answer:
                assert answer.status == 200
            nothing, half, second, body = await asyncio.gather(*slow)
            assert (nothing, half) == (b"", b"")
            assert second.startswith(b"HTTP/1.1 200")
            assert body.startswith(b"HTTP/1.1 408")

    asyncio.run(scenario())


def test_connections_are_bounded_and_make_room_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 8)

    async def scenario() -> None:
        async with serving(site_config(tmp_path)) as (preview, client):
            port = int(preview.url.rstrip("/").rpartition(":")[2])
            idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(8)]
            assert await response_on_socket(preview, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n") == b""
            for _, writer in idle:
                writer.close()
                await writer.wait_closed()
            async with asyncio.timeout(DEADLINE_S):
                while True:
                    try:
                        async with client.get("/healthz") as answer:
                            assert answer.status == 200
                            return
                    except ConnectionError:  # it hasn't seen them go yet
                        await asyncio.sleep(0.01)

    asyncio.run(scenario())


def test_one_household_is_one_client() -> None:
    bounds = connections.Connections.__new__(connections.Connections)
    bounds._open = Counter()
    admitted = [bounds.admit(client_of(f"2001:db8:0:7::{number:x}")) for number in range(200)]
    assert admitted.count(True) == connections.MAX_CONNECTIONS_PER_CLIENT
    assert bounds.admit(client_of("2001:db8:0:8::1"))
    for number in range(200):
        bounds.leave(client_of(f"2001:db8:0:7::{number:x}"))
    assert bounds.admit(client_of("2001:db8:0:7::1"))


TEXT = st.text(max_size=20) | st.sampled_from(["lobby", "gate", ALERT, "picture", "blended", "0", "-1", "1e9", "../"])
HEADER = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30)
HEADER_NAMES = ("Accept", "Range", "Origin", "If-None-Match", "Cookie", "Content-Encoding", "Upgrade")
CONTENT_TYPES = ("application/json", "application/sdp", "text/plain", "multipart/form-data", "x")
VALUES: st.SearchStrategy[object] = st.sampled_from([None, [], {}, 0, True, -1e300, [[[]]], {"a": {}}]) | TEXT
SDP_LINES = (
    "v=0",
    "o=- 0 0 IN IP4 0.0.0.0",
    "s=-",
    "m=video 9 UDP/TLS/RTP/SAVPF 96",
    "a=recvonly",
    "a=rtpmap:96 H264/9",
)
BODIES = st.one_of(
    st.none(),
    st.binary(max_size=60),
    st.dictionaries(st.sampled_from(["user", "password", "token", "x"]), VALUES).map(
        lambda body: json.dumps(body).encode()
    ),
    st.lists(st.sampled_from(SDP_LINES), max_size=6).map(lambda lines: "\r\n".join(lines).encode()),
)
OPERATIONS = [
    (method.upper(), path, operation)
    for path, described in describe()["paths"].items()
    for method, operation in described.items()
]
METHODS = ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS")

Request = tuple[str, str, dict[str, str], bytes | None]


@st.composite
def described_requests(draw: st.DrawFn) -> Request:
    """A request to a described route, filled with what fits, what nearly fits and what doesn't."""
    method, path, operation = draw(st.sampled_from(OPERATIONS))
    if draw(st.integers(0, 4)) == 0:
        method = draw(st.sampled_from(METHODS))
    target = re.sub(r"\{\w+\}", lambda _: quote(draw(TEXT), safe=""), path)
    queries = [one["name"] for one in operation["parameters"] if one["in"] == "query"]
    query = "&".join(f"{name}={quote(draw(TEXT))}" for name in queries)
    headers = {} if draw(st.integers(0, 9)) == 0 else dict(BEARER)
    headers |= {"X-Streammon": "1"} if draw(st.booleans()) else {}
    headers |= draw(st.dictionaries(st.sampled_from(HEADER_NAMES), HEADER, max_size=2))
    body = draw(BODIES)
    if body is not None:
        headers["Content-Type"] = draw(st.sampled_from(CONTENT_TYPES))
    return method, f"{target}?{query}" if query else target, headers, body


@pytest.mark.slow
def test_a_thousand_random_requests_find_no_bug_and_learn_nothing(guarded: Site) -> None:
    statuses: dict[int, int] = {}

    @settings(
        max_examples=REQUESTS, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
    )
    @given(described_requests())
    def send(request: Request) -> None:
        status, headers, body = ask(guarded, *request)
        statuses[status] = statuses.get(status, 0) + 1
        assert status < 500
        assert_nothing_given_away(
            headers + body.decode("utf-8", "replace") if "text/html" not in headers else headers
        )

    send()
    assert sum(statuses.values()) >= REQUESTS
    assert {200, 204, 400, 404, 405} <= statuses.keys()
    assert ask(guarded, "GET", "/readyz", {}, None)[0] in (401, 429)  # it still stands


def test_wrong_tokens_in_every_place_open_nothing(tmp_path: Path) -> None:
    with site(site_config(tmp_path, token=TOKEN, users=USERS)) as served:
        for header in (TOKEN, f"bearer{TOKEN}", f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN.upper()}", f"Basic {TOKEN}"):
            assert ask(served, "GET", "/api/cameras", {"Authorization": header}, None)[0] == 401
        for cookie in (f"streammon_session={PASSWORD}", f"streammon_session={TOKEN}", "streammon_session="):
            assert ask(served, "GET", "/api/cameras", {"Cookie": cookie}, None)[0] == 401
        assert ask(served, "GET", "/api/cameras", BEARER, None)[0] == 200
