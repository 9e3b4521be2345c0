"""Division of the machine's capacity: never more than it has, even, and no more looks alone than it takes."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streammon.live.rates import LEAST_FPS, LEAST_MOTION_FPS, LOOKS_COST, LOOKS_FPS, QUIET_SHARE, Demand, cost, divide
from streammon.motion import SETTINGS as MOTION
from streammon.records import ScoringRate
from streammon.scene.settings import SETTINGS as SCENE

demand = st.builds(Demand, st.floats(0.2, 30), learns=st.booleans(), busy=st.booleans(), alert=st.booleans())
some_demands = st.lists(demand, min_size=1, max_size=12).map(
    lambda all_: {f"c{n}": each for n, each in enumerate(all_)}
)
capacities = st.floats(0.1, 400)
has_motion = st.booleans()


def divided(demands: dict[str, Demand], capacity: float, motion: bool = True) -> dict[str, ScoringRate]:
    watched = [name for name, each in demands.items() if not each.learns]
    return divide(demands, capacity, watched, has_motion=motion)


def alike(cameras: int, fps: float) -> dict[str, Demand]:
    return {f"c{number}": Demand(fps) for number in range(cameras)}


def frames(rates: dict[str, ScoringRate]) -> float:
    return sum(rate.fps for rate in rates.values())


@given(some_demands, capacities, has_motion)
def test_the_planned_cost_is_never_above_the_capacity_but_for_rates_at_their_floor(
    demands: dict[str, Demand], capacity: float, motion: bool
) -> None:
    rates = divided(demands, capacity, motion)
    at_floor = [rate for name, rate in rates.items() if math.isclose(rate.fps, min(LEAST_FPS, demands[name].fps))]
    assert sum(map(cost, rates.values())) <= (capacity + sum(map(cost, at_floor))) * (1 + 1e-9)


@given(some_demands, capacities, has_motion)
def test_no_camera_is_scored_more_often_than_it_asks_or_with_motion_too_rarely_to_read_it(
    demands: dict[str, Demand], capacity: float, motion: bool
) -> None:
    for name, rate in divided(demands, capacity, motion).items():
        asked = demands[name].fps
        assert min(LEAST_FPS, asked) <= rate.fps <= asked
        if motion and not rate.looks_only and not demands[name].learns:
            assert rate.fps >= min(LEAST_MOTION_FPS, asked)


@given(some_demands, capacities, has_motion)
def test_all_of_the_capacity_is_used_unless_every_camera_has_what_it_asks(
    demands: dict[str, Demand], capacity: float, motion: bool
) -> None:
    rates = divided(demands, capacity, motion)
    asked = sum(each.fps for each in demands.values())
    assert frames(rates) >= min(capacity, asked) * (1 - 1e-9)
    if asked <= capacity:
        assert rates == {name: ScoringRate(each.fps) for name, each in demands.items()}


@given(st.integers(1, 60), st.floats(0.2, 30), capacities, has_motion)
def test_one_more_camera_never_means_fewer_frames_in_all(
    cameras: int, fps: float, capacity: float, motion: bool
) -> None:
    fewer, more = (divided(alike(each, fps), capacity, motion) for each in (cameras, cameras + 1))
    assert frames(more) >= frames(fewer) * (1 - 1e-9)
    assert sum(rate.looks_only for rate in more.values()) >= sum(rate.looks_only for rate in fewer.values())


@given(some_demands, capacities, capacities)
def test_with_more_capacity_no_more_cameras_are_scored_by_looks_alone(
    demands: dict[str, Demand], one: float, other: float
) -> None:
    less, more = (divided(demands, each) for each in sorted((one, other)))
    assert {name for name, rate in more.items() if rate.looks_only} <= {n for n, r in less.items() if r.looks_only}


@given(st.lists(st.tuples(st.floats(2, 30), st.booleans()), min_size=2, max_size=12), capacities)
def test_rates_fall_by_one_factor_half_of_it_for_quiet_cameras(
    asked: list[tuple[float, bool]], capacity: float
) -> None:
    demands = {f"c{number}": Demand(fps, busy=busy) for number, (fps, busy) in enumerate(asked)}
    rates = divided(demands, capacity)
    by_motion = [name for name, rate in rates.items() if not rate.looks_only]
    between = [n for n in by_motion if LEAST_MOTION_FPS + 1e-6 < rates[n].fps < demands[n].fps - 1e-6]
    factors = [rates[n].fps / demands[n].fps / (1.0 if demands[n].busy else QUIET_SHARE) for n in between]
    assert factors == pytest.approx([factors[0]] * len(factors) if factors else [])


def test_sixteen_cameras_on_half_a_machine_are_all_scored_half_as_often() -> None:
    rates = divided(alike(16, 5.0), 41.0)
    assert {round(rate.fps, 4) for rate in rates.values()} == {round(41 / 16, 4)}


def test_a_busy_camera_has_twice_the_share_of_a_quiet_one() -> None:
    demands = {"busy": Demand(10.0, busy=True), "quiet": Demand(10.0)}
    rates = divided(demands, 9.0)
    assert (rates["busy"].fps, rates["quiet"].fps) == pytest.approx((6.0, 3.0))


def test_cameras_beyond_what_motion_takes_are_scored_once_a_second_by_looks() -> None:
    # 20 looks cost 10; each camera with motion 1.5 more: 13 of them leave 0.5, which they share
    rates = list(divided(alike(20, 5.0), 30.0).values())
    assert [rate.looks_only for rate in rates] == [False] * 13 + [True] * 7
    assert [rate.fps for rate in rates] == pytest.approx([2.0 + 0.5 / 13] * 13 + [LOOKS_FPS] * 7)


def test_a_scene_that_learns_keeps_its_rate_while_the_others_can_be_read() -> None:
    demands = {"new": Demand(5.0, learns=True), "a": Demand(5.0, busy=True), "b": Demand(5.0, busy=True)}
    assert [round(rate.fps, 6) for rate in divided(demands, 10.0).values()] == [5.0, 2.5, 2.5]
    assert [round(rate.fps, 6) for rate in divided(demands, 8.0).values()] == [4.0, 2.0, 2.0]


def test_a_machine_that_is_far_too_slow_looks_at_every_camera_equally_rarely() -> None:
    assert set(divided(alike(40, 5.0), 10.0).values()) == {ScoringRate(10 / (40 * LOOKS_COST), looks_only=True)}


def test_padim_knows_no_looks_alone() -> None:
    rates = divided(alike(40, 5.0), 20.0, motion=False)
    assert {round(rate.fps, 6) for rate in rates.values()} == {0.5}
    assert not any(rate.looks_only for rate in rates.values())


def test_two_frames_are_in_each_average_at_the_least_rate() -> None:
    assert min(SCENE.fusion.window_s, SCENE.fusion.gap_s, MOTION.change.gap_s) > 1 / LEAST_MOTION_FPS
