"""Embeddings, anomaly maps and frame scores against plain computations."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from streammon.padim.anomaly_map import SIGMA, MapSmoother, frame_scores
from streammon.padim.reduction import PrincipalComponents, make_reduction


def maps() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(2, channels, side, side, generator=generator) for channels, side in ((4, 8), (6, 4), (10, 2))]


def concatenated(features: list[torch.Tensor]) -> torch.Tensor:
    """(B, P, C), by torch's own nearest upsampling."""
    grid = features[0].shape[2:]
    return torch.cat([F.interpolate(f, size=grid, mode="nearest") for f in features], 1).flatten(2).mT


@pytest.mark.parametrize("kind", ["random", "all", "orthogonal"])
def test_embedding_is_the_concatenation_of_upsampled_maps_then_reduced(kind: str) -> None:
    features = maps()
    reduction = make_reduction(kind, 20, 20 if kind == "all" else 7, seed=3)
    whole = concatenated(features)
    if reduction.indices is not None:
        expected = whole[..., reduction.indices]
    else:
        assert reduction.projection is not None
        expected = whole @ reduction.projection
    torch.testing.assert_close(reduction.embed(features), expected)
    assert reduction.dimensions == expected.shape[2]


@given(seed=st.integers(0, 2**31), dimensions=st.integers(1, 448))
def test_random_channels_are_distinct_and_repeatable(seed: int, dimensions: int) -> None:
    one, again = (make_reduction("random", 448, dimensions, seed).indices for _ in range(2))
    assert one is not None
    assert again is not None
    assert torch.equal(one, again)
    assert len(set(one.tolist())) == dimensions


def test_semi_orthogonal_columns_are_orthonormal() -> None:
    projection = make_reduction("orthogonal", 448, 100, seed=0).projection
    assert projection is not None
    torch.testing.assert_close(projection.T @ projection, torch.eye(100), atol=1e-5, rtol=0)


def test_principal_components_are_those_of_numpys_svd() -> None:
    features = maps()
    components = PrincipalComponents(20)
    components.update([f[:1] for f in features])
    components.update([f[1:] for f in features])
    projection = components.reduction(3).projection
    assert projection is not None
    patches = concatenated(features).flatten(0, 1).double().numpy()
    _, _, rows = np.linalg.svd(patches - patches.mean(0), full_matrices=False)
    agreement = np.abs(rows[:3] @ projection.double().numpy())  # up to sign
    np.testing.assert_allclose(agreement, np.eye(3), atol=1e-4)


@pytest.mark.parametrize("dimensions", [0, 449])
def test_impossible_dimensions_are_refused(dimensions: int) -> None:
    with pytest.raises(ValueError, match=f"dimensions is {dimensions}; it must be 1 to 448"):
        make_reduction("random", 448, dimensions, seed=0)


@pytest.mark.parametrize(("cells", "pixels"), [(64, 256), (32, 256), (28, 224)])
def test_smoothing_is_bicubic_upsampling_then_scipys_gaussian(cells: int, pixels: int) -> None:
    distances = 10 * torch.rand(2, cells, cells)
    ours = MapSmoother((cells, cells), (pixels, pixels), torch.device("cpu"))(distances)
    upsampled = F.interpolate(distances[:, None], size=(pixels, pixels), mode="bicubic", align_corners=False)[:, 0]
    for b in range(2):
        expected = gaussian_filter(upsampled[b].double().numpy(), sigma=SIGMA)
        np.testing.assert_allclose(ours[b].numpy(), expected, atol=1e-4)


def test_frame_score_is_the_maximum_or_the_mean_of_the_worst_percent() -> None:
    pixels = torch.arange(200.0).reshape(1, 10, 20)
    assert frame_scores(pixels).tolist() == [199.0]
    assert frame_scores(pixels, "worst_percent").tolist() == [(199.0 + 198.0) / 2]
