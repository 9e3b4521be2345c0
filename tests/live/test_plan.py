"""The plan against a made-up machine: rates fall in seconds, come to rest, take turns, and recover."""

import random
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from streammon.live.capacity import HEADROOM, LONGEST_WAIT_S, CapacityEstimate, Window
from streammon.live.overload import OverloadReport
from streammon.live.plan import TURN_S, ScoringPlan
from streammon.live.rates import LEAST_MOTION_FPS, Demand, cost, divide
from streammon.records import ScoringRate

STILL_S = 40.0  # after so long the rates rest


@dataclass
class Machine:
    """A machine that scores at most `speed` frames with motion a second, and loses what it can't.

    Attributes:
        speed: May change at any time.
        noise: Relative standard deviation of the speed in each window.
        cameras: What each camera asks for, unlimited by any plan.
    """

    cameras: dict[str, Demand]
    speed: float
    noise: float = 0.0
    now_s: float = 0.0
    told: list[str] = field(default_factory=list)
    history: list[dict[str, ScoringRate]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.plan = ScoringPlan({name: each.fps for name, each in self.cameras.items()})
        self._report = OverloadReport()
        self._noise = random.Random(1)

    def run(self, seconds: float) -> None:
        """So many windows of a second."""
        for _ in range(round(seconds)):
            rates = {name: self.plan.rates[name] for name, each in self.cameras.items() if each.fps}
            offered = sum(map(cost, rates.values()))
            frames = sum(rate.fps for rate in rates.values())
            speed = self.speed * max(0.1, self._noise.gauss(1.0, self.noise))
            share = min(1.0, speed / max(offered, 1e-9))
            scored = round(frames * share)
            self.now_s += 1.0
            window = Window(offered * share, scored, round(frames) - scored, max(0.0, 1 - offered / speed))
            self.plan.update(self.cameras, window, self.now_s)
            asked = {name: each.fps for name, each in self.cameras.items() if each.fps}
            if line := self._report.line(self.plan, asked, self.now_s):
                self.told.append(line)
            self.history.append(dict(self.plan.rates))

    def frames(self) -> list[float]:
        """Frames planned in each second so far."""
        return [sum(rate.fps for rate in rates.values()) for rates in self.history]


def alike(count: int, fps: float = 5.0) -> dict[str, Demand]:
    return {f"c{number}": Demand(fps) for number in range(count)}


def by_looks(rates: dict[str, ScoringRate]) -> set[str]:
    return {name for name, rate in rates.items() if rate.looks_only}


def test_a_machine_that_keeps_up_is_never_limited() -> None:
    machine = Machine(alike(16), speed=82.0, noise=0.02)
    machine.run(600)
    assert {rate for rates in machine.history for rate in rates.values()} == {ScoringRate(5.0)}
    assert not machine.told


def test_rates_fall_evenly_within_seconds_to_what_the_machine_scores() -> None:
    machine = Machine(alike(16), speed=41.0)
    machine.run(4)
    assert [rate.fps for rate in machine.plan.rates.values()] == pytest.approx([41 * HEADROOM / 16] * 16)


@pytest.mark.parametrize("speed", [60.0, 41.0, 34.0, 25.0, 12.0, 5.0])
@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_rates_come_to_rest(speed: float, noise: float) -> None:
    """Between two rare trials of a higher rate nothing changes but turns."""
    machine = Machine(alike(16), speed, noise)
    machine.run(1200)
    costs = [sum(map(cost, rates.values())) for rates in machine.history[300:]]
    assert min(costs) > 0.7 * speed
    assert max(costs) < 1.25 * speed
    falls = sum(later < 0.97 * earlier for earlier, later in pairwise(costs))
    assert falls <= 2 * len(costs) / LONGEST_WAIT_S
    assert len(machine.told) == 1


def test_cameras_beyond_what_motion_takes_are_judged_by_looks_in_turn() -> None:
    machine = Machine(alike(16), speed=22.0)
    machine.run(STILL_S)
    seen = len(machine.history)
    machine.run(10 * TURN_S)
    turns = machine.history[seen:]
    assert all(1 <= len(by_looks(rates)) <= 12 for rates in turns)
    with_motion = Counter(name for rates in turns for name in set(rates) - by_looks(rates))
    assert min(with_motion.values()) > 0.5 * max(with_motion.values())
    longest = max(_longest_run([name in by_looks(rates) for rates in turns]) for name in machine.cameras)
    assert longest <= 3 * TURN_S
    changes = sum(by_looks(earlier) != by_looks(later) for earlier, later in pairwise(turns))
    assert changes <= 2 * 10 + 2
    assert all(r.fps >= LEAST_MOTION_FPS for rates in turns for r in rates.values() if not r.looks_only)


def _longest_run(flags: list[bool]) -> int:
    longest = run = 0
    for flag in flags:
        run = run + 1 if flag else 0
        longest = max(longest, run)
    return longest


def test_an_open_alert_keeps_motion_and_everybody_else_still_has_a_turn() -> None:
    machine = Machine(alike(8), speed=9.0)
    machine.run(STILL_S)
    alarmed = next(name for name in machine.cameras if not machine.plan.rates[name].looks_only)
    machine.cameras[alarmed] = Demand(5.0, busy=True, alert=True)
    seen = len(machine.history)
    machine.run(16 * TURN_S)
    turns = machine.history[seen:]
    assert not any(alarmed in by_looks(rates) for rates in turns)
    assert all(any(name not in by_looks(rates) for rates in turns) for name in machine.cameras)


def test_the_full_rate_returns_with_the_capacity_and_each_change_is_told_once() -> None:
    machine = Machine(alike(16), speed=41.0)
    machine.run(300)
    machine.speed = 200.0
    machine.run(180)
    assert set(machine.plan.rates.values()) == {ScoringRate(5.0)}
    begins = "the machine scores 41 of the 80 frames a second asked; every camera is scored 2.6 times a second"
    assert machine.told[0] == begins
    assert machine.told[-1] == "the machine scores all 80 frames a second asked again"
    assert len(machine.told) <= 3  # a considerable change on the way


def test_cameras_by_looks_alone_are_told() -> None:
    machine = Machine(alike(16), speed=22.0)
    machine.run(STILL_S)
    assert machine.told == [
        "the machine scores 26 of the 80 frames a second asked; "
        "cameras are scored 1.0 to 2.2 times a second, 8 of 16 by looks alone"
    ]


def test_nothing_is_told_while_no_camera_sends() -> None:
    machine = Machine(alike(4, 10.0), speed=20.0)
    machine.run(STILL_S)
    sending = dict(machine.cameras)
    machine.cameras.update(dict.fromkeys(sending, Demand(0.0)))
    machine.run(120)
    assert len(machine.told) == 1
    machine.cameras.update(sending)
    machine.speed = 100.0
    machine.run(60)
    assert machine.told[1:] == ["the machine scores all 40 frames a second asked again"]


def test_a_camera_that_sends_nothing_takes_no_share() -> None:
    machine = Machine(alike(4, 10.0), speed=20.0)
    machine.run(STILL_S)
    machine.cameras["c0"] = machine.cameras["c1"] = Demand(0.0)
    machine.run(5)
    assert [machine.plan.rates[name].fps for name in machine.cameras] == pytest.approx(
        [2.0, 2.0, 9.75, 9.75], rel=0.05
    )


def test_a_stall_of_seconds_is_no_overload() -> None:
    estimate = CapacityEstimate()
    calm, begins = Window(80.0, 80, 0, 0.3), Window(30.0, 30, 60, 0.0)
    nothing, ends = Window(0.0, 0, 80, 0.0), Window(10.0, 10, 70, 0.0)
    for second, window in enumerate([calm, begins, nothing, nothing, ends, calm, begins, ends, calm]):
        estimate.update(window, 80.0, float(second))
    assert estimate.capacity == float("inf")


def test_what_a_network_delivers_at_once_is_no_overload() -> None:
    estimate = CapacityEstimate()
    for second in range(60):
        estimate.update(Window(3.0, 3, 2, 0.8), 5.0, float(second))
    assert estimate.capacity == float("inf")


def test_a_learning_scene_is_never_judged_by_looks() -> None:
    cameras = alike(12) | {"new": Demand(5.0, learns=True)}
    machine = Machine(cameras, speed=20.0)
    machine.run(600)
    assert not any("new" in by_looks(rates) for rates in machine.history)
    assert min(rates["new"].fps for rates in machine.history) >= LEAST_MOTION_FPS


def test_within_a_turn_no_camera_gains_motion() -> None:
    machine = Machine(alike(16), speed=22.0, noise=0.1)
    machine.run(STILL_S)
    seen = len(machine.history)
    machine.run(600)
    gains = [n for n, (a, b) in enumerate(pairwise(machine.history[seen:])) if by_looks(a) - by_looks(b)]
    assert all(later - earlier >= TURN_S for earlier, later in pairwise(gains))


def test_more_cameras_on_the_same_machine_are_scored_no_fewer_frames_in_all() -> None:
    planned = [sum(r.fps for r in divide(alike(n), 40.0, alike(n)).values()) for n in range(1, 80)]
    assert all(more >= fewer - 1e-6 for fewer, more in pairwise(planned))
    scored = []
    for count in (8, 12, 16, 24, 32, 48):
        machine = Machine(alike(count), speed=40.0)
        machine.run(STILL_S)
        scored.append(machine.frames()[-1])
    assert all(more >= 0.9 * fewer for fewer, more in pairwise(scored))
