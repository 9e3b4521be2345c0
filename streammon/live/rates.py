"""Division of the machine's capacity among the cameras: pure arithmetic, without threads or clock.

The unit of cost is a frame scored with motion. Where the capacity falls short, in this order:

1. The rate of every watched camera falls evenly (by one factor on `score_fps`, half of it for a quiet camera), not
   below `LEAST_MOTION_FPS`.
2. Then the rates of cameras whose scenes learn, not below the same.
3. Then watched cameras are scored `LOOKS_FPS` times a second by looks alone, as many as it takes.
4. Then all of these least rates fall by one factor, to `LEAST_FPS` at worst.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from streammon.records import ScoringRate

LEAST_MOTION_FPS = 2.0
"""Least frames a second at which motion is scored. Frames half a second apart are two in each 0.6 s average of the
evidence (`fusion.window_s`), have a change of features (`change.gap_s` is 1 s), and two of them are `min_duration_s`
of an alert. At less than 1.67 a second each average would be a single frame."""

LOOKS_FPS = 1.0
"""Frames a second of a camera that is scored by looks alone: what stands somewhere is seen within a second or two.
With the method `padim` the least to which rates fall by one factor on `score_fps`."""

LEAST_FPS = 0.2
"""Least `score_fps` of the configuration: frames further apart are hardly a calibration's, nor an alert's."""

LOOKS_COST = 0.5
"""Cost of a frame scored by looks alone: `streammon bench` scores twice as many by `padim` as by `motion`."""

QUIET_SHARE = 0.5
"""Factor on the share of a camera in which nothing has moved for a while."""

BISECTIONS = 40


@dataclass(frozen=True, slots=True)
class Demand:
    """Demand of one camera.

    Attributes:
        fps: Frames a second that it would give: `score_fps`, or less where its stream has fewer; 0 without pictures.
        learns: True while its scene is learned.
        busy: True if something moved lately, or an alert is open.
        alert: True while an alert is open.
    """

    fps: float
    learns: bool = False
    busy: bool = False
    alert: bool = False


def cost(rate: ScoringRate) -> float:
    """Cost of a camera a second, in frames scored with motion."""
    return rate.fps * (LOOKS_COST if rate.looks_only else 1.0)


def divide(
    demands: Mapping[str, Demand], capacity: float, by_motion: Iterable[str], *, has_motion: bool = True
) -> dict[str, ScoringRate]:
    """The rate of each camera.

    The costs add up to at most `capacity`, unless all rates are at their floor (step 4), and all of the capacity is
    used, unless every camera has what it asks for.

    Args:
        demands: Demand of each camera, above 0 frames a second.
        capacity: Frames with motion that the machine can score in a second.
        by_motion: Watched cameras that may be scored with motion, the first for whom the capacity suffices.
        has_motion: False for the method `padim`, which knows no other way to score.
    """
    least_fps = LEAST_MOTION_FPS if has_motion else LOOKS_FPS
    least = {name: ScoringRate(min(least_fps, each.fps)) for name, each in demands.items()}
    looks = {
        name: ScoringRate(min(LOOKS_FPS, each.fps), looks_only=True)
        for name, each in demands.items()
        if has_motion and not each.learns
    }
    rates = least | looks
    spare = capacity - sum(map(cost, rates.values()))
    if spare < 0:
        factor = capacity / (capacity - spare)
        return {name: _scaled(rate, factor, demands[name].fps) for name, rate in rates.items()}
    for name in by_motion if has_motion else ():
        step = cost(least[name]) - cost(looks[name])
        if step > spare:
            break
        rates[name], spare = least[name], spare - step
    learning = [name for name, each in demands.items() if each.learns]
    moving = [name for name, rate in rates.items() if not rate.looks_only and not demands[name].learns]
    rest = [name for name, rate in rates.items() if rate.looks_only]
    for names in (learning, moving, rest):
        raised = _raised(names, rates, demands, spare)
        spare -= sum(cost(rate) - cost(rates[name]) for name, rate in raised.items())
        rates |= raised
    return rates


def _scaled(rate: ScoringRate, factor: float, asked: float) -> ScoringRate:
    return ScoringRate(max(rate.fps * factor, min(LEAST_FPS, asked)), rate.looks_only)


def _raised(
    names: Sequence[str], rates: Mapping[str, ScoringRate], demands: Mapping[str, Demand], spare: float
) -> dict[str, ScoringRate]:
    """The rates of some cameras, scored alike, raised evenly by at most the spare capacity.

    fps = clip(factor * share * asked, now, asked), with the largest factor that the capacity allows.
    """
    if not names:
        return {}
    looks_only = rates[names[0]].looks_only
    room = spare / cost(ScoringRate(1.0, looks_only))
    now = [rates[name].fps for name in names]
    asked = [demands[name].fps for name in names]
    shares = [asked * (1.0 if demands[name].busy else QUIET_SHARE) for name, asked in zip(names, asked, strict=True)]

    def at(factor: float) -> list[float]:
        return [min(max(factor * share, low), high) for share, low, high in zip(shares, now, asked, strict=True)]

    lowest, highest = 0.0, 1 / QUIET_SHARE
    if sum(at(highest)) - sum(now) <= room:
        lowest = highest
    for _ in range(BISECTIONS if lowest < highest else 0):
        middle = (lowest + highest) / 2
        lowest, highest = (middle, highest) if sum(at(middle)) - sum(now) <= room else (lowest, middle)
    return {name: ScoringRate(fps, looks_only) for name, fps in zip(names, at(lowest), strict=True)}
