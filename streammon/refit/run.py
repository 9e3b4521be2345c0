"""A refit: learn what was judged normal, tell what would change, and replace the scene's files if that is agreed."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from streammon.config import AlertingConfig, ModelConfig
from streammon.events import INDEX_FILE, EventRow, read_index
from streammon.ingest import Clip, default_jobs
from streammon.motion import Observer
from streammon.padim import Backbone, load_backbone
from streammon.refit.alerts import LOOKBACK_S, AlertRescorer, clip_of
from streammon.refit.marked import REAL, Marks, alert_of, marks
from streammon.refit.report import Levels, RefitReport, RescoredAlerts
from streammon.scene import NewFiles, SceneComparison, SceneScorer, configured_observer, load_scene, watching_scorer
from streammon.scene.fit import FitOptions, learn_into
from streammon.storage import NORMAL_FOLDER
from streammon.validation import EACH_KIND, StagedComparison, compare_staged
from streammon.validation.staging import AnomalyKind

Progress = Callable[[str, int, int], None]
"""Called with the part of the work, its steps done and all its steps."""


@dataclass(frozen=True)
class RefitOptions:
    """How a scene is refitted.

    Attributes:
        model: Method, backbone and reduction.
        alerting: Thresholds and the rule of alerts.
        events: Folder of the evidence; None if none is kept.
        score_fps: Frames a second that are learned and scored.
        image_fps: Frames a second of image folders without `times.csv`.
        jobs: Number of clips that are decoded at once.
    """

    model: ModelConfig
    alerting: AlertingConfig
    events: Path | None = None
    score_fps: float | None = 5.0
    image_fps: float = 25.0
    jobs: int | None = None


def scenes_with_marks(scenes: Path) -> list[Path]:
    """Folders of all scenes for which something was judged normal."""
    return sorted(folder.parent for folder in scenes.glob(f"*/{NORMAL_FOLDER}") if folder.is_dir())


def refit_scene(
    folder: Path, options: RefitOptions, progress: Progress, confirm: Callable[[RefitReport], bool]
) -> RefitReport | None:
    """Learn what was judged normal since the last fit of a scene.

    Args:
        folder: Folder of the scene.
        options: How to learn and to score.
        progress: Called after each step.
        confirm: Called with what would change; the scene's files are replaced only if it returns True.

    Returns:
        What was changed, or would have been; None with nothing new to learn.

    Raises:
        InputError: The scene or the clips can't be used.
    """
    rows = _index(options.events)
    if not marks(folder, rows or {}, options.image_fps).new:
        return None
    with NewFiles(folder) as new:
        marked = marks(folder, rows or {}, options.image_fps)  # another refit may have ended meanwhile
        if not marked.new:
            return None
        report = _Refit(new, rows, marked, options, progress).report()
        if not confirm(report):
            return report
        new.commit()
        return replace(report, written=True)


def _index(events: Path | None) -> dict[str, EventRow] | None:
    """Rows of the index of events by the alerts' ids; None if no events are kept."""
    if events is None or not (events / INDEX_FILE).exists():
        return None
    return {row.id: row for row in read_index(events)}


class _Refit:
    """A refit whose new files are written and not in place."""

    def __init__(
        self,
        new: NewFiles,
        rows: Mapping[str, EventRow] | None,
        marked: Marks,
        options: RefitOptions,
        progress: Progress,
    ) -> None:
        self._new = new
        self._name = new.scene.name
        self._rows = rows
        self._marked = marked
        self._options = options
        self._progress = progress
        since_s = time.time() - LOOKBACK_S
        self._alerts = [row for row in (rows or {}).values() if row.scene == self._name and row.opened_s >= since_s]

    def report(self) -> RefitReport:
        """Learn the new clips, and compare the present scene with the new one."""
        options, backbone = self._options, load_backbone(self._options.model, self._new.scene.parent)
        observer = configured_observer(options.model, backbone)
        present = self._scorer(self._new.scene, backbone, observer)
        jobs = default_jobs() if options.jobs is None else options.jobs
        learned = learn_into(
            self._new,
            self._name,
            [self._new.scene / NORMAL_FOLDER],
            list(self._marked.new.values()),
            backbone,
            options.model,
            FitOptions(score_fps=options.score_fps, add=True, image_fps=options.image_fps, jobs=jobs),
            partial(self._progress, f"learning {self._name}"),
        )
        scorers = present, self._scorer(self._new.folder, backbone, observer)
        comparison = SceneComparison(scorers, backbone, observer)
        return RefitReport(
            scene=self._name,
            clips=tuple(self._marked.new),
            left_out=self._marked.left_out,
            taken_back=self._marked.taken_back,
            frames=learned.frames,
            alerts=self._rescored(comparison),
            staged=self._staged(comparison),
            before=Levels.of(scorers[0]),
            after=Levels.of(scorers[1]),
        )

    def _scorer(self, folder: Path, backbone: Backbone, observer: Observer | None) -> SceneScorer:
        """A scorer as `run` would begin with these files, with what was watched of them."""
        detector = None if observer is None else observer.detector
        scene = load_scene(folder, backbone, self._options.model, detector)
        return watching_scorer(scene, folder, backbone, observer, self._options.alerting)

    def _rescored(self, comparison: SceneComparison) -> RescoredAlerts | None:
        options = self._options
        if self._rows is None or options.events is None:
            return None
        rescorer = AlertRescorer(comparison, options.alerting, options.score_fps, options.model.batch)
        return rescorer.rescore(
            self._alerts, options.events, partial(self._progress, f"scoring alerts of {self._name}")
        )

    def _staged(self, comparison: SceneComparison) -> list[StagedComparison]:
        total, done = EACH_KIND * len(AnomalyKind), 0

        def counted(more: int) -> None:
            nonlocal done
            done += more
            self._progress(f"staging anomalies in {self._name}", done, total)

        thresholds = [scorer.threshold for scorer in comparison.scorers]
        options = self._options
        return compare_staged(
            self._backgrounds(), comparison, thresholds, options.score_fps, options.model.batch, counted
        )

    def _backgrounds(self) -> list[Clip]:
        """Clips of alerts not judged real, and those judged normal whose alert has no clip any more."""
        kept = {}
        if self._options.events is not None:
            found = {row.id: clip_of(row, self._options.events) for row in self._alerts if row.verdict != REAL}
            kept = {alert: clip for alert, clip in found.items() if clip is not None}
        others = [clip for name, clip in self._marked.every.items() if alert_of(name) not in kept]
        return [*kept.values(), *others]
