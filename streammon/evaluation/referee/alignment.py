"""One score for each frame: scores are compared with the labels frame by frame, and what doesn't fit is refused.

Nothing is cut or padded. A method that gives no score for some frames, such as the first ones of each clip, is
measured only once somebody decided what their scores are.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streammon.errors import DatasetError
from streammon.evaluation.datasets.checking import Defects
from streammon.evaluation.referee.reading import ScoreSeries

LARGEST_STEP = 64  # frames for one score, of methods that score segments or every few frames
ONE_EACH = "give each frame one score"


@dataclass(frozen=True, eq=False)
class FileScores:
    """Scores of one clip's file.

    Attributes:
        clip: Name of the clip.
        path: The file.
        series: Scores of the file.
        frames: T, the number of the clip's labels.
    """

    clip: str
    path: Path
    series: ScoreSeries
    frames: int


def aligned_scores(folder: Path, files: Mapping[str, FileScores], defects: Defects) -> dict[str, NDArray[np.float64]]:
    """(T,) scores of each clip by name, one for each frame.

    Where a file has frame numbers, a frame without a score takes the score of the last frame before it that has one,
    as a monitor does that scores fewer frames than it shows.

    Args:
        folder: Folder of the scores, for messages.
        files: Scores of each clip, by clip name.
        defects: Receives clips whose scores don't fit.

    Raises:
        DatasetError: The scores of all clips differ from the labels in the same way or, without `allow_partial`,
            those of one clip don't fit.
    """
    counted = [file for file in files.values() if file.series.frames is None]
    _require_no_common_offset(folder, counted)
    wrong = [file for file in counted if len(file.series.scores) != file.frames]
    fitted = {}
    for name, file in files.items():
        with defects.leaving_out():
            _require_finite(file)
            if file.series.frames is not None:
                fitted[name] = _spread(file, file.series.frames)
                continue
            if file in wrong:
                more = f"; {len(wrong)} of {len(files)} clips differ" if len(wrong) > 1 else ""
                found = f"{len(file.series.scores)} scores for the {file.frames} frames of clip '{name}'{more}"
                raise DatasetError(str(file.path), found, ONE_EACH)
            fitted[name] = file.series.scores
    return fitted


def _require_finite(file: FileScores) -> None:
    bad = np.flatnonzero(~np.isfinite(file.series.scores))
    if len(bad):
        first = int(bad[0])
        frame = first if file.series.frames is None else int(file.series.frames[first])
        more = f" ({len(bad)} such frames)" if len(bad) > 1 else ""
        found = f"the score of frame {frame} of clip '{file.clip}' is {file.series.scores[first]}{more}"
        raise DatasetError(str(file.path), found, "give each frame a finite number")


def _spread(file: FileScores, numbers: NDArray[np.int64]) -> NDArray[np.float64]:
    """(T,) scores from those of numbered frames; frames in between repeat the last score."""
    place, clip = str(file.path), f"clip '{file.clip}'"
    falling = np.flatnonzero(np.diff(numbers) <= 0)
    if len(falling):
        row = int(falling[0])
        found = f"frame {numbers[row + 1]} comes after frame {numbers[row]}"
        raise DatasetError(place, found, "give each frame once, in ascending order")
    if numbers[0] == 1 and numbers[-1] == file.frames:
        found = f"the frames of {clip} are numbered 1 to {file.frames}"
        raise DatasetError(place, found, f"number them from 0 to {file.frames - 1}")
    if numbers[0] < 0 or numbers[-1] >= file.frames:
        outside = numbers[0] if numbers[0] < 0 else numbers[-1]
        found = f"a score for frame {outside}, while {clip} has the frames 0 to {file.frames - 1}"
        raise DatasetError(place, found, "number the frames as the labels are")
    if numbers[0] > 0:
        found = f"no score for the first {numbers[0]} of the {file.frames} frames of {clip}"
        raise DatasetError(place, found, f"add rows for them, such as the score of frame {numbers[0]} again")
    last = np.searchsorted(numbers, np.arange(file.frames), side="right") - 1
    return file.series.scores[last]


def _require_no_common_offset(folder: Path, files: list[FileScores]) -> None:
    """Require that the numbers of scores don't differ from those of labels in the same way in every clip.

    Raises:
        DatasetError: They do; this is said even where clips may be left out, since all of them would be.
    """
    if not files:
        return
    first = files[0]
    scores = np.array([len(file.series.scores) for file in files])
    labels = np.array([file.frames for file in files])
    every = "every clip has" if len(files) > 1 else "it has"
    example = f"clip '{first.clip}': {scores[0]} scores, {labels[0]} labels"
    place = str(folder if len(files) > 1 else first.path)
    for step in range(2, LARGEST_STEP + 1):
        if (scores == -(-labels // step)).all() or (scores == labels // step).all():
            found = f"{every} one score for {step} frames ({example})"
            raise DatasetError(place, found, f"repeat each score for its frames: scores.repeat({step})[:{labels[0]}]")
    offset = int(scores[0] - labels[0])
    if offset == 0 or not (scores - labels == offset).all():
        return
    count = f"{abs(offset)} score{'s' if abs(offset) > 1 else ''}"
    if offset < 0:
        found = f"{every} {count} fewer than labels ({example})"
        remedy = (
            f"give the frames without a score one: where the method needs {-offset} earlier frames, repeat the first "
            f"score, numpy.pad(scores, ({-offset}, 0), 'edge'); where it needs later ones, the last score"
        )
    else:
        found = f"{every} {count} more than labels ({example})"
        remedy = "leave out the scores of frames that have no label, usually the first or the last"
    raise DatasetError(place, found, remedy)
