"""`eval --scores`, and how `eval` shows its report."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from streammon.cli.output import console_of, write_json

if TYPE_CHECKING:
    from streammon.evaluation.results import EvaluationReport


def judge(options: dict[str, Any], command: str, json_file: str | None, page: Path | None) -> None:
    """Measure the scores of a folder and show the report.

    Args:
        options: Values of the options of `eval`.
        command: Command line, for the report.
        json_file: File for the report as JSON; `-` for standard output.
        page: Folder for the page; None for none.

    Raises:
        InputError: The ground truth, the scores or an option is wrong.
    """
    from streammon.cli.display import WorkBar
    from streammon.evaluation.referee import judge_scores, referee_options

    chosen = referee_options(options)
    require_page(page)
    with WorkBar(console_of(json_file), "steps") as bar:
        report = judge_scores(chosen, command, bar)
    show_report(report, json_file, page)


def require_page(page: Path | None) -> None:
    """Require, before the work starts, that the page's folder can be written.

    Raises:
        StorageError: It can't.
    """
    from streammon.evaluation.report import ANOTHER_FOLDER
    from streammon.storage import require_writable

    if page is not None:
        require_writable(page, ANOTHER_FOLDER)


def show_report(report: "EvaluationReport", json_file: str | None, page: Path | None) -> None:
    """Print the report, and write it as JSON and as a page where asked for.

    Raises:
        StorageError: A file can't be written.
    """
    from streammon.evaluation.report import report_json, report_tables, write_page

    console = console_of(json_file)
    console.print(report_tables(report))
    write_json(json_file, report_json(report))
    if page is not None:
        console.print(f"page: {write_page(report, page)}")
