"""Which footage calibrates: the second half, in two steps, each scored by what was learned before it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streammon.calibration import HOLD_OUT, HoldOut


def test_the_second_half_is_held_out_in_two_steps_of_equal_length() -> None:
    assert HOLD_OUT == 0.5
    assert HoldOut(600.0).begins_s == (300.0, 450.0)


@pytest.mark.parametrize(
    ("share", "begins_s"), [(0.2, (80.0, 90.0)), (0.5, (50.0, 75.0)), (0.9, (10.0, 55.0)), (0.0, ())]
)
def test_a_share_is_held_out_at_the_end(share: float, begins_s: tuple[float, ...]) -> None:
    assert HoldOut(100.0, share).begins_s == pytest.approx(begins_s)


def test_without_a_share_no_part_ever_begins() -> None:
    assert [HoldOut(100.0, 0.0).step(seconds) for seconds in (0.0, 100.0, 1e9)] == [0, 0, 0]


@given(st.floats(1, 1e6), st.floats(0.01, 0.9), st.lists(st.floats(0, 2), min_size=2, max_size=20))
def test_steps_only_ever_go_on(total_s: float, share: float, times: list[float]) -> None:
    """Whatever the length: none at the beginning, all once the footage is over."""
    division = HoldOut(total_s, share)
    steps = [division.step(total_s * each) for each in sorted(times)]
    assert steps == sorted(steps)
    assert (division.step(0.0), division.step(total_s)) == (0, 2)
