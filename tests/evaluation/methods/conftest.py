"""Fixtures that the methods' tests share."""

from collections.abc import Iterator

import pytest

from streammon.config import ModelConfig
from streammon.padim import Backbone, load_backbone
from streammon.padim.devices import one_cpu_thread


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Two threads on a busy machine wait for each other longer than one takes alone."""
    with one_cpu_thread():
        yield


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return load_backbone(ModelConfig(engine="torch", precision="float32"))
