"""The promised alert rate on hours of changing crowd and light: false alarms an hour, and staged anomalies caught.

    python tests/benchmark_long_run.py --keep six_hours.npz                     # learns 10 minutes, scores 6 hours
    python tests/benchmark_long_run.py --keep seven_hours.npz --intruder-hour   # and an hour with an intruder
    python tests/benchmark_long_run.py --recount six_hours.npz --false-alarms-per-day 1  # the kept scores again

A scene is learned from the first minutes of `long_plaza` with the default model and the rest is scored. The score of
every frame is kept, so that levels and alerts can be worked out again without rendering or scoring anything.
An anomaly is caught if an alert opens between its beginning and 2 s after its end: one that was open already tells
nobody anything new. An alert that opens at any other time is a false alarm.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from math import inf
from pathlib import Path
from typing import NamedTuple, Self

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from streammon.alerting import AlertRule
from streammon.calibration import Calibration, OnlineCalibration, first_false_alarms
from streammon.cli.display import expectation
from streammon.config import AlertingConfig, ModelConfig
from streammon.ingest import batched
from streammon.padim import as_batch, load_backbone
from streammon.records import AlertEvent, Channel, Frame, ScoredFrame
from streammon.scene import SceneLearner, SceneScorer, configured_observer
from support.long_plaza import BEGAN_S, CAMERA, INTRUDER, LEARNING_S, SIZE, Anomaly, LongPlaza, daylight

HOUR_S = 3600.0
FILE_COLUMNS = 120
GRACE_S = 2.0
"""After an anomaly's end: an alert that opens in it is due to the anomaly."""

Score = Callable[[Sequence[Frame]], list[tuple[float, Channel]]]
"""Score and channel of frames, in their order."""


