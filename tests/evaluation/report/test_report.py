"""What the terminal and machines get of an evaluation."""

import json
import subprocess
import sys
from dataclasses import replace
from io import StringIO
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from streammon.evaluation.report import report_json, report_tables
from streammon.evaluation.report.wording import NULLS, is_unbeaten, measure_columns, percent_text, rank_text
from streammon.evaluation.results import (
    DifferenceTable,
    EvaluationReport,
    FigureTable,
    PlainTable,
    ReportedDifference,
    ReportedFigure,
)
from support.evaluation_samples import FRAME_LEVEL, PER_SCENE, PIXEL_LEVEL, sample_report, whole_report


def shown(report: EvaluationReport, width: int = 80) -> str:
    """What a terminal, or a file, of that width gets."""
    console = Console(file=StringIO(), width=width)
    console.print(report_tables(report))
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def figures(report: EvaluationReport) -> list[str]:
    """Every cell that holds a figure, as it has to be shown."""
    cells = [cell for table in report.measures for column in measure_columns(table)[1:] for cell in column.cells]
    return cells + [cell for table in report.tables for row in table.rows for cell in row[1:8]]


@pytest.mark.parametrize("width", [40, 80, 200])
def test_every_figure_is_whole_at_any_width(width: int) -> None:
    text = shown(sample_report(), width)
    words = text.split()
    for figure in figures(sample_report()):
        assert figure in text
        assert all(part in words for part in figure.split())
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width


def test_the_nulls_stand_in_the_row_of_their_figure() -> None:
    row = next(line for line in shown(sample_report()).splitlines() if line.startswith("AUROC, micro"))
    assert row.split()[2:] == ["0.612", "±", "0.020", "0.541–0.689", "0.500", "0.499", "0.657*"]


def test_a_null_within_the_interval_is_marked_and_explained() -> None:
    marked = [measure.name for measure in FRAME_LEVEL.measures if is_unbeaten(measure, NULLS[2])]
    assert marked == ["AUROC, micro", "Average precision", "Equal error rate"]
    assert "not shown to be better than this null" in shown(sample_report())
    beaten = replace(whole_report(), measures=(PIXEL_LEVEL,))
    assert "*" not in shown(beaten)


@pytest.mark.parametrize(
    ("measure", "unbeaten"),
    [
        (ReportedFigure("AUROC", 0.7, constant=0.5), False),
        (ReportedFigure("AUROC", 0.5, constant=0.5), True),  # as good is not better
        (ReportedFigure("AUROC", 0.7, low=0.45, high=0.9, constant=0.5), True),
        (ReportedFigure("EER", 0.4, low=0.2, high=0.55, constant=0.5, higher_is_better=False), True),
        (ReportedFigure("EER", 0.4, low=0.2, high=0.45, constant=0.5, higher_is_better=False), False),
        (ReportedFigure("AUROC", None, constant=0.5), False),
        (ReportedFigure("AUROC", 0.2, constant=float("nan")), False),
    ],
)
def test_a_null_counts_as_beaten_only_beyond_the_worse_end_of_the_interval(
    measure: ReportedFigure, unbeaten: bool
) -> None:
    assert is_unbeaten(measure, NULLS[0]) is unbeaten


def test_what_was_evaluated_stands_before_the_figures() -> None:
    text = shown(whole_report())
    places = [text.index(name) for name in whole_report().facts]
    assert places == sorted(places)
    assert places[-1] < text.index("AUROC, micro")


def test_columns_that_nobody_fills_are_left_out() -> None:
    text = shown(replace(whole_report(), measures=(PIXEL_LEVEL,), tables=(), facts={}))
    assert "Noise" in text
    assert "Scene" not in text
    bare = FigureTable("Image level", (ReportedFigure("AUROC", 0.98),))
    assert [column.heading for column in measure_columns(bare)] == ["Measure", "Value"]


