"""PRO and AUPIMO are those of anomalib, on made-up maps and on PaDiM's maps of real pictures.

`.ci/oracles` runs this file in an environment that has anomalib; elsewhere it is not collected.
"""

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from anomalib.metrics import AUPIMO, AUPRO

from streammon.config import ModelConfig
from streammon.evaluation.draws import Draw
from streammon.evaluation.metrics import PixelFigures, PixelLevel
from streammon.evaluation.study import Study, StudyOptions
from support.metric_cases import MADE_UP, Image, hazelnut_images
from support.precision import COMPUTED

FIELDS = ("anomaly_map", "gt_mask")
THRESHOLDS = 20_000  # at which anomalib computes its curves, evenly spread over the values of normal images


def figures(images: list[Image]) -> PixelFigures:
    level = PixelLevel()
    for anomaly_map, mask in images:
        level.update(anomaly_map, mask)
    return level.figures()


def batch_of(images: list[Image]) -> Any:
    """The images as the batch that anomalib's metrics read."""
    maps, masks = (torch.from_numpy(np.stack([image[which] for image in images])) for which in (0, 1))
    return SimpleNamespace(anomaly_map=maps, gt_mask=masks.int())


def padim_images(shared_data: Path, folder: Path) -> list[Image]:
    """PaDiM's maps of the hazelnut images, scaled to 0..1, with their masks."""
    model = ModelConfig.model_validate(COMPUTED)
    study = Study(StudyOptions("mvtec", shared_data / "hazelnut", model, folder, seeds=1), lambda *_: None)
    (draw,) = study.run({"padim": study.methods("padim")})["padim"]
    assert isinstance(draw, Draw)
    images = [pair for clip in draw.clips for pair in zip(draw.maps(clip), draw.masks(clip), strict=True)]
    largest = max(float(anomaly_map.max()) for anomaly_map, _ in images)
    return [((anomaly_map / largest).astype(np.float32), mask) for anomaly_map, mask in images]


def anomalib_pro(images: list[Image], limit: float) -> float:
    metric = AUPRO(fields=FIELDS, fpr_limit=limit)
    metric.update(batch_of(images))
    return float(metric.compute())


def anomalib_aupimo(images: list[Image], low: float, high: float) -> float:
    metric = AUPIMO(num_thresholds=THRESHOLDS, fpr_bounds=(low, high))
    metric.update(batch_of(images))
    return float(metric.compute())


def require_equal_aupimo(images: list[Image], low: float, high: float) -> None:
    """Require equality up to where anomalib's area begins.

    anomalib begins at the threshold whose FPR is nearest to `low`, at most half a pixel from it: with N normal pixels
    at (N low + 1/2) / N. That is a share of ln(1 + 1 / (2 N low)) / ln(high / low) of the area.
    """
    normal = sum(mask.size for _, mask in images if not mask.any())
    tolerance = math.log1p(1 / (2 * normal * low)) / math.log(high / low) + 5e-4
    assert figures(images).aupimo(low, high) == pytest.approx(anomalib_aupimo(images, low, high), abs=tolerance)


@pytest.mark.parametrize("limit", [0.3, 0.05])
@pytest.mark.parametrize("case", MADE_UP)
def test_pro_is_that_of_anomalib(case: str, limit: float) -> None:
    images = MADE_UP[case]()
    assert figures(images).pro(limit) == pytest.approx(anomalib_pro(images, limit), abs=5e-5)


@pytest.mark.parametrize("limits", [(1e-3, 1e-1), (1e-4, 1e-2)])
@pytest.mark.parametrize("case", [case for case in MADE_UP if case not in ("tied", "constant")])
def test_aupimo_is_that_of_anomalib(case: str, limits: tuple[float, float]) -> None:
    require_equal_aupimo(MADE_UP[case](), *limits)


@pytest.mark.parametrize("case", ["tied", "constant"])
def test_anomalib_has_no_aupimo_where_no_threshold_is_within_the_limits(case: str) -> None:
    """Of a dozen values none has an FPR below 1e-3; the curve is linear there, and its area is defined."""
    images = MADE_UP[case]()
    with pytest.raises(ValueError, match=r"fpr_level|threshold bounds"):
        anomalib_aupimo(images, 1e-3, 1e-1)
    ours = figures(images).aupimo(1e-3, 1e-1)
    assert ours is not None
    assert 0 < ours < 1


def test_real_masks_have_the_figures_of_anomalib(shared_data: Path) -> None:
    images = hazelnut_images(shared_data)
    assert figures(images).pro() == pytest.approx(anomalib_pro(images, 0.3), abs=5e-5)
    require_equal_aupimo(images, 1e-4, 1e-2)


def test_real_maps_have_the_figures_of_anomalib(shared_data: Path, tmp_path: Path) -> None:
    images = padim_images(shared_data, tmp_path)
    assert figures(images).pro() == pytest.approx(anomalib_pro(images, 0.3), abs=5e-5)
    require_equal_aupimo(images, 1e-4, 1e-2)
    require_equal_aupimo(images, 1e-5, 1e-4)
