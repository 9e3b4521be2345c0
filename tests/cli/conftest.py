"""The command, staging fewer anomalies where it learns from a review."""

import pytest

from support.commands import Command, command_here


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    for module in ("validation.comparing", "refit.run"):  # half as many, in half the time
        monkeypatch.setattr(f"streammon.{module}.EACH_KIND", 1)
    return command_here(monkeypatch, capfd)
