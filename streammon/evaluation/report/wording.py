"""Text of figures and columns, the same on the terminal and on the page."""

import math
from dataclasses import dataclass

from streammon.evaluation.results import (
    ABSENT,
    DifferenceTable,
    EvaluationReport,
    FigureTable,
    PlainTable,
    ReportedDifference,
    ReportedFigure,
    WorstFrame,
)

UNBEATEN_MARK = "*"
UNBEATEN_NOTE = (
    f"{UNBEATEN_MARK} The method is not shown to be better than this null control, which reaches the figure or its "
    "interval."
)


@dataclass(frozen=True)
class NullControl:
    """A null control: scores computed without the pictures, measured like the method.

    Attributes:
        attribute: Attribute of `ReportedFigure` that contains the null control's value.
        heading: Heading of the null control's column.
        meaning: Explanation for the reader, in a sentence or two.
    """

    attribute: str
    heading: str
    meaning: str


NULLS = (
    NullControl(
        "constant",
        "Constant",
        "The same score for every frame, through the same post-processing. Its figures come from the "
        "post-processing and the metric alone.",
    ),
    NullControl(
        "noise",
        "Noise",
        "A seeded random score for every frame, through the same post-processing: what chance reaches.",
    ),
    NullControl(
        "scene_rate",
        "Scene rate",
        "An oracle that scores every frame by its scene's share of abnormal frames: it separates scenes, but no "
        "frames within one.",
    ),
)


@dataclass(frozen=True)
class Column:
    """One column of a table, as shown.

    Attributes:
        key: `name`, `value`, `interval`, the attribute of a null control, or `text` in a table of text.
        heading: Heading of the column.
        cells: Text of each row.
    """

    key: str
    heading: str
    cells: tuple[str, ...]


def figure_text(figure: float | None, unit: str = "") -> str:
    """Text of a figure: three decimals for a share, about three digits for a figure with a unit.

    >>> figure_text(0.6119), figure_text(0.524, "s"), figure_text(31.26, "per hour"), figure_text(1234.5, "s")
    ('0.612', '0.52', '31.3', '1,234')
    >>> figure_text(None)
    '–'
    """
    if figure is None or not math.isfinite(figure):
        return ABSENT
    return f"{figure:,.{_decimals(figure, unit)}f}"


def _decimals(figure: float, unit: str) -> int:
    if not unit:
        return 3
    size = abs(figure)
    return 0 if size >= 99.95 else 1 if size >= 9.995 else 2


def name_text(measure: ReportedFigure | ReportedDifference) -> str:
    """Name of a measure, with its unit.

    >>> name_text(ReportedFigure("Detection delay", 1.2, unit="s")), name_text(ReportedFigure("AUROC, micro", 0.6))
    ('Detection delay (s)', 'AUROC, micro')
    """
    return f"{measure.name} ({measure.unit})" if measure.unit else measure.name


def value_text(measure: ReportedFigure) -> str:
    """Text of the figure, with its standard deviation over seeds where there are several.

    >>> value_text(ReportedFigure("AUROC", 0.5583, spread=0.0204)), value_text(ReportedFigure("AUROC", 0.5583))
    ('0.558 ± 0.020', '0.558')
    >>> value_text(ReportedFigure("Detection delay, mean", 31.2, spread=4.18, unit="s"))
    '31.2 ± 4.2'
    """
    text = figure_text(measure.value, measure.unit)
    if text == ABSENT or measure.spread is None or not math.isfinite(measure.spread):
        return text
    decimals = _decimals(max(measure.value or 0.0, measure.spread, key=abs), measure.unit)
    return f"{text} ± {measure.spread:,.{decimals}f}"


def interval_text(measure: ReportedFigure) -> str:
    """Text of the 95 % interval.

    >>> interval_text(ReportedFigure("AUROC, micro", 0.558, low=0.41, high=0.6802))
    '0.410–0.680'
    """
    if measure.low is None or measure.high is None:
        return ABSENT
    return f"{figure_text(measure.low, measure.unit)}–{figure_text(measure.high, measure.unit)}"


def null_value(measure: ReportedFigure, null: NullControl) -> float | None:
    """Value of a null control for a measure; None where the value isn't defined."""
    value: float | None = getattr(measure, null.attribute)
    return value if value is not None and math.isfinite(value) else None


