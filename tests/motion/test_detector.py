"""A detector's boxes instead of the regions of motion: torchvision's networks, from a weights file."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torchvision.models import detection

from streammon.config import ModelConfig
from streammon.errors import BankError, WeightsError
from streammon.motion import MotionSums, Observer
from streammon.padim import INPUT_SIZE, Backbone, as_batch, load_backbone
from streammon.records import Detail, Frame
from streammon.scene import (
    Scene,
    SceneLearner,
    configured_detector,
    configured_observer,
    load_scene,
    save_scene,
    save_statistics,
)
from streammon.scene.detector import load_detector
from streammon.scene.files import go_on
from streammon.scene.learned import SceneMotion

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SSDlite that is sure of a person in every anchor, untrained: it always finds boxes."""
    torch.manual_seed(0)
    network = detection.ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None)
    state = network.state_dict()
    for name in [name for name in state if "classification_head" in name and name.endswith("1.bias")]:
        state[name] = torch.full_like(state[name], -20.0)
        state[name][1::91] = 20.0
    path = tmp_path_factory.mktemp("detector") / "ssdlite.safetensors"
    save_file(state, path)
    return path


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return load_backbone(ModelConfig(engine="torch", precision="float32"))


def frame() -> Frame:
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 255, (120, 160, 3), np.uint8)
    before = np.roll(picture, -3, axis=1)[..., 1]
    small = np.ascontiguousarray(np.resize(picture, (256, 256, 3)))
    return Frame("lobby", 0, small, (160, 120), 0.1, 0.1, Detail(picture, np.ascontiguousarray(before), 0.1))


def test_its_boxes_lie_in_the_picture_and_are_the_network_s_own(weights: Path) -> None:
    boxes = load_detector(weights, CPU)(np.zeros((120, 160, 3), np.uint8))
    assert boxes
    assert all(x >= 0 and y >= 0 and x + wide <= 160 and y + high <= 120 for x, y, wide, high in boxes)


def test_the_objects_are_what_it_finds_and_not_the_regions_of_motion(weights: Path, backbone: Backbone) -> None:
    one = frame()
    observer = configured_observer(ModelConfig(detector=weights), backbone)
    assert observer is not None
    ours, theirs = (
        each.objects_and_features([one], each.motions([one]))[0] for each in (Observer(backbone), observer)
    )
    found = {(x, y) for x, y, *_ in load_detector(weights, CPU)(one.detail.picture)} if one.detail else set()
    assert {each.box[:2] for each in theirs[0]} <= {(max(0, x), max(0, y)) for x, y in found}
    assert {each.box for each in theirs[0]} != {each.box for each in ours[0]}
    assert theirs[1].shape == (len(theirs[0]), observer.dimensions)


def test_without_the_option_there_is_none(backbone: Backbone) -> None:
    assert configured_detector(ModelConfig(), backbone) is None


def test_a_file_that_holds_no_detector_is_refused(tmp_path: Path, backbone: Backbone) -> None:
    other = tmp_path / "other.safetensors"
    save_file({"weight": torch.zeros(2)}, other)
    with pytest.raises(WeightsError, match="holds no detector that is known; give torchvision's COCO weights"):
        configured_detector(ModelConfig(detector=other), backbone)
    with pytest.raises(WeightsError, match="there is no such weights file"):
        configured_detector(ModelConfig(detector=tmp_path / "gone.pth"), backbone)


def test_what_was_learned_with_it_is_refused_without_it(tmp_path: Path, backbone: Backbone, weights: Path) -> None:
    folder, model = tmp_path / "lobby", ModelConfig(dimensions=8)
    learner = SceneLearner("lobby", backbone, model, None, total_s=1.0, hold_out=0.0)
    learner.learn([frame()] * 2, backbone.maps(as_batch([frame().picture] * 2)))
    dimensions = Observer(backbone).dimensions
    sums = (MotionSums(dimensions), MotionSums(dimensions))
    save_scene(folder, Scene(learner.finish().bank, SceneMotion(sums, "a" * 64)), ["a picture"])
    save_statistics(folder, learner)
    fit_again = "fit it again with `streammon fit --scene lobby`, or set model.method to padim"
    for detector, fitted in (("", "with a detector"), ("b" * 64, "with another detector")):
        with pytest.raises(BankError) as refused:
            load_scene(folder, backbone, model, detector)
        assert (
            str(refused.value)
            == f"scene 'lobby': its motion was fitted {fitted}, against model.detector; {fit_again}"
        )
    found = load_scene(folder, backbone, model, "a" * 64)
    assert found.motion is not None
    assert found.motion.detector == "a" * 64
    other = SceneLearner("lobby", backbone, model, Observer(backbone), total_s=1.0, size=INPUT_SIZE)
    with pytest.raises(BankError, match=r"its motion was fitted with a detector, against model\.detector"):
        go_on(other, folder)
