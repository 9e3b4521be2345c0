"""A Redis that asks for user and password, whatever characters they have."""

import asyncio
from pathlib import Path

import pytest
import redis as redis_client

from streammon.alerting import check_redis
from streammon.config import Config, RedisConfig
from streammon.errors import RedisError
from support.redis_server import HOST, RedisServer

ODD_PASSWORDS = (
    "pa#ss",
    "12#3",
    "a/b?c",
    "p@s:s",
    "[50%]",
    "%41 b",
    "ü'\"\\",
    "iAITMl7lD127c/VZEl0+ZqviaXHI=",
    "${X}",
)


def configured(url: str) -> RedisConfig:
    return Config.parse({"cameras": {"lobby": {"url": "clip.mp4"}}, "redis": url}, "config.yaml").redis


def test_any_password_from_the_environment_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with RedisServer(tmp_path) as server, redis_client.Redis.from_url(server.url) as client:
        for password in ODD_PASSWORDS:
            client.execute_command("ACL", "SETUSER", "ca#m:s", "reset", "on", f">{password}", "~*", "&*", "+@all")
            monkeypatch.setenv("LOGIN_NAME", "ca#m:s")
            monkeypatch.setenv("PASSWORD", password)
            redis = configured(f"REDIS://${{LOGIN_NAME}}:${{PASSWORD}}@{HOST}:{server.port}/1")
            assert asyncio.run(check_redis(redis, ["lobby"])).startswith(f"{HOST}:{server.port} answers")
            with pytest.raises(RedisError, match="refuses the password"):
                asyncio.run(check_redis(configured(f"redis://${{LOGIN_NAME}}:no@{HOST}:{server.port}"), []))
