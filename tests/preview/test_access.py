"""Who may ask for what: tokens, passwords, sessions, and the clients that guess."""

import asyncio
import base64
import subprocess
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from yarl import URL

from streammon.config import Config, PreviewConfig
from streammon.errors import ConfigError
from streammon.preview.guard import passwords
from streammon.preview.guard.logins import (
    BURST,
    CLIENTS,
    IDLE_S,
    REFILL_S,
    SESSION_S,
    SESSIONS,
    FailedLogins,
    Sessions,
)
from streammon.preview.guard.origins import canonical_origin, canonical_origins, is_own_origin
from streammon.preview.guard.passwords import PasswordBook, TooManyChecksError, hash_password
from support.preview_site import BEARER, PASSWORD, TOKEN, USERS, serving, site_config

LOGIN = {"user": "anna", "password": PASSWORD}


@pytest.mark.parametrize(
    ("origin", "canonical"),
    [
        ("https://wall.example", "https://wall.example"),
        ("HTTPS://Wall.Example:443", "https://wall.example"),
        ("http://wall.example:80", "http://wall.example"),
        ("http://wall.example:443", "http://wall.example:443"),
        ("http://[2001:DB8::1]:8088", "http://[2001:db8::1]:8088"),
        ("chrome-extension://abc", "chrome-extension://abc"),
        *((rubbish, "") for rubbish in ("", "null", "wall.example", "https://", "https://a:b:c", "https://[::")),
        *((more, "") for more in ("https://wall.example/", "https://me@wall.example", "https://wall.example?a")),
    ],
)
def test_origins_are_compared_without_case_and_without_their_scheme_s_own_port(origin: str, canonical: str) -> None:
    assert canonical_origin(origin) == canonical


def test_a_configured_origin_that_is_none_allows_nothing() -> None:
    assert canonical_origins(PreviewConfig(allow_origins=["https://a:b:c", "https://A:443"])) == {"https://a"}


@pytest.mark.parametrize(
    ("origin", "host", "own"),
    [
        ("http://127.0.0.1:8088", "127.0.0.1:8088", True),
        ("https://Cams.example", "cams.EXAMPLE", True),
        ("https://cams.example", "cams.example:443", True),
        ("http://cams.example", "cams.example:443", False),
        ("https://cams.example:8443", "cams.example", False),
        ("https://evil.example", "cams.example", False),
        ("null", "null", False),
        ("https://cams.example", "", False),
    ],
)
def test_a_page_is_our_own_where_it_comes_from_where_it_asks(origin: str, host: str, own: bool) -> None:
    assert is_own_origin(origin, host) == own


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"}


