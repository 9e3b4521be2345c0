"""Motion's mathematics against oracles (numpy, scipy, closed forms) and properties."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import mahalanobis

from streammon.motion import SETTINGS, Measure, MotionSums, Observation, StillPatches
from streammon.motion.change import CHANGE_CHANNELS, CHANGE_GRID, EmbeddingHistory
from streammon.motion.flow import GRID, differing
from streammon.motion.gaussians import WIDTHS, PlacedSums
from streammon.motion.objects import MovingObject, moving_objects
from streammon.motion.statistics import Halves, direction_bins, direction_positions
from streammon.motion.view import LearnedView
from support.motion_samples import (
    DIMENSIONS,
    QUICK,
    SEEDS,
    STILL,
    grid_motion,
    learned,
    motion_between,
    some_frame,
    texture,
)


class TestSums:
    @QUICK
    @given(SEEDS, st.lists(st.integers(0, 200), max_size=6))
    def test_they_do_not_see_batch_borders(self, seed: int, borders: list[int]) -> None:
        """Values of 8 bits: their sums are exact in float64, in any order."""
        rng = np.random.default_rng(seed)
        places, values = rng.integers(0, 16, 200), rng.integers(-128, 128, (200, 3)).astype(np.float32)
        whole, parts = PlacedSums(4, 3), PlacedSums(4, 3)
        whole.update(places, values)
        for some in np.split(np.arange(200), sorted(borders)):
            parts.update(places[some], values[some])
        np.testing.assert_array_equal(parts.count, whole.count)
        np.testing.assert_array_equal(parts.total, whole.total)
        np.testing.assert_array_equal(parts.products, whole.products)
        np.testing.assert_array_equal(whole.count.reshape(-1), np.bincount(places, minlength=16))
        np.testing.assert_array_equal(whole.products.sum((0, 1)), values.astype(np.float64).T @ values)

    @settings(max_examples=8)
    @given(SEEDS, st.permutations(range(3)))
    def test_parts_merged_in_any_order_are_what_was_learned_at_once(self, seed: int, order: list[int]) -> None:
        rng = np.random.default_rng(seed)
        frames = [some_frame(rng, number) for number in range(12)]
        whole, merged = learned(frames), MotionSums(DIMENSIONS)
        for part in order:
            merged.merge(learned(frames[part::3]))
        for name, array in whole.arrays().items():
            np.testing.assert_allclose(merged.arrays()[name], array, rtol=1e-9, atol=1e-9, err_msg=name)

    def test_sums_of_other_features_are_refused_and_nothing_is_added(self) -> None:
        rng = np.random.default_rng(0)
        sums = learned([some_frame(rng, number) for number in range(6)])
        before = {name: array.copy() for name, array in sums.arrays().items()}
        with pytest.raises(ValueError, match=f"{DIMENSIONS} features of an object against {DIMENSIONS + 1}"):
            sums.merge(MotionSums(DIMENSIONS + 1))
        for name, array in sums.arrays().items():
            np.testing.assert_array_equal(array, before[name], err_msg=name)

    def test_what_is_restored_from_arrays_goes_on_as_the_original(self) -> None:
        rng = np.random.default_rng(0)
        frames = [some_frame(rng, number) for number in range(6)]
        one, other = learned(frames[:3]), MotionSums(DIMENSIONS)
        other.restore({name: array.copy() for name, array in one.arrays().items()})
        for each in frames[3:]:
            one.update(each)
            other.update(each)
        for name, array in one.arrays().items():
            np.testing.assert_array_equal(other.arrays()[name], array, err_msg=name)


class TestGaussians:
    @pytest.mark.parametrize("width", WIDTHS)
    def test_each_place_is_numpy_s_covariance_weighted_by_distance_and_shrunk(self, width: float) -> None:
        """Each observation weighs exp(-d^2 / 2 width^2), and shrinkage / N everywhere."""
        rng = np.random.default_rng(4)
        grid, count = 9, 600
        places = rng.integers(0, grid * grid, count)
        rows, columns = np.divmod(places, grid)
        values = (rng.normal(size=(count, 2)) + np.stack([0.3 * rows, 0.1 * columns], 1)).astype(np.float32)
        sums = PlacedSums(grid, 2)
        sums.update(places, values)
        gaussians, chosen = sums.pooled(width), SETTINGS.gaussians
        variances = np.var(values, axis=0, dtype=np.float64)
        for row, column in ((0, 0), (4, 4), (8, 3)):
            far = np.maximum(abs(rows - row), abs(columns - column)) > math.ceil(min(4 * width, 100))
            near = np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * width**2)) * ~far
            weights = near + chosen.shrinkage / count
            covariance = np.cov(values.T, aweights=weights, ddof=0) + np.diag(chosen.ridge * variances)
            factor = gaussians.whitening[row, column].astype(np.float64)
            np.testing.assert_allclose(np.linalg.inv(factor.T @ factor), covariance, rtol=2e-4, atol=2e-5)
            expected = np.average(values, axis=0, weights=weights)
            np.testing.assert_allclose(gaussians.mean[row, column], expected, rtol=1e-5, atol=1e-6)

    @QUICK
    @given(SEEDS)
    def test_the_length_of_what_is_whitened_is_scipy_s_mahalanobis_distance(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        places = rng.integers(0, 16, 100)
        values = (rng.normal(size=(100, 3)) @ rng.normal(size=(3, 3))).astype(np.float32)
        sums = PlacedSums(4, 3)
        sums.update(places, values)
        gaussians = sums.pooled(1.5)
        found = np.linalg.norm(gaussians.whitened(places[:10], values[:10]), axis=1)
        for place, value, distance in zip(places, values, found, strict=False):
            factor = gaussians.whitening.reshape(-1, 3, 3)[place].astype(np.float64)
            mean = gaussians.mean.reshape(-1, 3)[place]
            assert distance == pytest.approx(mahalanobis(value, mean, factor.T @ factor), rel=1e-4)

    @QUICK
    @given(SEEDS, st.floats(0.1, 10), st.floats(-5, 5))
    def test_distances_do_not_depend_on_the_unit_nor_the_origin(self, seed: int, unit: float, origin: float) -> None:
        """But for the 1e-6 that is added to each variance."""
        rng = np.random.default_rng(seed)
        places, values = rng.integers(0, 16, 200), rng.normal(size=(200, 2)).astype(np.float32)
        found = []
        for each in (values, (unit * values + origin).astype(np.float32)):
            sums = PlacedSums(4, 2)
            sums.update(places, each)
            found.append(sums.pooled(1.5).whitened(places, each))
        np.testing.assert_allclose(found[0], found[1], rtol=1e-2, atol=1e-2)


class TestDirections:
    @QUICK
    @given(st.floats(-math.pi, math.pi), st.floats(1e-3, 10))
    def test_the_bin_is_the_nearest_eighth_whatever_the_speed(self, angle: float, speed: float) -> None:
        eighth = angle / (math.pi / 4)
        assume(abs(eighth - math.floor(eighth) - 0.5) > 1e-3)
        velocity = np.zeros((GRID, GRID, 2))
        velocity[5, 7] = speed * math.cos(angle), speed * math.sin(angle)
        motion, cell = grid_motion(velocity, np.ones((GRID, GRID), bool)), np.array([5 * GRID + 7])
        assert direction_bins(motion, cell)[0] == round(eighth) % 8
        assert direction_positions(motion, cell)[0] == pytest.approx(eighth, abs=1e-4) or abs(abs(eighth) - 4) < 1e-3

    def test_traffic_that_goes_every_way_alike_makes_no_direction_rare(self) -> None:
        halves = (MotionSums(DIMENSIONS), MotionSums(DIMENSIONS))
        cells = np.ones((GRID, GRID), bool)

        def going(eighth: float) -> Observation:
            way = np.array([math.cos(eighth * math.pi / 4), math.sin(eighth * math.pi / 4)])
            motion = grid_motion(np.broadcast_to(0.2 * way, (GRID, GRID, 2)), cells)
            thing = MovingObject((0, 0, 9, 9), np.ones((9, 9), bool), np.arange(40), (0.5, 0.5))
            return Observation("yard", 0.0, motion, [thing], np.ones((1, DIMENSIONS), np.float32))

        for half in halves:
            for number in range(8):
                half.update(going(number))
            half.turns = 4
        measure = Measure(halves)
        for eighth in (0.0, 0.5, 3.0, -2.25):
            assert measure.evidence(going(eighth)).direction == pytest.approx(0, abs=1e-3)


class TestFlow:
    @settings(max_examples=12)
    @given(st.integers(-6, 6), st.integers(-6, 6), st.sampled_from([0.05, 0.1, 0.25]), st.booleans())
    def test_a_piece_that_is_shifted_has_the_velocity_of_its_shift(
        self, right: int, down: int, step_s: float, upright: bool
    ) -> None:
        """The same pixels elsewhere on another ground: velocity = shift / (longer side * step)."""
        assume(abs(right) + abs(down) >= 2)
        height, width = (240, 160) if upright else (160, 240)
        ground, piece = texture(height, width, 0), texture(60, 60, 1)
        before, after = ground.copy(), ground.copy()
        top, left = height // 2 - 30, width // 2 - 30
        before[top : top + 60, left : left + 60] = piece
        after[top + down : top + down + 60, left + right : left + right + 60] = piece
        motion = motion_between(before, after, step_s)
        rows, columns = ((np.arange(GRID) + 0.5) * side / GRID for side in (height, width))
        inner = np.ix_(abs(rows - height / 2 - down) < 15, abs(columns - width / 2 - right) < 15)
        assert motion.cells[inner].all()
        velocity = np.median(motion.velocity[inner].reshape(-1, 2), axis=0) * 240 * step_s
        np.testing.assert_allclose(velocity, [right, down], atol=0.3)
        outer = np.ix_(abs(rows - height / 2) > 66, abs(columns - width / 2) > 66)
        assert not motion.cells[outer].any()

    @QUICK
    @given(SEEDS, st.integers(-60, 60))
    def test_a_change_of_light_everywhere_differs_nowhere(self, seed: int, brighter: int) -> None:
        picture = np.random.default_rng(seed).integers(60, 190, (120, 160)).astype(np.uint8)
        assert not differing(picture, (picture.astype(int) + brighter).astype(np.uint8)).any()

    @QUICK
    @given(st.integers(0, 119), st.integers(0, 159))
    def test_what_differs_is_the_same_in_either_order_of_time(self, row: int, column: int) -> None:
        one = texture(120, 160, 3)[..., 0].copy()
        other = one.copy()
        other[max(0, row - 8) : row + 8, max(0, column - 8) : column + 8] ^= 0x60
        np.testing.assert_array_equal(differing(one, other), differing(other, one))
        assert differing(one, other)[row, column]


class TestObjects:
    @QUICK
    @given(SEEDS)
    def test_windows_tile_their_regions(self, seed: int) -> None:
        """Every pixel of a region that is large enough belongs to one object: none is lost or counted twice."""
        rng = np.random.default_rng(seed)
        moving = np.zeros((160, 240), bool)
        for _ in range(3):
            top, left = rng.integers(0, 100), rng.integers(0, 150)
            moving[top : top + rng.integers(12, 60), left : left + rng.integers(12, 90)] = True
        found = moving_objects(replace(STILL, moving=moving))
        assume(len(found) < SETTINGS.objects.most_objects)
        covered = np.zeros(moving.shape, int)
        for each in found:
            x, y, width, height = each.box
            covered[y : y + height, x : x + width] += each.mask
        assert covered.max() == 1
        lost = moving & (covered == 0)
        assert lost.sum() < SETTINGS.objects.least_area * moving.size * 12
        np.testing.assert_array_equal(covered > 0, moving & ~lost)
        assert [each.mask.sum() for each in found] == sorted((each.mask.sum() for each in found), reverse=True)


class TestChange:
    @settings(max_examples=60)
    @given(SEEDS, st.lists(st.floats(0.01, 0.9), min_size=2, max_size=40))
    def test_it_is_the_difference_to_numpy_s_interpolation_a_lag_ago(self, seed: int, steps: list[float]) -> None:
        rng = np.random.default_rng(seed)
        times = np.cumsum(steps)
        values = rng.normal(size=len(times)).astype(np.float32)
        shape, history, lag_s = (CHANGE_GRID, CHANGE_GRID, CHANGE_CHANNELS), EmbeddingHistory(), SETTINGS.change.lag_s
        for number, (time_s, value) in enumerate(zip(times, values, strict=True)):
            found = history.change(np.full(shape, value, np.float32), float(time_s))
            then_s = time_s - lag_s
            if number == 0 or then_s < times[0] - 1e-9:
                assert found is None
            elif then_s > times[0] + 1e-9:
                then_s = min(then_s, times[number - 1])
                earlier = np.interp(then_s, times[:number], values[:number])
                assert found is not None
                np.testing.assert_allclose(found, (value - earlier) / (time_s - then_s), rtol=1e-3, atol=1e-3)


class TestView:
    @QUICK
    @given(SEEDS, st.floats(0, 3))
    def test_likeness_is_numpy_s_correlation_averaged_over_channels(self, seed: int, noise: float) -> None:
        rng = np.random.default_rng(seed)
        total = rng.normal(size=(CHANGE_GRID, CHANGE_GRID, CHANGE_CHANNELS))
        embedding = (total + noise * rng.normal(size=total.shape)).astype(np.float32)
        margin = SETTINGS.view.margin
        one, other = (
            each[margin:-margin, margin:-margin].reshape(-1, CHANGE_CHANNELS).T for each in (total, embedding)
        )
        expected = np.mean([np.corrcoef(one[each], other[each])[0, 1] for each in range(CHANGE_CHANNELS)])
        assert LearnedView(total).likeness(embedding) == pytest.approx(expected, abs=1e-4)


class TestStillPatches:
    @pytest.mark.parametrize("fps", [5, 10, 30])
    def test_what_comes_and_stays_follows_its_time_constants_at_any_frame_rate(self, fps: int) -> None:
        """A step of r: rise' = -rise / R, dwell' = (rise - dwell) / T; dwell = r (e^-t/R - e^-t/T) R / (R - T)."""
        rise_s, dwell_s = SETTINGS.still.rise_s, SETTINGS.still.dwell_s
        still, empty = StillPatches(np.ones((GRID, GRID), np.float32)), np.full((1, GRID, GRID), 5, np.float32)
        bag = empty.copy()
        bag[:, : GRID // 4, : GRID // 4] += 20
        still.heights([Observation("yard", 0.0, STILL)], empty)
        for number in range(1, 40 * fps + 1):
            time_s = number / fps
            (height,) = still.heights([Observation("yard", time_s, STILL)], bag)
            if number % (2 * fps) == 0:
                grown = math.exp(-time_s / rise_s) - math.exp(-time_s / dwell_s)
                assert height == pytest.approx(20 * grown * rise_s / (rise_s - dwell_s), rel=0.03)

    @pytest.mark.parametrize("factor", [0.5, 3.0])
    def test_a_change_of_light_is_no_rise_and_hides_none(self, factor: float) -> None:
        """Distances of 4 to 8 by place, all multiplied by up to `factor`; a bag adds 20, in that light."""
        usual = np.random.default_rng(0).uniform(4, 8, (1, GRID, GRID)).astype(np.float32)
        still, heights = StillPatches(np.ones((GRID, GRID), np.float32)), []
        for number in range(600):
            light = 1 + (factor - 1) * min(number / 400, 1)
            grids = light * usual
            if number >= 500:
                grids[:, 8:16, 8:16] += 20
            heights += still.heights([Observation("yard", number / 5, STILL)], grids)
        assert max(heights[:500]) < 0.5
        assert heights[-1] > 15


class TestHalves:
    @QUICK
    @given(st.lists(st.tuples(st.sampled_from(["yard", "lane"]), st.floats(0.05, 20)), min_size=1, max_size=60))
    def test_windows_alternate_and_are_of_one_stream_and_15_s(self, steps: list[tuple[str, float]]) -> None:
        halves, time_s, window = Halves(), 0.0, [("", math.inf, 1)]
        for stream, step_s in steps:
            time_s += step_s
            half, begins = halves.turn(Observation(stream, time_s, None))
            if begins:
                assert half == 1 - window[-1][2]
                assert stream != window[-1][0] or time_s - window[0][1] >= SETTINGS.statistics.turn_s
                window = [(stream, time_s, half)]
            else:
                assert (stream, half) == (window[-1][0], window[-1][2])
                assert time_s - window[0][1] < SETTINGS.statistics.turn_s
                window.append((stream, time_s, half))
