"""Evaluation reports: tables on the terminal, JSON, and one HTML page."""

from streammon.evaluation.report.machine import report_json
from streammon.evaluation.report.page import ANOTHER_FOLDER, write_page
from streammon.evaluation.report.terminal import report_tables

__all__ = ["ANOTHER_FOLDER", "report_json", "report_tables", "write_page"]
