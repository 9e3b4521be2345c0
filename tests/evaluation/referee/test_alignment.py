"""Each frame gets its score, and what doesn't fit is refused in words that say how."""

from pathlib import Path

import numpy as np
import pytest

from streammon.errors import DatasetError
from streammon.evaluation.datasets.checking import Defects
from streammon.evaluation.referee.alignment import FileScores, aligned_scores
from streammon.evaluation.referee.reading import ScoreSeries

FOLDER = Path("scores")


def files(lengths: dict[str, tuple[int, int]]) -> dict[str, FileScores]:
    """Files of so many scores for clips of so many frames."""
    return {
        name: FileScores(name, FOLDER / f"{name}.npy", ScoreSeries(np.arange(float(scores))), frames)
        for name, (scores, frames) in lengths.items()
    }


def numbered(frames: list[int], clip_frames: int = 9) -> dict[str, FileScores]:
    """One file with frame numbers, its scores ten times as high."""
    numbers = np.array(frames, dtype=np.int64)
    return {
        "a": FileScores(
            "a", FOLDER / "a.csv", ScoreSeries(np.array(frames, dtype=np.float64) * 10, numbers), clip_frames
        )
    }


def refusal(given: dict[str, FileScores], allow_partial: bool = False) -> str:
    with pytest.raises(DatasetError) as refused:
        aligned_scores(FOLDER, given, Defects(allow_partial))
    return str(refused.value)


def test_scores_of_the_right_number_are_taken_as_they_are() -> None:
    fitted = aligned_scores(FOLDER, files({"a": (3, 3), "b": (4, 4)}), Defects(False))
    assert {name: scores.tolist() for name, scores in fitted.items()} == {"a": [0, 1, 2], "b": [0, 1, 2, 3]}


def test_frames_between_scored_ones_repeat_the_last_score() -> None:
    fitted = aligned_scores(FOLDER, numbered([0, 3, 4, 7]), Defects(False))
    assert fitted["a"].tolist() == [0, 0, 0, 30, 40, 40, 40, 70, 70]


def test_a_common_shortfall_is_told_once_with_what_to_do_whether_or_not_clips_may_be_left_out() -> None:
    given = files({"a": (5, 9), "b": (16, 20), "c": (7, 11)})
    for allow_partial in (False, True):
        assert refusal(given, allow_partial) == (
            "scores: every clip has 4 scores fewer than labels (clip 'a': 5 scores, 9 labels); "
            "give the frames without a score one: where the method needs 4 earlier frames, repeat the first score, "
            "numpy.pad(scores, (4, 0), 'edge'); where it needs later ones, the last score"
        )


def test_the_remedy_for_a_shortfall_makes_the_scores_fit() -> None:
    padded = np.pad(np.arange(5.0), (4, 0), "edge")
    given = {"a": FileScores("a", FOLDER / "a.npy", ScoreSeries(padded), 9)}
    assert aligned_scores(FOLDER, given, Defects(False))["a"].tolist() == [0, 0, 0, 0, 0, 1, 2, 3, 4]


def test_off_by_one_is_told() -> None:
    assert refusal(files({"a": (8, 9), "b": (19, 20)})).startswith(
        "scores: every clip has 1 score fewer than labels (clip 'a': 8 scores, 9 labels); give the frames without"
    )
    assert refusal(files({"a": (10, 9), "b": (21, 20)})) == (
        "scores: every clip has 1 score more than labels (clip 'a': 10 scores, 9 labels); "
        "leave out the scores of frames that have no label, usually the first or the last"
    )


def test_a_single_clip_is_told_of_its_file() -> None:
    assert refusal(files({"a": (8, 9)})).startswith(
        "scores/a.npy: it has 1 score fewer than labels (clip 'a': 8 scores, 9 labels); "
    )


@pytest.mark.parametrize(("first", "second"), [(5, 10), (4, 10)])  # rounded up and down
def test_one_score_for_several_frames_is_told(first: int, second: int) -> None:
    assert refusal(files({"a": (first, 9), "b": (second, 20)})) == (
        f"scores: every clip has one score for 2 frames (clip 'a': {first} scores, 9 labels); "
        "repeat each score for its frames: scores.repeat(2)[:9]"
    )


def test_a_clip_of_another_length_is_told_with_how_many_there_are() -> None:
    given = files({"a": (9, 9), "b": (19, 20), "c": (11, 11), "d": (3, 5)})
    assert refusal(given) == (
        "scores/b.npy: 19 scores for the 20 frames of clip 'b'; 2 of 4 clips differ; give each frame one score"
    )
    defects = Defects(True)
    assert list(aligned_scores(FOLDER, given, defects)) == ["a", "c"]
    assert defects.messages == [
        "scores/b.npy: 19 scores for the 20 frames of clip 'b'; 2 of 4 clips differ; the clip is left out",
        "scores/d.npy: 3 scores for the 5 frames of clip 'd'; 2 of 4 clips differ; the clip is left out",
    ]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_score_that_is_not_finite_is_told_with_clip_and_frame(value: float) -> None:
    scores = np.array([1.0, 2.0, value, value])
    one = FileScores("01_0014", FOLDER / "01_0014.npy", ScoreSeries(scores), 4)
    assert refusal({"01_0014": one}) == (
        f"scores/01_0014.npy: the score of frame 2 of clip '01_0014' is {value} (2 such frames); "
        "give each frame a finite number"
    )
    other = FileScores("b", FOLDER / "b.csv", ScoreSeries(scores[:3], np.array([0, 5, 7])), 9)
    assert "the score of frame 7 of clip 'b' is" in refusal({"b": other})


@pytest.mark.parametrize(
    ("frames", "complaint"),
    [
        ([0, 1, 1], "frame 1 comes after frame 1; give each frame once, in ascending order"),
        ([0, 5, 3], "frame 3 comes after frame 5; give each frame once, in ascending order"),
        ([1, 5, 9], "the frames of clip 'a' are numbered 1 to 9; number them from 0 to 8"),
        ([0, 9], "a score for frame 9, while clip 'a' has the frames 0 to 8; number the frames as the labels are"),
        ([-1, 3], "a score for frame -1, while clip 'a' has the frames 0 to 8; number the frames as the labels are"),
        (
            [4, 5, 6, 7, 8],
            "no score for the first 4 of the 9 frames of clip 'a'; "
            "add rows for them, such as the score of frame 4 again",
        ),
    ],
)
def test_frame_numbers_that_are_not_the_clip_s_are_told(frames: list[int], complaint: str) -> None:
    assert refusal(numbered(frames)) == f"scores/a.csv: {complaint}"
