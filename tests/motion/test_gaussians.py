"""Gaussians by place: closed forms, scipy's densities, and where they borrow from."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from scipy.stats import multivariate_normal

from streammon.motion import SETTINGS
from streammon.motion.change import CHANGE_GRID
from streammon.motion.flow import GRID
from streammon.motion.gaussians import WIDTHS, PlacedGaussians, PlacedSums, chosen_width
from support.motion_samples import QUICK, SEEDS

CHOSEN = SETTINGS.gaussians


def sums_of(places: np.ndarray, values: np.ndarray, grid: int) -> PlacedSums:
    sums = PlacedSums(grid, values.shape[1])
    sums.update(places, values.astype(np.float32))
    return sums


def some_sums(seed: int, count: int = 200, grid: int = 6, dimensions: int = 2) -> PlacedSums:
    """Values that differ from place to place."""
    rng = np.random.default_rng(seed)
    places = rng.integers(0, grid * grid, count)
    return sums_of(places, rng.normal(size=(count, dimensions)) + places[:, None] / grid, grid)


def covariance_of(gaussians: PlacedGaussians, place: tuple[int, int]) -> np.ndarray:
    factor = gaussians.whitening[place].astype(np.float64)
    return np.linalg.inv(factor.T @ factor)


class TestPooling:
    def test_a_place_of_one_value_by_hand(self) -> None:
        """A scene of two places, far apart: 5 times 1 at one, 5 times 3 at the other. One channel.

        Scene: mean 2, second moment (5 * 1 + 5 * 9) / 10 = 5, variance 1. At the first place, with k = 20:
        mu = (5 + 20 * 2) / 25 = 1.8; second = (5 + 20 * 5) / 25 = 4.2; variance 4.2 - 3.24 + 0.01 + 1e-6 = 0.970001.
        """
        sums = sums_of(np.repeat([0, 80], 5), np.repeat([[1.0], [3.0]], 5, axis=0), grid=9)
        gaussians = sums.pooled(0.75)  # the kernel ends 3 cells away
        assert gaussians.mean[0, 0, 0] == pytest.approx(1.8, rel=1e-6)
        assert gaussians.mean[8, 8, 0] == pytest.approx(2.2, rel=1e-6)
        assert gaussians.whitening[0, 0, 0, 0] == pytest.approx(0.970001**-0.5, rel=1e-5)
        whitened = gaussians.whitened(np.array([0, 80]), np.array([[2.8], [2.2]], np.float32))
        np.testing.assert_allclose(whitened, [[1 / math.sqrt(0.970001)], [0.0]], rtol=1e-5, atol=1e-6)
        assert gaussians.width == 0.75

    def test_a_place_far_from_anything_seen_has_the_scene_s_gaussian(self) -> None:
        rng = np.random.default_rng(0)
        sums = sums_of(rng.integers(0, 3, 300), rng.normal(size=(300, 2)) @ np.array([[2, 0], [1, 0.5]]), grid=16)
        far, whole = sums.pooled(1.5), sums.pooled(math.inf)
        np.testing.assert_allclose(far.mean[15, 15], whole.mean[0, 0], rtol=1e-5)
        np.testing.assert_allclose(covariance_of(far, (15, 15)), covariance_of(whole, (0, 0)), rtol=1e-4)
        assert not np.allclose(far.mean[0, 1], whole.mean[0, 1], rtol=1e-3)

    @QUICK
    @given(SEEDS)
    def test_the_scene_s_gaussian_whitens_what_it_was_fitted_to(self, seed: int) -> None:
        """Sigma + 0.01 diag(Sigma): uncorrelated values get the mean 0 and the variance 1 / 1.01."""
        rng = np.random.default_rng(seed)
        noise = rng.normal(size=(64, 3))
        uncorrelated, _ = np.linalg.qr(noise - noise.mean(0))
        values = (3 * uncorrelated + rng.normal(size=3)).astype(np.float32)
        gaussians = sums_of(rng.integers(0, 16, 64), values, 4).pooled(math.inf)
        whitened = gaussians.whitened(np.zeros(64, np.int64), values).astype(np.float64)
        np.testing.assert_allclose(whitened.mean(0), 0, atol=1e-3)
        np.testing.assert_allclose(whitened.var(0), 1 / 1.01, rtol=1e-3)

    @QUICK
    @given(SEEDS, st.sampled_from(WIDTHS[:-1]))
    def test_means_are_scipy_s_filter_of_the_sums(self, seed: int, width: float) -> None:
        """(s + k m) / (n + k), with the kernel's weight 1 at the place itself."""
        sums, radius = some_sums(seed), math.ceil(CHOSEN.kernel_reach * width)
        one = np.zeros((2 * radius + 1, 2 * radius + 1))
        one[radius, radius] = 1
        kernel = gaussian_filter(one, width, mode="constant", radius=radius)

        def pooled(array: np.ndarray) -> np.ndarray:
            return np.asarray(gaussian_filter(array, width, mode="constant", radius=radius) / kernel.max())

        count, scene = pooled(sums.count) + CHOSEN.shrinkage, sums.total.sum((0, 1)) / sums.count.sum()
        for channel in range(2):
            expected = (pooled(sums.total[..., channel]) + CHOSEN.shrinkage * scene[channel]) / count
            np.testing.assert_allclose(sums.pooled(width).mean[..., channel], expected, rtol=1e-5, atol=1e-6)

    @QUICK
    @given(SEEDS, st.integers(0, 4), st.integers(0, 4))
    def test_the_gaussians_move_with_the_observations(self, seed: int, down: int, right: int) -> None:
        """Observations of a corner of 8 x 8, with the kernel's reach about them: the same anywhere."""
        rng = np.random.default_rng(seed)
        rows, columns = rng.integers(0, 8, (2, 150))
        values = rng.normal(size=(150, 2)) + rows[:, None]
        here = sums_of(rows * 16 + columns, values, 16).pooled(0.75)
        there = sums_of((rows + down) * 16 + columns + right, values, 16).pooled(0.75)
        part, shifted = here.mean[:12, :12], there.mean[down : down + 12, right : right + 12]
        np.testing.assert_allclose(part, shifted, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(
            here.whitening[:12, :12], there.whitening[down : down + 12, right : right + 12], rtol=1e-4, atol=1e-5
        )

    @QUICK
    @given(SEEDS, st.sampled_from(WIDTHS))
    def test_factors_are_lower_triangular_and_finite_even_for_constant_values(self, seed: int, width: float) -> None:
        rng = np.random.default_rng(seed)
        values = np.broadcast_to(rng.normal(size=3), (30, 3))
        gaussians = sums_of(rng.integers(0, 16, 30), values, 4).pooled(width)
        assert np.isfinite(gaussians.whitening).all()
        np.testing.assert_array_equal(gaussians.whitening, np.tril(gaussians.whitening))

    @pytest.mark.parametrize("count", [0, 1])
    def test_fewer_than_two_observations_have_no_gaussian(self, count: int) -> None:
        with pytest.raises(ValueError, match=rf"{count} observations; Gaussians need at least 2"):
            sums_of(np.zeros(count, np.int64), np.ones((count, 1)), 4).pooled(1.5)


class TestLikelihood:
    @pytest.mark.parametrize("width", WIDTHS)
    @pytest.mark.parametrize("dimensions", [1, 3])
    def test_it_is_scipy_s_mean_density_of_the_values(self, width: float, dimensions: int) -> None:
        rng = np.random.default_rng(dimensions)
        gaussians = some_sums(1, dimensions=dimensions).pooled(width)
        places, values = rng.integers(0, 36, 40), rng.normal(2, 3, (40, dimensions)).astype(np.float32)
        densities = [
            multivariate_normal(gaussians.mean[divmod(place, 6)], covariance_of(gaussians, divmod(place, 6))).logpdf(
                value
            )
            for place, value in zip(places.tolist(), values, strict=True)
        ]
        assert sums_of(places, values, 6).log_likelihood(gaussians) == pytest.approx(np.mean(densities), rel=1e-4)

    @QUICK
    @given(SEEDS, st.integers(1, 30), st.integers(1, 30))
    def test_it_is_a_mean_over_the_observations(self, seed: int, first: int, second: int) -> None:
        gaussians = some_sums(0).pooled(1.5)
        one, other = some_sums(seed, first), some_sums(seed + 1, second)
        alone = one.log_likelihood(gaussians), other.log_likelihood(gaussians)
        one.merge(other)
        expected = np.average(alone, weights=[first, second])
        assert one.log_likelihood(gaussians) == pytest.approx(expected, rel=1e-6, abs=1e-9)

    def test_no_observations_have_none(self) -> None:
        assert math.isnan(PlacedSums(6, 2).log_likelihood(some_sums(0).pooled(1.5)))


class TestWidth:
    @QUICK
    @given(SEEDS, st.floats(0, 2), st.sampled_from([0.0, 1.0, 3.0]))
    def test_it_is_the_one_of_the_largest_density_by_scipy(self, seed: int, slope: float, least: float) -> None:
        """Each half judged by the Gaussians of the other, over all widths that are allowed."""
        rng = np.random.default_rng(seed)
        parts = []
        for _ in range(2):
            places = rng.integers(0, 36, 60)
            parts.append((places, (slope * (places % 6)[:, None] + rng.normal(size=(60, 1))).astype(np.float32)))
        halves = sums_of(*parts[0], 6), sums_of(*parts[1], 6)

        def density(width: float) -> float:
            total = 0.0
            for (places, values), other in zip(parts, halves[::-1], strict=True):
                gaussians = other.pooled(width)
                whitened = gaussians.whitened(places, values)[:, 0].astype(np.float64)
                log_scale = np.log(gaussians.whitening.reshape(-1)[places].astype(np.float64))
                total += float((log_scale - 0.5 * whitened**2).mean())
            return total

        densities = {width: density(width) for width in WIDTHS if width >= least}
        found = chosen_width(halves, least)
        assert found >= least
        assert densities[found] == pytest.approx(max(densities.values()), abs=1e-4)
        assert chosen_width(halves[::-1], least) == found

    @pytest.mark.parametrize("few", [0, 1])
    def test_a_half_with_nothing_to_judge_by_leaves_one_gaussian_of_the_scene(self, few: int) -> None:
        halves = some_sums(0), some_sums(1, few)
        assert chosen_width(halves) == chosen_width(halves[::-1]) == math.inf
        assert chosen_width((some_sums(0), some_sums(1, 2))) in WIDTHS


class TestPlacedSums:
    def test_parts_add_up_to_the_whole(self) -> None:
        rng = np.random.default_rng(0)
        places, values = rng.integers(0, 64, 300), rng.normal(size=(300, 3)).astype(np.float32)
        whole, one, other = PlacedSums(8, 3), PlacedSums(8, 3), PlacedSums(8, 3)
        whole.update(places, values)
        one.update(places[:100], values[:100])
        other.update(places[100:], values[100:])
        one.merge(other)
        np.testing.assert_allclose(one.products, whole.products, rtol=1e-12)
        np.testing.assert_allclose(one.total, whole.total, rtol=1e-9, atol=1e-12)
        np.testing.assert_array_equal(one.count, whole.count)
        with pytest.raises(ValueError, match="against"):
            one.merge(PlacedSums(8, 2))

    def test_one_gaussian_of_all_places_is_numpys_covariance(self) -> None:
        rng = np.random.default_rng(1)
        values = (rng.normal(size=(5000, 3)) @ np.array([[2, 0, 0], [1, 1, 0], [0, 0.5, 0.3]])).astype(np.float32)
        sums = PlacedSums(8, 3)
        sums.update(rng.integers(0, 64, 5000), values)
        gaussians = sums.pooled(math.inf)
        factor = gaussians.whitening[3, 4].astype(np.float64)
        covariance = np.linalg.inv(factor.T @ factor)
        expected = np.cov(values.T, bias=True)
        np.testing.assert_allclose(covariance, expected + 0.01 * np.diag(np.diag(expected)), rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(gaussians.mean[0, 0], values.mean(0), rtol=1e-4, atol=1e-4)

    def test_the_likelihood_from_the_sums_is_scipys_from_the_values(self) -> None:
        rng = np.random.default_rng(2)
        places, values = rng.integers(0, 16, 400), rng.normal(size=(400, 2)).astype(np.float32)
        learned, judged = PlacedSums(4, 2), PlacedSums(4, 2)
        learned.update(places[:200], values[:200])
        judged.update(places[200:], values[200:])
        gaussians = learned.pooled(1.5)
        each = []
        for place, value in zip(places[200:], values[200:], strict=True):
            factor = gaussians.whitening.reshape(-1, 2, 2)[place].astype(np.float64)
            mean = gaussians.mean.reshape(-1, 2)[place]
            each.append(multivariate_normal(mean, np.linalg.inv(factor.T @ factor)).logpdf(value))
        assert judged.log_likelihood(gaussians) == pytest.approx(np.mean(each), rel=1e-4)

    def test_how_far_places_borrow_follows_the_footage(self) -> None:
        """Alike everywhere: borrow from all. Each column its own: borrow from few."""
        rng = np.random.default_rng(3)
        for slope, narrowest, widest in ((0.0, 6.0, math.inf), (3.0, 0.0, 1.5)):
            halves = (PlacedSums(16, 1), PlacedSums(16, 1))
            for half in halves:
                places = rng.integers(0, 256, 6000)
                columns = (places % 16)[:, None]
                half.update(places, (slope * columns + rng.normal(size=(6000, 1))).astype(np.float32))
            assert narrowest <= chosen_width(halves) <= widest
            assert chosen_width(halves, least=6.0) >= 6.0
        assert chosen_width((PlacedSums(4, 1), PlacedSums(4, 1))) == WIDTHS[-1]


def test_the_kernels_are_in_order() -> None:
    assert all(one < other for one, other in pairwise(WIDTHS))
    assert GRID % CHANGE_GRID == 0
