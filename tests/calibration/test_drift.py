"""Drift: the values of normal footage, shifted by as much as its stretches differ."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t as student

from streammon.calibration import SETTINGS
from streammon.calibration.drift import DISTANCES, Guess, shifted

CHOSEN = SETTINGS.drift
SEEDS = st.integers(0, 2**32 - 1)
QUICK = settings(max_examples=40)
STRETCHES = st.integers(1, 12)
SPREADS = st.floats(0.05, 2)


def footage(seed: int, stretches: int) -> tuple[np.ndarray, np.ndarray]:
    """30 positive values of each stretch, each about its own mean."""
    rng = np.random.default_rng(seed)
    numbers = np.repeat(np.arange(stretches), 30)
    return 5 + rng.normal(size=stretches)[numbers] ** 2 + rng.random(len(numbers)), numbers


def by_shift(values: np.ndarray, numbers: np.ndarray, quantile: float, guess: Guess) -> np.ndarray:
    """(N, 41): each value under each shift, the smallest shift first."""
    found = shifted(values, numbers, quantile, guess)
    assert found.shape == (CHOSEN.shifts * len(values),)
    return found.reshape(len(values), CHOSEN.shifts)


class TestShifts:
    @QUICK
    @given(SEEDS, STRETCHES, SPREADS, st.floats(0.5, 0.98), st.booleans())
    def test_they_are_quantiles_of_student_s_t_by_plain_loops(
        self, seed: int, stretches: int, spread: float, quantile: float, relative: bool
    ) -> None:
        """Variance (8 s^2 + sum of squares) / (8 + n - 1), times min(1, 1 / (n (1 - q))), times 1 + 1 / n."""
        values, numbers = footage(seed, stretches)
        unit = float(np.quantile(values, quantile)) if relative else 1.0
        levels = [float(np.quantile(values[numbers == number], quantile)) / unit for number in range(stretches)]
        mean = sum(levels) / stretches
        freedom = 8 + stretches - 1
        variance = (8 * spread**2 + sum((level - mean) ** 2 for level in levels)) / freedom
        variance *= min(1.0, 1 / (stretches * (1 - quantile))) * (1 + 1 / stretches)
        found = by_shift(values, numbers, quantile, Guess(spread, relative=relative))
        for number in range(41):
            shift = float(student.ppf((number + 0.5) / 41, freedom)) * math.sqrt(variance)
            expected = values * math.exp(shift) if relative else values + shift
            np.testing.assert_allclose(found[:, number], expected, rtol=1e-9)

    def test_values_of_one_stretch_alone_give_finite_shifts(self) -> None:
        """Nothing but two frames of one stretch in twelve moves the wrong way: the quantile is hardly above 0."""
        values, numbers = np.zeros(480), np.repeat(np.arange(12), 40)
        values[:10] = 30.0
        values[10] = 1e-3
        found = shifted(values, numbers, 0.9775, DISTANCES)
        assert np.quantile(values, 0.9775) < 0.01
        assert np.isfinite(found).all()
        assert found.max() > 1e200

    def test_one_stretch_shifts_by_the_guess_alone(self) -> None:
        """8 degrees of freedom, variance 0.3^2 * (1 + 1): the largest of 41 is 0.3 sqrt(2) t(1 - 1 / 82)."""
        largest = shifted(np.full(10, 7.0), np.zeros(10, np.int64), 0.98, Guess(0.3)).max()
        assert largest == pytest.approx(7 * math.exp(0.3 * math.sqrt(2) * student.ppf(81 / 82, 8)))
        assert Guess(0.3) == DISTANCES

    def test_two_stretches_by_hand(self) -> None:
        """Of 4 and of 6, guessed to differ by 1: (8 * 1 + 2) / 9 * (1 + 1 / 2), with 9 degrees of freedom."""
        found = by_shift(np.repeat([4.0, 6.0], 5), np.repeat([0, 1], 5), 0.5, Guess(1.0, relative=False))
        assert found[0, -1] - 4 == pytest.approx(math.sqrt(10 / 9 * 1.5) * student.ppf(81 / 82, 9))

    @QUICK
    @given(SEEDS, STRETCHES, SPREADS)
    def test_numbers_of_stretches_are_names(self, seed: int, stretches: int, spread: float) -> None:
        """Neither their order nor gaps between them matter."""
        values, numbers = footage(seed, stretches)
        names = np.random.default_rng(seed).permutation(100)[numbers]
        found = [shifted(values, each, 0.9, Guess(spread)) for each in (numbers, names)]
        np.testing.assert_allclose(found[0], found[1])


class TestWidening:
    @QUICK
    @given(SEEDS, STRETCHES, SPREADS, st.booleans())
    def test_drift_widens_and_never_narrows(self, seed: int, stretches: int, spread: float, relative: bool) -> None:
        """The middle shift is none, and as many go either way: variances (of logarithms) add up."""
        values, numbers = footage(seed, stretches)
        found = by_shift(values, numbers, 0.9, Guess(spread, relative=relative))
        np.testing.assert_allclose(found[:, 20], values)
        before, after = (np.log(values), np.log(found)) if relative else (values, found)
        shifts = after[0] - before[0]
        np.testing.assert_allclose(shifts, -shifts[::-1], atol=1e-9)
        assert (np.diff(shifts) > 0).all()
        assert after.var() == pytest.approx(before.var() + shifts.var())
        assert after.mean() == pytest.approx(before.mean())

    @QUICK
    @given(SEEDS, STRETCHES, st.floats(1.1, 3), st.booleans())
    def test_the_more_stretches_differ_the_wider_it_is(
        self, seed: int, stretches: int, factor: float, relative: bool
    ) -> None:
        """By the guess and by what was seen of them."""
        values, numbers = footage(seed, stretches)

        def width(spread: float, apart: float = 0.0) -> float:
            moved = values + apart * numbers
            found = by_shift(moved, numbers, 0.9, Guess(spread, relative=relative))
            return float(np.log(found[0, -1] / found[0, 0]) if relative else found[0, -1] - found[0, 0])

        assert width(0.1 * factor) > width(0.1)
        if stretches > 1 and not relative:
            assert width(0.1, apart=100 * factor) > width(0.1, apart=100) > width(0.1)

    def test_many_stretches_hold_their_extremes_themselves(self) -> None:
        """At the quantile 0.9 ten stretches are as many as the tail tells apart; forty shift by half as much."""
        guess, found = Guess(1.0, relative=False), []
        for count in (10, 40):
            values, numbers = np.repeat(np.tile([0.0, 1.0], count // 2), 10), np.repeat(np.arange(count), 10)
            found.append(by_shift(values, numbers, 0.9, guess)[0, -1])
        deviations = [math.sqrt((8 + n / 4) / (8 + n - 1) * (1 + 1 / n)) for n in (10, 40)]
        far = [student.ppf(81 / 82, 8 + n - 1) for n in (10, 40)]
        assert found[0] == pytest.approx(deviations[0] * far[0])
        assert found[1] == pytest.approx(deviations[1] * far[1] / 2)


class TestUnits:
    @QUICK
    @given(SEEDS, STRETCHES, st.floats(0.01, 100))
    def test_distances_in_another_unit_are_shifted_by_the_same_factors(
        self, seed: int, stretches: int, unit: float
    ) -> None:
        values, numbers = footage(seed, stretches)
        found = [shifted(each, numbers, 0.9) for each in (values, unit * values)]
        np.testing.assert_allclose(unit * found[0], found[1], rtol=1e-9)

    @QUICK
    @given(SEEDS, STRETCHES, st.floats(-100, 100))
    def test_values_from_another_origin_are_shifted_by_the_same_summands(
        self, seed: int, stretches: int, origin: float
    ) -> None:
        values, numbers = footage(seed, stretches)
        found = [shifted(each, numbers, 0.9, Guess(0.5, relative=False)) for each in (values, values + origin)]
        np.testing.assert_allclose(found[0] + origin, found[1], rtol=1e-9, atol=1e-9)

    def test_distances_that_are_mostly_0_are_not_shifted_and_other_values_are(self) -> None:
        values, numbers = np.array([0.0] * 19 + [5.0]), np.zeros(20, np.int64)
        np.testing.assert_array_equal(shifted(values, numbers, 0.9), values)
        assert len(shifted(values, numbers, 0.9, Guess(0.3, relative=False))) == 41 * 20


class TestDrift:
    """Of values that are all one number within a stretch, so that what is likely shows the shifts alone."""

    def spread(self, stretches: int, rng: np.random.Generator) -> float:
        numbers = np.repeat(np.arange(stretches), 200)
        values = 5 + 2 * rng.normal(size=stretches)[numbers]
        likely = shifted(values, numbers, 0.9, Guess(1.0, relative=False)).reshape(-1, 41)
        return float(likely.std(axis=1).mean())

    def test_new_footage_differs_as_stretches_do_and_less_when_many_were_seen(self) -> None:
        rng = np.random.default_rng(0)
        assert self.spread(1, rng) == pytest.approx(math.sqrt(2), rel=0.2)  # of the guess and itself
        assert np.mean([self.spread(9, rng) for _ in range(50)]) == pytest.approx(1.75, rel=0.15)
        assert self.spread(1000, rng) == pytest.approx(0.2, rel=0.1)

    def test_distances_differ_by_a_factor(self) -> None:
        for size in (0.01, 10.0):
            likely = shifted(np.full(10, size), np.zeros(10, np.int64), 0.9, Guess(0.3))
            assert likely.min() > 0
            assert np.log(likely / size).std() == pytest.approx(0.3 * math.sqrt(2), rel=0.2)

    def test_where_nothing_was_ever_seen_nothing_is_shifted(self) -> None:
        assert not shifted(np.zeros(10), np.zeros(10, np.int64), 0.9).any()
