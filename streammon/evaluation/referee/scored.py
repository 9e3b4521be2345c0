"""Scores of a folder or of one table, as clips ready to be measured."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from streammon.errors import DatasetError
from streammon.evaluation.datasets.checking import Defects
from streammon.evaluation.labelled import GroundTruth
from streammon.evaluation.metrics import ClipScores
from streammon.evaluation.referee.alignment import FileScores, aligned_scores
from streammon.evaluation.referee.files import Matches, files_in_folder, matched
from streammon.evaluation.referee.reading import READERS, read_scores, read_table
from streammon.ingest.images import natural_key

STRETCHED_WITHIN = 1e-6  # of 0 and 1; min-max in float32, or with a small number added to the range, is not exact


@dataclass(frozen=True, eq=False)
class MethodScores:
    """Scores of one method.

    Attributes:
        place: Folder or table of the scores.
        clips: Clips with their scores, in the data set's order.
        fact: Number and kinds of the files, and how they were matched, for the report.
        warnings: Warnings for the reader.
    """

    place: Path
    clips: tuple[ClipScores, ...]
    fact: str
    warnings: tuple[str, ...]


def load_scores(place: Path, truth: GroundTruth, defects: Defects) -> MethodScores:
    """Read the scores of all clips of a data set.

    Args:
        place: Folder with one file a clip, or a table with the column `clip`.
        truth: Ground truth of the data set.
        defects: Receives missing and damaged scores.

    Raises:
        DatasetError: No clip has scores or, without `allow_partial`, some are missing or wrong.
    """
    names = [clip.name for clip in truth.clips]
    table = read_table(place) if place.is_file() else {}
    if table:
        named = sorted(((name, place) for name in table), key=lambda pair: natural_key(pair[0]))
    else:
        named = files_in_folder(place, list(READERS), nested=any("/" in name for name in names))
    matches = matched(place, named, truth.name, names, defects)
    read = {}
    for clip in truth.clips:
        if clip.name in matches.of:
            with defects.leaving_out():
                name, path = matches.of[clip.name]
                series = table[name] if table else read_scores(path)
                read[clip.name] = FileScores(clip.name, path, series, len(clip.labels))
    scores = aligned_scores(place, read, defects)
    if not scores:
        remedy = "repair: " + "; ".join(defects.messages[:3])
        raise DatasetError(str(place), "no clip has scores that can be read", remedy)
    clips = tuple(
        ClipScores(clip.name, clip.scene, scores[clip.name], clip.labels, truth.fps)
        for clip in truth.clips
        if clip.name in scores
    )
    warnings = [_number_warning(place, matches)] if matches.by_number else []
    if is_stretched(clips):
        warnings.append(_stretched_warning(place))
    return MethodScores(place, clips, _fact(place, read, clips, matches.by_number), tuple(warnings))


def is_stretched(clips: Sequence[ClipScores]) -> bool:
    """True if the scores of every clip, of several, run from 0 to 1: they were stretched clip by clip."""
    ranges = [(clip.scores.min(), clip.scores.max()) for clip in clips if np.ptp(clip.scores) > 0]
    return len(ranges) > 1 and bool(np.allclose(ranges, (0, 1), rtol=0, atol=STRETCHED_WITHIN))


def _fact(place: Path, files: dict[str, FileScores], clips: Sequence[ClipScores], by_number: bool) -> str:
    kinds = Counter(path.suffix.lower() for path in {file.path for file in files.values()})
    listed = ", ".join(f"{count} {suffix}" for suffix, count in sorted(kinds.items()))
    repeated = sum(
        len(clip.scores) - len(files[clip.name].series.scores)
        for clip in clips
        if files[clip.name].series.frames is not None
    )
    digest = hashlib.sha256()
    for clip in clips:
        digest.update(clip.name.encode() + clip.scores.astype("<f8").tobytes())
    parts = (
        f"{place}: {listed}, matched {'in natural order' if by_number else 'by name'}",
        f"{repeated:,} frames repeat the score of the last scored frame" if repeated else "",
        f"SHA-256 {digest.hexdigest()}",
    )
    return "; ".join(filter(None, parts))


def _number_warning(place: Path, matches: Matches) -> str:
    pairs = [f"{name} to {clip}" for clip, (name, _) in matches.of.items()]
    return (
        f"nothing in {place} has the name of a clip, so names were assigned in natural order: {pairs[0]}, …, "
        f"{pairs[-1]}; clips of equal length may be mistaken for one another"
    )


def _stretched_warning(place: Path) -> str:
    return (
        f"the scores in {place} run from 0 to 1 in every clip: they were stretched clip by clip before, so micro "
        "figures are those of per-clip min-max, which no live monitor can do; with --minmax the null controls are "
        "stretched alike, and these scores stay as they are"
    )