def test_a_partial_evaluation_says_so_first_and_a_whole_one_does_not() -> None:
    text = shown(sample_report())
    assert text.index("PARTIAL") < text.index("02_0009: there is no such clip") < text.index("Frame level")
    assert "PARTIAL" not in shown(whole_report())


def test_a_long_list_of_what_is_missing_is_cut_with_its_length_named() -> None:
    missing = tuple(f"testing/frames/01_{k:04d}: there is no such clip" for k in range(107))
    text = shown(replace(sample_report(), missing=missing))
    assert "01_0009" in text
    assert "01_0010" not in text
    assert "and 97 more" in text


def test_square_brackets_in_names_are_no_markup() -> None:
    table = PlainTable("[bold]Per scene[/bold]", ("Scene", "AUROC"), (("[red]01[/red]", "[1] 0.612"),), "see [2]")
    text = shown(replace(whole_report(), title="[b]a[/b]", tables=(table,)))
    for name in ("[b]a[/b]", "[bold]Per scene[/bold]", "[red]01[/red]", "[1] 0.612", "see [2]"):
        assert name in text


def test_tables_without_rows_are_shown() -> None:
    empty = replace(whole_report(), measures=(FigureTable("Frame level", ()),), tables=(replace(PER_SCENE, rows=()),))
    assert "Per scene" in shown(empty)
    assert "Per scene" in shown(empty, width=20)


def test_json_holds_every_figure_and_reads_back_the_same() -> None:
    report = sample_report()
    facts = report_json(report)
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts
    assert list(facts) == [
        "format", "title", "command", "partial", "missing", "warnings", "facts", "measures", "comparisons", "tables",
        "curves", "timelines", "worst",
    ]  # fmt: skip
    assert facts["format"] == 1
    assert facts["partial"] is True
    assert facts["measures"][0]["measures"][0] == {
        "name": "AUROC, micro", "unit": "", "higher_is_better": True, "value": 0.6119, "spread": 0.0204,
        "low": 0.5412, "high": 0.6893, "constant": 0.5, "noise": 0.4987, "scene_rate": 0.6575,
    }  # fmt: skip
    assert facts["tables"][0]["rows"] == [list(row) for row in PER_SCENE.rows]
    assert facts["worst"][0] == {"kind": "miss", "clip": "02_0000", "index": 40, "rank": 0.03, "score": 12.4}
    timeline = facts["timelines"][0]
    assert sum(timeline["labels"]) == int(report.timelines[0].labels.sum())
    assert timeline["thresholds"] == {"1/day": 23.4, "10/day": 21.9, "100/day": 18.6}
    np.testing.assert_allclose(timeline["scores"], report.timelines[0].scores, rtol=1e-5)


COMPARISON = DifferenceTable(
    "ours minus base",
    "ours",
    "base",
    (
        ReportedDifference("AUROC, micro", 0.7123, 0.6511, 0.0612, 0.0118, 0.1009, 0.004),
        ReportedDifference("EER", 0.35, 0.31, 0.04, 0.01, 0.07, 0.02, higher_is_better=False),
        ReportedDifference("AUROC, macro, padded", 0.8, 0.81, -0.01, -0.05, 0.03, 0.62),
        ReportedDifference("false alarms", 12.0, 43.26, -31.26, -60.0, -2.5, 0.031, "per hour", False),
        ReportedDifference("average precision", None, None, None, None, None, None),
    ),
    "paired bootstrap over clips",
)


