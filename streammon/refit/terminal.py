"""Effects of a refit, on the terminal."""

import datetime
import math
from collections import Counter

from rich.console import Console

from streammon.durations import in_words
from streammon.refit.report import RefitReport, RescoredAlerts


def print_refit(report: RefitReport, console: Console) -> None:
    """Print what a refit would change; alerts judged real that would be lost stand out."""
    count = len(report.clips)
    console.print(f"[bold]scene {report.scene}[/]: {_number(count, 'clip')} judged normal to learn", highlight=False)
    for line in (*_left_out(report), *_alerts(report.alerts), _staged(report), _levels(report)):
        style = "bold red" if line.startswith("REAL") else None
        console.print(f"- {line}", style=style, highlight=False, markup=False, soft_wrap=True)


def _left_out(report: RefitReport) -> list[str]:
    lines = []
    if report.left_out:
        lines.append(
            f"left out, still recorded or not judged normal in the index of events: {', '.join(report.left_out)}"
        )
    if report.taken_back:
        named = ", ".join(report.taken_back)
        lines.append(f"learned earlier, not judged normal any more; only a fit from the beginning unlearns: {named}")
    return lines


def _alerts(alerts: RescoredAlerts | None) -> list[str]:
    if alerts is None:
        return ["no events are kept, so which alerts would change is unknown"]
    quiet = f", {len(alerts.quiet)} would not come with the present scene either" if alerts.quiet else ""
    lines = [
        f"of {_number(len(alerts.rescored), 'alert')} of the last week, rescored on their clips, {len(alerts.lost)}"
        f" would not come any more, {len(alerts.still_come)} still would{quiet}"
    ]
    if alerts.without_clip:
        lines.append(f"not rescored, without a clip that can be read: {_number(alerts.without_clip, 'alert')}")
    if alerts.older:
        lines.append(f"not rescored, since older than those: {_number(alerts.older, 'alert')}")
    if alerts.lost_real:
        named = ", ".join(f"{each.id} (camera {each.camera}, {_clock(each.opened_s)})" for each in alerts.lost_real)
        lines.append(f"REAL ALERTS LOST: {len(alerts.lost_real)} judged real would not come any more: {named}")
    return lines


def _staged(report: RefitReport) -> str:
    if not report.staged:
        return "no anomaly could be staged in the clips: too little moves in them, or they are too short"
    before, after = (sum(each.caught[number] for each in report.staged) for number in (0, 1))
    lost = Counter(report.staged_lost)
    named = f" ({', '.join(f'{kind} {number}' for kind, number in lost.items())})" if lost else ""
    return (
        f"of {_number(len(report.staged), 'staged anomaly', 'staged anomalies')} the present scene catches {before},"
        f" the new one {after}; {lost.total()} would be lost{named}"
    )


def _levels(report: RefitReport) -> str:
    before, after = (in_words(each.basis_s, math.floor) for each in (report.before, report.after))
    return (
        f"alerts open at score {report.after.threshold:.1f}, now {report.before.threshold:.1f};"
        f" levels rest on {after} of normal footage, now on {before}"
    )


def _clock(time_s: float) -> str:
    return datetime.datetime.fromtimestamp(time_s).strftime("%Y-%m-%d %H:%M:%S")


def _number(count: int, one: str, many: str = "") -> str:
    """A count with its noun.

    >>> _number(1, "clip"), _number(2, "clip")
    ('1 clip', '2 clips')
    """
    return f"{count} {one if count == 1 else many or one + 's'}"
