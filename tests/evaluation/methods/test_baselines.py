"""The nearest neighbours and the pooled Gaussians against brute force, scikit-learn and scipy."""

import subprocess
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy.spatial.distance import mahalanobis as scipy_mahalanobis
from sklearn.covariance import LedoitWolf

from streammon.errors import FootageError
from streammon.evaluation.methods import Batch, MahalanobisAD, Method, Model, Spade
from streammon.padim import Backbone
from support.method_batches import CHANNELS, SIDE, batches, give, pictures, random_batch

FRAME_BYTES = 4 * (6 * 64 + 8 * 16 + 5 * 4)  # of the random maps


def learned(method: Method, backbone: Backbone, footage: list[Batch]) -> Model:
    model = method.model("plaza", backbone, SIDE)
    give(model, footage)
    return model


def pyramid(batch: Batch) -> NDArray[np.float64]:
    """(B, P, C) features of every position."""
    grid = batch.maps[0].shape[2:]
    spread = [F.interpolate(m, size=grid, mode="bilinear", align_corners=False) for m in batch.maps]
    return torch.cat(spread, 1).flatten(2).mT.double().numpy()


@pytest.mark.parametrize("neighbours", [1, 4, 50])  # 50 are more than there are
def test_spade_is_brute_force_over_the_nearest_frames(backbone: Backbone, neighbours: int) -> None:
    footage, probe = [random_batch(7, seed=1), random_batch(5, seed=2)], random_batch(3, seed=3)
    scored = learned(Spade("any", neighbours), backbone, footage).score(probe)
    gallery = np.concatenate([pyramid(batch) for batch in footage])  # (N, P, C)
    pooled = torch.cat([batch.maps[2] for batch in footage]).mean((2, 3)).double().numpy()
    assert scored.grids[0].shape == (3, 8, 8)
    for b in range(3):
        own = probe.maps[2][b].mean((1, 2)).double().numpy()
        distances = ((pooled - own) ** 2).sum(1)
        nearest = np.argsort(distances)[:neighbours]
        assert scored.scores[b] == pytest.approx(distances[nearest].mean(), rel=1e-4)
        patches = gallery[nearest].reshape(-1, sum(CHANNELS))
        squared = ((pyramid(probe)[b][:, None] - patches) ** 2).sum(2).min(1)  # (P,)
        np.testing.assert_allclose(scored.grids[0][b].ravel(), squared, rtol=1e-3)


def test_a_training_frame_is_at_no_distance_from_itself(backbone: Backbone) -> None:
    footage = random_batch(6)
    scored = learned(Spade("any", 1), backbone, [footage]).score(footage)
    np.testing.assert_allclose(scored.scores, 0, atol=1e-5)
    np.testing.assert_allclose(scored.grids[0], 0, atol=1e-4)


def test_spade_finds_a_block_that_was_never_there(backbone: Backbone) -> None:
    model = learned(Spade("efficientnet_lite0", 5), backbone, batches(backbone, pictures(20)))
    strange = pictures(2, seed=7)
    strange[1, 16:40, 16:40] = torch.tensor([220, 30, 30], dtype=torch.uint8)
    scored = model.score(batches(backbone, strange)[0])
    assert scored.scores[1] > scored.scores[0]
    row, column = divmod(int(scored.grids[0][1].argmax()), 8)
    assert 1 <= row <= 5
    assert 1 <= column <= 5
    assert scored.grids[0].min() >= 0


def test_spade_says_how_many_frames_fit_before_the_memory_is_full(backbone: Backbone) -> None:
    model = Spade("any", memory_limit_bytes=10 * FRAME_BYTES).model("plaza", backbone, SIDE)
    model.learn(random_batch(10))
    with pytest.raises(FootageError) as caught:
        model.learn(random_batch(1))
    assert str(caught.value) == (
        "scene 'plaza': SPADE keeps the features of every training frame (0.0 MB each), and 10 of them fill the "
        "memory; give --max-train-frames 10 or fewer"
    )


def test_a_restored_spade_is_held_to_its_memory_too(backbone: Backbone) -> None:
    method = Spade("any", memory_limit_bytes=10 * FRAME_BYTES)
    half, rest = method.model("plaza", backbone, SIDE), method.model("plaza", backbone, SIDE)
    half.learn(random_batch(8))
    rest.restore(half.state())
    with pytest.raises(FootageError, match="10 of them fill the memory"):
        rest.learn(random_batch(3))


