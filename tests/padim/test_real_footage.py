"""The whole of PaDiM on real footage, where it is there: Ped2 frames and ResNet18's ImageNet weights."""

from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from scipy.spatial.distance import mahalanobis as scipy_mahalanobis

from streammon.config import ModelConfig
from streammon.ingest import Clip, clips
from streammon.padim import INPUT_SIZE, Backbone, Bank, as_batch, load_backbone
from streammon.padim.gaussian import EPSILON
from streammon.records import Frame
from streammon.scene import SceneLearner

FRAMES = 120  # more than the 100 channels, so that the covariance has full rank without epsilon
POSITIONS = (0, 63, 777, 2048, 2080, 4095)


@pytest.fixture(scope="module")
def backbone(shared_data: Path) -> Backbone:
    weights = shared_data.parent / "weights" / "resnet18_imagenet_conv1-layer3.safetensors"
    if not weights.exists():
        pytest.skip(f"no ResNet18 weights at {weights}")
    return load_backbone(ModelConfig(backbone="resnet18", weights=weights, engine="torch", precision="float32"))


Mapped = tuple[list[Frame], list[torch.Tensor]]
"""Frames, and the backbone's maps of them."""


def maps_of(backbone: Backbone, pieces: list[Clip], frames: int) -> list[Mapped]:
    """The first frames, eight at a time."""
    limited = islice((frame for clip in pieces for frame in clip.frames(INPUT_SIZE)), frames)
    found = []
    while batch := list(islice(limited, 8)):
        found.append((batch, backbone.maps(as_batch([frame.picture for frame in batch]))))
    return found


@pytest.fixture(scope="module")
def training(backbone: Backbone, shared_data: Path) -> list[Mapped]:
    return maps_of(backbone, clips(shared_data / "ucsd_ped2" / "training" / "frames"), FRAMES)


@pytest.fixture(scope="module")
def bank(backbone: Backbone, training: list[Mapped]) -> Bank:
    model = ModelConfig(method="padim", backbone="resnet18")
    learner = SceneLearner("ped2", backbone, model, None, total_s=0.0, hold_out=0.0)
    for frames, maps in training:
        learner.learn(frames, maps)
    return learner.finish().bank.prepare(backbone.device)


@pytest.mark.slow
def test_a_bank_of_real_footage_measures_as_scipy_does(
    backbone: Backbone, bank: Bank, training: list[Mapped], shared_data: Path
) -> None:
    embeddings = torch.cat([bank.reduction.embed(maps) for _, maps in training]).double().numpy()
    assert embeddings.shape == (FRAMES, 4096, 100)
    testing = clips(shared_data / "ucsd_ped2" / "testing" / "frames")
    ((_, probe),) = maps_of(backbone, testing, 4)
    distances = bank.distances(probe).flatten(1)
    probes = bank.reduction.embed(probe).double().numpy()
    for position in POSITIONS:
        samples = embeddings[:, position]
        inverse = np.linalg.inv(np.cov(samples.T) + EPSILON * np.eye(100))
        for b in range(4):
            expected = scipy_mahalanobis(probes[b, position], samples.mean(0), inverse)
            assert float(distances[b, position]) == pytest.approx(expected, rel=1e-3)


def test_a_bicycle_stands_out_where_it_is(backbone: Backbone, bank: Bank, shared_data: Path) -> None:
    """Test clip 01, frame 150: the cyclist's pixels rank above nearly all others of the frame."""
    folder = shared_data / "ucsd_ped2" / "testing"
    clip = next(clip for clip in clips(folder / "frames") if clip.name == "01")
    frame = next(islice(clip.frames(INPUT_SIZE), 150, None))
    maps, _ = bank.score(backbone.maps(as_batch([frame.picture])))
    mask = cv2.imread(str(folder / "pixel_mask" / "01" / "150.png"), cv2.IMREAD_GRAYSCALE)
    assert mask is not None
    truth = cv2.resize(mask, (INPUT_SIZE, INPUT_SIZE), interpolation=cv2.INTER_NEAREST) > 0
    assert truth.any()
    anomaly_map = maps[0].numpy()
    rank = (anomaly_map[~truth][None] < np.median(anomaly_map[truth])).mean()
    assert rank > 0.9
