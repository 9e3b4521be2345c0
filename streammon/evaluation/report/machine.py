"""The report as JSON.

Keys, all always present: `format` (1; incremented when a key changes its meaning), `title`, `command`, `partial`,
`missing`, `warnings`, `facts`, `measures`, `comparisons`, `tables`, `curves`, `timelines`, `worst`. Nested keys have
the names of the attributes in `results.py`. Values that are undefined, NaN or infinite are null.
"""

import math
from collections.abc import Iterable
from typing import Any

from streammon.evaluation.results import (
    ClipTimeline,
    Curve,
    DifferenceTable,
    EvaluationReport,
    FigureTable,
    PlainTable,
    ReportedDifference,
    ReportedFigure,
    WorstFrame,
)

FORMAT = 1
DIGITS = 6  # significant digits of curves and timelines; further digits are noise


def report_json(report: EvaluationReport) -> dict[str, Any]:
    """The report without its pictures, as values that `json.dumps(…, allow_nan=False)` accepts.

    Figures keep all their digits; curves and timelines are rounded to 6 significant ones.
    """
    return {
        "format": FORMAT,
        "title": report.title,
        "command": report.command,
        "partial": bool(report.missing),
        "missing": list(report.missing),
        "warnings": list(report.warnings),
        "facts": dict(report.facts),
        "measures": [_measure_table(table) for table in report.measures],
        "comparisons": [_comparison(table) for table in report.comparisons],
        "tables": [_plain_table(table) for table in report.tables],
        "curves": [_curve(curve) for curve in report.curves],
        "timelines": [_timeline(timeline) for timeline in report.timelines],
        "worst": [_worst(frame) for frame in report.worst],
    }


def _finite(value: float | None) -> float | None:
    """The value as a Python float, not a numpy one; None for NaN and infinities, which JSON lacks."""
    return float(value) if value is not None and math.isfinite(value) else None


def _rounded(values: Iterable[float]) -> list[float | None]:
    """The values to 6 significant digits; None for NaN and infinities."""
    return [float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None for value in values]


def _measure_table(table: FigureTable) -> dict[str, Any]:
    return {"title": table.title, "note": table.note, "measures": [_measure(m) for m in table.measures]}


def _measure(measure: ReportedFigure) -> dict[str, Any]:
    figures = ("value", "spread", "low", "high", "constant", "noise", "scene_rate")
    return {
        "name": measure.name,
        "unit": measure.unit,
        "higher_is_better": bool(measure.higher_is_better),
        **{name: _finite(getattr(measure, name)) for name in figures},
    }


def _comparison(table: DifferenceTable) -> dict[str, Any]:
    return {
        "title": table.title,
        "note": table.note,
        "first": table.first,
        "second": table.second,
        "differences": [_difference(row) for row in table.differences],
    }


def _difference(row: ReportedDifference) -> dict[str, Any]:
    figures = ("value", "other", "difference", "low", "high", "p_value")
    return {
        "name": row.name,
        "unit": row.unit,
        "higher_is_better": bool(row.higher_is_better),
        **{name: _finite(getattr(row, name)) for name in figures},
    }


def _plain_table(table: PlainTable) -> dict[str, Any]:
    return {
        "title": table.title,
        "note": table.note,
        "columns": list(table.columns),
        "rows": [list(row) for row in table.rows],
    }


def _curve(curve: Curve) -> dict[str, Any]:
    return {
        "plot": curve.plot,
        "label": curve.label,
        "x_label": curve.x_label,
        "y_label": curve.y_label,
        "x_limit": _finite(curve.x_limit),
        "x": _rounded(curve.x.tolist()),
        "y": _rounded(curve.y.tolist()),
    }


def _timeline(timeline: ClipTimeline) -> dict[str, Any]:
    return {
        "clip": timeline.clip,
        "scene": timeline.scene,
        "times_s": _rounded(timeline.times_s.tolist()),
        "scores": _rounded(timeline.scores.tolist()),
        "labels": [int(label) for label in timeline.labels.tolist()],
        "thresholds": {words: _finite(score) for words, score in timeline.thresholds.items()},
    }


def _worst(frame: WorstFrame) -> dict[str, Any]:
    return {
        "kind": frame.kind,
        "clip": frame.clip,
        "index": int(frame.index),
        "rank": _finite(frame.rank),
        "score": _finite(frame.score),
    }
