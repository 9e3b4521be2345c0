"""AUROC and average precision are those of scikit-learn and torchmetrics, of frames and of pixels.

PRO and AUPIMO are compared with anomalib in `tests/oracles`, which has an environment of its own.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score
from torchmetrics.functional.classification import binary_auroc, binary_average_precision

from streammon.evaluation.metrics import ClipScores, PixelFigures, PixelLevel, average_precision, micro_auroc
from support.evaluation_samples import scored_clips
from support.metric_cases import MADE_UP, Image, hazelnut_images

Scores = NDArray[np.float32] | NDArray[np.float64]
Flags = NDArray[np.bool_]


def from_sklearn(scores: Scores, labels: Flags) -> tuple[float, float]:
    """AUROC and average precision."""
    return float(roc_auc_score(labels, scores)), float(average_precision_score(labels, scores))


def from_torchmetrics(scores: Scores, labels: Flags) -> tuple[float, float]:
    """AUROC and average precision of the scores' ranks in 0..1, with equal ranks for equal scores.

    torchmetrics applies a sigmoid to scores outside of 0..1, which would make scores equal that are not.
    """
    values, ranks = np.unique(scores, return_inverse=True)
    shares, target = torch.from_numpy(ranks / max(1, len(values) - 1)), torch.from_numpy(labels).long()
    return float(binary_auroc(shares, target)), float(binary_average_precision(shares, target))


ORACLES: dict[str, Callable[[Scores, Flags], tuple[float, float]]] = {
    "scikit-learn": from_sklearn,
    "torchmetrics": from_torchmetrics,
}


def pixel_figures(images: list[Image]) -> PixelFigures:
    level = PixelLevel()
    for anomaly_map, mask in images:
        level.update(anomaly_map, mask)
    return level.figures()


def require_equal_pixel_figures(images: list[Image], oracle: Callable[[Scores, Flags], tuple[float, float]]) -> None:
    """Values closer than 1 in 32,768 may count as tied, for which `tied` bounds the error of the AUROC."""
    scores, labels = (np.concatenate([image[which].ravel() for image in images]) for which in (0, 1))
    auroc, precision = oracle(scores, np.asarray(labels, dtype=np.bool_))
    ours = pixel_figures(images)
    assert ours.auroc() == pytest.approx(auroc, abs=ours.tied() + 2e-7)
    assert ours.average_precision() == pytest.approx(precision, abs=1e-4)


@pytest.mark.parametrize("oracle", ORACLES)
@pytest.mark.parametrize("case", MADE_UP)
def test_pixel_figures_are_those_of_other_implementations(case: str, oracle: str) -> None:
    require_equal_pixel_figures(MADE_UP[case](), ORACLES[oracle])


@pytest.mark.parametrize("oracle", ORACLES)
def test_pixel_figures_of_real_masks_are_those_of_other_implementations(oracle: str, shared_data: Path) -> None:
    require_equal_pixel_figures(hazelnut_images(shared_data), ORACLES[oracle])


def test_tied_values_of_few_levels_are_exact() -> None:
    """No two levels share a bin, so nothing is rounded."""
    images = MADE_UP["tied"]()
    scores, labels = (np.concatenate([image[which].ravel() for image in images]) for which in (0, 1))
    ours = pixel_figures(images)
    assert ours.auroc() == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
    assert ours.average_precision() == pytest.approx(average_precision_score(labels, scores), abs=1e-12)


@given(seed=st.integers(0, 1000), decimals=st.integers(0, 3), shift=st.sampled_from([0.0, -5.0, 1e3]))
@settings(max_examples=15)
def test_frame_figures_are_those_of_other_implementations(seed: int, decimals: int, shift: float) -> None:
    """Scores rounded to a few decimals have many ties."""
    clips = [
        ClipScores(each.name, each.scene, np.round(each.scores, decimals) + shift, each.labels, each.fps)
        for each in scored_clips(seed)
    ]
    scores, labels = (np.concatenate([getattr(each, name) for each in clips]) for name in ("scores", "labels"))
    for oracle in ORACLES.values():
        auroc, precision = oracle(scores, labels)
        assert micro_auroc(clips) == pytest.approx(auroc, abs=1e-6)
        assert average_precision(clips) == pytest.approx(precision, abs=1e-6)


@pytest.mark.parametrize(
    ("scores", "labels"),
    [
        ([0.0, 1.0], "nx"),
        ([1.0, 0.0], "nx"),
        ([0.5, 0.5], "nx"),
        ([0.5, 0.5, 0.5, 0.5, 0.5], "nnnnx"),
        ([-3.0, -3.0, 7.0, 7.0], "nxnx"),
    ],
)
def test_degenerate_frame_scores_have_the_figures_of_other_implementations(scores: list[float], labels: str) -> None:
    values, flags = np.array(scores), np.array([each == "x" for each in labels])
    clip = ClipScores("01_1", "01", values, flags, 10.0)
    for oracle in ORACLES.values():
        assert (micro_auroc([clip]), average_precision([clip])) == pytest.approx(oracle(values, flags), abs=1e-7)
