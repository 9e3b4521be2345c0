"""Packed whitening matrices give the distances of float64 ones, from a quarter of float32's memory."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from streammon.padim.devices import cpu_threads, set_cpu_threads
from streammon.padim.gaussian import RunningGaussian
from streammon.padim.reduction import Patches, make_reduction
from streammon.padim.whitening import Whitening, whitened_distance

POSITIONS, DIMENSIONS = 37, 23


@pytest.fixture
def threads_are_set() -> Iterator[None]:
    before = cpu_threads()
    yield
    set_cpu_threads(before)


def footage(frames: int, positions: int = POSITIONS, dimensions: int = DIMENSIONS, seed: int = 0) -> torch.Tensor:
    """(B, P, D) embeddings whose variances span five decades, as those of unused channels do."""
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(positions, dimensions, dimensions, generator=torch.Generator().manual_seed(0))
    mixing *= torch.logspace(-3, 0, dimensions)[:, None]
    return 3 + torch.einsum("bpd,pde->bpe", torch.randn(frames, positions, dimensions, generator=generator), mixing)


def fitted(embeddings: torch.Tensor) -> RunningGaussian:
    gaussian = RunningGaussian(*embeddings.shape[1:])
    gaussian.update(embeddings)
    return gaussian


def exact_distances(embeddings: torch.Tensor, gaussian: RunningGaussian) -> torch.Tensor:
    """(B, P) float64, by the inverse of the covariances."""
    identity = torch.eye(gaussian.scatter.shape[-1], dtype=torch.float64)
    covariance = gaussian.scatter.double() / (gaussian.count - 1) + 0.01 * identity
    centred = embeddings.double() - gaussian.mean
    return torch.einsum("bpd,pde,bpe->bp", centred, torch.linalg.inv(covariance), centred).sqrt()


@pytest.mark.parametrize("frames", [1, 2, 3, 4, 5, 8, 11])
def test_distances_are_those_of_float64(frames: int) -> None:
    gaussian = fitted(footage(200))
    probe = footage(frames, seed=1)
    whitening = Whitening.of(gaussian.cholesky())
    distances = whitening.distances(Patches.of(probe), gaussian.mean.float())
    torch.testing.assert_close(distances.double(), exact_distances(probe, gaussian), rtol=2e-4, atol=0)


def test_scores_keep_their_order_their_tail_and_their_auroc() -> None:
    """Of 4,000 normal patches and as many that are a little off: 16 bits merge no two scores that matter."""
    gaussian = fitted(footage(300))
    probes = torch.cat([footage(110, seed=1), footage(110, seed=2) + 0.1])
    distances = Whitening.of(gaussian.cholesky()).distances(Patches.of(probes), gaussian.mean.float())
    packed = distances.double().flatten().numpy()
    exact = exact_distances(probes, gaussian).flatten().numpy()
    labels = np.repeat([0, 1], len(exact) // 2)
    assert spearmanr(packed, exact).statistic >= 0.99999
    assert roc_auc_score(labels, packed) == pytest.approx(roc_auc_score(labels, exact), abs=1e-4)
    assert np.quantile(packed, 0.999) == pytest.approx(np.quantile(exact, 0.999), rel=1e-4)
    assert len(np.unique(packed.astype(np.float32))) > 0.99 * len(exact)


def test_the_compiled_loop_equals_the_product_that_other_devices_take() -> None:
    gaussian = fitted(footage(200))
    whitening, mean = Whitening.of(gaussian.cholesky()), gaussian.mean.float()
    probe = footage(6, seed=1)
    product = whitened_distance(probe, mean, whitening.matrices())
    torch.testing.assert_close(whitening.distances(Patches.of(probe), mean), product, rtol=1e-5, atol=0)


@pytest.mark.parametrize("kind", ["random", "all", "orthogonal"])
@pytest.mark.parametrize("maps", [1, 2, 3])
def test_embeddings_that_are_not_made_have_the_same_distances(kind: str, maps: int) -> None:
    sizes = [(5, 12, 20), (7, 6, 10), (9, 3, 5)][:maps]
    features = [torch.randn(6, h, w, c).permute(0, 3, 1, 2) for c, h, w in sizes]  # as engines lay them out
    channels = sum(size[0] for size in sizes)
    dimensions = channels if kind == "all" else 4
    reduction = make_reduction(kind, channels, dimensions, seed=1)
    whitening = Whitening.of(torch.randn(240, dimensions, dimensions).tril() + 3 * torch.eye(dimensions))
    mean = torch.randn(240, dimensions)
    for laid_out in (features, [feature.contiguous() for feature in features]):
        made = whitening.distances(Patches.of(reduction.embed(laid_out)), mean)
        assert torch.equal(whitening.distances(reduction.patches(laid_out), mean), made)


@pytest.mark.usefixtures("threads_are_set")
def test_any_number_of_threads_gives_the_same_bits() -> None:
    gaussian = fitted(footage(200))
    whitening, mean = Whitening.of(gaussian.cholesky()), gaussian.mean.float()
    found = []
    for threads in (1, 2, 5):
        set_cpu_threads(threads)
        found.append(whitening.distances(Patches.of(footage(3, seed=1)), mean))
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])


def test_a_frame_alone_and_in_a_batch_has_the_same_distances() -> None:
    gaussian = fitted(footage(200))
    whitening, mean = Whitening.of(gaussian.cholesky()), gaussian.mean.float()
    batch = footage(7, seed=1)
    alone = torch.cat([whitening.distances(Patches.of(batch[n : n + 1]), mean) for n in range(7)])
    torch.testing.assert_close(whitening.distances(Patches.of(batch), mean), alone, rtol=1e-6, atol=0)


def test_an_embedding_of_nan_has_a_distance_of_nan() -> None:
    """So that such a frame is refused, and does not pass for normal."""
    gaussian = fitted(footage(200))
    probe = footage(2, seed=1)
    probe[1, 5, 0] = float("nan")
    distances = Whitening.of(gaussian.cholesky()).distances(Patches.of(probe), gaussian.mean.float())
    assert distances.isnan().nonzero().tolist() == [[1, 5]]


def test_a_triangle_takes_a_quarter_of_its_matrix() -> None:
    whitening = Whitening.of(fitted(footage(200, 64, 100)).cholesky())
    assert whitening.steps.nbytes == 64 * 5050 * 2
    assert whitening.nbytes < 0.27 * whitening.matrices().nbytes


@pytest.mark.parametrize("positions", [1, 63, 64, 65, 130])
def test_triangles_are_given_back_for_any_number_of_positions(positions: int) -> None:
    triangles = torch.randint(-32767, 32768, (positions, 6), dtype=torch.int16)
    whitening = Whitening.of_triangles(triangles, torch.ones(positions, 3))
    assert torch.equal(whitening.triangles(), triangles)
    probe = torch.randint(-9, 10, (5, positions, 3)).float()
    exact = (probe[:, :, None, :] * whitening.matrices()).double().sum(3).square().sum(2).sqrt()
    torch.testing.assert_close(
        whitening.distances(Patches.of(probe), torch.zeros(positions, 3)), exact.float(), rtol=1e-6, atol=0
    )


@pytest.mark.slow
def test_distances_are_computed_where_no_cache_can_be_written(tmp_path: Path) -> None:
    """The loop is then compiled at each start."""
    code = (
        "import torch; from numba.core import caching; "
        "caching.CompileResultCacheImpl._locator_classes = []; "
        "from streammon.padim.whitening import Patches, Whitening; "
        "whitening = Whitening.of(2 * torch.eye(3)[None]); "
        "print(whitening.distances(Patches.of(torch.tensor([[[6.0, 0.0, 0.0]]])), torch.zeros(1, 3)).tolist())"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert run.stdout == "[[3.0]]\n"
