"""Output of the commands: a live table on a terminal, one line per event elsewhere, JSON for machines."""

import datetime
import json
import math
import sys
import time
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import asdict, is_dataclass
from typing import TYPE_CHECKING, Any, TextIO

from rich.console import Console, Group, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from streammon.durations import DAY_S, in_words
from streammon.records import (
    Alert,
    AlertEvent,
    CameraFigures,
    CameraState,
    CameraStatus,
    Event,
    HealthAlert,
    MainStreamStatus,
    Notice,
    RedisStatus,
    ScoredFrame,
    SinkStatus,
    SpoolStatus,
)

if TYPE_CHECKING:
    from streammon.events import EventRow

RECENT_LINES = 8
LEARNING_STEP = 0.1
LEVEL_LIMIT = 300.0  # 10 ** 300 days does not overflow a float
MAX_INTERVAL_PER_BASIS = 2.0  # longest interval reported as a number, as a multiple of the footage's duration
UPDATE_EVERY_S = 60.0
STATE_STYLES = {
    CameraState.ONLINE: "green",
    CameraState.LEARNING: "cyan",
    CameraState.CONNECTING: "yellow",
    CameraState.ENDED: "dim",
}
BAD_STATE_STYLE = "bold red"


def clock(time_s: float) -> str:
    """Local time of day of a Unix time, as `14:03:27`."""
    return datetime.datetime.fromtimestamp(time_s).strftime("%H:%M:%S")


def state_text(status: CameraStatus) -> str:
    """A camera's state in words: `offline since 14:03:27 (connection refused), again in 4 s`.

    >>> state_text(CameraStatus("lobby", CameraState.LEARNING, 0.0, progress=0.344))
    'learning 34 %'
    """
    if status.state is CameraState.LEARNING:
        return f"learning {100 * (status.progress or 0):.0f} %"
    if status.state in (CameraState.ONLINE, CameraState.ENDED):
        return str(status.state)
    since = "" if status.state is CameraState.CONNECTING else f" since {clock(status.since_s)}"
    reason = f" ({status.reason})" if status.reason else ""
    retry = f", again in {status.retry_in_s:.0f} s" if status.retry_in_s is not None else ""
    return f"{status.state}{since}{reason}{retry}"


def event_text(event: Event) -> str:
    """One line for one event."""
    match event:
        case CameraStatus():
            return f"camera '{event.camera}': {state_text(event)}"
        case MainStreamStatus(reason=""):
            return f"camera '{event.camera}': main stream is back; viewers see it again"
        case MainStreamStatus():
            return f"camera '{event.camera}': no main stream ({event.reason}); viewers see the sub-stream"
        case Alert():
            return alert_text(event)
        case HealthAlert():
            return health_text(event)
        case RedisStatus(online=True):
            return "redis is there"
        case RedisStatus():
            state = "refuses what is published" if event.refused else "is away"
            since = f"since {clock(event.since_s)} ({event.reason})"
            return f"redis {state} {since}; {event.spooled} alert messages wait"
        case SpoolStatus():
            reason = f", in memory alone ({event.reason})" if event.reason else ""
            lost = f"{event.refused} updates refused, {event.dropped} messages dropped"
            return f"alert spool: {event.waiting} messages wait{reason}; {lost}"
        case SinkStatus():
            return sink_text(event)
        case Notice():
            return event.text
        case ScoredFrame():
            return f"camera '{event.camera}': frame {event.seq} scores {event.score:.1f}, level {event.level:+.2f}"


def sink_text(status: SinkStatus) -> str:
    """One line for the state of a sink.

    >>> sink_text(SinkStatus("desk", online=True, since_s=0.0, sent=7))
    "sink 'desk' takes alerts; 7 sent, 0 wait"
    """
    state = "takes alerts"
    if not status.online:
        state = f"{'refuses alerts' if status.refuses else 'is away'} since {clock(status.since_s)} ({status.reason})"
    lost = {"refused": status.refused, "dropped": status.dropped}
    losses = "".join(f", {number} {word}" for word, number in lost.items() if number)
    return f"sink '{status.sink}' {state}; {status.sent} sent, {status.waiting} wait{losses}"


