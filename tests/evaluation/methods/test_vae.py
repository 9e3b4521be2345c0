"""The autoencoder on pictures small enough to train in a test."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.transforms.v2 import functional as tv

from streammon.errors import FootageError
from streammon.evaluation.cache import Cache, Position
from streammon.evaluation.datasets import DatasetOptions, View, load_dataset
from streammon.evaluation.draws import Draw
from streammon.evaluation.harness import FrameSelection, Harness
from streammon.evaluation.labelled import Dataset
from streammon.evaluation.methods import Batch, GridSmoother, Method, Progress, Vae
from streammon.evaluation.methods.autoencoder import VariationalAutoencoder, augmented
from streammon.evaluation.methods.vae import VaeModel
from streammon.padim import Backbone
from support.dataset_trees import mvtec_category
from support.method_batches import SIDE, give, pictures, untold


def batch(frames: torch.Tensor) -> Batch:
    return Batch(frames, [], [0.0] * len(frames))


def trained(backbone: Backbone, frames: torch.Tensor, **settings: int) -> VaeModel:
    model = Vae(**settings).model("plaza", backbone, frames.shape[1])
    give(model, [batch(frames)])
    return model


@pytest.fixture(scope="module")
def model(backbone: Backbone) -> VaeModel:
    return trained(backbone, pictures(32), epochs=16, images_per_epoch=4)


@pytest.mark.slow
def test_the_loss_falls(model: VaeModel) -> None:
    assert len(model.losses) == 16
    assert max(model.losses[-3:]) < 0.8 * min(model.losses[:3])


def test_a_foreign_block_is_reconstructed_worse_than_the_rest(model: VaeModel) -> None:
    strange = pictures(2, seed=7)
    strange[1, 20:44, 20:44] = torch.tensor([250, 0, 0], dtype=torch.uint8)
    scored = model.score(batch(strange))
    (errors,) = scored.grids
    assert errors.shape == (2, SIDE, SIDE)
    assert errors.dtype == np.float32
    inside = np.zeros((SIDE, SIDE), dtype=bool)
    inside[20:44, 20:44] = True
    assert errors[1][inside].mean() > 2 * errors[1][~inside].mean()
    assert scored.scores[1] > scored.scores[0]
    np.testing.assert_allclose(scored.scores, GridSmoother(SIDE)((errors,)).reshape(2, -1).max(1))


def test_the_same_seed_gives_the_same_scores_and_another_one_others(backbone: Backbone) -> None:
    torch.manual_seed(5)  # what others drew before does not matter
    settings = {"epochs": 2, "images_per_epoch": 2}
    first = trained(backbone, pictures(10), **settings)
    again, other = (trained(backbone, pictures(10), seed=seed, **settings) for seed in (0, 1))
    probe = batch(pictures(3, seed=4))
    np.testing.assert_array_equal(first.score(probe).scores, again.score(probe).scores)
    assert (first.score(probe).scores != other.score(probe).scores).all()


def test_training_leaves_others_random_numbers_alone(backbone: Backbone) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    trained(backbone, pictures(4), epochs=1, images_per_epoch=1)
    assert torch.equal(torch.rand(3), expected)


def test_an_interrupted_model_keeps_its_pictures(backbone: Backbone) -> None:
    method = Vae(epochs=1, images_per_epoch=2)
    whole = method.model("plaza", backbone, SIDE)
    give(whole, [batch(pictures(12))])
    half, rest = method.model("plaza", backbone, SIDE), method.model("plaza", backbone, SIDE)
    half.learn(batch(pictures(12)[:5]))
    rest.restore(half.state())
    give(rest, [batch(pictures(12)[5:])])
    probe = batch(pictures(3, seed=4))
    np.testing.assert_array_equal(rest.score(probe).grids[0], whole.score(probe).grids[0])


THREE_EPOCHS = Vae(epochs=3, images_per_epoch=5)  # of two of the small batches


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("vae", "vae_training"):
        monkeypatch.setattr(f"streammon.evaluation.methods.{module}.BATCH", 4)


def interrupted_in(number: int) -> Progress:
    """Progress that interrupts the training after one of its batches."""

    def progress(what: str, done: int, _total: int) -> None:
        if what.startswith("training") and done == number:
            raise KeyboardInterrupt

    return progress


@pytest.mark.slow
@pytest.mark.usefixtures("small_batches")
def test_an_interrupted_training_ends_with_the_same_weights(backbone: Backbone, tmp_path: Path) -> None:
    cache, footage = Cache(tmp_path, "context", "vae"), batch(pictures(12))
    whole, begun, rest = (THREE_EPOCHS.model("plaza", backbone, SIDE) for _ in range(3))
    give(whole, [footage])
    begun.learn(footage)
    begun.save_with(lambda state: cache.keep_fit("plaza", Position(1, 0), state))
    with pytest.raises(KeyboardInterrupt):
        begun.finish(interrupted_in(3))
    kept = cache.fit("plaza")
    assert kept is not None
    rest.restore(kept[1])
    assert rest.state().keys() == kept[1].keys(), "it may be saved again before it goes on"
    told: list[int] = []
    rest.finish(lambda _what, done, _total: told.append(done))
    assert told == [3, 4, 5, 6]
    assert rest.losses == whole.losses
    assert rest._network is not None
    assert whole._network is not None
    weights = whole._network.state_dict()
    assert rest._network.state_dict().keys() == weights.keys()
    assert all(torch.equal(each, weights[name]) for name, each in rest._network.state_dict().items())


def harness(dataset: Dataset, backbone: Backbone, cache: Path, progress: Progress = untold) -> Harness:
    caches: dict[Method, Cache] = {THREE_EPOCHS: Cache(cache, "context", THREE_EPOCHS.key)}
    return Harness(dataset, View(SIDE), caches, backbone, FrameSelection(), progress)


@pytest.mark.slow
@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize("damaged", [False, True])
def test_an_interrupted_run_resumes_its_training_or_warns_of_a_damaged_file(
    backbone: Backbone,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    damaged: bool,
) -> None:
    monkeypatch.setattr("streammon.evaluation.harness.LEAST_WORK_PER_SAVE", 0)
    dataset = load_dataset("mvtec", mvtec_category(tmp_path / "nut").root, DatasetOptions(allow_partial=True))
    whole = harness(dataset, backbone, tmp_path / "whole")
    whole.run()
    with pytest.raises(KeyboardInterrupt):
        harness(dataset, backbone, tmp_path / "parts", interrupted_in(5)).run()
    [file] = (tmp_path / "parts").rglob("*.fit.safetensors")
    if damaged:
        file.write_bytes(file.read_bytes()[:-1])
    told: list[tuple[str, int]] = []
    rest = harness(dataset, backbone, tmp_path / "parts", lambda what, done, _total: told.append((what, done)))
    rest.run()
    assert [done for what, done in told if what == "training nut"] == list(range(1 if damaged else 5, 7))
    warning = f"{file}: it can't be read or is damaged; nut is learned from the beginning"
    assert caplog.messages == ([warning] if damaged else [])
    for one, other in zip(Draw(rest, THREE_EPOCHS).scores(), Draw(whole, THREE_EPOCHS).scores(), strict=True):
        np.testing.assert_array_equal(one.scores, other.scores)
    assert not list(tmp_path.rglob("*.fit.safetensors"))


@pytest.mark.parametrize("side", [224, 256])
def test_the_latent_map_is_a_thirty_second_of_the_picture(side: int) -> None:
    network = VariationalAutoencoder().eval()
    with torch.inference_mode():
        mean, log_variance = network.encode(torch.rand(1, 3, side, side))
        assert mean.shape == log_variance.shape == (1, 64, side // 32, side // 32)
        assert network.decode(mean).shape == (1, 3, side, side)


def test_the_bound_is_squared_error_plus_divergence() -> None:
    """With a latent of mean 1 and variance 4: 0.5 (1 + 4 - 1 - ln 4) a value, 64 channels of 2x2."""
    network = VariationalAutoencoder().eval()
    torch.nn.init.zeros_(network.moments.weight)
    assert network.moments.bias is not None
    with torch.no_grad():
        network.moments.bias[:64] = 1.0
        network.moments.bias[64:] = np.log(4)
        pixels, noise = torch.rand(2, 3, 64, 64), torch.randn(2, 64, 2, 2)
        decoded = network.decode(1 + 2 * noise)
        expected = (pixels - decoded).square().sum() / 2 + 64 * 4 * 0.5 * (4 - np.log(4))
        torch.testing.assert_close(network.loss(pixels, noise), expected)


@pytest.mark.parametrize("side", [64, 224, 256])
def test_augmentation_turns_enlarges_and_shifts_without_empty_corners(side: int) -> None:
    """A ramp shows where each pixel came from: the enlargement is 292/256, the shift a few pixels at most."""
    ramp = torch.arange(side, dtype=torch.float32).expand(3, side, side)
    turned = augmented(torch.stack([ramp] * 50) + 1, torch.Generator().manual_seed(0)) - 1
    assert turned.min() > 0  # never the 0 beyond the picture
    middle = turned[:, 0, side // 2]
    steps = (middle[:, -5] - middle[:, 4]) / (side - 9)
    torch.testing.assert_close(steps, torch.full((50,), side / round(side * 292 / 256)), rtol=2e-3, atol=0)
    largest_shift = (round(side * 292 / 256) - round(side * 282 / 256)) / 2
    assert (middle[:, side // 2] - side / 2).abs().max() <= largest_shift + 1
    assert len({float(value) for value in turned[:, 0, 0, 0]}) > 25  # each its own


def test_augmentation_is_torchvisions_rotation_resize_and_two_crops() -> None:
    generator = torch.Generator().manual_seed(1)
    coarse = torch.rand(6, 3, 5, 5, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, size=256, mode="bicubic", align_corners=False)
    ours = augmented(smooth, torch.Generator().manual_seed(0))
    generator.manual_seed(0)
    degrees = 4 * torch.rand(6, generator=generator) - 2
    corners = torch.randint(0, 11, (6, 2), generator=generator)
    for picture, shown, angle, (left, top) in zip(smooth, ours, degrees.tolist(), corners.tolist(), strict=True):
        turned = tv.rotate(picture, angle, tv.InterpolationMode.BILINEAR)
        resized = tv.resize(turned, [292, 292], antialias=False)
        expected = tv.center_crop(tv.crop(resized, top, left, 282, 282), [256, 256])
        torch.testing.assert_close(shown, expected, atol=0.003, rtol=0)


def test_no_footage_is_refused(backbone: Backbone) -> None:
    with pytest.raises(FootageError, match="scene 'plaza': it has 0 frames to learn from; give at least 1"):
        Vae().model("plaza", backbone, SIDE).finish(untold)


def test_the_papers_settings_are_the_defaults() -> None:
    method = Vae()
    assert method.name == "VAE, 100 epochs of 10000 images, seed 0"
    assert not method.needs_maps


def test_the_memory_is_the_networks(model: VaeModel) -> None:
    resnet18_without_classifier = 11_176_512  # parameters
    assert model.scoring_bytes() > 4 * resnet18_without_classifier


def test_progress_counts_every_step_the_short_last_one_too(backbone: Backbone) -> None:
    model = Vae(epochs=1, images_per_epoch=33).model("plaza", backbone, SIDE)
    model.learn(batch(pictures(4)))
    told: list[tuple[str, int, int]] = []
    model.finish(lambda what, done, total: told.append((what, done, total)))
    assert told == [("training plaza", 1, 2), ("training plaza", 2, 2)]