def is_unbeaten(measure: ReportedFigure, null: NullControl) -> bool:
    """True if a null control is at least as good as the figure, or as the worse end of the figure's interval.

    >>> is_unbeaten(ReportedFigure("AUROC, micro", 0.7, low=0.6, high=0.8, scene_rate=0.65), NULLS[2])
    True
    >>> is_unbeaten(ReportedFigure("EER", 0.2, low=0.1, high=0.3, constant=0.5, higher_is_better=False), NULLS[0])
    False
    """
    reached = null_value(measure, null)
    if reached is None or measure.value is None or not math.isfinite(measure.value):
        return False
    if measure.higher_is_better:
        return reached >= min(measure.value, measure.value if measure.low is None else measure.low)
    return reached <= max(measure.value, measure.value if measure.high is None else measure.high)


def null_text(measure: ReportedFigure, null: NullControl) -> str:
    """Text of a null control's value, marked where the method isn't shown to be better."""
    text = figure_text(null_value(measure, null), measure.unit)
    return text + UNBEATEN_MARK if is_unbeaten(measure, null) else text


def measure_columns(table: FigureTable) -> list[Column]:
    """Columns of a table of measures; empty ones are left out, except name and value."""
    measures = table.measures
    columns = [
        Column("name", "Measure", tuple(map(name_text, measures))),
        Column("value", "Value", tuple(map(value_text, measures))),
        Column("interval", "95 % interval", tuple(map(interval_text, measures))),
    ]
    columns += [Column(null.attribute, null.heading, tuple(null_text(m, null) for m in measures)) for null in NULLS]
    always = ("name", "value")
    return [column for column in columns if column.key in always or any(cell != ABSENT for cell in column.cells)]


def table_notes(table: FigureTable) -> list[str]:
    """Notes below a table of measures."""
    notes = [table.note] if table.note else []
    if any(is_unbeaten(measure, null) for measure in table.measures for null in NULLS):
        notes.append(UNBEATEN_NOTE)
    return notes


def shown_tables(report: EvaluationReport) -> tuple[PlainTable, ...]:
    """Tables of text of a report: the comparisons with another method, then its other ones."""
    return (*map(comparison_text, report.comparisons), *report.tables)


def comparison_text(table: DifferenceTable) -> PlainTable:
    """Comparison of two methods as a table of text."""
    columns = ("Measure", table.first, table.second, "Difference", "95 % interval", "p", "Better")
    rows = tuple(
        (
            name_text(row),
            figure_text(row.value, row.unit),
            figure_text(row.other, row.unit),
            signed_text(row.difference, row.unit),
            ABSENT if row.low is None else f"{signed_text(row.low, row.unit)} to {signed_text(row.high, row.unit)}",
            figure_text(row.p_value),
            better_text(table, row),
        )
        for row in table.differences
    )
    return PlainTable(table.title, columns, rows, table.note)


def signed_text(difference: float | None, unit: str = "") -> str:
    """Text of a difference with its sign.

    >>> signed_text(0.0119), signed_text(-31.26, "per hour"), signed_text(0.0)
    ('+0.012', '−31.3', '0.000')
    """
    text = figure_text(difference, unit)
    if difference is None or text == ABSENT:
        return text
    return text.replace("-", "−") if difference < 0 else f"+{text}" if difference > 0 else text


def better_text(table: DifferenceTable, row: ReportedDifference) -> str:
    """Name of the better method where the interval of the difference excludes 0, otherwise `not shown`."""
    if row.low is None or row.high is None:
        return ABSENT
    if row.low <= 0 <= row.high:
        return "not shown"
    return table.first if (row.low > 0) == row.higher_is_better else table.second


def percent_text(share: float) -> str:
    """Text of a share in percent, rounded to 0 % or 100 % only where the share is exactly 0 or 1.

    >>> percent_text(0.97), percent_text(0.9987), percent_text(0.99999), percent_text(0.00001), percent_text(1.0)
    ('97 %', '99.9 %', 'more than 99.9 %', 'less than 0.1 %', '100 %')
    """
    percent = 100 * share
    if share in (0.0, 1.0):
        return f"{percent:.0f} %"
    if percent > 99.9:
        return "more than 99.9 %"
    if percent < 0.1:
        return "less than 0.1 %"
    digits = 0 if 1 <= percent <= 99 else 1
    return f"{percent:.{digits}f} %"


def rank_text(frame: WorstFrame) -> str:
    """Share of the normal frames that a miss scores below, or that a false alarm scores above, as text."""
    if not math.isfinite(frame.rank):
        return ""
    if frame.kind == "miss":
        return f"scores below {percent_text(1 - frame.rank)} of the normal frames"
    return f"scores above {percent_text(frame.rank)} of the normal frames"