def rarity(level: float, basis_s: float) -> str:
    """How often normal footage reaches a level, and the amount of footage that this is based on, in words.

    The interval between false alarms at a level is 86400 * 10**level seconds. An interval above twice the duration
    of the footage is an extrapolation, so "never" in that footage is reported instead.

    Args:
        level: -log10 of the false alarms a day.
        basis_s: Seconds of normal footage that the level is calibrated on; 0 if unknown.

    >>> rarity(math.log10(3), 2 * 86400)
    'about once in 3 days (from 2 days of normal footage)'
    >>> rarity(math.log10(40 / 86400), 540)
    'about once in 40 s (from 9 minutes of normal footage)'
    >>> rarity(math.log10(5), 2 * 86400), rarity(9.0, 540)
    ('never in 2 days of normal footage', 'never in 9 minutes of normal footage')
    >>> rarity(1.0, 0)
    'how rare is not known'
    """
    if basis_s <= 0:
        return "how rare is not known"
    interval_s = DAY_S * 10.0 ** min(max(level, -LEVEL_LIMIT), LEVEL_LIMIT)
    footage = f"{in_words(basis_s, math.floor)} of normal footage"
    if interval_s > MAX_INTERVAL_PER_BASIS * basis_s:
        return f"never in {footage}"
    return f"about once in {in_words(interval_s)} (from {footage})"


def expectation(basis_s: float, false_alarms_per_day: float, first_alarms: float | None) -> str:
    """False alarms to expect of a scene that was just learned, as upper estimates: fewer may come.

    Args:
        basis_s: Seconds of normal footage that the calibration rests on; 0 without a calibration.
        false_alarms_per_day: Configured rate.
        first_alarms: Estimate of further false alarms in the first period (`calibration.first_false_alarms`);
            None if the threshold does not adapt.

    >>> expectation(720.0, 1.0, 4.2)
    'from 12 minutes of normal footage: up to about 6 false alarms in the first day, then about 1 a day'
    >>> expectation(7200.0, 24.0, 0.0)
    'from 2 hours of normal footage: about 24 false alarms a day'
    >>> expectation(720.0, 0.1, 6.2)
    'from 12 minutes of normal footage: up to about 8 false alarms in the first 10 days, then about 1 in 10 days'
    >>> expectation(720.0, 1.0, None)
    'from 12 minutes of normal footage: too little to confirm 1 false alarm a day, and alerting.adapt is off'
    """
    if basis_s <= 0:
        return "no footage was held out, so the false-alarm rate is unknown"
    basis = f"from {in_words(basis_s, math.floor)} of normal footage"
    asked_s = DAY_S / false_alarms_per_day
    alarms = f"{false_alarms_per_day:g} false alarm{'' if false_alarms_per_day == 1 else 's'} a day"
    if basis_s >= asked_s:
        return f"{basis}: about {alarms}"
    if first_alarms is None:
        return f"{basis}: too little to confirm {alarms}, and alerting.adapt is off"
    if asked_s <= DAY_S:
        asked, period, later = false_alarms_per_day, "day", f"{false_alarms_per_day:g} a day"
    else:
        asked, period, later = 1.0, in_words(asked_s), f"1 in {in_words(asked_s)}"
    most = math.ceil(asked + first_alarms)
    return f"{basis}: up to about {most} false alarms in the first {period}, then about {later}"


def alert_text(alert: Alert) -> str:
    """One line for one alert message: event, id, camera, time and reason, then the figures."""
    head = f"ALERT {alert.event} {alert.id} camera '{alert.camera}' at {clock(alert.time_s)}"
    return f"{head}: {alert.channel.reason}; peak score {alert.peak_score:.1f}, {_rarity_and_place(alert)}"


def brief_alert_text(alert: Alert) -> str:
    """One line for one alert message without its id and time, so that the reason stands within 80 columns.

    >>> from streammon.records import Channel
    >>> seen = {"score": 31.0, "level": 1.0, "peak_score": 31.0, "peak_level": 1.0, "channel": Channel.SPEED}
    >>> seen["basis_s"] = 7200.0
    >>> brief_alert_text(Alert("01a2", AlertEvent.OPEN, 0, "lobby", "hall", 99.5, 100.0, None, **seen))
    "ALERT open camera 'lobby': moves too fast here; never in 2 hours of normal footage; no region"
    """
    return f"ALERT {alert.event} camera '{alert.camera}': {alert.channel.reason}; {_rarity_and_place(alert)}"


def _rarity_and_place(alert: Alert) -> str:
    where = ", ".join(f"{box.width}x{box.height} at {box.x},{box.y}" for box in alert.boxes[:2])
    lasting = "" if alert.event is AlertEvent.OPEN else f", {(alert.closed_s or alert.time_s) - alert.opened_s:.1f} s"
    provisional = ", provisional" if alert.provisional else ""
    return f"{rarity(alert.peak_level, alert.basis_s)}{provisional}{lasting}; {where or 'no region'}"


