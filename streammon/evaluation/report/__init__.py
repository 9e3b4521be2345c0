"""Evaluation reports: tables on the terminal, JSON, and one HTML page."""

from streammon.evaluation.report.machine import report_json
from streammon.evaluation.report.page import require_page, write_page
from streammon.evaluation.report.terminal import report_tables

__all__ = ["report_json", "report_tables", "require_page", "write_page"]
