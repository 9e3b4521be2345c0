"""The report as rich tables on the terminal, in which no figure is truncated, however narrow the terminal."""

import textwrap
from collections.abc import Iterator

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from streammon.evaluation.report.wording import UNBEATEN_MARK, Column, measure_columns, shown_tables, table_notes
from streammon.evaluation.results import ABSENT, EvaluationReport, PlainTable

GAP = 2  # characters between two columns
ROW_NAME_WIDTH = 24  # longer row names may wrap to this width, or to their longest word, to make room for columns
CELL_WIDTH = 26  # longer cells count as sentences, which wrap between words
MISSING_SHOWN = 10


class WideTable:
    """Rich renderable of a table that continues below, with its first column repeated, on a narrow terminal.

    Figures are never truncated; only names and sentences wrap.

    Args:
        title: Heading of the table.
        columns: Columns of the table; the first names the rows.
    """

    def __init__(self, title: str, columns: list[Column]) -> None:
        self._title = title
        self._names = columns[0]
        self._rest = columns[1:]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Text(self._title, style="bold")
        for number, columns in enumerate(self._pieces(options.max_width)):
            if number:
                yield Text()
            yield self._table([self._names, *columns])

    def _pieces(self, width: int) -> Iterator[list[Column]]:
        """Groups of columns that fit beside the name column, each with at least one column."""
        names = min(_width(self._names), max(ROW_NAME_WIDTH, _longest_word(self._names)))
        piece: list[Column] = []
        used = names
        for column in self._rest:
            needed = GAP + _width(column)
            if piece and used + needed > width:
                yield piece
                piece, used = [], names
            piece.append(column)
            used += needed
        yield piece

    def _table(self, columns: list[Column]) -> Table:
        table = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False, header_style="dim")
        headings = _level([textwrap.wrap(column.heading, max(1, _width(column))) for column in columns])
        for number, (column, heading) in enumerate(zip(columns, headings, strict=True)):
            words = number == 0 or is_sentences(column)
            table.add_column(
                Text(heading),
                justify="left" if words else "right",
                min_width=None if number == 0 else _width(column),
                no_wrap=not words,
                overflow="fold",
                style="bold" if column.key == "value" else "",
            )
        for cells in zip(*(_aligned(column.cells) for column in columns), strict=True):
            table.add_row(*map(Text, cells))
        return table


def report_tables(report: EvaluationReport) -> Group:
    """The whole report except its plots and pictures, as rich renderables from top to bottom.

    Empty columns are left out; square brackets in names are shown literally.
    """
    parts: list[RenderableType] = [Text(report.title, style="bold underline")]
    longest = max(map(len, report.facts), default=0)
    parts += [_hanging(f"{name:{longest + GAP}}", value, "dim") for name, value in report.facts.items()]
    parts.append(Text())
    if report.missing:
        parts += [_partial(report.missing), Text()]
    for warning in report.warnings:
        parts.append(_hanging("! ", warning, "yellow"))
    if report.warnings:
        parts.append(Text())
    for table in report.measures:
        parts.append(WideTable(table.title, measure_columns(table)))
        parts += [_hanging("  ", note, "dim") for note in table_notes(table)]
        parts.append(Text())
    for plain in shown_tables(report):
        parts.append(WideTable(plain.title, plain_columns(plain)))
        parts += [_hanging("  ", plain.note, "dim")] if plain.note else []
        parts.append(Text())
    return Group(*parts)


def plain_columns(table: PlainTable) -> list[Column]:
    """Columns of a table of text; empty ones after the first are left out."""
    columns = [
        Column("name" if number == 0 else "text", heading, tuple(row[number] for row in table.rows))
        for number, heading in enumerate(table.columns)
    ]
    return columns[:1] + [column for column in columns[1:] if any(cell not in ("", ABSENT) for cell in column.cells)]


def _partial(missing: tuple[str, ...]) -> Group:
    shown = missing[:MISSING_SHOWN]
    lines: list[RenderableType] = [Text("PARTIAL: the data set is incomplete", style="bold reverse yellow")]
    lines += [_hanging("- ", line, "") for line in shown]
    if len(missing) > len(shown):
        lines.append(_hanging("- ", f"and {len(missing) - len(shown)} more, listed in --json and --report", ""))
    return Group(*lines)


def _hanging(mark: str, line: str, style: str) -> RenderableType:
    """A line after a mark; its continuation lines are indented by the width of the mark."""
    grid = Table.grid(padding=0)
    grid.add_column(width=len(mark))
    grid.add_column(overflow="fold")
    grid.add_row(Text(mark, style=style), Text(line, style=style))
    return Padding(grid, (0, 0))


def _level(headings: list[list[str]]) -> list[str]:
    """Headings of several lines, padded above so that all of them end in the same line."""
    depth = max(len(lines) for lines in headings)
    return ["\n".join([""] * (depth - len(lines)) + lines) for lines in headings]


def _aligned(cells: tuple[str, ...]) -> list[str]:
    """Cells of a column, padded if any cell ends with the mark of an unbeaten null, so that digits align."""
    if not any(cell.endswith(UNBEATEN_MARK) for cell in cells):
        return list(cells)
    return [cell if cell.endswith(UNBEATEN_MARK) else cell + " " for cell in cells]


def _cells(column: Column) -> list[str]:
    return [column.heading, *column.cells]


def is_sentences(column: Column) -> bool:
    """True if a column has cells so long that they count as sentences, which may wrap."""
    return any(len(cell) > CELL_WIDTH for cell in column.cells)


def _longest_word(column: Column) -> int:
    return max((cell_len(word) for cell in _cells(column) for word in cell.split()), default=0)


def _width(column: Column) -> int:
    """Minimum width of a column: its longest cell, or for sentences `CELL_WIDTH` or the longest word."""
    longest = max((cell_len(cell) for cell in column.cells), default=0)
    if longest > CELL_WIDTH and column.key != "name":
        return min(longest, max(CELL_WIDTH, _longest_word(column)))
    return max(longest, max((cell_len(word) for word in column.heading.split()), default=0))