def health_text(health: HealthAlert) -> str:
    """One line for one health message.

    >>> from streammon.records import Condition
    >>> where = {"cameras": ("gate", "lobby", "yard"), "place": "10.0.3.x"}
    >>> gone = HealthAlert("01", AlertEvent.OPEN, 0, Condition.OFFLINE, **where, opened_s=0.0, time_s=65.0,
    ...     closed_s=None, reason="gone")
    >>> health_text(gone)
    'HEALTH open offline: 3 cameras at 10.0.3.x: gone, 65 s so far: gate, lobby, yard'
    """
    lasted_s = (health.time_s if health.closed_s is None else health.closed_s) - health.opened_s
    lasting = f", {in_words(lasted_s)}{' so far' if health.closed_s is None else ''}" if lasted_s >= 1 else ""
    cameras = f": {', '.join(health.cameras)}" if len(health.cameras) > 1 else ""
    return f"HEALTH {health.event} {health.condition}: {health.subject}: {health.reason}{lasting}{cameras}"


class LineDisplay:
    """Prints one line per event, except frame scores, alert updates, and steps of learning below 10 %."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._learning: dict[str, int] = {}
        self._is_lost = False

    def show(self, event: Event) -> None:
        """Print an event, unless it is a frame score, an alert update or a small step of learning."""
        if isinstance(event, ScoredFrame) or self._is_small_step(event) or self._is_update(event):
            return
        stamp = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
        self._print(f"{stamp} {event_text(event)}")

    def _print(self, line: str) -> None:
        if self._is_lost:  # the error was raised once; later lines are dropped
            return
        try:
            print(line, file=self._stream, flush=True)
        except OSError:
            self._is_lost = True
            raise

    def _is_update(self, event: Event) -> bool:
        return isinstance(event, Alert) and event.event is AlertEvent.UPDATE

    def _is_small_step(self, event: Event) -> bool:
        if not isinstance(event, CameraStatus) or event.state is not CameraState.LEARNING:
            return False
        step = int((event.progress or 0) / LEARNING_STEP)
        before, self._learning[event.camera] = self._learning.get(event.camera), step
        return before == step


class JsonDisplay(LineDisplay):
    """Prints one JSON object per event: `event`, `at_s` and the record's own fields.

    An alert's own `event` is named `type` here, and a `reason` gives its `channel` in words. Updates of an alert are
    printed at most once a minute, by the alert's own times.
    """

    NAMES = {  # noqa: RUF012 (a constant)
        CameraStatus: "status",
        MainStreamStatus: "main_stream",
        Alert: "alert",
        HealthAlert: "health",
        RedisStatus: "redis",
        SpoolStatus: "spool",
        SinkStatus: "sink",
        Notice: "notice",
    }

    def __init__(self, stream: TextIO | None = None) -> None:
        super().__init__(stream)
        self._printed_s: dict[str, float] = {}  # camera → time of the alert message printed last

    def show(self, event: Event) -> None:
        """Print an event, unless it is a frame score, an early alert update or a small step of learning."""
        if isinstance(event, ScoredFrame) or self._is_small_step(event) or self._is_early_update(event):
            return
        reason = {"reason": event.channel.reason} if isinstance(event, Alert) else {}
        self.write(self.NAMES[type(event)], asdict(event) | reason)

    def _is_early_update(self, event: Event) -> bool:
        if not isinstance(event, Alert):
            return False
        if self._is_update(event) and event.time_s < self._printed_s.get(event.camera, 0.0) + UPDATE_EVERY_S:
            return True
        self._printed_s[event.camera] = event.time_s
        return False

    def write(self, name: str, fields: Mapping[str, Any]) -> None:
        """Print an event by its name and fields."""
        now = round(datetime.datetime.now().timestamp(), 3)
        own = {("type" if key == "event" else key): value for key, value in fields.items()}
        self._print(json.dumps({"event": name, "at_s": now, **own}, default=str))


class TableDisplay:
    """A live table of all cameras with the latest event lines below it, as a rich renderable."""

    def __init__(self, figures: Mapping[str, CameraFigures]) -> None:
        self._figures = figures
        self._lines: deque[str] = deque(maxlen=RECENT_LINES)

    def show(self, event: Event) -> None:
        """Add a line for an event that the table doesn't show."""
        if isinstance(event, Alert) and event.event is AlertEvent.UPDATE:
            return
        if isinstance(event, Alert):
            self.add_line(brief_alert_text(event))
        elif isinstance(event, MainStreamStatus | HealthAlert | RedisStatus | SpoolStatus | SinkStatus | Notice):
            self.add_line(event_text(event))

    def add_line(self, text: str) -> None:
        """Add a line below the table; beyond `RECENT_LINES` the oldest is dropped."""
        self._lines.append(f"{datetime.datetime.now():%H:%M:%S} {text}")

    def __rich__(self) -> RenderableType:
        lines = (Text(line, no_wrap=True, overflow="ellipsis") for line in self._lines)
        return Group(camera_table(self._figures.values()), *lines)


