"""The whole way on real footage in STC's layout: what `streammon eval` prints is what a plain computation gives."""

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import av
import pytest

from streammon.records import Picture
from support.commands import command_here
from support.dataset_trees import stc_tree
from support.straightforward_evaluation import StraightforwardEvaluation

pytestmark = pytest.mark.slow

SIZE = (384, 216)  # half the footage's own: the tree is quickly written
SKIPPED = 40  # frames of the footage; nothing happens in its first seconds


def footage(clip: Path) -> Iterator[Picture]:
    """Every second frame of a real clip."""
    with av.open(str(clip)) as container:
        for frame in islice(container.decode(video=0), SKIPPED, None, 2):
            yield frame.to_ndarray(format="rgb24")  # type: ignore[misc]


def figures(report: dict[str, Any]) -> dict[str, float]:
    """The figures of the report, those of pixels with their level before them."""
    tables = {table["title"]: table["measures"] for table in report["measures"]}
    level = {row["name"]: row["value"] for row in tables["Frame level"]}
    pixels = {row["name"]: row["value"] for row in tables["Pixel level"]}
    return {**level, "pixel AUROC": pixels["AUROC"], "PRO": pixels["PRO to FPR 0.3"]}


def test_what_is_printed_is_what_a_straightforward_computation_gives(
    tmp_path: Path, shared_data: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    weights = shared_data.parent / "weights" / "resnet18_imagenet_conv1-layer3.safetensors"
    clips = {
        "01": footage(shared_data / "clips" / "one-by-one-person-detection.mp4"),
        "02": footage(shared_data / "clips" / "car-detection.mp4"),
    }
    stc_tree(tmp_path / "stc", clips, training_frames=6, test_frames=6, size=SIZE)
    eval_words = ["eval", "--dataset", "stc", "--root", tmp_path / "stc", "--allow-partial"]
    model_words = ["--method", "padim", "--seeds", "1", "--backbone", "resnet18", "--weights", weights]
    model_words += ["--precision", "float32"]  # as the plain computation has it, whatever the processor
    out_words = ["--cache", tmp_path / "cache", "--json", tmp_path / "report.json"]
    ended = command_here(monkeypatch, capfd)(*eval_words, *model_words, *out_words)
    assert ended.code == 0, ended
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["partial"]  # 4 of 330 training clips
    expected = StraightforwardEvaluation(weights).evaluate(tmp_path / "stc")
    found = figures(report)
    assert 0.5 < found["pixel AUROC"] < 1  # neither chance nor perfect, so that an error would show
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=5e-4)
    assert "PARTIAL" in ended.stdout
