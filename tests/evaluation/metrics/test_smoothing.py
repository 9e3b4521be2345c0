"""Smoothing stays within a clip and moves no null; the published kind, with zeros around, is shown to move it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from streammon.errors import ConfigError
from streammon.evaluation.metrics import (
    ClipScores,
    PostProcessing,
    constant_scores,
    macro_auroc,
    micro_auroc,
    padded_macro_auroc,
    parse_post_processing,
    scene_rate_scores,
)


def clip(scores: list[float] | NDArray[np.float64], fps: float = 2.0) -> ClipScores:
    return ClipScores("01_1", "01", np.asarray(scores), np.zeros(len(scores), dtype=np.bool_), fps)


def test_causal_is_the_mean_of_the_last_seconds() -> None:
    """1.5 s at 2 frames a second are 3 frames; the first ones have fewer."""
    smoothed = parse_post_processing("causal:1.5").apply(clip([3, 6, 0, 9, 3])).scores
    assert smoothed.tolist() == [3, 4.5, 3, 5, 4]


@given(frames=st.integers(1, 40), window_s=st.floats(0.1, 30), changed=st.integers(0, 39))
@settings(max_examples=40)
def test_causal_never_looks_ahead(frames: int, window_s: float, changed: int) -> None:
    scores = np.random.default_rng(frames).random(frames)
    later = scores.copy()
    later[changed:] += 1
    smoothing = PostProcessing("causal", window_s)
    before, after = (smoothing.apply(clip(values)).scores[:changed] for values in (scores, later))
    assert np.array_equal(before, after)


def test_offline_is_a_gaussian_with_repeated_edges() -> None:
    """Sigma 0.5 s at 2 frames a second is 1 frame: weights exp(-k^2 / 2) for k = -4 to 4, over their sum."""
    scores = np.array([4.0, 0.0, 1.0])
    weights = np.exp(-(np.arange(-4, 5) ** 2) / 2)
    padded = np.concatenate([[4.0] * 4, scores, [1.0] * 4])
    expected = [float(padded[i : i + 9] @ weights / weights.sum()) for i in range(3)]
    assert parse_post_processing("offline:0.5").apply(clip(scores)).scores == pytest.approx(expected)


@pytest.mark.parametrize("text", ["none", "causal:0.7", "offline:3"])
@pytest.mark.parametrize("minmax", [False, True])
@given(value=st.floats(-1e6, 1e6), frames=st.integers(1, 50))
@settings(max_examples=20)
def test_a_constant_clip_stays_constant_to_the_last_bit(text: str, minmax: bool, value: float, frames: int) -> None:
    scores = parse_post_processing(text, minmax).apply(clip([value] * frames)).scores
    assert len(set(scores.tolist())) == 1
    assert scores[0] == (0.0 if minmax else value)


def test_minmax_stretches_a_clip() -> None:
    assert parse_post_processing("none", minmax=True).apply(clip([2, 4, 3])).scores.tolist() == [0, 1, 0.5]


def test_nothing_is_done_unless_asked_for() -> None:
    one = clip([1, 2])
    assert PostProcessing().apply(one) is one
    assert PostProcessing().warning([one]) == ""


@pytest.mark.parametrize(
    ("text", "minmax", "name"),
    [
        ("none", False, "none"),
        ("causal:0.5", False, "causal mean over 0.5 s"),
        ("offline:2", True, "offline Gaussian of sigma 2 s, nearest edges, then per-clip min-max"),
        ("none", True, "per-clip min-max"),
    ],
)
def test_it_is_named_in_the_report(text: str, minmax: bool, name: str) -> None:
    assert parse_post_processing(text, minmax).name == name


@pytest.mark.parametrize(
    "text", ["", "gauss:2", "causal", "causal:", "causal:x", "offline:0", "offline:-1", "causal:inf"]
)
def test_what_is_no_post_processing_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_post_processing(text)
    assert str(refused.value) == (
        f"--smoothing: {text!r} is no post-processing; "
        "it must be 'none', 'causal:SECONDS' or 'offline:SECONDS', with seconds above 0"
    )


def test_still_images_are_not_smoothed() -> None:
    with pytest.raises(ConfigError) as refused:
        parse_post_processing("causal:1").apply(clip([1, 2], fps=0.0))
    assert str(refused.value) == (
        "post-processing: '01_1' has still images, and causal mean over 1 s needs video; leave it out"
    )


@pytest.fixture(scope="module")
def stc(shared_data: Path) -> list[ClipScores]:
    """The labels of the 107 test clips, scored alike."""
    files = sorted((shared_data / "stc_labels").glob("*.npy"))
    labels = [np.load(file).astype(np.bool_) for file in files]
    return constant_scores(
        [
            ClipScores(file.stem, file.stem[:2], np.zeros(len(its)), its, 24.0)
            for file, its in zip(files, labels, strict=True)
        ]
    )


def test_what_base_rates_alone_reach_on_stc(stc: list[ClipScores]) -> None:
    assert (len(stc), sum(len(one.labels) for one in stc)) == (107, 40_791)
    assert micro_auroc(scene_rate_scores(stc)) == pytest.approx(0.6575, abs=1e-3)
    by_clip = [replace(one, scores=np.full(len(one.labels), one.labels.mean())) for one in stc]
    assert micro_auroc(by_clip) == pytest.approx(0.758, abs=1e-3)


def zero_padded(centre: int) -> Callable[[ClipScores], ClipScores]:
    """The published post-processing: a Gaussian of sigma 282 over 899 frames, zeros around the clip, then min-max."""
    kernel = np.exp(-(((np.arange(899) - centre) / 282) ** 2) / 2)

    def apply(one: ClipScores) -> ClipScores:
        padding = np.zeros(449)
        smoothed = np.correlate(np.concatenate([padding, np.ones(len(one.labels)), padding]), kernel, "valid")
        return replace(one, scores=(smoothed - smoothed.min()) / np.ptp(smoothed))

    return apply


@pytest.mark.parametrize(
    ("centre", "micro", "macro", "padded"),
    [(449, 0.768, 0.831, 0.836), (448, 0.770, 0.832, 0.838)],  # in the middle, and one frame before it
)
def test_zeros_around_a_clip_make_a_constant_score_look_good(
    stc: list[ClipScores], centre: int, micro: float, macro: float, padded: float
) -> None:
    smoothed = [zero_padded(centre)(one) for one in stc]
    assert micro_auroc(smoothed) == pytest.approx(micro, abs=1e-3)
    assert macro_auroc(smoothed) == pytest.approx(macro, abs=1e-3)
    assert padded_macro_auroc(smoothed) == pytest.approx(padded, abs=1e-3)
    as_published = [
        roc_auc_score(np.concatenate([[0], one.labels, [1]]), np.concatenate([[0], one.scores, [1]]))
        for one in smoothed
    ]
    assert padded_macro_auroc(smoothed) == pytest.approx(np.mean(as_published), abs=2e-4)


@pytest.mark.parametrize("text", ["causal:2", "offline:12"])
def test_our_smoothing_leaves_a_constant_score_at_a_half(stc: list[ClipScores], text: str) -> None:
    smoothed = [parse_post_processing(text, minmax=True).apply(one) for one in stc]
    assert micro_auroc(smoothed) == macro_auroc(smoothed) == 0.5


def test_minmax_says_in_numbers_what_it_does(stc: list[ClipScores]) -> None:
    assert parse_post_processing("none", minmax=True).warning(stc) == (
        "per-clip min-max needs the whole clip, so no live monitor can do it, and it changes the null controls: "
        "micro AUROC of noise from 0.502 to 0.502, of a constant score from 0.500 to 0.500 (mean of 10 noise scores)"
    )
    assert "of noise from 0.497 to 0.512" in parse_post_processing("offline:10", minmax=True).warning(stc)