def camera_table(rows: Iterable[CameraFigures]) -> Table:
    """One row a camera: state, frames, score, level, alerts."""
    table = Table(title="streammon", title_justify="left", expand=False)
    table.add_column("camera", no_wrap=True)
    table.add_column("state")
    for name in ("fps read", "fps scored", "dropped", "corrupt", "score", "level", "alerts"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        style = STATE_STYLES.get(row.status.state, BAD_STATE_STYLE)
        table.add_row(
            row.status.camera,
            Text(state_text(row.status), style=style),
            f"{row.fps_read:.1f}",
            f"{row.fps_scored:.1f}",
            str(row.dropped),
            str(row.corrupt),
            "" if row.score is None else f"{row.score:.1f}",
            "" if row.level is None else f"{row.level:+.2f}",
            Text(str(row.alerts), style="bold white on red" if row.alert_open else ""),
        )
    return table


def events_table(rows: "Iterable[EventRow]") -> Table:
    """One row an alert: when, where, why, for how long, what was judged and what is kept; ids are in the JSON."""
    table = Table(title="streammon events", title_justify="left", expand=False)
    for name in ("opened", "camera", "reason", "lasted", "verdict", "kept"):
        table.add_column(name, no_wrap=name != "reason", justify="right" if name in ("lasted", "kept") else "left")
    for row in rows:
        lasted = "open" if row.closed_s is None else f"{row.closed_s - row.opened_s:.1f} s"
        opened = datetime.datetime.fromtimestamp(row.opened_s).strftime("%Y-%m-%d %H:%M:%S")
        kept = f"{row.bytes / 1e6:.1f} MB" if row.files else row.state if row.state == "recording" else ""
        table.add_row(opened, row.camera, row.channel.reason, lasted, row.verdict or "", kept)
    return table


class WorkBar:
    """Progress bar of long work on a terminal: one bar for each part, with its rate and the time left.

    Without a terminal nothing is shown.

    Args:
        console: Console of the terminal.
        steps: Name of the steps that are counted.
    """

    def __init__(self, console: Console, steps: str = "frames") -> None:
        self._steps = steps
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        rate = TextColumn("{task.fields[rate]}")
        quiet = not console.is_terminal
        self._progress = Progress(
            *columns, rate, TimeRemainingColumn(), console=console, transient=True, disable=quiet
        )
        self._task: TaskID | None = None
        self._total = 0
        self._began_at = (0.0, 0)  # monotonic time and steps done when the bar was added

    def __enter__(self) -> "WorkBar":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def stop(self) -> None:
        """Remove the bar from the terminal, as before a question."""
        self._progress.stop()

    def __call__(self, what: str, done: int, total: int) -> None:
        """Show `done` of `total` steps of the part named `what`; another total begins another bar."""
        now = time.monotonic()
        if self._task is None or total != self._total:
            if self._task is not None:
                self._progress.remove_task(self._task)
            self._task = self._progress.add_task(what, rate="")
            self._total, self._began_at = total, (now, done)
        elapsed_s = now - self._began_at[0]
        rate = f"{(done - self._began_at[1]) / elapsed_s:.1f} {self._steps}/s" if elapsed_s > 1 else ""
        self._progress.update(self._task, description=what, completed=done, total=total, rate=rate)


def print_report(report: Any, title: str, console: Console) -> None:
    """Print a dataclass as a two-column table."""
    assert is_dataclass(report)
    assert not isinstance(report, type)
    table = Table(title=title, title_justify="left", show_header=False)
    for name, value in asdict(report).items():
        shown = ", ".join(f"{v:g} at {k}/day" for k, v in value.items()) if isinstance(value, dict) else str(value)
        table.add_row(name.replace("_", " "), shown)
    console.print(table)
