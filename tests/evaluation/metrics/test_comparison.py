"""Differences of two methods: interval and p-value are those of computations from scratch."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import permutation_test, rankdata
from sklearn.metrics import average_precision_score, roc_auc_score

from streammon.errors import ConfigError
from streammon.evaluation.metrics import ClipScores, PostProcessing, difference_table, frame_measures
from streammon.evaluation.metrics.comparison import (
    difference_intervals,
    permutation_p_values,
    rank_transformed,
)
from support.evaluation_samples import scored_clips

NONE = PostProcessing()
MICRO, MACRO, PRECISION = "AUROC, micro", "AUROC, macro, single-class clips left out", "average precision"


def two_methods(seed: int, clips: int = 5, fps: float = 5.0) -> tuple[list[ClipScores], list[ClipScores]]:
    """The same clips scored twice, the second time on another scale, with more noise."""
    one = scored_clips(seed, clips, fps)
    generator = np.random.default_rng(seed + 1)
    other = [replace(clip, scores=np.exp(clip.scores + generator.normal(0, 0.4, len(clip.scores)))) for clip in one]
    return one, other


def pooled(clips: Sequence[ClipScores]) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    return np.concatenate([clip.labels for clip in clips]), np.concatenate([clip.scores for clip in clips])


def clip_aurocs(clips: Sequence[ClipScores]) -> NDArray[np.float64]:
    """AUROC of each clip of both classes."""
    return np.array([roc_auc_score(clip.labels, clip.scores) for clip in clips if 0 < clip.labels.mean() < 1])


def test_the_interval_is_that_of_a_plain_paired_bootstrap() -> None:
    one, other = two_methods(3)
    generator = np.random.default_rng(11)
    drawn: dict[str, list[float]] = {MICRO: [], PRECISION: []}
    for _ in range(100):
        chosen = generator.integers(5, size=5)
        first, second = (pooled([clips[number] for number in chosen]) for clips in (one, other))
        if first[0].any():
            drawn[MICRO].append(roc_auc_score(*first) - roc_auc_score(*second))
            drawn[PRECISION].append(average_precision_score(*first) - average_precision_score(*second))
    found = difference_intervals(one, other, seed=11, resamples=100)
    for name, values in drawn.items():
        assert (found[name].low, found[name].high) == pytest.approx(tuple(np.percentile(values, [2.5, 97.5])))


def test_ranks_are_those_of_all_frames_and_change_no_figure() -> None:
    clips = scored_clips(7)
    ranked = rank_transformed(clips)
    expected = rankdata(pooled(clips)[1]) / len(pooled(clips)[1])
    assert pooled(ranked)[1] == pytest.approx(expected, abs=1e-12)
    assert [clip.name for clip in ranked] == [clip.name for clip in clips]
    for name, value in frame_measures(clips).items():
        assert frame_measures(ranked)[name] == pytest.approx(value, abs=1e-12), name


@pytest.mark.parametrize("seed", [1, 2])
def test_with_few_clips_the_p_value_counts_every_swap(seed: int) -> None:
    """Of 2^5 assignments, those whose difference is as large, each measured by scikit-learn."""
    one, other = two_methods(seed)
    ranks = []
    for clips in (one, other):
        every = rankdata(pooled(clips)[1])
        ranks.append(np.split(every, np.cumsum([len(clip.scores) for clip in clips])[:-1]))
    labels = pooled(one)[0]
    differences: dict[str, list[float]] = {MICRO: [], PRECISION: []}
    for swaps in product((0, 1), repeat=5):
        first, second = (
            np.concatenate([ranks[swap if number == 0 else 1 - swap][clip] for clip, swap in enumerate(swaps)])
            for number in (0, 1)
        )
        differences[MICRO].append(roc_auc_score(labels, first) - roc_auc_score(labels, second))
        differences[PRECISION].append(
            average_precision_score(labels, first) - average_precision_score(labels, second)
        )
    found = permutation_p_values(one, other)
    for name, values in differences.items():
        assert found[name] == (np.abs(values) >= abs(values[0]) - 1e-12).mean()


def test_the_macro_p_value_is_the_sign_flip_test_of_the_clips_differences() -> None:
    one, other = two_methods(4, clips=8)
    expected = permutation_test(
        (clip_aurocs(one), clip_aurocs(other)),
        lambda first, second, axis: np.mean(first - second, axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=np.inf,
    )
    assert permutation_p_values(one, other)[MACRO] == pytest.approx(expected.pvalue)


def test_many_clips_are_swapped_at_random_and_no_p_value_is_0() -> None:
    one = scored_clips(5, clips=20)
    worse = [replace(clip, scores=-clip.scores) for clip in one]
    assert permutation_p_values(one, worse, permutations=49)[MICRO] == 1 / 50
    other = two_methods(5, clips=20)[1]
    assert permutation_p_values(one, other, 3, 49) == permutation_p_values(one, other, 3, 49)
    assert permutation_p_values(one, one, permutations=49)[MICRO] == 1.0


def test_methods_that_differ_by_chance_alone_get_every_p_value_as_often() -> None:
    """Both add noise of the same kind to the labels; the second reports on another scale."""
    labels = scored_clips(0)
    generator = np.random.default_rng(1)
    p_values = []
    for _ in range(30):
        one, other = (
            [replace(clip, scores=clip.labels + generator.normal(0, 2, len(clip.labels))) for clip in labels]
            for _ in range(2)
        )
        stretched = [replace(clip, scores=np.exp(clip.scores)) for clip in other]
        p_values.append(permutation_p_values(one, stretched)[MICRO])
    assert 0.3 < np.mean([p is not None and p <= 0.5 for p in p_values]) < 0.7
    assert np.mean([p is not None and p <= 0.1 for p in p_values]) < 0.25


def test_a_table_has_both_methods_their_difference_and_what_it_rests_on() -> None:
    post = PostProcessing("causal", 1.0)
    raw = two_methods(3)
    table = difference_table(*raw, ("ours", "theirs"), post, seed=2)
    one, other = ([post.apply(clip) for clip in clips] for clips in raw)
    first, second, intervals, p_values = (
        frame_measures(one),
        frame_measures(other),
        difference_intervals(one, other, 2),
        permutation_p_values(one, other, 2),
    )
    assert (table.title, table.first, table.second) == ("ours minus theirs", "ours", "theirs")
    assert [row.name for row in table.differences] == list(first)
    for row in table.differences:
        assert (row.value, row.other, row.p_value) == (first[row.name], second[row.name], p_values[row.name])
        assert (row.low, row.high) == (intervals[row.name].low, intervals[row.name].high)
        assert row.difference == pytest.approx((row.value or 0) - (row.other or 0))
    by_name = {row.name: row for row in table.differences}
    assert not by_name["EER"].higher_is_better
    assert by_name["false alarms at 80 % of events caught"].unit == "per hour"
    assert "post-processing of both: causal mean over 1 s" in table.note


def test_still_images_are_drawn_and_swapped_one_by_one() -> None:
    one, other = two_methods(2, clips=2, fps=0.0)
    one, other = (
        [replace(clip, scores=clip.scores[:4], labels=clip.labels[3:7]) for clip in its] for its in (one, other)
    )
    table = difference_table(one, other, ("ours", "theirs"), NONE, seed=0)
    assert [row.name for row in table.differences] == ["AUROC", "AUROC, mean of categories", PRECISION, "EER"]
    assert "over images" in table.note
    p_value = table.differences[0].p_value
    assert p_value is not None
    assert p_value > 0
    assert p_value * 2**8 == round(p_value * 2**8)  # a share of the swaps of eight images


def test_other_clips_cannot_be_compared() -> None:
    one, other = two_methods(3)
    with pytest.raises(ValueError, match="the seeds were not scored on the same clips"):
        difference_table(one, other[:-1], ("ours", "theirs"), NONE, seed=0)
    images = scored_clips(1, fps=0.0)
    with pytest.raises(ConfigError, match="has still images"):
        difference_table(images, images, ("ours", "theirs"), PostProcessing(minmax=True), seed=0)
