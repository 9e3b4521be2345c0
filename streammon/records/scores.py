"""Scores of footage, one record for each scored frame: what files of scores and the Python API have of a frame."""

import math
from dataclasses import dataclass, field

from streammon.records.frames import AnomalyMap, Box, Channel


@dataclass(frozen=True, slots=True, eq=False)
class ScoreRecord:
    """The score of one frame of a clip.

    Attributes:
        clip: Name of the clip.
        frame: Number of the frame in the clip, from 0.
        pts: Presentation timestamp in the video file's own time base; None for images and pictures in memory.
        seconds: Stream time, seconds since the clip's first frame.
        score: Frame score, as `ScoredFrame.score`; higher is more abnormal.
        level: -log10 of the false alarms a day expected from normal footage at this score; nan without a calibration.
        channel: Main channel of evidence for the score; None for a method without channels.
        boxes: Abnormal regions, in pixels of the clip's pictures as displayed; empty for a frame below the threshold.
        anomaly_map: (256, 256) float32, on the scale of the score; None unless it was asked for.
    """

    clip: str
    frame: int
    pts: int | None
    seconds: float
    score: float
    level: float = math.nan
    channel: Channel | None = None
    boxes: tuple[Box, ...] = ()
    anomaly_map: AnomalyMap | None = field(default=None, repr=False)

    @property
    def rate(self) -> float:
        """False alarms a day that are expected of an alert threshold at this score; nan without a calibration.

        Rarer than once in the normal footage that it rests on (`LearnedScene.basis_s`), it is extrapolated.

        >>> ScoreRecord("lobby", frame=0, pts=None, seconds=0.0, score=9.0, level=-2.0).rate
        100.0
        """
        return math.nan if math.isnan(self.level) else 10.0**-self.level
