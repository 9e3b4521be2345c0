"""Results of a validation."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from streammon.validation.catching import StagedOutcome
from streammon.validation.control import CONTROL, KINDS
from streammon.validation.rates import RateCheck


@dataclass(frozen=True)
class KindReport:
    """Detection of one kind of anomaly, or of the control, as in the JSON file.

    Attributes:
        act: AnomalyKind of anomaly; `unchanged` is the control.
        wanted: Number of anomalies to be staged.
        staged: Number of anomalies that could be staged.
        caught: Number of anomalies that reached the threshold in time.
        fraction: caught / staged; None where none could be staged.
        median_delay_s: Median seconds from an anomaly's first frame to the threshold, over the caught anomalies; None
            where none was caught.
        channels: Number of caught anomalies by the channel that caught them, the most frequent first.
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
        """True for the control, in which nothing but the pasting is abnormal."""
        return self.act == CONTROL


def kind_report(kind: str, outcomes: Sequence[StagedOutcome], wanted: int) -> KindReport:
    """Detection of one kind of anomaly, from the outcomes of all kinds."""
    own = [each for each in outcomes if each.kind == kind]
    delays_s = [each.delay_s for each in own if each.delay_s is not None]
    channels = Counter(str(each.channel) for each in own if each.channel is not None)
    return KindReport(
        act=kind,
        wanted=wanted,
        staged=len(own),
        caught=len(delays_s),
        fraction=round(len(delays_s) / len(own), 3) if own else None,
        median_delay_s=round(float(np.median(delays_s)), 2) if delays_s else None,
        channels=dict(channels.most_common()),
    )


def kind_reports(outcomes: Sequence[StagedOutcome], wanted: int) -> list[KindReport]:
    """Detection of every kind of anomaly, the control last."""
    return [kind_report(kind, outcomes, wanted) for kind in KINDS]


@dataclass(frozen=True)
class ValidationReport:
    """Results for one scene: detection of staged anomalies, and promised against observed false alarms.

    Attributes:
        scene: Name of the scene.
        folds: Number of folds of the footage; each is scored by a bank that learned the other folds.
        frames: Number of frames scored to count false alarms; frames of staged segments are not included.
        watched_s: Seconds of footage that these frames cover.
        false_alarms_per_day: Chosen false-alarm rate; an anomaly is caught at the threshold of this rate.
        rates: Promised against observed false alarms, for the rates that the footage is long enough to check.
        chosen_needs_s: Seconds of footage needed to check the chosen rate itself.
        acts: Detection of each kind of anomaly, the control last.
        blind: Share of missed anomalies among those that touched each cell of the picture, rows from the top; None
            for cells without anomalies.
        blind_picture: Path of the picture that shows `blind`; empty where nothing could be staged.
        seconds: Duration of the validation.
    """

    scene: str
    folds: int
    frames: int
    watched_s: float
    false_alarms_per_day: float
    rates: list[RateCheck]
    chosen_needs_s: float
    acts: list[KindReport]
    blind: list[list[float | None]]
    blind_picture: str
    seconds: float
