"""Evidence of a frame: closed forms of the rates, and the distances against plain loops."""

import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from scipy.spatial.distance import mahalanobis

from streammon.motion import SETTINGS
from streammon.motion.change import CHANGE_CHANNELS, CHANGE_GRID
from streammon.motion.evidence import OBJECT_CHANNELS, Evidence, Measure
from streammon.motion.flow import GRID, Motion
from streammon.motion.gaussians import PlacedGaussians, chosen_width
from streammon.motion.objects import MovingObject, moving_objects
from streammon.motion.observe import Observation
from streammon.motion.statistics import MotionSums, cell_speeds, object_shapes
from streammon.records import Channel
from support.motion_samples import (
    DIMENSIONS,
    SEEDS,
    STILL,
    Cell,
    Velocity,
    flat,
    grid_motion,
    learned,
    motion_of,
    some_frame,
    thing,
)
from support.moving_square import STREET_DIMENSIONS, moving, observed

SPEED = 0.2
CELLS = [(row, column) for row in range(30, 34) for column in range(20, 26)]
MOVES = np.ones((GRID, GRID), bool)
CHOSEN = SETTINGS.evidence


def seen(motion: Motion | None, *objects: MovingObject) -> Observation:
    return Observation("yard", 0.0, motion, list(objects), np.ones((len(objects), DIMENSIONS), np.float32))


def velocity_of(eighth: float, speed: float = SPEED) -> Velocity:
    """Velocity of a way in direction_positions of the circle, from right over down."""
    angle = eighth * math.pi / 4
    return speed * math.cos(angle), speed * math.sin(angle)


def going(eighth: float, speed: float = SPEED, cells: list[Cell] = CELLS) -> Observation:
    """A frame with one object that goes that way."""
    return seen(motion_of(dict.fromkeys(cells, velocity_of(eighth, speed))), thing(cells))


def traffic(frames: int, speed: float = SPEED, moving: int | None = None) -> list[Observation]:
    """Frames in which all cells go to the right, or only in the first `moving` of them, without objects."""
    everywhere = grid_motion(np.broadcast_to([speed, 0.0], (GRID, GRID, 2)), MOVES)
    return [seen(everywhere if n < (frames if moving is None else moving) else STILL) for n in range(frames)]


