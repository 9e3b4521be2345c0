"""The report for machines: every figure, nothing that JSON can't hold.

Keys, all always there: `format` (1; it grows when a key changes its meaning), `title`, `command`, `partial`,
`missing`, `warnings`, `facts`, `measures`, `tables`, `curves`, `timelines`, `worst`. Below them the names are those
of `results.py`. What isn't defined, not a number or without end is null.
"""

import math
from collections.abc import Iterable
from typing import Any

from streammon.evaluation.results import (
    Curve,
    EvaluationReport,
    Measure,
    MeasureTable,
    PlainTable,
    Timeline,
    WorstFrame,
)

FORMAT = 1
DIGITS = 6  # significant, of curves and timelines: 40,791 scores with all of theirs would be mostly noise


def report_json(report: EvaluationReport) -> dict[str, Any]:
    """The report as what `json.dumps(…, allow_nan=False)` takes, without its pictures.

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
        "tables": [_plain_table(table) for table in report.tables],
        "curves": [_curve(curve) for curve in report.curves],
        "timelines": [_timeline(timeline) for timeline in report.timelines],
        "worst": [_worst(frame) for frame in report.worst],
    }


def _finite(value: float | None) -> float | None:
    """A plain float, which numpy's own are not all; None for what JSON has no number for."""
    return float(value) if value is not None and math.isfinite(value) else None


def _rounded(values: Iterable[float]) -> list[float | None]:
    """The values to 6 significant digits."""
    return [float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None for value in values]


def _measure_table(table: MeasureTable) -> dict[str, Any]:
    return {"title": table.title, "note": table.note, "measures": [_measure(m) for m in table.measures]}


def _measure(measure: Measure) -> dict[str, Any]:
    figures = ("value", "spread", "low", "high", "constant", "noise", "scene_rate")
    return {
        "name": measure.name,
        "unit": measure.unit,
        "higher_is_better": bool(measure.higher_is_better),
        **{name: _finite(getattr(measure, name)) for name in figures},
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


def _timeline(timeline: Timeline) -> dict[str, Any]:
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