@dataclass(frozen=True, eq=False)
class Kept:
    """What was scored: enough to work out levels and alerts again.

    Attributes:
        score_fps: Frames scored a second.
        times_s: (N,) since the first frame of the footage.
        scores: (N,) frame scores.
        channels: (N,) names of the channels.
        levels: (N,) plain levels, by the calibration that was learned.
        anomalies: What was staged.
        calibration: From the learned minutes.
    """

    score_fps: float
    times_s: NDArray[np.float64]
    scores: NDArray[np.float64]
    channels: NDArray[np.str_]
    levels: NDArray[np.float64]
    anomalies: list[Anomaly]
    calibration: Calibration

    def save(self, path: Path) -> None:
        """Write all of it to one .npz file."""
        calibration = {f.name: getattr(self.calibration, f.name) for f in fields(self.calibration)}
        np.savez_compressed(
            path,
            score_fps=self.score_fps,
            times_s=self.times_s,
            scores=self.scores,
            channels=self.channels,
            levels=self.levels,
            kinds=np.array([anomaly.kind for anomaly in self.anomalies], np.str_),
            begins_s=np.array([anomaly.begin_s for anomaly in self.anomalies]),
            ends_s=np.array([anomaly.end_s for anomaly in self.anomalies]),
            **{f"calibration_{name}": value for name, value in calibration.items()},
        )

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote."""
        with np.load(path) as file:
            staged = zip(file["kinds"].tolist(), file["begins_s"].tolist(), file["ends_s"].tolist(), strict=True)
            found = {f.name: file[f"calibration_{f.name}"] for f in fields(Calibration)}
            return cls(
                score_fps=float(file["score_fps"]),
                times_s=file["times_s"],
                scores=file["scores"],
                channels=file["channels"],
                levels=file["levels"],
                anomalies=[Anomaly(*each) for each in staged],
                calibration=Calibration(
                    **{name: value if value.ndim else value.item() for name, value in found.items()}
                ),
            )


class Opened(NamedTuple):
    """An alert: its first abnormal frame, its opening message and its last abnormal frame, and its worst channel."""

    opened_s: float
    told_s: float
    closed_s: float
    channel: Channel


def learned_scene(
    numbered: Callable[[int], Frame], frames: int, score_fps: float, model: ModelConfig
) -> tuple[Score, Calibration]:
    """Learn the first `frames` frames as `fit` does."""
    backbone = load_backbone(model)
    observer = configured_observer(model, backbone)
    learner = SceneLearner(CAMERA, backbone, model, observer, total_s=frames / score_fps, score_fps=score_fps)
    for some in batched(map(numbered, range(frames)), model.batch):
        learner.learn(some, backbone.maps(as_batch([frame.picture for frame in some])))
    scorer = SceneScorer(learner.finish(), backbone, observer)

    def score(some: Sequence[Frame]) -> list[tuple[float, Channel]]:
        maps = backbone.maps(as_batch([frame.picture for frame in some]))
        return [(each.score, each.channel) for each in scorer.fuse(some, scorer.measured(some, maps))]

    return score, scorer.calibration


@dataclass
class Run:
    """Learning and scoring a plaza, with the time that each takes.

    Attributes:
        plaza: What is rendered.
        score_fps: Frames a second.
        learning_s: Length of the footage learned from.
        rendering_s: Time spent rendering so far.
    """

    plaza: LongPlaza
    score_fps: float
    learning_s: float
    rendering_s: float = 0.0
    _rows: list[tuple[float, float, Channel]] = field(default_factory=list)

    @property
    def frames(self) -> int:
        """All of them, those learned from included."""
        return round(self.plaza.length_s * self.score_fps)

    def keep(self, path: Path, model: ModelConfig, done: Callable[[], None]) -> Kept:
        """Learn, then score all the rest; `path` is written after each hour and at the end."""

        def numbered(number: int) -> Frame:
            began_s = time.perf_counter()
            frame = self.plaza.frame(number, self.score_fps)
            self.rendering_s += time.perf_counter() - began_s
            done()
            return frame

        first = round(self.learning_s * self.score_fps)
        score, calibration = learned_scene(numbered, first, self.score_fps, model)
        saved_hour = 0
        for some in batched(map(numbered, range(first, self.frames)), model.batch):
            for frame, (height, channel) in zip(some, score(some), strict=True):
                self._rows.append((frame.stream_time_s, height, channel))
            hour = int(self._rows[-1][0] / HOUR_S)
            if hour > saved_hour:
                saved_hour = hour
                self._kept(calibration).save(path)
        kept = self._kept(calibration)
        kept.save(path)
        return kept

    def _kept(self, calibration: Calibration) -> Kept:
        times_s, scores, channels = zip(*self._rows, strict=True)
        return Kept(
            self.score_fps,
            np.array(times_s),
            np.array(scores),
            np.array([str(channel) for channel in channels]),
            np.array([calibration.level(score) for score in scores]),
            self.plaza.anomalies,
            calibration,
        )


def replayed(kept: Kept, alerting: AlertingConfig) -> tuple[NDArray[np.float64], list[Opened]]:
    """(N,) levels and the alerts they raise, by the rule of the live monitor, with `alerting.adapt` or without."""
    rule = AlertRule(CAMERA, CAMERA, alerting, frame_interval_s=1 / kept.score_fps)
    online = OnlineCalibration(kept.calibration, alerting.false_alarms_per_day)
    nothing = np.zeros((1, 1), np.float32)
    levels, found, told_s = [], [], 0.0
    rows = zip(kept.times_s.tolist(), kept.scores.tolist(), kept.channels.tolist(), strict=True)
    for seq, (time_s, score, channel) in enumerate(rows):
        now_s = BEGAN_S + time_s
        levels.append((online if alerting.adapt else kept.calibration).level(score))
        frame = ScoredFrame(
            CAMERA, CAMERA, seq, now_s, time_s, score, levels[-1], inf, nothing, SIZE, Channel(channel)
        )
        messages = rule.step(frame)
        if seq + 1 == len(kept.times_s):
            messages += rule.close_now(now_s)
        for message in messages:
            if message.event is AlertEvent.OPEN:
                told_s = message.time_s - BEGAN_S
                online.alert_opened(CAMERA)
            elif message.closed_s is not None:
                closed_s = message.closed_s - BEGAN_S
                found.append(Opened(message.opened_s - BEGAN_S, told_s, closed_s, message.channel))
                online.alert_closed(CAMERA, message.id)
        online.watch(CAMERA, time_s, score)
    return np.array(levels), found


def is_caught(anomaly: Anomaly, found: list[Opened]) -> bool:
    """Whether an alert opens between its beginning and 2 s after its end."""
    return any(anomaly.begin_s <= alert.told_s <= anomaly.end_s + GRACE_S for alert in found)


def is_false(alert: Opened, anomalies: list[Anomaly]) -> bool:
    """Whether it opened while nothing abnormal was there.

    >>> is_false(Opened(99.0, 99.5, 103.0, Channel.SPEED), [Anomaly("runner", 100.0, 108.0)])
    True
    """
    return not any(anomaly.begin_s <= alert.opened_s <= anomaly.end_s + GRACE_S for anomaly in anomalies)


def is_normal(kept: Kept) -> NDArray[np.bool_]:
    """(N,) which frames have nothing staged in them, nor within 2 s before them."""
    normal = np.ones(len(kept.times_s), bool)
    for anomaly in kept.anomalies:
        normal &= (kept.times_s < anomaly.begin_s) | (kept.times_s > anomaly.end_s + GRACE_S)
    return normal


def table(kept: Kept, levels: NDArray[np.float64], found: list[Opened], alerting: AlertingConfig) -> Table:
    """One row an hour, and one for all."""
    promised = alerting.false_alarms_per_day / 24
    shown = Table(title=f"{promised:g} false alarms an hour asked for", title_justify="left")
    for heading in (
        "hour",
        "light",
        "normal h",
        "false alarms",
        "an hour",
        "open h",
        "caught",
        "missed",
        "level p50",
        "p99",
        "max",
    ):
        shown.add_column(heading, justify="left" if heading == "missed" else "right")
    normal = is_normal(kept)
    hours = np.floor(kept.times_s / HOUR_S).astype(int)
    for hour in [*np.unique(hours).tolist(), None]:
        if hour is None:
            shown.add_section()
        inside = normal & (hour is None or hours == hour)
        shown.add_row(*_row(kept, levels, found, hour, inside))
    return shown


def _row(
    kept: Kept, levels: NDArray[np.float64], found: list[Opened], hour: int | None, normal: NDArray[np.bool_]
) -> Iterator[str]:
    def in_hour(time_s: float) -> bool:
        return hour is None or int(time_s / HOUR_S) == hour

    normal_h = float(normal.sum()) / kept.score_fps / HOUR_S
    false = [alert for alert in found if is_false(alert, kept.anomalies) and in_hour(alert.opened_s)]
    staged = [each for each in kept.anomalies if in_hour(each.begin_s) and each.begin_s <= kept.times_s[-1]]
    missed = [anomaly.kind for anomaly in staged if not is_caught(anomaly, found)]
    light = [daylight(time_s) for time_s in kept.times_s.tolist() if in_hour(time_s)]
    yield "all" if hour is None else str(hour)
    yield f"{min(light):.2f}–{max(light):.2f}"
    yield f"{normal_h:.2f}"
    yield str(len(false))
    yield f"{len(false) / normal_h:.2f}" if normal_h else "–"
    yield f"{_open_h(kept, found, hour):.2f}"
    yield f"{len(staged) - len(missed)}/{len(staged)}"
    yield ", ".join(missed)
    if normal.any():
        yield from (f"{value:.2f}" for value in np.quantile(levels[normal], (0.5, 0.99, 1.0)))


def _open_h(kept: Kept, found: list[Opened], hour: int | None) -> float:
    """Hours in which a false alarm was open, of one hour or of all."""
    begin_s, end_s = (0.0, inf) if hour is None else (hour * HOUR_S, (hour + 1) * HOUR_S)
    false = [alert for alert in found if is_false(alert, kept.anomalies)]
    return sum(max(0.0, min(alert.closed_s, end_s) - max(alert.opened_s, begin_s)) for alert in false) / HOUR_S


def intruder_text(kept: Kept, found: list[Opened]) -> str | None:
    """Share of each ten minutes of the intruder's hour in which an alert was open; None without one."""
    hour = next((anomaly for anomaly in kept.anomalies if anomaly.kind == INTRUDER), None)
    if hour is None:
        return None
    open_now = np.zeros(len(kept.times_s), bool)
    for alert in found:
        open_now |= (kept.times_s >= alert.told_s) & (kept.times_s <= alert.closed_s)
    tenths = np.floor((kept.times_s - hour.begin_s) / 600).astype(int)
    shares = [float(open_now[tenths == tenth].mean()) for tenth in range(6) if (tenths == tenth).any()]
    return "intruder: alert open " + ", ".join(f"{share:.0%}" for share in shares) + " of each ten minutes"