def measure_of(frames: list[Observation], turns: int) -> Measure:
    """Of two halves with every other frame and half of the windows each."""
    return Measure((learned(frames[::2], turns - turns // 2), learned(frames[1::2], turns // 2)))


class TestPlace:
    @settings(max_examples=10)
    @given(st.integers(1, 12), st.integers(0, 12), st.integers(0, 6))
    def test_presence_is_the_mean_of_its_posterior(self, frames: int, moving: int, turns: int) -> None:
        """Beta prior of p pseudo-frames each way: (m + p) / (F + 2 p), p = frames of a window, at least one."""
        moving = min(frames, moving)
        measure = measure_of(traffic(frames, moving=moving), turns)
        prior = max(frames / max(turns, 1), 1.0)
        share = (moving + prior) / (frames + 2 * prior)
        assert measure.evidence(going(0)).place == pytest.approx(-math.log10(share), abs=1e-5)
        np.testing.assert_allclose(measure.rarity, -math.log10((moving + 1) / (frames + 2)), atol=1e-5)

    def test_three_frames_in_ten_of_two_windows_by_hand(self) -> None:
        """p = 10 / 2 = 5: -log10((3 + 5) / (10 + 10)) = 0.398."""
        assert measure_of(traffic(10, moving=3), 2).evidence(going(0)).place == pytest.approx(0.39794, abs=1e-4)

    def test_counts_are_smoothed_by_scipy_s_gaussian(self) -> None:
        rng = np.random.default_rng(0)
        frames = [seen(replace(STILL, cells=rng.random((GRID, GRID)) < 0.1)) for _ in range(6)]
        counts = np.sum([each.motion.cells for each in frames if each.motion is not None], axis=0, dtype=np.float64)
        smooth = gaussian_filter(counts, CHOSEN.count_width, mode="reflect", radius=6)
        np.testing.assert_allclose(measure_of(frames, 2).rarity, -np.log10((smooth + 1) / 8), atol=1e-5)

    def test_it_is_the_mean_over_an_object_s_moving_cells_of_the_rarest_object(self) -> None:
        """Where all of 8 frames moved, and where none did; 4 windows, p = 2: 10 / 12 and 2 / 12."""
        left = grid_motion(np.full((GRID, GRID, 2), 0.1), np.arange(GRID * GRID).reshape(GRID, GRID) % GRID < 32)
        measure = measure_of([seen(left)] * 8, 4)
        usual, rare = -math.log10(10 / 12), -math.log10(2 / 12)
        cells = [(9, 2), (9, 3), (9, 60), (9, 61), (9, 62)]
        frame = motion_of(dict.fromkeys(cells[:4], (0.1, 0.0)))
        both, one = thing(cells), thing(cells[:2])
        assert measure.evidence(seen(frame, one)).place == pytest.approx(usual, abs=1e-3)
        assert measure.evidence(seen(frame, one, both)).place == pytest.approx((usual + rare) / 2, abs=1e-3)
        assert measure.evidence(seen(frame, thing(cells[4:]))).place == 0  # nothing moves there now
        assert measure.evidence(seen(frame)).place == 0


class TestDirection:
    @pytest.mark.parametrize("turns", [1, 4, 24])
    @pytest.mark.parametrize("speed", [0.1, 0.2])
    def test_against_uniform_traffic_it_is_the_logarithm_of_the_windows_and_one(
        self, turns: int, speed: float
    ) -> None:
        """Traffic t each cell, prior t / T over eight ways: r = -log10((t / 8T) / ((t + t / T) / 8)) = log10(T + 1).

        It counts by the speed over the pace, half of sum(v^2) / sum(v) = 0.2.
        """
        measure = measure_of(traffic(8), turns)
        found = measure.evidence(going(4, speed)).direction
        assert found == pytest.approx(math.log10(turns + 1) * speed / (0.5 * SPEED), rel=1e-4)
        assert measure.evidence(going(0, speed)).direction == 0  # the usual way: (8 T + 1) / (T + 1) of an even share

    def test_between_two_eighths_it_is_numpy_s_interpolation_around_the_circle(self) -> None:
        """Ways 0 to 7 were gone by 1 to 8 of 36 frames, in 9 windows: r = -log10((t + p) / ((36 + 8 p) / 8))."""
        frames = [
            seen(grid_motion(np.broadcast_to(velocity_of(way), (GRID, GRID, 2)), MOVES))
            for way in range(8)
            for _ in range(way + 1)
        ]
        measure, prior = measure_of(frames, 9), 36 / 9 / 8
        rarity = -np.log10((np.arange(1, 9) + prior) / ((36 + 8 * prior) / 8))
        for eighth in np.arange(-4, 4, 0.21):
            expected = np.interp(eighth, np.arange(8), rarity, period=8)
            assert measure.evidence(going(eighth)).direction == pytest.approx(max(0.0, 2 * expected), abs=1e-3)

    def test_where_nothing_went_every_way_is_alike(self) -> None:
        nowhere = measure_of(traffic(4, moving=0), 2)
        for eighth in range(8):
            assert nowhere.evidence(going(eighth)).direction == pytest.approx(0, abs=1e-6)

    def test_the_pace_is_the_mean_speed_by_distance_covered(self) -> None:
        """Half the frames at 0.1, half at 0.3: sum(v^2) / sum(v) = 0.1 / 0.4 = 0.25, the pace half of it."""
        frames = [each for pair in zip(traffic(4, 0.1), traffic(4, 0.3), strict=True) for each in pair]
        found = measure_of(frames, 9).evidence(going(4, 0.25)).direction
        assert found == pytest.approx(math.log10(10) * 0.25 / 0.125, rel=1e-4)

    def test_the_prior_is_the_usual_traffic_of_a_place_that_has_some(self) -> None:
        """Half of the places see traffic t, smoothed to p t: u = sum(p^2) / sum(p), and r = log10(T / u + 1)."""
        half = np.arange(GRID * GRID).reshape(GRID, GRID) % GRID < 32
        frames = [seen(grid_motion(half[..., None] * np.array([SPEED, 0.0]), half))] * 8
        smooth = gaussian_filter(half.astype(np.float64), CHOSEN.count_width, mode="reflect", radius=6)
        usual = (smooth**2).sum() / smooth.sum()
        inside = [(row, column) for row in range(10, 14) for column in range(4, 8)]
        found = measure_of(frames, 4).evidence(going(4, cells=inside)).direction
        assert found == pytest.approx(2 * math.log10(4 / usual + 1), rel=1e-4)

    @settings(max_examples=6)
    @given(SEEDS, st.floats(0.1, 10))
    def test_the_unit_of_speed_does_not_matter(self, seed: int, unit: float) -> None:
        rng = np.random.default_rng(seed)
        velocities = rng.normal(size=(7, GRID, GRID, 2))
        cells = rng.random((7, GRID, GRID)) < 0.2
        found = []
        for factor in (1.0, unit):
            frames = [seen(grid_motion(factor * one, moving)) for one, moving in zip(velocities, cells, strict=True)]
            things = [thing([(r, c) for r in range(k, k + 8) for c in range(k, k + 8)]) for k in (3, 40)]
            evidence = measure_of(frames[:-1], 3).evidence(seen(frames[-1].motion, *things))
            found.append([evidence.direction, evidence.place, *evidence.speed.astype(float)])
        np.testing.assert_allclose(found[0], found[1], rtol=5e-3, atol=5e-3)


@cache
def street() -> tuple[Measure, PlacedGaussians]:
    """Speeds of 0.2 with a standard deviation of 0.05 everywhere, and their Gaussians."""
    rng, sums = np.random.default_rng(0), MotionSums(DIMENSIONS)
    speeds = rng.normal(0.2, 0.05, (4, GRID, GRID)).astype(np.float32)
    frames = [seen(Motion(STILL.moving, STILL.velocity, each, MOVES)) for each in speeds]
    for each in frames:
        sums.update(each)
    measure = measure_of(frames, 4)
    return measure, sums.speed.pooled(measure.widths["speed"])


class TestSpeed:
    def speeds(self, motion: Motion) -> np.ndarray:
        return street()[0].evidence(seen(motion)).speed.astype(np.float64)

    def test_a_lone_cell_s_is_its_excess_in_standard_deviations(self) -> None:
        for speed in (0.2, 0.25, 0.4, 0.12):
            (found,) = self.speeds(motion_of({(30, 30): (speed, 0.0)}))
            assert found == pytest.approx((speed - 0.2) / (0.05 * math.sqrt(1.01)), abs=0.15)

    def test_what_stands_nearly_still_counts_as_three_deviations_slower_at_most(self) -> None:
        (slow,) = self.speeds(motion_of({(30, 30): (0.001, 0.0)}))
        assert slow == -3
        fast, _ = self.speeds(motion_of({(30, 30): (0.6, 0.0), (30, 31): (0.001, 0.0)}))
        (alone,) = self.speeds(motion_of({(30, 30): (0.6, 0.0)}))
        assert fast == pytest.approx((alone - 3) / 2, abs=0.02)

    @settings(max_examples=15)
    @given(SEEDS, st.floats(0.01, 0.6))
    def test_it_is_averaged_over_the_moving_cells_within_two_by_plain_loops(self, seed: int, share: float) -> None:
        """At the border the grid is reflected about its outermost cells."""
        rng = np.random.default_rng(seed)
        moves = np.zeros((GRID, GRID), bool)
        moves[:12, 52:] = rng.random((12, 12)) < share
        motion = Motion(STILL.moving, STILL.velocity, rng.uniform(0, 0.5, (GRID, GRID)).astype(np.float32), moves)
        own = np.full((GRID, GRID), np.nan)
        cells, speeds = cell_speeds(motion)
        own.reshape(-1)[cells] = street()[1].whitened(cells, speeds)[:, 0].clip(min=CHOSEN.slowest)
        padded = np.pad(own, 2, mode="reflect")
        expected = [np.nanmean(padded[cell // GRID :, cell % GRID :][:5, :5]) for cell in cells]
        np.testing.assert_allclose(self.speeds(motion), expected, rtol=2e-3, atol=2e-3)

    def test_the_kernel_is_at_least_three_cells_wide(self) -> None:
        """Each cell its own speed: the likelihood alone would choose the narrowest."""
        own = np.random.default_rng(1).uniform(0.1, 1.0, (GRID, GRID)).astype(np.float32)
        frames = [seen(Motion(STILL.moving, STILL.velocity, own, MOVES)) for _ in range(200)]
        halves = learned(frames[::2]), learned(frames[1::2])
        assert chosen_width((halves[0].speed, halves[1].speed)) < 3 == Measure(halves).widths["speed"]


def noisy(rng: np.random.Generator, motion: Motion, objects: list[MovingObject]) -> Observation:
    """A frame with random features of some objects and a random change."""
    features = rng.normal(1, 2, (len(objects), DIMENSIONS)).astype(np.float32)
    change = rng.normal(0, 3, (CHANGE_GRID, CHANGE_GRID, CHANGE_CHANNELS)).astype(np.float32)
    return Observation("yard", 0.0, motion, objects, features, change, change + 1)


@cache
def yard() -> tuple[Measure, dict[str, PlacedGaussians]]:
    """Random objects and changes, as a measure of them, and its Gaussians from the joint sums."""
    rng = np.random.default_rng(3)
    frames = [some_frame(rng, number) for number in range(12)]
    measure, whole = measure_of(frames, 4), learned(frames)
    return measure, {name: sums.pooled(measure.widths[name]) for name, sums in whole.placed.items()}


class TestDistances:
    def distance(self, name: str, place: int, values: np.ndarray) -> float:
        """By scipy, from the inverse of the covariance."""
        gaussians = yard()[1][name]
        factor = gaussians.whitening.reshape(-1, *gaussians.whitening.shape[2:])[place].astype(np.float64)
        mean = gaussians.mean.reshape(-1, gaussians.mean.shape[2])[place]
        return float(mahalanobis(values, mean, factor.T @ factor))

    def test_looks_are_those_of_the_cell_s_strangest_object(self) -> None:
        """Two objects share a cell, a third has none of those that move, and a cell has no object."""
        one, other = [(8, 8), (8, 9)], [(8, 9), (8, 10)]
        motion = motion_of(dict.fromkeys([*one, *other, (50, 50)], (0.1, 0.0)))
        objects = [thing(one, (0.1, 0.2)), thing(other, (0.9, 0.9)), thing([(60, 60)], (0.5, 0.5))]
        frame = noisy(np.random.default_rng(0), motion, objects)
        first, second, _ = (
            self.distance("looks", place, features)
            for place, features in zip((1 * 16 + 3, 14 * 16 + 14, 8 * 16 + 8), frame.features, strict=True)
        )
        evidence = yard()[0].evidence(frame)
        assert evidence.cells.tolist() == flat([*one, (8, 10), (50, 50)]).tolist()
        np.testing.assert_allclose(evidence.looks, [first, max(first, second), second, 0], rtol=2e-3)

    def test_change_is_that_of_the_cell_s_place_where_something_moves(self) -> None:
        """4 x 4 cells are one place."""
        motion = motion_of(dict.fromkeys([(0, 0), (3, 3), (4, 3), (63, 62)], (0.1, 0.0)))
        frame = noisy(np.random.default_rng(1), motion, [])
        assert frame.change is not None
        first, below, last = (
            self.distance("change", row * 16 + column, frame.change[row, column])
            for row, column in ((0, 0), (1, 0), (15, 15))
        )
        evidence = yard()[0].evidence(frame)
        np.testing.assert_allclose(evidence.change, [first, first, below, last], rtol=2e-3)
        assert not yard()[0].evidence(replace(frame, change=None)).change.any()

    def test_shape_is_that_of_the_strangest_object_whether_its_cells_move_or_not(self) -> None:
        objects = [thing([], (0.2, 0.3), (10, 30)), thing([], (0.7, 0.7), (200, 3)), thing([], (0.2, 0.3), (5, 5))]
        expected = [
            self.distance("shape", place, np.log(np.array([wide, high, wide * high], np.float32)))
            for place, (wide, high) in zip((52, 187, 52), ((10, 30), (200, 3), (5, 5)), strict=True)
        ]
        assert yard()[0].evidence(seen(motion_of({}), *objects)).shape == pytest.approx(max(expected), rel=1e-3)
        assert max(expected) == expected[1]

    def test_the_order_of_the_halves_does_not_matter(self) -> None:
        rng = np.random.default_rng(5)
        frames = [some_frame(rng, 3 * number) for number in range(1, 7)]  # every third has no change
        halves = learned(frames[:3], 1), learned(frames[3:5], 2)
        one, other = (Measure(each).evidence(frames[5]) for each in (halves, halves[::-1]))
        assert_same(one, other)
        assert halves[0].frames == 3  # learning may go on


def assert_same(one: Evidence, other: Evidence) -> None:
    np.testing.assert_array_equal(one.cells, other.cells)
    for name in ("speed", "looks", "change"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=2e-3, atol=2e-3)
    for name in ("direction", "place", "shape", "likeness"):
        assert getattr(one, name) == pytest.approx(getattr(other, name), rel=1e-4, abs=1e-5)


class TestWithout:
    def test_a_frame_without_motion_shows_its_likeness_alone(self) -> None:
        frame = some_frame(np.random.default_rng(0), 1)
        evidence, moving = (yard()[0].evidence(each) for each in (replace(frame, motion=None), frame))
        assert [len(each) for each in (evidence.cells, evidence.speed, evidence.looks, evidence.change)] == [0] * 4
        assert (evidence.direction, evidence.place, evidence.shape) == (0, 0, 0)
        assert -1 < evidence.likeness == moving.likeness < 1

    def test_a_frame_without_an_embedding_is_like_the_view(self) -> None:
        frame = replace(some_frame(np.random.default_rng(0), 1), embedding=None)
        assert yard()[0].evidence(frame).likeness == yard()[0].evidence(replace(frame, motion=None)).likeness == 1

    def test_frames_of_the_learned_view_are_like_it(self) -> None:
        embedding = np.random.default_rng(0).normal(size=(CHANGE_GRID, CHANGE_GRID, CHANGE_CHANNELS))
        frames = [replace(each, embedding=embedding.astype(np.float32)) for each in traffic(4)]
        for sign in (1, -1):
            frame = replace(frames[0], embedding=sign * embedding.astype(np.float32))
            assert measure_of(frames, 2).evidence(frame).likeness == pytest.approx(sign, abs=1e-4)

    @pytest.mark.parametrize("learned_frames", [0, 1, 8])
    def test_footage_without_objects_measures_neither_looks_nor_shape_nor_change(self, learned_frames: int) -> None:
        """And none at all gives no speed either. Motion itself is then rare: (0 + 1) / (F + 2)."""
        measure = measure_of(traffic(learned_frames, moving=0), learned_frames)
        assert measure.widths == {}
        evidence = measure.evidence(noisy(np.random.default_rng(0), going(0).motion or STILL, [thing(CELLS)]))
        assert evidence.cells.tolist() == flat(CELLS).tolist()
        assert not any(each.any() for each in (evidence.speed, evidence.looks, evidence.change))
        assert evidence.shape == 0
        assert evidence.place == pytest.approx(math.log10(learned_frames + 2), rel=1e-5)

    def test_one_object_alone_has_no_gaussian_and_two_have_one(self) -> None:
        assert "looks" not in measure_of([going(0)], 1).widths
        assert measure_of([going(0)] * 2, 2).widths["looks"] == math.inf  # a half of one cannot be judged by


class TestCulprit:
    def objects(self) -> tuple[Motion, list[MovingObject]]:
        """One goes the usual way; one, of a usual shape, the other way; one is of an odd shape where none goes."""
        cells = [[(row, column) for row in (9, 10) for column in (first, first + 1)] for first in (4, 14, 50)]
        velocities: list[Velocity] = [(SPEED, 0.0), (-SPEED, 0.0), (SPEED, 0.0)]
        moving = {cell: velocity for each, velocity in zip(cells, velocities, strict=True) for cell in each}
        sizes = [(9, 9), (9, 9), (90, 2)]
        return motion_of(moving), [thing(each, size=size) for each, size in zip(cells, sizes, strict=True)]

    @pytest.mark.parametrize(
        ("channel", "first"), [(Channel.DIRECTION, 14), (Channel.PLACE, 50), (Channel.SHAPE, 50)]
    )
    def test_it_is_the_object_with_the_most_of_the_channel(self, channel: Channel, first: int) -> None:
        left = np.arange(GRID * GRID).reshape(GRID, GRID) % GRID < 32
        frames = [
            seen(grid_motion(left[..., None] * np.array([SPEED, 0.0]), left), thing(CELLS), thing(CELLS, size=(8, 9)))
            for _ in range(8)
        ]
        measure, (motion, objects) = measure_of(frames, 4), self.objects()
        for order in (objects, objects[::-1]):
            culprit = measure.most_unusual_object_cells(seen(motion, *order), channel)
            assert culprit.tolist() == flat([(9, first), (9, first + 1), (10, first), (10, first + 1)]).tolist()

    @pytest.mark.parametrize("channel", OBJECT_CHANNELS)
    def test_without_motion_or_objects_there_is_none(self, channel: Channel) -> None:
        measure, (motion, objects) = yard()[0], self.objects()
        assert len(measure.most_unusual_object_cells(seen(motion), channel)) == 0
        assert len(measure.most_unusual_object_cells(seen(None, *objects), channel)) == 0


def learned_street(turns_each: int, swaying: int = 0) -> Measure:
    """A street on which things go to the right at 20 to 30 pixels a second, along its middle: 24 frames of it.

    Args:
        turns_each: Quarter minutes that each half's frames are from.
        swaying: Frames in which something sways there, to and fro.
    """
    halves = (MotionSums(STREET_DIMENSIONS), MotionSums(STREET_DIMENSIONS))
    for n in range(24):
        halves[n % 2].update(observed(moving(20.0 + n % 11, left=20 + 7 * n), n / 10))
    for n in range(swaying):
        halves[n // 2 % 2].update(observed(moving(1.0 if n % 2 else -1.0, step_s=0.5), n / 10))
    for half in halves:
        half.turns = turns_each
    return Measure(halves)


@pytest.fixture(scope="module")
def measure() -> Measure:
    """That street, each frame from another quarter minute."""
    return learned_street(12)


class TestMeasure:
    def test_twice_the_usual_speed_stands_out(self, measure: Measure) -> None:
        usual = measure.evidence(observed(moving(25.0), 9.0))
        fast = measure.evidence(observed(moving(60.0), 9.0))
        assert fast.speed.max() > usual.speed.max() + 1.5

    def test_the_other_way_is_a_rare_direction(self, measure: Measure) -> None:
        usual = measure.evidence(observed(moving(25.0), 9.0))
        against = measure.evidence(observed(moving(-25.0), 9.0))
        assert against.direction > usual.direction + 0.6

    def test_who_sways_has_gone_nowhere_and_hides_no_one_who_goes_the_other_way(self, measure: Measure) -> None:
        swaying = learned_street(12, swaying=10).evidence  # as many frames as there is something that passes
        alone = measure.evidence(observed(moving(-25.0), 9.0)).direction
        assert swaying(observed(moving(-25.0), 9.0)).direction > 0.4 * alone
        assert swaying(observed(moving(-1.0, step_s=0.5), 9.0)).direction < 0.05 * alone

    def test_of_two_objects_the_one_that_goes_the_other_way_is_the_most_unusual(self, measure: Measure) -> None:
        usual, against = moving(25.0, left=30), moving(-25.0, left=180)
        both = Motion(
            usual.moving | against.moving,
            usual.velocity + against.velocity,
            usual.speed + against.speed,
            usual.cells | against.cells,
        )
        most_unusual = np.zeros(GRID * GRID, bool)
        most_unusual[measure.most_unusual_object_cells(observed(both, 9.0), Channel.DIRECTION)] = True
        moves = most_unusual & both.cells.reshape(-1)
        assert np.array_equal(moves.reshape(GRID, GRID), against.cells)
        assert len(measure.most_unusual_object_cells(observed(moving(0.0), 9.0), Channel.DIRECTION)) == 0

    def test_many_frames_of_one_quarter_minute_make_no_way_certain(self, measure: Measure) -> None:
        against = observed(moving(-25.0), 9.0)
        surprise = [learned_street(turns).evidence(against).direction for turns in (1, 3, 12)]
        assert surprise == sorted(surprise)
        assert surprise[0] < 0.7 * surprise[2] == 0.7 * measure.evidence(against).direction

    def test_where_nothing_went_is_a_rare_place(self, measure: Measure) -> None:
        usual = measure.evidence(observed(moving(25.0), 9.0))
        aside = measure.evidence(observed(moving(25.0, top=4), 9.0))
        assert aside.place > usual.place + 0.5

    def test_many_frames_of_one_quarter_minute_make_no_place_certain(self, measure: Measure) -> None:
        aside = observed(moving(25.0, top=4), 9.0)
        surprise = [learned_street(turns).evidence(aside).place for turns in (1, 3, 12)]
        assert surprise == sorted(surprise)
        assert surprise[0] < np.log10(4.1)  # two turns with nothing there, and one of either kind beforehand
        assert surprise[2] == measure.evidence(aside).place > np.log10(20)

    def test_footage_in_which_nothing_moved_makes_every_motion_rare(self) -> None:
        empty = (MotionSums(STREET_DIMENSIONS), MotionSums(STREET_DIMENSIONS))
        for n in range(40):
            empty[n % 2].update(observed(moving(0.0), n / 10))
            empty[n % 2].turns += 1
        seen = Measure(empty).evidence(observed(moving(25.0), 9.0))
        assert seen.place > 1.5
        assert len(seen.cells) == len(cell_speeds(moving(25.0))[0])

    def test_shapes_are_logarithms_of_pixels(self) -> None:
        found = moving_objects(moving(30.0))
        wide, high, area = np.exp(object_shapes(found)[0])
        assert (round(wide), round(high)) == found[0].box[2:]
        assert area == pytest.approx(found[0].mask.sum(), rel=1e-4)
