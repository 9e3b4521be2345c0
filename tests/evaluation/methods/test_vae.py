"""The autoencoder on pictures small enough to train in a test."""

import numpy as np
import pytest
import torch
from torchvision.transforms.v2 import functional as tv

from streammon.errors import FootageError
from streammon.evaluation.methods import Batch, GridSmoother, Vae
from streammon.evaluation.methods.autoencoder import VariationalAutoencoder, augmented
from streammon.evaluation.methods.vae import VaeModel
from streammon.padim import Backbone
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
