"""Frame-level figures are scikit-learn's, and those worked out by hand; nothing but the order of scores matters."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from streammon.evaluation.metrics import (
    ClipScores,
    average_precision,
    constant_scores,
    equal_error_rate,
    frame_measures,
    frame_roc,
    macro_auroc,
    mean_scene_auroc,
    micro_auroc,
    noise_scores,
    padded_macro_auroc,
    scene_aurocs,
    scene_rate_scores,
)
from support.evaluation_samples import scored_clips


def clip(scores: list[float], labels: str, name: str = "01_1", fps: float = 10.0) -> ClipScores:
    """Labels as text: `x` is abnormal."""
    return ClipScores(name, name.split("_")[0], np.array(scores), np.array([mark == "x" for mark in labels]), fps)


FOUR = [
    clip([0.1, 0.4, 0.35, 0.8], "..xx", "01_1"),
    clip([5.0, 1.0, 2.0], "x..", "01_2"),
    clip([0.3, 0.2], "..", "02_1"),
    clip([0.6, 0.7], "xx", "02_2"),
]


def test_micro_auroc_is_worked_out_by_hand() -> None:
    """Abnormal 0.35, 0.8, 5, 0.6, 0.7 against normal 0.1, 0.4, 1, 2, 0.3, 0.2: they win 4 - 1 (0.35 beats 0.1, 0.3,
    0.2: 3), 4 (0.8: all but 1 and 2), 6, 4, 4, which is 21 of 5 x 6 pairs."""
    assert micro_auroc(FOUR) == pytest.approx(21 / 30)


def test_macro_auroc_leaves_single_class_clips_out() -> None:
    """Clip 1: of 2 x 2 pairs only 0.35 against 0.4 is lost, 3/4. Clip 2: 1."""
    assert macro_auroc(FOUR) == pytest.approx((3 / 4 + 1) / 2)


def test_padded_macro_auroc_counts_every_clip() -> None:
    """With the added frames clip 1 has 3 x 3 pairs of which one is lost, 8/9; the other three lose none."""
    assert padded_macro_auroc(FOUR) == pytest.approx((8 / 9 + 3) / 4)


@given(seed=st.integers(0, 1000))
@settings(max_examples=20)
def test_padding_is_what_adding_the_two_frames_gives(seed: int) -> None:
    clips = scored_clips(seed, clips=6)
    padded = [
        roc_auc_score(
            np.concatenate([[False], one.labels, [True]]),
            np.concatenate([[one.scores.min() - 1], one.scores, [one.scores.max() + 1]]),
        )
        for one in clips
    ]
    assert padded_macro_auroc(clips) == pytest.approx(np.mean(padded), abs=1e-12)


def test_scenes_have_their_own_auroc_and_a_mean() -> None:
    """Scene 01: abnormal 0.35, 0.8, 5 against 0.1, 0.4, 1, 2 win 1, 2 and 4 of 12. Scene 02: all."""
    assert scene_aurocs(FOUR) == {"01": pytest.approx(7 / 12), "02": pytest.approx(1.0)}
    assert mean_scene_auroc(FOUR) == pytest.approx((7 / 12 + 1) / 2)
    assert mean_scene_auroc(FOUR[:3]) == pytest.approx(7 / 12)  # scene 02 has a single class now


def test_average_precision_is_worked_out_by_hand() -> None:
    """From the top: normal, abnormal (1 of 2), abnormal (2 of 3), normal: (1/2 + 2/3) / 2."""
    assert average_precision([clip([0.9, 0.8, 0.7, 0.1], ".xx.")]) == pytest.approx((1 / 2 + 2 / 3) / 2)


def test_equal_error_rate_is_interpolated_between_two_thresholds() -> None:
    """ROC (0, 0), (0, 1/2), (1/3, 1/2), (1/3, 1), …: the upright step from 1/2 to 1 crosses 1 - TPR = 1/3 at 2/3."""
    assert equal_error_rate([clip([9.0, 8.0, 7.0, 2.0, 1.0], "x.x..")]) == pytest.approx(1 / 3)
    # ROC (0, 0), (1/2, 1/2) through a tie, (1, 1): the diagonal
    assert equal_error_rate([clip([5.0, 5.0, 1.0, 1.0], "x.x.")]) == pytest.approx(1 / 2)
    assert equal_error_rate([clip([1.0, 2.0], ".x")]) == 0.0
    assert equal_error_rate([clip([2.0, 1.0], ".x")]) == 1.0


@given(seed=st.integers(0, 1000))
@settings(max_examples=20)
def test_figures_are_scikit_learns(seed: int) -> None:
    clips = scored_clips(seed, clips=6)
    scores, labels = np.concatenate([c.scores for c in clips]), np.concatenate([c.labels for c in clips])
    assert micro_auroc(clips) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
    assert average_precision(clips) == pytest.approx(average_precision_score(labels, scores), abs=1e-12)
    singles = [roc_auc_score(c.labels, c.scores) for c in clips if c.labels.any()]
    assert macro_auroc(clips) == pytest.approx(np.mean(singles), abs=1e-12)
    assert equal_error_rate(clips) == pytest.approx(naive_equal_error_rate(scores, labels), abs=1e-4)


def naive_equal_error_rate(scores: NDArray[np.float64], labels: NDArray[np.bool_]) -> float:
    """Where 100,000 points of the interpolated ROC come closest to FPR = 1 - TPR."""
    thresholds = [np.inf, *sorted(set(scores.tolist()), reverse=True)]
    x = [float((scores[~labels] >= threshold).mean()) for threshold in thresholds]
    y = [float((scores[labels] >= threshold).mean()) for threshold in thresholds]
    along = np.linspace(0, len(x) - 1, 100_001)
    false_positives, true_positives = np.interp(along, range(len(x)), x), np.interp(along, range(len(y)), y)
    return float(false_positives[np.argmin(np.abs(false_positives - (1 - true_positives)))])


@given(seed=st.integers(0, 1000), scale=st.floats(0.1, 100), power=st.sampled_from([1, 3]))
@settings(max_examples=8)
def test_only_the_order_of_scores_matters(seed: int, scale: float, power: int) -> None:
    clips = scored_clips(seed, clips=6)
    other = [ClipScores(c.name, c.scene, (scale * c.scores) ** power - 7, c.labels, c.fps) for c in clips]
    ours, theirs = frame_measures(clips), frame_measures(other)
    assert list(ours) == list(theirs)
    for name, value in ours.items():
        assert theirs[name] == pytest.approx(value, abs=1e-9), name


def test_one_class_has_no_auroc_and_says_none() -> None:
    normal = [clip([0.1, 0.2], "..")]
    assert micro_auroc(normal) is macro_auroc(normal) is average_precision(normal) is equal_error_rate(normal) is None
    assert mean_scene_auroc(normal) is None
    assert frame_roc(normal) is None
    assert padded_macro_auroc(normal) == 1.0


def test_still_images_have_neither_macro_rows_nor_time() -> None:
    images = [clip([1.0, 2.0, 3.0], ".xx", "hazelnut_colour", 0.0)]
    assert list(frame_measures(images)) == ["AUROC", "average precision", "EER"]


def test_video_has_all_rows_in_order() -> None:
    assert list(frame_measures(FOUR)) == [
        "AUROC, micro",
        "AUROC, macro, single-class clips left out",
        "AUROC, macro, padded",
        "AUROC, mean of scenes",
        "average precision",
        "EER",
        "false alarms at 80 % of events caught",
        "normal footage in alarm at 80 % of events caught",
        "detection delay at 80 % of events caught, median",
        "detection delay at 80 % of events caught, mean",
        "false alarms at 95 % of events caught",
        "normal footage in alarm at 95 % of events caught",
        "detection delay at 95 % of events caught, median",
        "detection delay at 95 % of events caught, mean",
    ]


def test_roc_is_thinned_to_be_drawn_and_keeps_its_area() -> None:
    generator = np.random.default_rng(0)
    labels = generator.random(50_000) < 0.3
    one = ClipScores("01", "01", generator.random(50_000) + 0.2 * labels, labels, 10.0)
    curve = frame_roc([one])
    assert curve is not None
    x, y = curve
    assert len(x) <= 2000
    assert (x[0], y[0], x[-1], y[-1]) == (0, 0, 1, 1)
    assert np.trapezoid(y, x) == pytest.approx(micro_auroc([one]), abs=1e-3)


def test_nulls_know_what_they_are_named_for() -> None:
    assert {score for one in constant_scores(FOUR) for score in one.scores} == {1.0}
    assert [one.scores[0] for one in scene_rate_scores(FOUR)] == [3 / 7, 3 / 7, 2 / 4, 2 / 4]
    again = [noise_scores(FOUR, 1), noise_scores(FOUR, 1), noise_scores(FOUR, 2)]
    assert np.array_equal(again[0][1].scores, again[1][1].scores)
    assert not np.array_equal(again[0][1].scores, again[2][1].scores)
    assert micro_auroc(constant_scores(FOUR)) == 0.5
    assert all(np.array_equal(null.labels, real.labels) for null, real in zip(again[0], FOUR, strict=True))


@pytest.mark.parametrize(
    ("scores", "labels", "fps", "message"),
    [
        (
            [1.0],
            "..",
            1.0,
            r"clip '1': scores \(1,\) and labels \(2,\); each frame needs one score and one label",
        ),
        ([], "", 1.0, r"clip '1': scores \(0,\) and labels \(0,\); each frame needs one score"),
        ([1.0, float("nan")], "..", 1.0, "clip '1': the score of frame 1 is nan, not a number"),
        ([1.0], ".", -1.0, "clip '1': -1.0 frames a second; it must be 0 or above"),
    ],
)
def test_scores_that_make_no_sense_are_refused(scores: list[float], labels: str, fps: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ClipScores("1", "1", np.array(scores), np.array([mark == "x" for mark in labels], dtype=np.bool_), fps)


def test_images_and_video_do_not_share_a_table() -> None:
    with pytest.raises(ValueError, match="still images and video can't share a table"):
        frame_measures([FOUR[0], clip([1.0, 2.0], ".x", fps=0.0)])
    with pytest.raises(ValueError, match="no clips to measure"):
        frame_measures([])
