"""Tables and remarks of a validation on the terminal."""

from rich.console import Console
from rich.table import Table

from streammon.durations import in_words
from streammon.validation.report import KindReport, ValidationReport


def rate_words(per_hour: float) -> str:
    """A rate in words, per hour or per day.

    >>> rate_words(1 / 24), rate_words(30)
    ('1 a day', '30 an hour')
    """
    return f"{per_hour:.3g} an hour" if per_hour >= 1 else f"{24 * per_hour:.3g} a day"


def rates_table(report: ValidationReport) -> Table:
    """Table of promised against observed false alarms."""
    table = Table(title="False alarms on normal footage that wasn't learned", title_justify="left")
    for name in ("promised", "observed rate", "95 % interval", "expected", "observed", "holds"):
        table.add_column(name, justify="right", no_wrap=True)
    for check in report.rates:
        table.add_row(
            rate_words(check.promised_per_hour),
            f"{check.observed_per_hour:.3g} an hour",
            f"{check.low_per_hour:.3g} to {check.high_per_hour:.3g}",
            f"{check.expected:.1f}",
            str(check.observed),
            "yes" if check.holds else "NO",
        )
    return table


def kinds_table(report: ValidationReport) -> Table:
    """Table of the staged anomalies and of how many were caught."""
    title = f"Caught at {report.false_alarms_per_day:g} false alarms a day"
    table = Table(title=title, title_justify="left")
    table.add_column("staged", no_wrap=True)
    for name in ("caught", "of", "median delay"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("caught by")
    for kind in report.acts:
        table.add_row(*_kind_row(kind), end_section=kind is report.acts[-2])
    return table


def _kind_row(kind: KindReport) -> tuple[str, ...]:
    name = f"{kind.act} (control)" if kind.is_control else kind.act
    if not kind.staged:
        return name, "", "0", "", "couldn't be staged"
    channels = ", ".join(f"{channel} {count}" for channel, count in kind.channels.items())
    delay = "" if kind.median_delay_s is None else f"{kind.median_delay_s:.1f} s"
    return name, str(kind.caught), str(kind.staged), delay, channels


def remarks(report: ValidationReport) -> list[str]:
    """Remarks on the figures, one line each."""
    rate = f"{report.false_alarms_per_day:g} a day"
    watched, needed = in_words(report.watched_s), in_words(report.chosen_needs_s)
    lines = []
    if not report.rates:
        lines.append(f"{watched} of footage is too short to check any false-alarm rate")
    if report.watched_s < report.chosen_needs_s:
        lines.append(f"{rate} is extrapolated: checking it would take {needed} of normal footage, this is {watched}")
    if any(not check.holds and check.observed > check.expected for check in report.rates):
        lines.append("more false alarms than promised: learn from more footage, recorded at several times of day")
    if any(not check.holds and check.observed < check.expected for check in report.rates):
        lines.append("fewer false alarms than promised: thresholds are too high; more footage lowers them")
    short = [kind.act for kind in report.acts if kind.staged < kind.wanted]
    if short:
        lines.append(
            f"staged less often than wanted ({', '.join(short)}): too few objects move through the footage, or this"
            " behaviour is normal there"
        )
    control = report.acts[-1]
    if control.caught:
        lines.append(
            f"{control.caught} of {control.staged} people and things pasted in unchanged were 'caught' too: subtract"
            " that share from the others: it is an effect of the pasting"
        )
    if report.blind_picture:
        lines.append(f"where the camera is blind: {report.blind_picture}")
    return lines


def print_validation(report: ValidationReport, console: Console) -> None:
    """Print both tables and the remarks on them."""
    if report.rates:
        console.print(rates_table(report))
    console.print(kinds_table(report))
    for line in remarks(report):
        console.print(f"- {line}", highlight=False, soft_wrap=True)
