"""Fixtures of the live monitor's tests: normal footage and a Redis."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.courtyard import courtyard, encode
from support.redis_server import RedisServer

LEARNED_S = 16


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A courtyard, 16 s of normal footage."""
    return encode(tmp_path_factory.mktemp("courtyard") / "normal.mp4", courtyard(LEARNED_S))


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    (tmp_path / "redis").mkdir()
    with RedisServer(tmp_path / "redis") as server:
        yield server
