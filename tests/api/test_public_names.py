"""`from streammon import …` gives the names that are promised, each with its own module alone."""

import subprocess
import sys

import pytest

import streammon


def loaded_by(code: str) -> set[str]:
    """Modules that a fresh interpreter has loaded after some code."""
    script = f"import sys; {code}; print(*sys.modules)"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(ended.stdout.split())


def test_every_name_is_there_and_listed() -> None:
    for name in streammon.__all__:
        assert getattr(streammon, name).__name__ == name
    assert set(streammon.__all__) <= set(dir(streammon))
    assert sorted(streammon.__all__) == list(streammon.__all__)
    assert set(streammon._MODULES) == set(streammon.__all__)


def test_another_name_is_an_attribute_error() -> None:
    name = "learn_scenes"
    with pytest.raises(AttributeError, match=f"module 'streammon' has no attribute '{name}'"):
        getattr(streammon, name)


def test_the_package_itself_loads_nothing() -> None:
    assert {name for name in loaded_by("import streammon") if name.startswith("streammon")} == {"streammon"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("names", "unneeded"),
    [
        (
            "learn_scene, score_video",
            {"streammon.evaluation", "streammon.alerting", "redis", "pyarrow", "torchvision", "sklearn"},
        ),
        ("merge_scenes, validate_scene", {"streammon.evaluation", "streammon.alerting", "redis", "torchvision"}),
        ("AnomalyMethod", {"torch", "streammon.api", "streammon.evaluation.methods", "sklearn"}),
        ("save_scores", {"torch", "streammon.api", "pyarrow"}),
        ("evaluate", {"torchvision", "matplotlib", "pyarrow", "redis"}),
    ],
)
def test_names_load_what_they_need_and_no_more(names: str, unneeded: set[str]) -> None:
    assert unneeded & loaded_by(f"from streammon import {names}") == set()