class Clock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.mark.parametrize(
    ("preview", "complaint"),
    [
        (
            {"host": "0.0.0.0"},
            "preview.insecure is False; set preview.token or preview.users to listen on 0.0.0.0, which others can"
            " reach, or make this true and let everyone in",
        ),
        ({"token": "short"}, "preview.token is text; it must have at least 16 characters"),
        (
            {"users": {"anna": "hunter2"}},
            "preview.users.anna is text; it must be what `streammon hash-password` prints, never the password",
        ),
        (
            {"tls_key": "key.pem"},
            "preview.tls_key is 'key.pem'; preview.tls_certificate and preview.tls_key go together: give both or"
            " neither",
        ),
        (
            {"allow_origins": ["*"]},
            "preview.allow_origins.0 is '*'; it must be scheme, host and port as in https://wall.example:8443",
        ),
        (
            {"host": "10.0.0.7:80/x"},
            "preview.host is '10.0.0.7:80/x'; it must be an address or a name, without a port",
        ),
    ],
)
def test_what_would_leave_the_preview_open_is_refused_in_one_line(preview: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        Config.parse({"cameras": {"lobby": {"url": "lobby.mp4"}}, "preview": preview}, "config.yaml")
    assert str(refusal.value) == f"config.yaml: {complaint}"


@pytest.mark.parametrize("preview", [{"token": TOKEN}, {"users": USERS}, {"insecure": True}])
def test_beyond_loopback_a_token_users_or_the_word_insecure_are_enough(preview: dict[str, Any]) -> None:
    config = Config.parse({"cameras": {"a": {"url": "a.mp4"}}, "preview": {"host": "::", **preview}}, "config.yaml")
    again = Config.parse(config.dump_with_secrets(), "command line")
    assert again.preview == config.preview


def test_a_token_a_password_and_a_session_open_what_is_guarded_and_nothing_else_does(tmp_path: Path) -> None:
    async def scenario() -> None:
        config = site_config(tmp_path, token=TOKEN, users=USERS)
        async with serving(config) as (_, client):
            good = [BEARER, basic("anna", PASSWORD), basic("anna", PASSWORD)]
            bad = [
                {},
                {"Authorization": f"Bearer {TOKEN}x"},
                {"Authorization": "Bearer"},
                {"Authorization": TOKEN},
                {"Cookie": f"streammon_session={TOKEN}"},
                basic("anna", "wrong"),
                basic("bert", PASSWORD),
                {"Authorization": "Basic ?"},
            ]
            statuses = []
            for headers in good + bad:
                async with client.get("/api/cameras", headers=headers) as answer:
                    statuses.append(answer.status)
            assert statuses == [200] * len(good) + [401] * len(bad)
            async with client.get(f"/api/cameras?token={TOKEN}") as answer:  # addresses end up in logs
                assert answer.status == 401
                assert answer.headers["WWW-Authenticate"].startswith('Bearer realm="streammon", Basic')
                assert await answer.json() == {"error": "log in, or send the token"}
            async with client.get("/api/cameras", headers={"Sec-Fetch-Mode": "cors"}) as answer:
                assert answer.headers["WWW-Authenticate"] == 'Bearer realm="streammon"'  # no dialog over the page's

    asyncio.run(scenario())


def test_logging_in_gives_a_cookie_that_scripts_and_other_sites_never_get_until_logging_out(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving(site_config(tmp_path, token=TOKEN, users=USERS)) as (preview, client):
            async with client.get("/login") as answer:
                assert await answer.json() == {"required": True, "users": True, "token": True, "user": None}
            for body in (LOGIN, {"token": TOKEN}):
                async with client.post("/login", json=body) as answer:
                    assert answer.status == 204
                    cookie = answer.headers["Set-Cookie"]
                    assert "HttpOnly" in cookie
                    assert "SameSite=Strict" in cookie
                    assert "Secure" not in cookie  # it is plain HTTP
            async with client.get("/api/cameras") as answer:
                assert answer.status == 200
            kept = client.cookie_jar.filter_cookies(URL(preview.url))["streammon_session"].value
            async with client.post("/logout") as answer:
                assert answer.status == 204
            async with client.get("/api/cameras", headers={"Cookie": f"streammon_session={kept}"}) as answer:
                assert answer.status == 401
            bodies: list[Any] = [{"user": "anna"}, [], {"user": "anna", "password": 1}, {"token": None}]
            for wrong in bodies:
                async with client.post("/login", json=wrong) as answer:
                    assert answer.status == 400
            async with client.post("/login", json=LOGIN | {"password": "wrong"}) as answer:
                assert (answer.status, await answer.json()) == (401, {"error": "wrong user or password"})

    asyncio.run(scenario())


def test_without_token_and_users_loopback_is_open(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving(site_config(tmp_path)) as (_, client):
            async with client.get("/api/cameras") as answer:
                assert answer.status == 200
            async with client.post("/login", json={}) as answer:
                assert (answer.status, "Set-Cookie" in answer.headers) == (204, False)

    asyncio.run(scenario())


def test_ten_wrong_passwords_make_a_client_wait_while_its_session_goes_on(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving(site_config(tmp_path, token=TOKEN, users=USERS)) as (preview, client):
            async with client.post("/login", json=LOGIN) as answer:
                assert answer.status == 204

            async def guess(number: int) -> int:
                async with client.post("/login", json=LOGIN | {"password": f"guess{number}"}) as answer:
                    assert ("Retry-After" in answer.headers) is (answer.status == 429)
                    return answer.status

            statuses = await asyncio.gather(*map(guess, range(3 * BURST)))  # at once, and none slips through
            assert sorted(statuses) == [401] * BURST + [429] * 2 * BURST
            async with aiohttp.ClientSession(preview.url) as other:
                async with other.get("/api/cameras", headers=BEARER) as answer:
                    assert (answer.status, answer.headers["Retry-After"]) == (429, "30")
                    assert await answer.json() == {"error": "too many wrong passwords; wait"}
                async with other.get("/healthz") as answer:
                    assert answer.status == 200
            async with client.get("/metrics") as answer:
                assert f"streammon_login_failures_total {BURST}.0" in await answer.text()

    asyncio.run(scenario())


def test_on_loopback_another_name_for_this_machine_is_not_served(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving(site_config(tmp_path, allow_origins=["https://wall.example:8443"])) as (_, client):
            hosts = {"localhost:1": 200, "127.0.0.1": 200, "[::1]:80": 200, "wall.example": 200}
            hosts |= {"evil.example": 421, "127.0.0.1.evil.example": 421, "": 421, "[": 421}
            for host, status in hosts.items():
                async with client.get("/api/cameras", headers={"Host": host}) as answer:
                    assert (host, answer.status) == (host, status)

    asyncio.run(scenario())


def test_another_sites_page_may_not_act_unless_it_is_named(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving(site_config(tmp_path, allow_origins=["https://wall.example"])) as (preview, client):
            own = preview.url.rstrip("/")
            origins = {own: 204, "https://wall.example": 204, "https://evil.example": 403, "null": 403}
            origins |= {"http://127.0.0.1:1": 403}  # another server of this machine
            origins |= {"HTTPS://Wall.EXAMPLE:443": 204, "https://wall.example:8443": 403, "http://wall.example": 403}
            for origin, status in origins.items():
                async with client.post("/logout", headers={"Origin": origin}) as answer:
                    assert (origin, answer.status) == (origin, status)

    asyncio.run(scenario())


def test_a_browsers_preflight_needs_no_token_and_any_other_question_does(tmp_path: Path) -> None:
    async def scenario() -> None:
        origin = "https://wall.example"
        async with serving(site_config(tmp_path, token=TOKEN, allow_origins=[origin])) as (_, client):
            asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
            async with client.options("/whep/lobby", headers=asked) as answer:
                assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (204, origin)
                assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]
            async with client.options("/whep/lobby") as answer:
                assert answer.status == 401

    asyncio.run(scenario())


def test_sessions_end_by_themselves_and_never_pile_up() -> None:
    clock = Clock()
    sessions = Sessions(clock)
    used, idle = sessions.open("anna"), sessions.open("bert")
    assert sessions.user("nobody's") is None
    while clock.now_s < 1000 + SESSION_S - IDLE_S:
        clock.now_s += IDLE_S - 1
        assert sessions.user(used) == "anna"
    assert sessions.user(idle) is None
    clock.now_s = 1000 + SESSION_S
    assert sessions.user(used) is None
    first = sessions.open("first")
    for _ in range(SESSIONS):
        sessions.open("more")
    assert sessions.user(first) is None


def test_tries_come_back_with_time_and_are_kept_for_a_bounded_number_of_clients() -> None:
    clock = Clock()
    failed = FailedLogins(clock)
    assert [failed.take("a") for _ in range(BURST)] == [0.0] * BURST
    assert failed.take("a") == REFILL_S
    assert failed.take("b") == 0.0
    clock.now_s += REFILL_S
    assert [failed.take("a") for _ in range(2)] == [0.0, REFILL_S]
    failed.give_back("a")
    assert failed.take("a") == 0.0
    for number in range(2 * CLIENTS):
        failed.take(f"client{number}")
    assert len(failed._spent) == CLIENTS


def test_too_many_passwords_at_once_are_refused_instead_of_queued(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "CHECKS_WAITING", 4)

    async def scenario() -> list[bool | BaseException]:
        book = PasswordBook(USERS)
        return await asyncio.gather(*(book.is_right("anna", PASSWORD) for _ in range(10)), return_exceptions=True)

    checked = asyncio.run(scenario())
    assert checked.count(True) == 4
    assert sum(isinstance(each, TooManyChecksError) for each in checked) == 6


def test_a_password_is_its_hash_and_no_longer_one_is_checked() -> None:
    async def scenario() -> list[bool]:
        book = PasswordBook({"anna": hash_password("ein Passwort mit ß")})
        tried = ("ein Passwort mit ß", "ein Passwort mit ß", "ein passwort mit ß", "", "x" * 2000, "\udc80")
        return [await book.is_right("anna", password) for password in tried]

    assert asyncio.run(scenario()) == [True, True, False, False, False, False]


def test_the_command_makes_the_hash_that_the_configuration_takes() -> None:
    command = [sys.executable, "-m", "streammon", "hash-password"]
    ended = subprocess.run(command, input="pass word\n", capture_output=True, text=True, check=True)
    site_config(Path(), users={"anna": ended.stdout.strip()})

    async def scenario() -> bool:
        return await PasswordBook({"anna": ended.stdout.strip()}).is_right("anna", "pass word")

    assert asyncio.run(scenario())