def test_a_comparison_says_how_large_a_difference_is_and_which_method_is_better() -> None:
    text = shown(replace(whole_report(), comparisons=(COMPARISON,)), width=200)
    rows = {line.split("  ")[0]: line.split() for line in text[text.index("ours minus base") :].splitlines()}
    assert rows["AUROC, micro"][2:] == ["0.712", "0.651", "+0.061", "+0.012", "to", "+0.101", "0.004", "ours"]
    assert rows["EER"][1:] == ["0.350", "0.310", "+0.040", "+0.010", "to", "+0.070", "0.020", "base"]
    assert rows["AUROC, macro, padded"][3:] == [
        *("0.800", "0.810", "−0.010", "−0.050", "to", "+0.030", "0.620", "not", "shown"),
    ]
    assert rows["false alarms (per hour)"][4:] == ["12.0", "43.3", "−31.3", "−60.0", "to", "−2.50", "0.031", "ours"]
    assert rows["average precision"][2:] == ["–"] * 6
    assert "paired bootstrap over clips" in text


def test_json_has_the_numbers_of_a_comparison() -> None:
    (facts,) = report_json(replace(whole_report(), comparisons=(COMPARISON,)))["comparisons"]
    assert {name: facts[name] for name in ("title", "note", "first", "second")} == {
        "title": "ours minus base", "note": "paired bootstrap over clips", "first": "ours", "second": "base",
    }  # fmt: skip
    assert facts["differences"][1] == {
        "name": "EER", "unit": "", "higher_is_better": False, "value": 0.35, "other": 0.31, "difference": 0.04,
        "low": 0.01, "high": 0.07, "p_value": 0.02,
    }  # fmt: skip


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_json_says_null_for_what_is_no_number(bad: float) -> None:
    report = whole_report()
    timeline = replace(report.timelines[0], scores=np.array([1.0, bad]), labels=np.array([True, False]))
    timeline = replace(timeline, times_s=np.array([0.0, 0.1234567]), thresholds={"1/day": bad})
    curve = replace(report.curves[0], x=np.array([0.0, 1e-7 / 3]), y=np.array([bad, 1.0]))
    table = FigureTable("Frame level", (ReportedFigure("AUROC", bad, bad, bad, bad, bad, bad, bad),))
    worst = replace(report.worst[0], rank=bad, score=bad)
    broken = replace(report, measures=(table,), timelines=(timeline,), curves=(curve,), worst=(worst,))
    facts = report_json(broken)
    json.dumps(facts, allow_nan=False)
    assert facts["timelines"][0]["scores"] == [1.0, None]
    assert facts["timelines"][0]["times_s"] == [0.0, 0.123457]
    assert facts["timelines"][0]["thresholds"] == {"1/day": None}
    assert facts["curves"][0]["x"] == [0.0, 3.33333e-08]
    assert facts["measures"][0]["measures"][0]["value"] is None
    assert "nan" not in shown(broken).lower()


def test_json_takes_numpys_own_numbers() -> None:
    half, third, yes = np.float32(0.5), np.int64(3), np.True_
    measure = replace(ReportedFigure("AUROC", None), **dict[str, Any](value=half, higher_is_better=yes))
    worst = replace(whole_report().worst[0], **dict[str, Any](index=third, rank=half))
    report = replace(whole_report(), measures=(FigureTable("Frame level", (measure,)),), worst=(worst,))
    facts = json.loads(json.dumps(report_json(report)))
    assert facts["measures"][0]["measures"][0]["value"] == 0.5
    assert facts["worst"][0]["index"] == 3


def test_ranks_are_said_in_words() -> None:
    miss, alarm = sample_report().worst[0], sample_report().worst[4]
    assert rank_text(miss) == "scores below 97 % of the normal frames"
    assert rank_text(alarm) == "scores above more than 99.9 % of the normal frames"
    assert rank_text(replace(miss, rank=float("nan"))) == ""


@given(share=st.floats(0, 1, exclude_min=True, exclude_max=True))
def test_a_share_is_never_rounded_to_none_or_all(share: float) -> None:
    assert percent_text(share) not in ("0 %", "0.0 %", "100 %", "100.0 %")


def test_importing_the_report_loads_neither_matplotlib_nor_opencv() -> None:
    code = "import sys, streammon.evaluation.report; print({'matplotlib', 'cv2'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert run.stdout.strip() == "set()"
