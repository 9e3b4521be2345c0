"""The command, called in this process."""

import pytest

from streammon.config import ModelConfig
from streammon.padim import load_backbone
from support.commands import Command, command_here


@pytest.fixture(scope="session", autouse=True)
def engines_are_tried() -> None:
    """A first start tries the engines for seconds and keeps the result; later ones tell mistakes promptly."""
    load_backbone(ModelConfig())


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    return command_here(monkeypatch, capfd)
