"""What is held out to calibrate on, and what it says of footage to come."""

import numpy as np
import pytest

from streammon.calibration import Calibration, HoldOut


@pytest.mark.parametrize(("total", "share"), [(30, 0.2), (2550, 0.2), (2550, 0.5), (90_000, 0.1), (7, 0.9)])
def test_the_share_is_held_out_in_parts_spread_over_all(total: int, share: float) -> None:
    division = HoldOut(total, share)
    held = np.array([division.holds(index) for index in range(total)])
    assert abs(int(held.sum()) - share * total) <= division.parts
    assert division.learned == total - held.sum()
    assert [len(list(division.part(range(total), held_out=each))) for each in (True, False)] == [
        held.sum(),
        division.learned,
    ]
    begins = np.flatnonzero(np.diff(held.astype(int), prepend=0) == 1)
    assert len(begins) == division.parts
    thirds = np.array_split(held, min(3, division.parts))
    assert all(third.any() for third in thirds)


def test_parts_are_several_or_long() -> None:
    assert [HoldOut(total).parts for total in (1, 150, 350, 2550, 10_000, 1_000_000)] == [1, 1, 1, 5, 13, 50]


def test_hardly_any_footage_is_all_learned() -> None:
    assert [HoldOut(4, 0.2).holds(index) for index in range(4)] == [False] * 4
    assert not any(HoldOut(1000, 0.0).holds(index) for index in range(1000))


def test_scores_that_are_surprise_are_taken_at_their_word() -> None:
    rng = np.random.default_rng(0)
    surprise = -np.log10(rng.uniform(size=36_000))  # an hour, ten a second
    found = Calibration.from_surprise(surprise.tolist(), [n / 10 for n in range(36_000)])
    assert found.score_at_rate(1.0) == pytest.approx(np.log10(864_000), abs=0.25)
    assert found.score_at_rate(0.1) - found.score_at_rate(1.0) == pytest.approx(1.0, abs=1e-3)
