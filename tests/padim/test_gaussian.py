"""Gaussians are fitted exactly however the frames come, and measured as scipy measures."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import mahalanobis as scipy_mahalanobis

from streammon.padim.gaussian import (
    EPSILON,
    RunningGaussian,
    mahalanobis,
    pack_lower,
    unpack_lower,
)

POSITIONS, DIMENSIONS = 7, 5


def footage(frames: int, seed: int = 0) -> torch.Tensor:
    """(B, P, D) correlated embeddings with a mean far from 0, as a network's are."""
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(POSITIONS, DIMENSIONS, DIMENSIONS, generator=generator)
    offset = 10 * torch.randn(POSITIONS, DIMENSIONS, generator=generator)
    return (
        torch.einsum("bpd,pde->bpe", torch.randn(frames, POSITIONS, DIMENSIONS, generator=generator), mixing) + offset
    )


def fitted(embeddings: torch.Tensor, borders: list[int] | None = None) -> RunningGaussian:
    gaussian = RunningGaussian(*embeddings.shape[1:])
    for block in torch.tensor_split(embeddings, borders or []):
        gaussian.update(block)
    return gaussian


def relative_difference(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one - other).abs().max() / other.abs().max())


def test_mean_and_covariance_are_those_of_torch_cov() -> None:
    embeddings = footage(200)
    gaussian = fitted(embeddings, [3, 50, 51, 120])
    for p in range(POSITIONS):
        expected = torch.cov(embeddings[:, p].double().T)
        assert relative_difference(gaussian.scatter[p] / 199, expected) < 1e-5
        assert relative_difference(gaussian.mean[p], embeddings[:, p].double().mean(0)) < 1e-6


@given(borders=st.lists(st.integers(0, 80), max_size=8).map(sorted))
@settings(max_examples=50)
def test_fitting_does_not_see_batch_borders(borders: list[int]) -> None:
    embeddings = footage(80)
    whole, in_batches = fitted(embeddings), fitted(embeddings, borders)
    assert in_batches.count == whole.count == 80
    assert torch.equal(in_batches.mean, whole.mean)
    assert torch.equal(in_batches.scatter, whole.scatter)


@pytest.mark.parametrize("frames", [0, 20, 32, 50])
def test_a_fit_that_is_saved_and_restored_goes_on_as_if_it_had_not_been(frames: int) -> None:
    embeddings = footage(80)
    whole, begun, restored = fitted(embeddings), fitted(embeddings[:frames]), RunningGaussian(POSITIONS, DIMENSIONS)
    restored.restore(begun.tensors())
    for gaussian in (begun, restored):
        assert gaussian.count == frames
        gaussian.update(embeddings[frames:])
        assert torch.equal(gaussian.mean, whole.mean)
        assert torch.equal(gaussian.cholesky(), whole.cholesky())


@given(split=st.integers(0, 300))
@settings(max_examples=20)
def test_two_fits_merged_equal_one_fit_on_the_whole(split: int) -> None:
    embeddings = footage(300)
    joint = fitted(embeddings[:split], [10])
    joint.merge(fitted(embeddings[split:], [100]))
    whole = fitted(embeddings)
    assert joint.count == 300
    assert relative_difference(joint.mean, whole.mean) < 1e-6
    assert relative_difference(joint.scatter, whole.scatter) < 1e-5
    covariances = [factor @ factor.mT for factor in (joint.cholesky(), whole.cholesky())]
    assert relative_difference(*covariances) < 1e-5


def test_merging_fits_of_other_shapes_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(7, 5\) positions and channels against \(7, 4\)"):
        RunningGaussian(7, 5).merge(RunningGaussian(7, 4))


@pytest.mark.parametrize("frames", [0, 1])
def test_fewer_than_two_frames_have_no_covariance(frames: int) -> None:
    gaussian = fitted(footage(5)[:frames])
    with pytest.raises(ValueError, match=f"a covariance needs at least 2 frames, not {frames}"):
        gaussian.cholesky()


def test_distance_is_scipys_with_numpys_covariance() -> None:
    embeddings = footage(100)
    gaussian = fitted(embeddings, [30])
    ours = mahalanobis(embeddings[:4], gaussian.mean.float(), gaussian.cholesky())
    for p in range(POSITIONS):
        samples = embeddings[:, p].double().numpy()
        inverse = np.linalg.inv(np.cov(samples.T) + EPSILON * np.eye(DIMENSIONS))
        for b in range(4):
            expected = scipy_mahalanobis(samples[b], samples.mean(0), inverse)
            assert float(ours[b, p]) == pytest.approx(expected, rel=1e-4)


def test_squared_distances_of_the_fitted_frames_average_to_the_dimensions() -> None:
    """sum_i (x_i - m)^T S^-1 (x_i - m) = trace(S^-1 (n - 1) S) = (n - 1) D, epsilon aside."""
    embeddings = footage(400)
    gaussian = fitted(embeddings)
    squares = mahalanobis(embeddings, gaussian.mean.float(), gaussian.cholesky(1e-9)).square().mean(0)
    torch.testing.assert_close(squares, torch.full_like(squares, DIMENSIONS * 399 / 400), rtol=1e-3, atol=0)


def test_disagreeing_shapes_are_named() -> None:
    with pytest.raises(ValueError, match=r"\(1, 2, 3\), \(2, 2\) and \(2, 2, 2\) don't fit"):
        mahalanobis(torch.zeros(1, 2, 3), torch.zeros(2, 2), torch.zeros(2, 2, 2))


def test_lower_triangles_survive_packing() -> None:
    lower = torch.randn(3, 4, 4).tril()
    packed = pack_lower(lower)
    assert packed.shape == (3, 10)
    assert torch.equal(unpack_lower(packed, 4), lower)
