"""The command, called in this process."""

import pytest

from support.commands import Command, command_here


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    return command_here(monkeypatch, capfd)
