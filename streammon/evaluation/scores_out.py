"""The evaluation's own frame scores as files, in the columns of `streammon score`."""

from collections.abc import Iterator
from itertools import repeat
from pathlib import Path

from streammon.evaluation.draws import Draw
from streammon.evaluation.frame_facts import NO_PTS
from streammon.evaluation.labelled import LabelledClip
from streammon.evaluation.metrics import ClipScores
from streammon.records import Box, Channel, ScoreRecord
from streammon.regions import regions
from streammon.score_files import save_scores

ALERT_RATE = "1 a day"
"""False-alarm rate of the threshold from which a frame has boxes: the default of `alerting.false_alarms_per_day`."""


def write_scores(draw: Draw, folder: Path) -> None:
    """Write `<clip>.parquet` for each test clip: one row for each frame that enters the figures.

    Scores are raw, before smoothing. A frame that thinning (`score_fps`) left out repeats the last scored frame's
    score, level, channel and boxes, and has no pts.

    Raises:
        StorageError: A file can't be written.
    """
    for clip, scores in zip(draw.clips, draw.scores(), strict=True):
        save_scores(score_records(draw, clip, scores), folder / f"{clip.name}.parquet")


def score_records(draw: Draw, clip: LabelledClip, raw: ClipScores) -> Iterator[ScoreRecord]:
    """The frames of a clip as records; `raw` are its scores."""
    facts, every = draw.facts(clip), draw.harness.selection.every
    threshold = draw.thresholds(clip).get(ALERT_RATE)
    alarms = threshold is not None and bool((raw.scores >= threshold).any()) and bool(facts["width"].all())
    maps = draw.maps(clip) if alarms and draw.localises else repeat(None)
    for number, (score, shown, anomaly_map) in enumerate(zip(raw.scores.tolist(), facts, maps, strict=False)):
        boxes: tuple[Box, ...] = ()
        if anomaly_map is not None and threshold is not None and score >= threshold:
            boxes = regions(anomaly_map, threshold, (int(shown["width"]), int(shown["height"])))
        yield ScoreRecord(
            clip=clip.name,
            frame=number * every,
            pts=None if shown["pts"] == NO_PTS else int(shown["pts"]),
            seconds=float(shown["time_s"]),
            score=score,
            level=float(shown["level"]),
            channel=Channel(str(shown["channel"])) if shown["channel"] else None,
            boxes=boxes,
        )