def report(kept: Kept, alerting: AlertingConfig, console: Console) -> None:
    """Levels, alerts and the table of what was kept."""
    levels, found = replayed(kept, alerting)
    basis_s, per_day = kept.calibration.watched_s, alerting.false_alarms_per_day
    first = first_false_alarms(basis_s, per_day) if alerting.adapt else None
    console.print(f"{'with' if alerting.adapt else 'without'} adaptation, {expectation(basis_s, per_day, first)}:")
    console.print(table(kept, levels, found, alerting))
    for alert in found:
        if is_false(alert, kept.anomalies):
            lasts_s = alert.closed_s - alert.opened_s
            console.print(f"false alarm at {alert.opened_s:.1f} s for {lasts_s:.1f} s: {alert.channel.reason}")
    intruder = intruder_text(kept, found)
    if intruder:
        console.print(intruder)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--keep", type=Path, metavar="NPZ", help="render, learn, score, and keep the scores here")
    source.add_argument("--recount", type=Path, metavar="NPZ", help="work out the alerts of kept scores")
    parser.add_argument("--hours", type=float, default=6.0)
    parser.add_argument("--intruder-hour", action="store_true", help="one hour more, with someone in the flower bed")
    parser.add_argument("--no-anomalies", action="store_true", help="stage none")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--score-fps", type=float, default=2.0)
    parser.add_argument("--learning-minutes", type=float, default=LEARNING_S / 60)
    parser.add_argument("--false-alarms-per-day", type=float, default=24.0)
    parser.add_argument("--threads", type=int, help="of torch; one takes least on a busy machine")
    args = parser.parse_args()
    rules = [AlertingConfig(false_alarms_per_day=args.false_alarms_per_day, adapt=adapt) for adapt in (False, True)]
    console = Console() if sys.stdout.isatty() else Console(width=FILE_COLUMNS)
    if args.recount:
        for alerting in rules:
            report(Kept.load(args.recount), alerting, console)
        return 0
    cv2.setNumThreads(1)
    plaza = LongPlaza(args.hours, args.seed, anomalies=not args.no_anomalies, intruder_hour=args.intruder_hour)
    run = Run(plaza, args.score_fps, 60 * args.learning_minutes)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as progress:
        task = progress.add_task("frames", total=run.frames)
        began_s = time.perf_counter()
        kept = run.keep(args.keep, ModelConfig(threads=args.threads), lambda: progress.advance(task))
        took_s = time.perf_counter() - began_s
    for alerting in rules:
        report(kept, alerting, console)
    rates = f"{run.frames / took_s:.1f} frames/s in all, {run.frames / run.rendering_s:.1f} frames/s rendering alone"
    console.print(f"{run.frames} frames in {took_s:.0f} s: {rates}; kept in {args.keep}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