def test_spades_memory_is_all_features_and_the_pooled_ones(backbone: Backbone) -> None:
    model = learned(Spade("any"), backbone, [random_batch(12)])
    assert model.scoring_bytes() == 12 * FRAME_BYTES + 12 * 5 * 4


@pytest.mark.parametrize("method", [Spade("any", 4), MahalanobisAD("any")], ids=lambda method: method.name)
def test_interrupted_baselines_score_as_ones_that_were_not(backbone: Backbone, method: Method) -> None:
    footage = [random_batch(8, seed=seed) for seed in range(6)]
    whole = learned(method, backbone, footage)
    for cut in (0, 1, 4, 6):
        half, rest = method.model("plaza", backbone, SIDE), method.model("plaza", backbone, SIDE)
        for batch in footage[:cut]:
            half.learn(batch)
        state = half.state()
        assert state is not None
        rest.restore({name: tensor.clone() for name, tensor in state.items()})
        give(rest, footage[cut:])
        ours, theirs = rest.score(footage[0]), whole.score(footage[0])
        np.testing.assert_array_equal(ours.scores, theirs.scores)
        for one, other in zip(ours.grids, theirs.grids, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(("method", "least"), [(Spade("any"), 1), (MahalanobisAD("any"), 3)])
def test_baselines_refuse_too_little_footage(backbone: Backbone, method: Method, least: int) -> None:
    for frames in range(least):
        footage = [random_batch(frames)] if frames else []
        with pytest.raises(FootageError) as caught:
            learned(method, backbone, footage)
        assert str(caught.value) == (
            f"scene 'plaza': it has {frames} frames to learn from; "
            f"give at least {least}, and many more for a useful model"
        )
    learned(method, backbone, [random_batch(least)])


def test_mahalanobisad_is_scikit_learns_covariance_and_scipys_distance(backbone: Backbone) -> None:
    footage, probe = [random_batch(30, seed=1), random_batch(20, seed=2)], random_batch(4, seed=3)
    scored = learned(MahalanobisAD("any"), backbone, footage).score(probe)
    expected = np.zeros(4)
    for stage in range(3):
        samples = torch.cat([batch.maps[stage] for batch in footage]).mean((2, 3)).double().numpy()
        fitted = LedoitWolf().fit(samples)
        inverse = np.linalg.inv(fitted.covariance_)
        for b in range(4):
            own = probe.maps[stage][b].mean((1, 2)).double().numpy()
            expected[b] += scipy_mahalanobis(own, samples.mean(0), inverse)
    np.testing.assert_allclose(scored.scores, expected, rtol=1e-4)
    assert scored.grids == ()


def test_mahalanobisads_memory_is_a_mean_and_a_factor_a_stage(backbone: Backbone) -> None:
    model = learned(MahalanobisAD("any"), backbone, [random_batch(20)])
    assert model.scoring_bytes() == sum(8 * (channels + channels**2) for channels in CHANNELS)


def test_frames_that_are_all_alike_have_no_covariance(backbone: Backbone) -> None:
    one = random_batch(1)
    still = Batch(one.pictures.repeat(9, 1, 1, 1), [m.repeat(9, 1, 1, 1) for m in one.maps], [0.0] * 9)
    with pytest.raises(FootageError) as caught:
        learned(MahalanobisAD("any"), backbone, [still])
    assert str(caught.value) == (
        "scene 'plaza': its frames are too alike for a covariance; give footage in which something moves"
    )


@pytest.mark.slow
def test_only_spade_loads_faiss() -> None:
    code = "import sys, streammon.evaluation.methods; sys.exit('faiss' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_faiss_and_torch_compute_in_turns_in_one_process(backbone: Backbone) -> None:
    """Each loads an OpenMP of its own; neither may crash or starve the other."""
    torch.set_num_threads(2)  # ends with the module's fixture
    footage = batches(backbone, pictures(16))
    model = learned(Spade("efficientnet_lite0", 4), backbone, footage)
    scores = [model.score(batches(backbone, pictures(4, seed=5))[0]).scores for _ in range(3)]
    np.testing.assert_array_equal(scores[0], scores[1])
    np.testing.assert_array_equal(scores[0], scores[2])
