"""Scenes in int8: the first fit into a folder makes the network that all its scenes share."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from streammon.config import ModelConfig
from streammon.errors import BankError, ConfigError
from streammon.ingest import batched, clips
from streammon.padim import INPUT_SIZE, Backbone, Bank, as_batch, load_backbone
from streammon.padim import quantised as quantised_module
from streammon.scene import SceneScorer, load_scene
from streammon.scene.fit import FitOptions, fit_scene
from support.courtyard import courtyard, encode

pytestmark = pytest.mark.slow

NETWORK = "efficientnet_lite0-int8-579344248a93.safetensors"
FPS = 5.0


def model(precision: str = "int8") -> ModelConfig:
    return ModelConfig.model_validate({"dimensions": 8, "engine": "openvino", "precision": precision})


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("footage")
    encode(folder / "0.mp4", courtyard(8, (0.3, 4.5), seed=0))
    return folder


def fit(footage: Path, folder: Path, precision: str = "int8", *, add: bool = False) -> None:
    options = FitOptions(score_fps=FPS, jobs=1, add=add)
    fit_scene(folder.name, [footage], folder, model(precision), options, lambda *_: None)


@pytest.fixture(scope="module")
def scenes(footage: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scenes")
    fit(footage, folder / "lobby")
    return folder


def scores(footage: Path, folder: Path, backbone: Backbone) -> list[float]:
    """PaDiM's frame scores."""
    scorer = SceneScorer(load_scene(folder, backbone, model(), None), backbone, None)
    frames = (frame for clip in clips(footage) for frame in clip.frames(INPUT_SIZE, fps=FPS))
    found = []
    for batch in batched(frames, 8):
        found += scorer.score(batch, backbone.maps(as_batch([frame.picture for frame in batch])))
    return [each.score for each in found]


def test_later_fits_use_the_first_one_s_network_and_need_no_nncf(
    scenes: Path, footage: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantised_module, "find_spec", lambda name: None)
    made = (scenes / NETWORK).read_bytes()
    fit(footage, scenes / "yard")
    assert (scenes / NETWORK).read_bytes() == made
    assert sorted(each.name for each in scenes.iterdir() if each.is_file()) == [NETWORK]
    backbone = load_backbone(model(), scenes)
    assert scores(footage, scenes / "yard", backbone) == scores(footage, scenes / "lobby", backbone)
    assert Bank.load(scenes / "lobby").facts.precision == "int8"


def test_scores_order_frames_as_those_of_float32_do(scenes: Path, footage: Path, tmp_path: Path) -> None:
    fit(footage, tmp_path / "lobby", "float32")
    exact = scores(footage, tmp_path / "lobby", load_backbone(model("float32")))
    int8 = scores(footage, scenes / "lobby", load_backbone(model(), scenes))
    assert np.corrcoef(exact, int8)[0, 1] > 0.9


def test_a_fit_goes_on_with_the_network_that_began_it(scenes: Path, footage: Path, tmp_path: Path) -> None:
    (tmp_path / "lobby").mkdir()
    for file in (scenes / "lobby").iterdir():
        (tmp_path / "lobby" / file.name).write_bytes(file.read_bytes())
    with pytest.raises(ConfigError, match=f"it is int8, and .* has no {NETWORK}; make it with `streammon fit"):
        fit(footage, tmp_path / "lobby", add=True)
    (tmp_path / NETWORK).write_bytes((scenes / NETWORK).read_bytes())
    fit(footage, tmp_path / "lobby", add=True)
    assert Bank.load(tmp_path / "lobby").facts.frames == 2 * Bank.load(scenes / "lobby").facts.frames


def test_a_bank_of_other_maps_is_refused_and_both_are_named(scenes: Path) -> None:
    backbone = load_backbone(model(), scenes)
    bank = Bank.load(scenes / "lobby")
    other = tuple(-each for each in bank.facts.probe)
    bank.facts = replace(bank.facts, precision="bfloat16", probe=other)
    with pytest.raises(BankError) as refused:
        bank.require_fit(backbone, INPUT_SIZE, INPUT_SIZE)
    assert str(refused.value) == (
        "scene 'lobby': its bank was fitted with efficientnet_lite0 computed by openvino in bfloat16, the config "
        "asks for efficientnet_lite0 computed by openvino in int8, whose feature maps differ; "
        "fit it again with `streammon fit --scene lobby`"
    )
