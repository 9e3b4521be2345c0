"""The examples of the README and of the API's page run as they stand, on small made footage."""

import re
import shutil
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import streammon
from streammon import LearnedScene, ScoreRecord
from streammon.cli.commands import commands
from streammon.evaluation.results import EvaluationReport
from streammon.padim import ARCHITECTURES
from support.courtyard import courtyard, encode
from support.dataset_trees import folder_tree
from support.user_cache import cache_without_results

ROOT = Path(__file__).resolve().parents[2]
PAGE = Path(streammon.__file__).parent / "api" / "README.md"


@pytest.fixture(scope="module")
def user_cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    return cache_without_results(tmp_path_factory.mktemp("user"))


@pytest.fixture
def footage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user_cache: str) -> Path:
    """What the examples name: recordings of the lobby, today's clip, and a labelled data set."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", user_cache)
    Path("recordings", "lobby").mkdir(parents=True)
    encode(Path("recordings", "lobby", "monday.mp4"), courtyard(8))
    encode(Path("today.mp4"), courtyard(8, (4.0, 6.0), seed=2))
    folder_tree(Path("labelled"), frames=12)
    shutil.rmtree("labelled/masks")  # figures of pixels take most of the time
    Path("scenes", "lobby", "normal").mkdir(parents=True)
    encode(Path("scenes", "lobby", "normal", f"{1:032x}.mp4"), courtyard(2, seed=3))
    monkeypatch.setattr("streammon.validation.run.LEAST_FRAMES", 40)
    few_channels = replace(ARCHITECTURES["efficientnet_lite0"], dimensions=8)  # of which a bank is solved at once
    monkeypatch.setitem(ARCHITECTURES, "efficientnet_lite0", few_channels)
    return tmp_path


def section(page: Path, title: str) -> str:
    """The section of a page with a title."""
    return page.read_text("utf-8").split(f"\n## {title}\n")[1].split("\n## ")[0]


def examples(text: str) -> list[str]:
    """The Python code blocks of a page."""
    return re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def test_the_readme_s_example_runs(footage: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = examples(section(ROOT / "README.md", "In Python"))
    found: dict[str, object] = {"__name__": "readme"}
    exec(compile(code, "README.md", "exec"), found)
    assert isinstance(found["record"], ScoreRecord)
    assert found["record"].clip == "today"
    assert found["record"].seconds == pytest.approx(7.8)


@pytest.mark.slow
def test_the_page_s_examples_run_one_after_the_other(footage: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found: dict[str, object] = {"__name__": "page"}
    blocks = examples(PAGE.read_text("utf-8"))
    assert len(blocks) == 9
    for code in blocks:
        exec(compile(code, str(PAGE), "exec"), found)
    printed = capsys.readouterr().out
    assert "<LearnedScene 'lobby': motion, 40 frames learned, 5 frames a second scored>" in printed
    assert isinstance(found["scene"], LearnedScene)
    assert Path("scenes/lobby/bank.safetensors").exists()
    assert found["rows"] == pq.read_table("scores.parquet").num_rows == 40
    assert np.load("maps/today.npy").shape == (40, 256, 256)
    assert isinstance(found["scores"], list)
    assert len(found["scores"]) == 20
    assert "unchanged: 0 of " in printed
    assert "\n80 " in printed  # frames of the merged scene
    assert f"('{1:032x}',)" in printed
    assert "Frame level AUROC, micro" in printed
    assert pq.read_table("scores/noon.parquet").num_rows == 12
    assert "AUROC under each convention of the field" in printed
    assert isinstance(found["report"], EvaluationReport)
    assert found["report"].title == "folder: Brightness"


def test_the_page_lists_the_columns_of_the_files() -> None:
    from streammon.score_files import COLUMNS

    text = section(PAGE, "Learn and score")
    assert tuple(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)) == COLUMNS


def test_the_page_has_a_call_for_each_command() -> None:
    begins = PAGE.read_text("utf-8").split("\n\n")[1]
    functions = dict(re.findall(r"`(\w+)` is `(\w+)", begins))
    assert set(functions) == {name for name in streammon.__all__ if name.islower()} - {"load_scene", "save_scores"}
    rows = re.findall(r"^\| `([\w-]+).*?` \| (.*) \|$", section(PAGE, "The other commands"), re.MULTILINE)
    assert {*functions.values(), *(command for command, _ in rows)} == set(commands.commands)
    for module, name in re.findall(r"(streammon\.[a-z_.]+)\.(\w+)\(", " ".join(call for _, call in rows)):
        assert callable(getattr(import_module(module), name))
