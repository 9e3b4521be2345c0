"""Strips: a share with its interval and null controls on one line from 0 to 1."""

from dataclasses import dataclass

from streammon.evaluation.report.wording import NULLS, NullControl, null_value
from streammon.evaluation.results import ReportedFigure


@dataclass(frozen=True)
class Strip:
    """Positions along the line, 0 to 100.

    Attributes:
        value: Position of the figure.
        interval: Positions of the ends of the 95 % interval; None without an interval.
        nulls: Null controls that are defined for the figure, each with its position.
    """

    value: float
    interval: tuple[float, float] | None
    nulls: tuple[tuple[NullControl, float], ...]


def strip(measure: ReportedFigure) -> Strip | None:
    """Strip of a measure; None for a measure that is not a share.

    >>> strip(ReportedFigure("AUROC", 0.75, low=0.5, high=1.0)).interval
    (50.0, 100.0)
    >>> strip(ReportedFigure("Detection delay, mean", 1.2, unit="s"))
    """
    value = measure.value
    if measure.unit or value is None or not 0 <= value <= 1:
        return None
    interval = None
    if measure.low is not None and measure.high is not None:
        interval = (_place(measure.low), _place(measure.high))
    nulls = tuple((null, _place(reached)) for null in NULLS if (reached := null_value(measure, null)) is not None)
    return Strip(_place(value), interval, nulls)


def _place(share: float) -> float:
    return round(100 * min(max(share, 0.0), 1.0), 2)
