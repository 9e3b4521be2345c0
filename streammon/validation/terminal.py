"""Tables and remarks of a validation on the terminal."""

from rich.console import Console
from rich.table import Table

from streammon.validation.report import ActReport, ValidationReport

UNITS_S = ((2 * 86400.0, 86400.0, "days"), (2 * 3600.0, 3600.0, "hours"), (120.0, 60.0, "minutes"))


def duration(seconds: float) -> str:
    """A length of time in words.

    >>> duration(45), duration(600), duration(3 * 86400)
    ('45 s', '10 minutes', '3 days')
    """
    for least_s, unit_s, name in UNITS_S:
        if seconds >= least_s:
            return f"{seconds / unit_s:.3g} {name}"
    return f"{seconds:.0f} s"


def rate_words(per_hour: float) -> str:
    """A rate in words, per hour or per day.

    >>> rate_words(1 / 24), rate_words(30)
    ('1 a day', '30 an hour')
    """
    return f"{per_hour:.3g} an hour" if per_hour >= 1 else f"{24 * per_hour:.3g} a day"


def rates_table(report: ValidationReport) -> Table:
    """Table of promised against observed false alarms."""
    table = Table(title="False alarms on normal footage that wasn't learned", title_justify="left")
    for name in ("promised", "observed", "95 % interval", "expected", "seen", "holds"):
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


def acts_table(report: ValidationReport) -> Table:
    """Table of the staged anomalies and of how many were caught."""
    title = f"Caught at {report.false_alarms_per_day:g} false alarms a day"
    table = Table(title=title, title_justify="left")
    table.add_column("staged", no_wrap=True)
    for name in ("caught", "of", "median delay"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("what spoke")
    for act in report.acts:
        table.add_row(*_act_row(act), end_section=act is report.acts[-2])
    return table


def _act_row(act: ActReport) -> tuple[str, ...]:
    name = f"{act.act} (control)" if act.is_control else act.act
    if not act.staged:
        return name, "", "0", "", "couldn't be staged"
    spoke = ", ".join(f"{channel} {count}" for channel, count in act.channels.items())
    delay = "" if act.median_delay_s is None else f"{act.median_delay_s:.1f} s"
    return name, str(act.caught), str(act.staged), delay, spoke


def remarks(report: ValidationReport) -> list[str]:
    """Remarks on the figures, one line each."""
    rate = f"{report.false_alarms_per_day:g} a day"
    watched, needed = duration(report.watched_s), duration(report.chosen_needs_s)
    lines = []
    if not report.rates:
        lines.append(f"{watched} of footage are too little to tell how many false alarms there would be")
    if report.watched_s < report.chosen_needs_s:
        lines.append(f"{rate} is extrapolated: checking it would take {needed} of normal footage, this is {watched}")
    if any(not check.holds and check.observed > check.expected for check in report.rates):
        lines.append("more false alarms than promised: learn from more footage, and of other times of day")
    if any(not check.holds and check.observed < check.expected for check in report.rates):
        lines.append("fewer false alarms than promised: thresholds are on the quiet side, more footage lowers them")
    short = [act.act for act in report.acts if act.staged < act.wanted]
    if short:
        lines.append(
            f"staged less often than wanted ({', '.join(short)}): too few things move through the footage, or it is"
            " usual there"
        )
    control = report.acts[-1]
    if control.caught:
        lines.append(
            f"{control.caught} of {control.staged} people and things pasted in unchanged were 'caught' too: take that"
            " share off the others, it is the pasting"
        )
    if report.blind_picture:
        lines.append(f"where the camera is blind: {report.blind_picture}")
    return lines


def print_validation(report: ValidationReport, console: Console) -> None:
    """Print both tables and the remarks on them."""
    if report.rates:
        console.print(rates_table(report))
    console.print(acts_table(report))
    for line in remarks(report):
        console.print(f"- {line}", highlight=False, soft_wrap=True)
