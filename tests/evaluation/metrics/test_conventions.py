"""Each convention is what its published computation gives, and each has its own null controls."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from sklearn.metrics import roc_auc_score

from streammon.errors import ConfigError
from streammon.evaluation.metrics import (
    ClipScores,
    PostProcessing,
    constant_scores,
    conventions_table,
    frame_measures,
    frame_table,
    scene_rate_scores,
)
from streammon.evaluation.metrics.conventions import FIELD_WORDS, PUBLISHED, ZeroPaddedGaussian, convention_names
from streammon.evaluation.metrics.figures import figures
from streammon.evaluation.results import ReportedFigure
from support.evaluation_samples import scored_clips

Scores = NDArray[np.float64]


def published_smoothing(scores: Scores, taps: int, sigma: float) -> Scores:
    """Sum over the kernel, frame by frame; positions are counted from 1, and the centre is one before the middle."""
    positions = np.arange(1, taps + 1)
    weights = np.exp(-0.5 * ((positions - positions[taps // 2 - 1]) / sigma) ** 2) / (sigma * np.sqrt(2 * np.pi))
    smoothed = np.zeros(len(scores))
    for frame in range(len(scores)):
        for weight, place in zip(weights, positions - 1 - taps // 2, strict=True):
            if 0 <= frame + place < len(scores):
                smoothed[frame] += weight * scores[frame + place]
    return smoothed


def stretched(scores: Scores) -> Scores:
    span = np.ptp(scores)
    return (scores - scores.min()) / span if span else scores * 0


def micro(clips: Sequence[ClipScores], scores: Sequence[Scores]) -> float:
    return float(roc_auc_score(np.concatenate([clip.labels for clip in clips]), np.concatenate(scores)))


def macros(clips: Sequence[ClipScores], scores: Sequence[Scores]) -> dict[str, float]:
    """Means over clips; the padded one as published, on scores from 0 to 1, which here end just inside."""
    aurocs = [
        roc_auc_score(clip.labels, its) if 0 < clip.labels.mean() < 1 else np.nan
        for clip, its in zip(clips, scores, strict=True)
    ]
    padded = [
        roc_auc_score([0, *clip.labels, 1], [0, *(0.001 + 0.998 * stretched(its)), 1])
        for clip, its in zip(clips, scores, strict=True)
    ]
    return {
        "macro, single-class clips left out": float(np.nanmean(aurocs)),
        "macro, single-class clips counted as 1": float(np.mean(np.nan_to_num(aurocs, nan=1.0))),
        "macro, padded": float(np.mean(padded)),
    }


def expected(clips: Sequence[ClipScores], taps: int, sigma: float) -> dict[str, float]:
    """Every row of the table, from scratch."""
    raw = [clip.scores for clip in clips]
    smoothed = [published_smoothing(its, taps, sigma) for its in raw]
    chosen = [micro(clips, raw)] + [
        micro(clips, [gaussian_filter1d(its, width, mode="nearest") for its in raw])
        for width in (1, 2, 4, 8, 16, 32, 64, 128)
    ]
    return {
        "micro": micro(clips, raw),
        "micro, per-clip min-max": micro(clips, list(map(stretched, raw))),
        **macros(clips, raw),
        "micro, zero-padded Gaussian": micro(clips, smoothed),
        "micro, zero-padded Gaussian, then per-clip min-max": micro(clips, list(map(stretched, smoothed))),
        **{f"{name}, zero-padded Gaussian": value for name, value in macros(clips, smoothed).items()},
        "micro, smoothing chosen on the test labels": max(chosen),
    }


def rows(clips: Sequence[ClipScores], dataset: str = "folder") -> dict[str, ReportedFigure]:
    return {measure.name: measure for measure in conventions_table(clips, dataset, 0).measures}


@pytest.fixture(scope="module")
def clips() -> list[ClipScores]:
    """Six clips of two scenes, one of them normal throughout; no two scores are alike."""
    generator = np.random.default_rng(0)
    return [
        replace(clip, scores=clip.scores + 1e-3 * generator.random(len(clip.scores))) for clip in scored_clips(2, 6)
    ]


@pytest.fixture(scope="module")
def found(clips: list[ClipScores]) -> dict[str, ReportedFigure]:
    """Their rows, with the kernel that is taken where none is published."""
    return rows(clips)


@pytest.mark.parametrize(("dataset", "taps", "sigma"), [("stc", 899, 282), ("avenue", 37, 11)])
def test_every_row_is_computed_from_scratch_alike(
    clips: list[ClipScores], dataset: str, taps: int, sigma: float
) -> None:
    found = {name: row.value for name, row in rows(clips, dataset).items()}
    assert found == {name: pytest.approx(value, abs=1e-9) for name, value in expected(clips, taps, sigma).items()}
    assert list(found) == list(expected(clips, taps, sigma))


def test_the_null_controls_go_the_same_way(clips: list[ClipScores], found: dict[str, ReportedFigure]) -> None:
    assert {name: row.value for name, row in found.items()} == pytest.approx(expected(clips, 301, 21), abs=1e-9)
    constant, oracle = expected(constant_scores(clips), 301, 21), expected(scene_rate_scores(clips), 301, 21)
    for name, row in found.items():
        exact = 0.02 if "Gaussian" in name else 1e-9  # a smoothed constant has ties, which rounding breaks by chance
        assert row.constant == pytest.approx(constant[name], abs=exact), name
        assert row.scene_rate == pytest.approx(oracle[name], abs=exact), name
        assert row.noise is not None
    assert found["micro"].constant == found["micro, per-clip min-max"].constant == 0.5
    assert (found["micro, zero-padded Gaussian, then per-clip min-max"].constant or 0) != 0.5
    chosen = found["micro, smoothing chosen on the test labels"]
    assert (chosen.noise or 0) >= (found["micro"].noise or 0)
    assert (chosen.low, chosen.high) == (None, None)


def test_intervals_are_those_of_the_frame_table(clips: list[ClipScores], found: dict[str, ReportedFigure]) -> None:
    table = {measure.name: measure for measure in frame_table([clips], PostProcessing(), 0).measures}
    for name in ("micro", "macro, single-class clips left out", "macro, padded"):
        own, theirs = found[name], table[f"AUROC, {name}"]
        assert (own.value, own.low, own.high, own.constant, own.noise, own.scene_rate) == pytest.approx(
            (theirs.value, theirs.low, theirs.high, theirs.constant, theirs.noise, theirs.scene_rate), abs=1e-12
        )


def test_min_max_changes_no_macro_figure(clips: list[ClipScores]) -> None:
    after = [PostProcessing(minmax=True).apply(clip) for clip in clips]
    plain, changed = frame_measures(clips), frame_measures(after)
    for name in ("AUROC, macro, single-class clips left out", "AUROC, macro, padded"):
        assert changed[name] == pytest.approx(plain[name], abs=1e-12)
    assert changed["AUROC, micro"] != plain["AUROC, micro"]


def test_a_clip_shorter_than_the_kernel_is_smoothed_too() -> None:
    one = scored_clips(1)[1]
    assert ZeroPaddedGaussian(899, 282).apply(one).scores == pytest.approx(
        published_smoothing(one.scores, 899, 282) * 282 * np.sqrt(2 * np.pi)
    )


def test_still_images_have_no_such_conventions() -> None:
    with pytest.raises(ConfigError) as refusal:
        conventions_table(scored_clips(1, fps=0.0), "mvtec", 0)
    assert str(refusal.value) == (
        "--conventions: they are about video, and mvtec has still images; leave it out, or give a data set of video"
    )


def test_every_figure_that_the_field_reports_has_its_name() -> None:
    for clips in (scored_clips(1), scored_clips(1, fps=0.0)):
        names = [figure.name for figure in figures(clips)]
        table = convention_names(names, PostProcessing(minmax=True))
        assert [row[0] for row in table.rows] == [
            name for name in names if not name.startswith(("false", "det", "norm"))
        ]
        assert {row[0] for row in table.rows} <= set(FIELD_WORDS)
    assert "micro after per-clip min-max is the convention of" in table.note
    assert convention_names(names, PostProcessing()).note == "post-processing before every figure: none"


def test_what_a_constant_reaches_on_stc_by_the_published_smoothing(shared_data: Path) -> None:
    """As measured once from the labels: 0.770 micro, 0.832 macro, 0.838 padded."""
    constants = []
    for file in sorted((shared_data / "stc_labels").glob("*.npy")):
        labels = np.load(file).astype(np.bool_)
        constants.append(ClipScores(file.stem, file.stem[:2], np.ones(len(labels)), labels, 24.0))
    smoothed = [PostProcessing(minmax=True).apply(PUBLISHED["stc"].apply(clip)) for clip in constants]
    found = frame_measures(smoothed)
    assert found["AUROC, micro"] == pytest.approx(0.770, abs=1e-3)
    assert found["AUROC, macro, single-class clips left out"] == pytest.approx(0.832, abs=1e-3)
    assert found["AUROC, macro, padded"] == pytest.approx(0.838, abs=1e-3)
