"""URLs with any user and password: taken as they are meant, or refused without a word of the password."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streammon.config import CameraConfig, Config, RedisConfig, redacted, without_logins
from streammon.config.addresses import (
    DATABASE_RULE,
    ENCODE_RULE,
    OPTIONS_RULE,
    PORT_RULE,
    REDIS_PORT_RULE,
    REDIS_SCHEME_RULE,
    SOCKET_RULE,
    camera_url,
    redis_url,
)
from streammon.errors import ConfigError

ODD = [
    "pa#ss",
    "12#3",
    "a/b",
    "p?q",
    "p@ss",
    "[x",
    "x]y",
    "50%",
    "%41",
    "a b",
    "x:y",
    "\\",
    "ü℀",
    "${X}",
    "'\"",
    "",
    "+",
]
printable = st.text(st.characters(exclude_categories=["C"]), max_size=20)


def configured(url: str, redis: str = "embedded") -> Config:
    return Config.parse({"cameras": {"lobby": {"url": url}}, "redis": redis}, "config.yaml")


def refusal(url: str, redis: str = "embedded") -> str:
    with pytest.raises(ConfigError) as error:
        configured(url, redis)
    return error.value.remedy


@pytest.mark.parametrize("password", ODD)
def test_a_variable_in_a_url_s_password_is_taken_literally(password: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PASSWORD", password)
    config = configured("rtsp://viewer:${PASSWORD}@10.0.0.7/stream1", "redis://:${PASSWORD}@10.0.0.5:6380/2")
    for url, place in ((config.cameras["lobby"].address, "10.0.0.7"), (config.redis.address, "10.0.0.5:6380")):
        parts = urlsplit(url)
        assert (unquote(parts.password or ""), parts.netloc.rpartition("@")[2]) == (password, place)


@given(user=printable.filter(lambda text: "\0" not in text), password=printable)
def test_user_and_password_come_back_as_they_were_put_in(user: str, password: str) -> None:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("USER_NAME", user)
        environment.setenv("PASSWORD", password)
        parts = urlsplit(configured("http://${USER_NAME}:${PASSWORD}@cam.example/s").cameras["lobby"].address)
    assert (unquote(parts.username or ""), unquote(parts.password or "")) == (user, password)


def test_one_variable_may_hold_user_and_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGIN", "viewer:pa:s#s")
    assert configured("rtsp://${LOGIN}@10.0.0.7/a").cameras["lobby"].address == "rtsp://viewer:pa%3As%23s@10.0.0.7/a"


def test_a_variable_elsewhere_in_a_url_is_put_in_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAMERA", "10.0.0.7:554/a?b#c")
    assert configured("rtsp://u:p@${CAMERA}").cameras["lobby"].address == "rtsp://u:p@10.0.0.7:554/a?b#c"
    monkeypatch.setenv("CAMERA", "rtsp://u:p%23@10.0.0.7/a")
    assert configured("${CAMERA}").cameras["lobby"].address == "rtsp://u:p%23@10.0.0.7/a"


def test_a_variable_in_the_login_of_a_turn_server_is_taken_literally(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PASSWORD", "p@/#%41")
    values = {
        "cameras": {"lobby": {"url": "clip.mp4"}},
        "preview": {"ice_servers": ["turn:me:${PASSWORD}@turn.example"]},
    }
    config = Config.parse(values, "config.yaml")
    assert config.preview is not None
    assert config.preview.ice_servers == ["turn:me:p%40%2F%23%2541@turn.example"]


@pytest.mark.parametrize(
    ("given_url", "used"),
    [
        ("RTSP://viewer:pw@10.0.0.7/Stream1", "rtsp://viewer:pw@10.0.0.7/Stream1"),
        ("Http://CAM.example:8080/Live?A=B", "http://CAM.example:8080/Live?A=B"),
        (" rtsp://10.0.0.7/a ", "rtsp://10.0.0.7/a"),
        ("rtsp://viewer:p@ss@10.0.0.7/a", "rtsp://viewer:p%40ss@10.0.0.7/a"),
        ("rtsp://viewer:pa[s:s]@10.0.0.7/a", "rtsp://viewer:pa%5Bs%3As%5D@10.0.0.7/a"),
        ("rtsp://viewer:50%@10.0.0.7/a", "rtsp://viewer:50%25@10.0.0.7/a"),
        ("rtsp://viewer:pa%23ss@10.0.0.7/a", "rtsp://viewer:pa%23ss@10.0.0.7/a"),
        ("rtsp://viewer:pa ss@[fe80::1%eth0]:8554/a", "rtsp://viewer:pa%20ss@[fe80::1%eth0]:8554/a"),
        ("rtsp://10.0.0.7:554/user=admin&password=p@ss", "rtsp://10.0.0.7:554/user=admin&password=p@ss"),
        ("rtsp://nvr/live@1", "rtsp://nvr/live@1"),
        ("rtsp://u:p@cam.lan/live?tag=a@b", "rtsp://u:p@cam.lan/live?tag=a@b"),
        ("rtsp://admin:Dt4ICz%0X6sgvVG1@10.0.0.7:1234/cam", "rtsp://admin:Dt4ICz%250X6sgvVG1@10.0.0.7:1234/cam"),
        ("rtsp://u:`~!@$^&*()-_;',.<>:{}[]@192.168.0.2/a", "rtsp://u:`~!%40$^&*()-_;',.<>%3A{}%5B%5D@192.168.0.2/a"),
        ("rtsp://10.0.0.7/a#1", "rtsp://10.0.0.7/a#1"),
        ("clips/a b.mp4", "clips/a b.mp4"),
    ],
)
def test_a_camera_s_url_has_one_form(given_url: str, used: str) -> None:
    assert camera_url(given_url) == used
    assert camera_url(used) == used


@pytest.mark.parametrize(
    "raw",
    ["pa#ss", "12#3", "12/3", "pa/ss", "12?3", "p?ss", "/x", "#", "123456#7", "p@s/s", "1@2:3/4", "a b/c", "[/]"],
)
@pytest.mark.parametrize("scheme", ["rtsp", "HTTP", "redis", "rediss"])
def test_a_raw_password_that_ends_the_host_is_refused(raw: str, scheme: str) -> None:
    url = f"{scheme}://viewer:{raw}@camera/0"
    remedy = refusal("clip.mp4", url) if scheme.startswith("redis") else refusal(url)
    assert remedy == ENCODE_RULE
    assert redacted(url) == f"{scheme}://…"


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("rtsp://10.0.0.7:port/a", PORT_RULE),
        ("rtsp://10.0.0.7:70000/a", PORT_RULE),
        ("rtsp://::1/a", PORT_RULE),
        ("rtsp:///a", "it must name a host"),
        ("rtmp://10.0.0.7/a", "it must begin with rtsp, rtsps, http, https, or be a path"),
        ("1tsp://10.0.0.7/a", "it must begin with rtsp, rtsps, http, https, or be a path"),
        (
            f"rtsp://viewer:{'%23' * 41}@10.0.0.7/a",
            "its user and password together may have 127 characters, counting 3 for an encoded one",
        ),
    ],
)
def test_a_camera_s_url_that_can_t_be_used_is_refused(url: str, rule: str) -> None:
    assert refusal(url) == rule


@pytest.mark.parametrize(
    ("given_url", "used"),
    [
        ("REDIS://10.0.0.5", "redis://10.0.0.5"),
        ("redis://10.0.0.5/", "redis://10.0.0.5"),
        ("redis://joe:p@ss@10.0.0.5:6380/2/", "redis://joe:p%40ss@10.0.0.5:6380/2"),
        ("redis://10.0.0.5?db=2", "redis://10.0.0.5?db=2"),
        ("redis://10.0.0.5/2?db=2&client_name=cam", "redis://10.0.0.5/2?db=2&client_name=cam"),
        ("rediss://[::1]/0?ssl_cert_reqs=none", "rediss://[::1]/0?ssl_cert_reqs=none"),
        ("unix://:p@ss@/run/redis.sock?db=1", "unix://:p%40ss@/run/redis.sock?db=1"),
        ("embedded", "embedded"),
    ],
)
def test_a_redis_url_has_one_form(given_url: str, used: str) -> None:
    assert redis_url(given_url) == used
    assert RedisConfig.model_validate({"url": used}).address == used


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("redis://10.0.0.5/notadb", DATABASE_RULE),
        ("redis://10.0.0.5/1/2", DATABASE_RULE),
        ("redis://10.0.0.5/-1", DATABASE_RULE),
        ("redis://10.0.0.5/1.5", DATABASE_RULE),
        ("redis://10.0.0.5/%31", DATABASE_RULE),
        ("redis://10.0.0.5/٣", DATABASE_RULE),
        ("redis://10.0.0.5?db=main", DATABASE_RULE),
        ("redis://10.0.0.5/1?db=2", DATABASE_RULE),
        ("redis://10.0.0.5/0#1", ENCODE_RULE),
        ("redis://:12#3@", ENCODE_RULE),
        ("redis://10.0.0.5:0", REDIS_PORT_RULE),
        ("redis://10.0.0.5:6379:6379", REDIS_PORT_RULE),
        ("redis://10.0.0.5:6379,10.0.0.6:6379", REDIS_PORT_RULE),
        ("redis://10.0.0.5?colour=red", OPTIONS_RULE),
        ("redis://10.0.0.5?decode_responses=true", OPTIONS_RULE),
        ("redis://10.0.0.5?socket_timeout=1", OPTIONS_RULE),
        ("redis://10.0.0.5?protocol=3", OPTIONS_RULE),
        ("redis://10.0.0.5?ssl_cert_reqs=none", OPTIONS_RULE),
        ("unix://run/redis.sock", SOCKET_RULE),
        ("unix://", SOCKET_RULE),
        ("redis:10.0.0.5", REDIS_SCHEME_RULE),
        ("10.0.0.5:6379", REDIS_SCHEME_RULE),
        ("redis-sentinel://10.0.0.5", REDIS_SCHEME_RULE),
        ("", REDIS_SCHEME_RULE),
    ],
)
def test_a_redis_url_that_can_t_be_used_is_refused(url: str, rule: str) -> None:
    assert refusal("clip.mp4", url) == rule


@pytest.mark.parametrize(
    "message",
    [
        "rtsp://u:s3cret@h/s: there is no such file",
        f"{Path('rtsp://u:s3cret@h/s')}: it is a folder",
        "--preview: it is 'redis://:x s3cret@h'; give a port",
        "got unexpected extra argument (redis://:12#s3cret@h)",
        "no such option '--rediss://:a/s3cret@h'",
        "HTTP://10.0.0.7/cgi?user=admin&password=s3cret: there is no such file",
        "rtsp://10.0.0.7:554/user=admin&password=p@s3cret&channel=1: no",
    ],
)
def test_an_error_that_quotes_a_url_shows_no_password(message: str) -> None:
    assert "s3cret" not in without_logins(message)


def test_an_error_without_a_password_stays_as_it_is() -> None:
    for message in (
        "put it into redis.url, as in redis://:${REDIS_PASSWORD}@…",
        "as in https://wall.example:8443",
        DATABASE_RULE,
        SOCKET_RULE,
        REDIS_SCHEME_RULE,
        ENCODE_RULE,
    ):
        assert without_logins(message) == message


def test_the_model_keeps_a_password_out_of_its_own_text() -> None:
    camera = CameraConfig.model_validate({"url": "rtsp://u:s3cret@h/", "score_url": "rtsp://u:s3cret@h/sub"})
    assert "s3cret" not in repr(camera)
    assert "s3cret" not in repr(camera.scored)


def test_a_score_url_has_the_form_and_the_rules_of_a_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PASSWORD", "pa#ss")
    cameras = {"lobby": {"url": "rtsp://10.0.0.7/main", "score_url": "RTSP://viewer:${PASSWORD}@10.0.0.7/sub"}}
    config = Config.parse({"cameras": cameras}, "config.yaml")
    again = Config.parse(config.dump_with_secrets(), "again")
    for lobby in (config.cameras["lobby"], again.cameras["lobby"]):
        assert lobby.address == "rtsp://10.0.0.7/main"
        assert lobby.scored.address == "rtsp://viewer:pa%23ss@10.0.0.7/sub"
    assert again.cameras["lobby"].scored.scored == again.cameras["lobby"].scored


@pytest.mark.parametrize("score_url", ["rtmp://u:s3cret@h/a", "rtsp://u:s3#cret@h/a", "", 5, ["rtsp://u:s3cret@h/"]])
def test_a_score_url_that_can_t_be_used_is_refused_without_being_shown(score_url: object) -> None:
    with pytest.raises(ConfigError, match=r"cameras\.lobby\.score_url can't be used; ") as refused:
        Config.parse({"cameras": {"lobby": {"url": "clip.mp4", "score_url": score_url}}}, "config.yaml")
    assert "cret" not in str(refused.value)


def test_a_camera_without_a_score_url_is_scored_as_it_is_watched() -> None:
    lobby = CameraConfig.model_validate({"url": "clip.mp4"})
    assert lobby.scored is lobby
    assert lobby.streams() == {"url": lobby}
