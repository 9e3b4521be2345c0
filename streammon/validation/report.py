"""What a validation found."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from streammon.validation.catching import Outcome
from streammon.validation.control import ACTS, CONTROL
from streammon.validation.rates import RateCheck


@dataclass(frozen=True)
class ActReport:
    """How one kind of anomaly, or the control, fared.

    Attributes:
        act: What was staged; `unchanged` is the control.
        wanted: How many were to be staged.
        staged: How many could be.
        caught: How many reached the threshold in time.
        fraction: Caught of staged; None where none could be staged.
        median_delay_s: Of those caught, from the first frame to the threshold; None where none was.
        channels: How often each kind of evidence spoke when one was caught, the most frequent first.
    """

    act: str
    wanted: int
    staged: int
    caught: int
    fraction: float | None
    median_delay_s: float | None
    channels: dict[str, int]

    @property
    def is_control(self) -> bool:
        """Whether nothing about it is abnormal."""
        return self.act == CONTROL


def act_report(act: str, outcomes: Sequence[Outcome], wanted: int) -> ActReport:
    """The figures of one kind, from what became of each."""
    own = [each for each in outcomes if each.act == act]
    delays_s = [each.delay_s for each in own if each.delay_s is not None]
    spoke = Counter(str(each.channel) for each in own if each.channel is not None)
    return ActReport(
        act=act,
        wanted=wanted,
        staged=len(own),
        caught=len(delays_s),
        fraction=round(len(delays_s) / len(own), 3) if own else None,
        median_delay_s=round(float(np.median(delays_s)), 2) if delays_s else None,
        channels=dict(spoke.most_common()),
    )


def act_reports(outcomes: Sequence[Outcome], wanted: int) -> list[ActReport]:
    """Of every kind, the control last."""
    return [act_report(act, outcomes, wanted) for act in ACTS]


@dataclass(frozen=True)
class ValidationReport:
    """What would be caught on a scene, and whether its promised rate of false alarms holds.

    Attributes:
        scene: Its name.
        folds: Parts the footage was divided into, each judged by a bank that learned the others.
        frames: Frames judged, those with something staged not counted.
        watched_s: How long they last.
        false_alarms_per_day: The chosen rate, at whose threshold something counts as caught.
        rates: Promised against observed, for the rates that so much footage can tell.
        chosen_needs_s: Footage it would take to check the chosen rate itself, in seconds.
        acts: Each kind of anomaly, and the control last.
        blind: Share of the anomalies through each cell of the picture that were missed, rows from the top; None
            where nothing was staged.
        blind_picture: The same as a picture; empty where nothing could be staged.
        seconds: How long it took.
    """

    scene: str
    folds: int
    frames: int
    watched_s: float
    false_alarms_per_day: float
    rates: list[RateCheck]
    chosen_needs_s: float
    acts: list[ActReport]
    blind: list[list[float | None]]
    blind_picture: str
    seconds: float
