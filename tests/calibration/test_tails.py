"""Surprise of a value: counted where values were seen, continued beyond them."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streammon.calibration import SETTINGS
from streammon.calibration.drift import Guess
from streammon.calibration.tails import EXPONENTIAL, Tail

CHOSEN = SETTINGS.tails
SEEDS = st.integers(0, 2**32 - 1)
QUICK = settings(max_examples=50)
AT_START = -math.log10(CHOSEN.share)
"""Surprise where the tail begins: 1.699."""


def some_tail(seed: int, weight: float = CHOSEN.weight, count: int = 600) -> tuple[Tail, np.ndarray]:
    values = np.random.default_rng(seed).gamma(2.0, size=count)
    return Tail.of(values, weight=weight), values


def surprise(tail: Tail, value: float) -> float:
    return float(tail.surprise(np.array(value)))


class TestWithin:
    @QUICK
    @given(SEEDS)
    def test_at_each_knot_it_is_exactly_that_of_the_knot_s_share(self, seed: int) -> None:
        """Knot k of 256 is the quantile k / 255 * 0.98."""
        tail, values = some_tail(seed)
        below = np.arange(CHOSEN.knots) / (CHOSEN.knots - 1) * (1 - CHOSEN.share)
        np.testing.assert_allclose(tail.knots, np.quantile(values, below))
        np.testing.assert_allclose(tail.surprise(tail.knots), -np.log10(1 - below), rtol=1e-9, atol=1e-12)

    @QUICK
    @given(SEEDS, st.floats(0, 20))
    def test_the_smallest_value_seen_and_whatever_is_below_it_is_no_surprise(self, seed: int, less: float) -> None:
        tail, values = some_tail(seed)
        assert surprise(tail, values.min() - less) == 0

    @QUICK
    @given(SEEDS, st.floats(-5, 50), st.sampled_from([CHOSEN.weight, EXPONENTIAL]))
    def test_of_one_value_it_is_that_of_an_array(self, seed: int, value: float, weight: float) -> None:
        tail, values = some_tail(seed, weight)
        for each in (value, float(values[0]), float(tail.knots[-1])):
            assert tail.surprise_of(each) == pytest.approx(surprise(tail, each), rel=1e-12, abs=1e-12)

    @QUICK
    @given(SEEDS, st.floats(0, 1))
    def test_it_is_the_share_of_the_values_that_reach_it(self, seed: int, quantile: float) -> None:
        """Up to the tail, to within a knot and a value of it."""
        tail, values = some_tail(seed)
        value = float(np.quantile(values, quantile * (1 - CHOSEN.share)))
        reached = float((values >= value).mean())
        assert 10 ** -surprise(tail, value) == pytest.approx(reached, abs=1 / (CHOSEN.knots - 1) + 2 / len(values))

    def test_a_value_that_a_third_of_the_frames_share_is_as_usual_as_all_that_reach_it(self) -> None:
        """100 values of 0, 100 of 1, 100 of 2: all reach 0, two thirds 1, a third 2 (of 256 knots, 0.98 of them)."""
        tail = Tail.of(np.repeat([0.0, 1.0, 2.0], 100))
        found = 10.0 ** -tail.surprise(np.array([0.0, 1.0, 2.0]))
        np.testing.assert_allclose(found, [1, 2 / 3, 1 / 3], atol=2 / 255)


class TestBeyond:
    def test_the_scale_is_the_mean_excess_of_the_highest_fiftieth(self) -> None:
        """0 to 100 in steps of 1: the start is 98, and 99 and 100 exceed it by 1 and 2."""
        tail = Tail.of(np.arange(101.0), weight=EXPONENTIAL)
        assert tail.knots[-1] == pytest.approx(98)
        assert tail.scale == pytest.approx(1.5)
        assert surprise(tail, 98 + 1.5 * math.log(10)) == pytest.approx(AT_START + 1)  # one decade in ln 10 scales

    def test_a_tail_known_from_ten_peaks_is_a_power_of_its_excess(self) -> None:
        """(1 + x / (k s))^-k: at 2 k s beyond the start, k log10(3) decades further."""
        tail = Tail.of(np.arange(101.0), weight=10.0)
        assert surprise(tail, 98 + 2 * 10 * 1.5) == pytest.approx(AT_START + 10 * math.log10(3))

    @QUICK
    @given(SEEDS, st.floats(1e-9, 100), st.sampled_from([1.0, 10.0, EXPONENTIAL]))
    def test_it_goes_on_from_what_was_counted_without_a_step(self, seed: int, excess: float, weight: float) -> None:
        """Its slope is 1 / (scale ln 10) at the start and no steeper further out."""
        tail, _ = some_tail(seed, weight)
        start = float(tail.knots[-1])
        slope = 1 / tail.scale / math.log(10)
        assert surprise(tail, start) == pytest.approx(AT_START)
        assert 0 <= surprise(tail, start + excess) - AT_START <= slope * excess * (1 + 1e-9) + 1e-12
        near = 1e-4 * tail.scale
        assert surprise(tail, start + near) - AT_START == pytest.approx(slope * near, rel=1e-3)

    @QUICK
    @given(SEEDS, st.floats(0, 100))
    def test_a_scale_known_better_makes_the_same_value_more_of_a_surprise(self, seed: int, excess: float) -> None:
        found = []
        for weight in (1.0, 3.0, 10.0, 1e6, EXPONENTIAL):
            tail, _ = some_tail(seed, weight)
            found.append(surprise(tail, float(tail.knots[-1]) + excess))
        assert found == sorted(found)
        assert found[-2] == pytest.approx(found[-1], rel=1e-2)

    def test_a_tail_whose_values_are_all_its_start_has_a_thousandth_of_it_as_the_scale(self) -> None:
        assert Tail.of(np.repeat([0.0, 1000.0], [90, 10])).scale == pytest.approx(1.0)

    @pytest.mark.parametrize(
        ("value", "least", "expected"),
        [
            (0.0, 0.02, 0.02),  # nothing was ever seen
            (5.0, 0.02, 0.02),
            (5.0, 0.3, 0.3),
            (1000.0, 0.02, 1.0),  # a thousandth of the start
            (-1000.0, 0.02, 1.0),
        ],
    )
    def test_a_tail_of_equal_values_has_the_least_scale(self, value: float, least: float, expected: float) -> None:
        tail = Tail.of(np.full(50, value), least_scale=least)
        assert tail.scale == pytest.approx(expected)
        assert surprise(tail, value) == 0


class TestProperties:
    @QUICK
    @given(SEEDS, st.floats(0.1, 100), st.floats(-1, 1))
    def test_the_unit_and_the_origin_of_the_values_do_not_matter(self, seed: int, unit: float, origin: float) -> None:
        """Where the least scale is in the same unit."""
        rng = np.random.default_rng(seed)
        values, asked = rng.normal(size=(2, 200))
        here = Tail.of(values, least_scale=0.01).surprise(2 * asked)
        there = Tail.of(unit * values + unit * origin, least_scale=0.01 * unit)
        np.testing.assert_allclose(there.surprise(unit * (2 * asked) + unit * origin), here, rtol=1e-5, atol=1e-6)

    @QUICK
    @given(SEEDS)
    def test_the_order_of_the_values_does_not_matter_nor_their_shape_when_asked(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        tail, values = some_tail(seed)
        again = Tail.of(rng.permutation(values))
        asked = rng.uniform(-1, 20, (4, 5))
        found = tail.surprise(asked)
        assert found.shape == (4, 5)
        np.testing.assert_allclose(again.surprise(asked), found, rtol=1e-12)
        np.testing.assert_array_equal([surprise(tail, value) for value in asked.ravel()], found.ravel())
        assert (np.diff(tail.surprise(np.sort(asked.ravel()))) >= 0).all()

    @pytest.mark.parametrize("weight", [CHOSEN.weight, 3.0, EXPONENTIAL])
    def test_what_is_read_from_its_array_is_the_same_tail(self, weight: float) -> None:
        tail, values = some_tail(0, weight)
        array = tail.array()
        assert array.shape == (CHOSEN.knots + 2,)
        again = Tail.of_array(array)
        assert (again.scale, again.weight) == (tail.scale, weight)
        asked = np.concatenate([values, 10 * values])
        np.testing.assert_array_equal(again.surprise(asked), tail.surprise(asked))

    @pytest.mark.parametrize("count", [0, 1, 9])
    def test_fewer_than_ten_values_are_refused(self, count: int) -> None:
        with pytest.raises(ValueError, match=f"{count} values; a tail needs at least 10"):
            Tail.of(np.ones(count))
        assert Tail.of(np.ones(10)).scale > 0

    @pytest.mark.parametrize("stretches", [2, 5, 8])
    def test_drift_takes_surprise_from_what_is_far_out(self, stretches: int) -> None:
        """Two and five scales beyond the start of the tail that knows of no drift, which begins sooner."""
        for seed in range(10):
            tail, values = some_tail(seed)
            numbers = np.arange(len(values)) * stretches // len(values)
            far = float(tail.knots[-1]) + tail.scale * np.array([2.0, 5.0])
            drifting = Tail.of(values, numbers, guess=Guess(0.3))
            assert drifting.knots[-1] > tail.knots[-1]
            assert (drifting.surprise(far) < tail.surprise(far)).all()


class TestTail:
    def test_within_what_was_seen_it_is_the_share_that_reaches_it(self) -> None:
        tail = Tail.of(np.linspace(0, 1, 10_001))
        np.testing.assert_allclose(tail.surprise(np.array([0.0, 0.5, 0.9])), [0, 0.30103, 1.0], atol=1e-3)

    @settings(max_examples=50)
    @given(st.lists(st.floats(-1e3, 1e3), min_size=10, max_size=60), st.floats(-2e3, 2e3), st.floats(0, 1e3))
    def test_it_never_falls_and_never_ends(self, seen: list[float], value: float, more: float) -> None:
        tail = Tail.of(np.array(seen))
        low, high = tail.surprise(np.array([value, value + more]))
        assert 0 <= low <= high < math.inf

    def test_what_many_frames_showed_is_as_usual_as_all_of_them_make_it(self) -> None:
        mostly_nothing = Tail.of(np.concatenate([np.zeros(600), np.linspace(0, 1, 402)[1:-1]]))
        np.testing.assert_allclose(mostly_nothing.surprise(np.array([0.0, 0.01])), [0, -math.log10(0.4)], atol=5e-3)
        never_anything = Tail.of(np.zeros(100))
        assert never_anything.surprise(np.array(0.0)) == 0
        assert never_anything.surprise(np.array(1e-9)) == pytest.approx(-math.log10(0.02), rel=1e-3)

    def test_beyond_it_an_exponential_is_continued_with_care(self) -> None:
        values = np.random.default_rng(0).exponential(size=200_000)
        tail = Tail.of(values)
        surprise = float(tail.surprise(np.array(6.9078)))  # one in a thousand
        assert 2.7 < surprise < 3.05
        assert float(tail.surprise(np.array(60.0))) < 60 / math.log(10)  # nobody has seen one in 10^26

    def test_a_smaller_guess_of_the_drift_leaves_more_surprise(self) -> None:
        values = np.random.default_rng(0).normal(size=400) + 5
        once = np.zeros(400, np.int64)
        for relative in (True, False):
            guesses = [Guess(spread, relative=relative) for spread in (0.5, 0.3, 0.1, 0.001)]
            surprises = [float(Tail.of(values, once, guess=each).surprise(np.array(9.0))) for each in guesses]
            assert surprises == sorted(surprises)
            assert surprises[-1] == pytest.approx(float(Tail.of(values).surprise(np.array(9.0))), rel=0.05)

    @pytest.mark.parametrize("few", [2, 5, 12])
    def test_footage_that_drifts_keeps_what_a_few_stretches_of_it_promised(self, few: int) -> None:
        """Stretches differ by as much as frames do. What is due once in a thousand frames comes no more often."""
        rng = np.random.default_rng(0)
        came: dict[bool, list[float]] = {True: [], False: []}
        for _ in range(60):
            stretches = np.arange(100 * (few + 12)) // 100
            values = 5 + rng.normal(size=few + 12)[stretches] + rng.normal(size=len(stretches))
            seen, coming = values[: 100 * few], values[100 * few :]
            for knows in came:
                tail = Tail.of(
                    seen, stretches[: 100 * few] if knows else None, weight=math.inf, guess=Guess(1.0, relative=False)
                )
                came[knows].append(float((tail.surprise(coming) >= 3.0).mean()))
        assert np.mean(came[True]) < 1e-3
        assert np.mean(came[False]) > 2e-3

    def test_few_values_have_no_tail(self) -> None:
        with pytest.raises(ValueError, match="at least 10"):
            Tail.of(np.zeros(9))
