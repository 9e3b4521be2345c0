"""What health is judged by: rates, losses, free space, and whether a scene still fits, on the test's own clock."""

import numpy as np
import pytest

from streammon.live.health_signals import (
    BUCKET_S,
    DROPPED_OVER_S,
    FALSE_ALARM,
    LEAST_ALERTS,
    USUAL_AFTER_S,
    BankFit,
    DroppedShare,
    RateFall,
    nearly_full,
)

STEP_S = 0.5
HOUR_S, DAY_S = 3600.0, 86400.0


def rate(fall: RateFall, fps: float, seconds: float) -> list[str]:
    return [fall.found(fps, STEP_S) for _ in range(round(seconds / STEP_S))]


def test_a_rate_that_falls_below_half_is_found_at_once_and_until_it_is_back() -> None:
    fall = RateFall()
    assert not any(rate(fall, 25.0, 300.0))
    assert not any(rate(fall, 13.0, 60.0))
    assert all(rate(fall, 8.0, 300.0))
    assert fall.found(8.0, STEP_S).startswith("sends 8.0 instead of 2")
    assert not any(rate(fall, 25.0, 60.0))


def test_a_low_rate_from_the_start_on_is_usual() -> None:
    fall = RateFall()
    assert not any(rate(fall, 25.0, USUAL_AFTER_S / 4) + rate(fall, 8.0, USUAL_AFTER_S / 2))


def test_a_camera_set_to_a_third_of_its_rate_is_usual_again_after_an_hour() -> None:
    fall = RateFall()
    rate(fall, 24.0, 600.0)
    assert all(rate(fall, 8.0, 2400.0))  # 3600 s ln((24 - 8) / (16 - 8)) = 2495 s
    rate(fall, 8.0, 200.0)
    assert fall.found(8.0, STEP_S) == ""


def test_a_scorer_that_loses_more_than_a_tenth_is_behind() -> None:
    dropped = DroppedShare()
    scored = lost = 0
    found = []
    for second in range(60):
        scored, lost = scored + 40, lost + (10 if 20 <= second < 40 else 3)
        found.append(dropped.found(scored, lost, float(second)))
    assert not any(found[:20])
    assert all(found[22:38])
    assert not any(found[40 + int(DROPPED_OVER_S) :])
    assert found[35] == "the scorer is behind: 20% of the frames are lost"


@pytest.mark.parametrize(
    ("free", "total", "is_full"),
    [(1 << 29, 1 << 40, True), (2 << 30, 1 << 40, False), (300 << 20, 4 << 30, False), (100 << 20, 4 << 30, True)],
)
def test_a_large_disk_is_full_by_bytes_and_a_small_one_by_its_share(free: int, total: int, is_full: bool) -> None:
    assert bool(nearly_full(free, total)) is is_full


def watched(fit: BankFit, seconds: float, basis_s: float, alerts: int = 0, abnormal: float = 0.0) -> list[str]:
    """Evenly spread alerts, with a share of the time above the threshold; the fault after each second."""
    steps = round(seconds)
    opened = {int((number + 0.5) * steps / alerts) for number in range(alerts)}
    found = []
    for step in range(steps):
        fit.watch(1.0, basis_s, abnormal=step % 100 < 100 * abnormal)
        if step in opened:
            fit.alert_opened()
        found.append(fit.found())
    return found


def test_far_more_alerts_than_promised_are_found() -> None:
    found = watched(BankFit(1.0), 6 * HOUR_S, 30 * DAY_S, alerts=12)
    assert found[-1].startswith("5 alerts in") or "alerts in" in found[-1]
    assert "1 a day are promised" in found[-1]


def test_minutes_of_footage_promise_nothing_that_an_hour_of_alerts_refutes() -> None:
    assert not any(watched(BankFit(1.0), HOUR_S, 600.0, alerts=20))
    assert any(watched(BankFit(1.0), HOUR_S, 600.0, alerts=55))


def test_alerts_at_the_promised_rate_are_no_fault() -> None:
    assert not any(watched(BankFit(24.0), DAY_S, 10 * DAY_S, alerts=24))


def test_one_alert_that_never_ends_is_found_after_an_hour() -> None:
    found = watched(BankFit(1.0), 2 * HOUR_S, DAY_S, abnormal=0.9)
    assert not any(found[: round(HOUR_S - 2 * BUCKET_S)])
    assert found[-1].startswith("90% of the last hour are above the threshold")
    assert not any(watched(BankFit(1.0), 2 * HOUR_S, DAY_S, abnormal=0.3))


def test_a_scene_that_fits_again_is_no_fault_an_hour_later() -> None:
    fit = BankFit(1.0)
    assert watched(fit, HOUR_S, 30 * DAY_S, alerts=10)[-1]
    assert watched(fit, HOUR_S + 60.0, 30 * DAY_S)[-1] == ""


@pytest.mark.slow
def test_chance_fails_the_test_no_more_often_than_stated() -> None:
    rng = np.random.default_rng(7)
    per_day, days, failed = 24.0, 1000, 0
    fit = BankFit(per_day)
    for _ in range(days * 24):  # an hour at a time, its alerts at random minutes
        minutes = np.sort(rng.integers(0, 60, rng.poisson(per_day / 24)))
        for minute in range(60):
            fit.watch(BUCKET_S, 100 * DAY_S, abnormal=False)
            for _ in range(int((minutes == minute).sum())):
                before, fit._too_many = fit._too_many, ""
                fit.alert_opened()
                failed += bool(fit._too_many)
                fit._too_many = fit._too_many or before
    stated = 2 * per_day * FALSE_ALARM * days
    assert 0 < failed <= stated


def test_fewer_than_the_least_alerts_are_never_a_fault() -> None:
    assert not any(watched(BankFit(0.01), HOUR_S, 1000 * DAY_S, alerts=LEAST_ALERTS - 1))
