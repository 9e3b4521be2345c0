"""Effects of a refit."""

from dataclasses import dataclass

from streammon.refit.marked import REAL
from streammon.scene import SceneScorer
from streammon.validation import StagedComparison


@dataclass(frozen=True)
class RescoredAlert:
    """A kept alert, scored again on its clip.

    Attributes:
        id: Id of the alert.
        camera: Name of the camera.
        opened_s: Unix time of the first abnormal frame.
        verdict: `normal` or `real`; None before a verdict.
        before: True if the present scene opens an alert on the clip.
        after: True if the new scene does.
    """

    id: str
    camera: str
    opened_s: float
    verdict: str | None
    before: bool
    after: bool


@dataclass(frozen=True)
class RescoredAlerts:
    """The kept alerts of the last week.

    Attributes:
        rescored: Alerts with a clip, the oldest first.
        without_clip: Number of alerts without a clip that can be read.
        older: Number of alerts left out since there are too many; the newest were rescored.
    """

    rescored: list[RescoredAlert]
    without_clip: int
    older: int

    @property
    def lost(self) -> list[RescoredAlert]:
        """Alerts that would not come any more."""
        return [alert for alert in self.rescored if alert.before and not alert.after]

    @property
    def lost_real(self) -> list[RescoredAlert]:
        """Lost alerts that were judged real."""
        return [alert for alert in self.lost if alert.verdict == REAL]

    @property
    def still_come(self) -> list[RescoredAlert]:
        """Alerts that would still come."""
        return [alert for alert in self.rescored if alert.after]

    @property
    def quiet(self) -> list[RescoredAlert]:
        """Alerts that neither scene would raise: the threshold or the scene has changed since they came."""
        return [alert for alert in self.rescored if not alert.before and not alert.after]


@dataclass(frozen=True)
class Levels:
    """Where alerts open.

    Attributes:
        threshold: Score at which an alert opens.
        basis_s: Seconds of normal footage that levels rest on.
    """

    threshold: float
    basis_s: float

    @classmethod
    def of(cls, scorer: SceneScorer) -> "Levels":
        """Levels of a scene, by its scorer."""
        return cls(scorer.threshold, scorer.basis_s)


@dataclass(frozen=True)
class RefitReport:
    """Effects of a refit, written or not.

    Attributes:
        scene: Name of the scene.
        clips: Names of the clips to learn, as in the scene's folder `normal`.
        left_out: Names of clips whose alert is still recorded, or not judged normal in the index.
        taken_back: Names of clips that were learned and whose alert is not judged normal any more.
        frames: Frames of the scene after the refit, those of earlier fits included.
        alerts: Kept alerts, rescored; None if no events are kept.
        staged: Staged anomalies, each caught or missed by the present scene and by the new one.
        before: Where alerts open now.
        after: Where they would open.
        written: True if the new files are in place.
    """

    scene: str
    clips: tuple[str, ...]
    left_out: tuple[str, ...]
    taken_back: tuple[str, ...]
    frames: int
    alerts: RescoredAlerts | None
    staged: list[StagedComparison]
    before: Levels
    after: Levels
    written: bool = False

    @property
    def staged_lost(self) -> list[str]:
        """Kinds of the staged anomalies that only the present scene catches."""
        return [each.kind for each in self.staged if each.caught == (True, False)]
