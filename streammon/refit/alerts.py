"""Kept alerts, rescored: which of them would come again."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from streammon.alerting import AlertRule
from streammon.config import AlertingConfig
from streammon.durations import DAY_S
from streammon.errors import FootageError
from streammon.events import EventRow
from streammon.ingest import Clip, Pace, batched, clips
from streammon.padim import INPUT_SIZE
from streammon.records import AlertEvent, Frame, ScoredFrame
from streammon.refit.report import RescoredAlert, RescoredAlerts
from streammon.scene import SceneComparison, SceneScorer

LOOKBACK_S = 7 * DAY_S

MOST_ALERTS = 200
"""Largest number of alerts that are rescored: at about 100 frames each this takes ten minutes on a slow machine."""

NO_MAP = np.zeros((8, 8), np.float32)  # boxes of the alerts are not needed


class AlertRescorer:
    """Rescores kept alerts, each on the first part of its clip, by the rule that opened them.

    The thresholds stay as they are at the beginning: nothing that is rescored counts as watched.

    Args:
        comparison: The present scene and the new one.
        alerting: Levels and durations.
        score_fps: Frames a second that are scored; None for all.
        batch: Number of frames scored at once.
    """

    def __init__(
        self, comparison: SceneComparison, alerting: AlertingConfig, score_fps: float | None, batch: int
    ) -> None:
        self._comparison = comparison
        self._alerting = alerting
        self._pace = Pace(1, score_fps)
        self._batch = batch

    def rescore(self, rows: Sequence[EventRow], folder: Path, counted: Callable[[int, int], None]) -> RescoredAlerts:
        """Rescore the newest `MOST_ALERTS` alerts.

        Args:
            rows: Alerts, the oldest first.
            folder: Folder of the evidence.
            counted: Called with the number of alerts done and of all.
        """
        newest = rows[-MOST_ALERTS:]
        found, without_clip = [], 0
        for number, row in enumerate(newest, 1):
            clip = clip_of(row, folder)
            comes = None if clip is None else self._comes(row, clip)
            if comes is None:
                without_clip += 1
            else:
                found.append(RescoredAlert(row.id, row.camera, row.opened_s, row.verdict, *comes))
            counted(number, len(newest))
        return RescoredAlerts(found, without_clip, len(rows) - len(newest))

    def _comes(self, row: EventRow, clip: Clip) -> tuple[bool, bool] | None:
        """True if the present scene, and if the new one, opens an alert on a clip; None if it can't be read."""
        scorers = self._comparison.scorers
        interval_s = 0.0 if self._pace.fps is None else 1 / self._pace.fps
        rules = [AlertRule(row.camera, row.scene, self._alerting, frame_interval_s=interval_s) for _ in scorers]
        comes = [False] * len(rules)
        frames = clip.frames(INPUT_SIZE, detail=True, fps=self._pace.fps, warn=_ignore)
        try:
            for some in batched(frames, self._batch):
                for number, scores in enumerate(self._comparison.scores(some)):
                    scored = (scored_frame(*each, scorers[number]) for each in zip(some, scores, strict=True))
                    alerts = [alert for each in scored for alert in rules[number].step(each)]
                    comes[number] |= any(alert.event is AlertEvent.OPEN for alert in alerts)
                if all(comes):
                    break
        except FootageError:
            return None
        before, after = comes
        return before, after


def scored_frame(frame: Frame, score: float, scorer: SceneScorer) -> ScoredFrame:
    """A frame's score with its level, without an anomaly map, at its time in the clip."""
    levels = scorer.online or scorer.calibration
    return ScoredFrame(
        camera=frame.camera,
        scene=scorer.name,
        seq=frame.seq,
        wall_time_s=frame.stream_time_s,
        stream_time_s=frame.stream_time_s,
        score=score,
        level=levels.level(score),
        threshold=scorer.threshold,
        anomaly_map=NO_MAP,
        source_size=frame.source_size,
        basis_s=scorer.basis_s,
    )


def clip_of(row: EventRow, folder: Path) -> Clip | None:
    """The first part of an alert's clip; None without one that can be opened."""
    parts = sorted(name for name in row.files if name.endswith(".mp4"))
    if not parts:
        return None
    try:
        return clips(folder / row.folder / parts[0])[0]
    except FootageError:
        return None


def _ignore(_warning: str) -> None:
    """A clip that was cut short is rescored as far as it goes."""
