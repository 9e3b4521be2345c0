"""Fixtures of the tests of alerting."""

import pytest

from streammon.alerting.sinks import sink


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a sink did not take is sent again within a tenth of a second."""
    monkeypatch.setattr(sink, "RETRY_BASE_S", 0.02)
    monkeypatch.setattr(sink, "RETRY_CAP_S", 0.1)
