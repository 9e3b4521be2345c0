"""Pixel-level figures from histograms are scikit-learn's and a plain computation's, however the maps come."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from streammon.evaluation.metrics import PixelFigures, PixelLevel
from streammon.evaluation.metrics.curves import area, cut, log_area
from streammon.evaluation.metrics.histograms import BINS, bins_of, lowest_of

Image = tuple[NDArray[np.float32], NDArray[np.bool_]]


def images(seed: int, count: int = 6, side: int = 48, scale: float = 5.0) -> list[Image]:
    """Smooth maps, every other image with rectangles that score somewhat higher inside."""
    generator = np.random.default_rng(seed)
    made = []
    for number in range(count):
        mask = np.zeros((side, side), dtype=np.bool_)
        for _ in range(number % 2 * int(generator.integers(1, 4))):
            top, left = generator.integers(0, side - 12, 2)
            mask[top : top + generator.integers(2, 12), left : left + generator.integers(2, 12)] = True
        rough = generator.random((side, side)) + np.where(mask, 0.08, 0.0)
        made.append(((scale * cv2.GaussianBlur(rough, (0, 0), 1.5)).astype(np.float32), mask))
    return made


def added(shown: list[Image]) -> PixelLevel:
    level = PixelLevel()
    for anomaly_map, mask in shown:
        level.update(anomaly_map, mask)
    return level


def measured(shown: list[Image]) -> PixelFigures:
    return added(shown).figures()


def joined(shown: list[Image]) -> Image:
    return np.concatenate([one.ravel() for one, _ in shown]), np.concatenate([mask.ravel() for _, mask in shown])


def plain_curves(shown: list[Image]) -> tuple[list[float], list[float], list[float], list[float]]:
    """At every value there is, from the highest down: FPR, mean overlap of regions, FPR of normal images, mean
    overlap of images."""
    values, labels = joined(shown)
    regions: list[NDArray[np.float32]] = []
    abnormal: list[NDArray[np.float32]] = []
    normal: list[NDArray[np.float32]] = []
    for anomaly_map, mask in shown:
        count, numbers = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
        regions += [anomaly_map[numbers == number] for number in range(1, count)]
        (abnormal if mask.any() else normal).append(anomaly_map[mask] if mask.any() else anomaly_map.ravel())
    thresholds = np.unique(values)[::-1]

    def above(part: NDArray[np.float32]) -> NDArray[np.float64]:
        """(N,) share of the part at or above each threshold."""
        return np.asarray(1 - np.searchsorted(np.sort(part), thresholds) / len(part))

    curves = [
        above(values[~labels]),
        np.mean([above(region) for region in regions], axis=0),
        above(np.concatenate(normal)),
        np.mean([above(part) for part in abnormal], axis=0),
    ]
    fpr, pro, normal_fpr, pimo = ([0.0, *curve.tolist()] for curve in curves)
    return fpr, pro, normal_fpr, pimo


def plain_area(x: list[float], y: list[float], limit: float) -> float:
    """By interpolation at a million points."""
    at = np.linspace(0, limit, 1_000_001)
    return float(np.trapezoid(np.interp(at, x, y), at)) / limit


@pytest.mark.parametrize("scale", [1e-6, 5.0, 1e9])
def test_auroc_and_average_precision_are_scikit_learns_whatever_the_range(scale: float) -> None:
    shown = images(1, scale=scale)
    level = measured(shown)
    values, labels = joined(shown)
    assert level.auroc() == pytest.approx(roc_auc_score(labels, values), abs=1e-5)
    assert level.average_precision() == pytest.approx(average_precision_score(labels, values), abs=1e-4)
    assert abs((level.auroc() or 0) - roc_auc_score(labels, values)) <= level.tied() + 1e-12 < 1e-4


def test_pro_is_that_of_a_plain_computation() -> None:
    for seed in range(3):
        shown = images(seed)
        fpr, pro, _, _ = plain_curves(shown)
        assert measured(shown).pro() == pytest.approx(plain_area(fpr, pro, 0.3), abs=1e-4)
        assert measured(shown).pro(0.05) == pytest.approx(plain_area(fpr, pro, 0.05), abs=1e-4)


def test_aupimo_is_that_of_a_plain_computation() -> None:
    shown = images(2, count=10)
    _, _, fpr, pimo = plain_curves(shown)
    at = np.geomspace(1e-3, 1e-1, 1_000_001)
    expected = np.trapezoid(np.interp(at, fpr, pimo), np.log(at)) / np.log(100)
    assert measured(shown).aupimo(1e-3, 1e-1) == pytest.approx(expected, abs=1e-4)


def test_four_by_four_is_worked_out_by_hand() -> None:
    """Regions: one of 4 pixels scoring 9, 9, 4, 4, and one of 1 pixel scoring 6. Normal: 5 in one pixel, 1 in ten.

    From the top: at 9 half of the first region, at 6 all of the second, at 5 one of 11 normal pixels, at 4 all of
    the first, at 1 the rest. Mean overlap: 1/4, 3/4, 3/4, 1, 1 at FPR 0, 0, 1/11, 1/11, 1.
    Area to 0.3: 1/11 x 3/4 + (0.3 - 1/11) x 1.
    AUROC: 9, 9 and 6 beat all 11, the two 4 beat ten: (33 + 20) / 55. Average precision: the first three abnormal
    pixels come first, 3/5 x 1; then the tied pair at precision 5/6, 2/5 x 5/6.
    """
    anomaly_map = np.ones((4, 4), dtype=np.float32)
    mask = np.zeros((4, 4), dtype=np.bool_)
    anomaly_map[0, :2], anomaly_map[1, :2], anomaly_map[3, 3], anomaly_map[3, 0] = 9, 4, 6, 5
    mask[:2, :2] = mask[3, 3] = True
    level = measured([(anomaly_map, mask)])
    assert level.regions == 2
    assert level.auroc() == pytest.approx(53 / 55)
    assert level.average_precision() == pytest.approx(3 / 5 + 2 / 5 * 5 / 6)
    assert level.pro() == pytest.approx((1 / 11 * 3 / 4 + 0.3 - 1 / 11) / 0.3)
    curve = level.pro_curve()
    assert curve is not None
    assert curve[0].tolist() == pytest.approx([0, 0, 0, 1 / 11, 1 / 11, 0.3])
    assert curve[1].tolist() == pytest.approx([0, 1 / 4, 3 / 4, 3 / 4, 1, 1])
    assert level.thresholds(3, 0.1, 1.0).tolist() == [9, 4, 1]  # 2 of 16 pixels, 6 (5 would do), 16
    assert level.aupimo(0.1, 0.5) is None  # no normal image


def test_aupimo_is_worked_out_by_hand() -> None:
    """The normal image has 8 at one of 10 pixels and 1 elsewhere; the abnormal ones' pixels score 9 and 5, and 5.

    FPR is 0 at 9, 1/10 at 8 and at 5, 1 at 1; mean share of abnormal pixels (1/2 + 0)/2 = 1/4, 1/4, 1, 1.
    From 0.05 to 0.1 the curve is level at 1/4, from 0.1 to 0.2 at 1: (1/4 ln 2 + 1 ln 2) / ln 4 = 5/8.
    """
    normal = np.ones((2, 5), dtype=np.float32)
    normal[0, 0] = 8
    first, second = np.full((1, 2), 9, dtype=np.float32), np.full((1, 1), 5, dtype=np.float32)
    first[0, 1] = 5
    level = measured([(normal, np.zeros((2, 5), dtype=np.bool_)), (first, first > 0), (second, second > 0)])
    assert (level.normal_images, level.abnormal_images) == (1, 2)
    assert level.aupimo(0.1, 0.2) == pytest.approx(1.0)
    assert level.aupimo(0.05, 0.2) is None  # 10 pixels can't show 5 %
    assert log_area(np.array([0, 0.1, 0.1, 1]), np.array([0.25, 0.25, 1, 1]), 0.05, 0.2) == pytest.approx(5 / 8)


def test_an_area_over_the_logarithm_is_exact_between_two_points() -> None:
    """y = x: its mean over ln x from L to U is (U - L) / ln(U / L)."""
    line = np.array([0.0, 1.0])
    assert log_area(line, line, 1e-5, 1e-4) == pytest.approx(9e-5 / np.log(10))


def test_a_map_that_is_the_same_everywhere_knows_nothing() -> None:
    """Its curves are straight lines from (0, 0) to (1, 1): 1/2, 0.3/2, (U - L) / ln(U / L), the abnormal share."""
    level = measured([(np.full((48, 48), 3.0, dtype=np.float32), mask) for _, mask in images(0)])
    assert level.auroc() == 0.5
    assert level.pro() == pytest.approx(0.15)
    assert level.aupimo(1e-3, 1e-1) == pytest.approx((1e-1 - 1e-3) / np.log(100))
    assert level.average_precision() == pytest.approx(np.mean([mask for _, mask in images(0)]))


def test_a_curve_is_cut_at_its_limit() -> None:
    x, y = np.array([0.0, 0.2, 0.2, 0.6]), np.array([0.0, 0.1, 0.5, 0.9])
    assert [axis.tolist() for axis in cut(x, y, 0.2)] == [[0, 0.2, 0.2], [0, 0.1, 0.5]]
    assert [axis.tolist() for axis in cut(x, y, 0.4)] == [[0, 0.2, 0.2, 0.4], [0, 0.1, 0.5, pytest.approx(0.7)]]
    assert area(x, y, 0.4) == pytest.approx((0.01 + 0.2 * 0.6) / 0.4)


@given(order=st.permutations(range(6)), split=st.integers(0, 6))
@settings(max_examples=10)
def test_neither_order_nor_merging_shows(order: list[int], split: int) -> None:
    shown = images(3, side=24)
    whole = measured(shown)
    both = added([shown[number] for number in order[:split]])
    both.merge(added([shown[number] for number in order[split:]]))
    merged = both.figures()
    assert (merged.regions, merged.normal_images, merged.abnormal_images) == (whole.regions, 3, 3)
    for figure in (PixelFigures.auroc, PixelFigures.average_precision, PixelFigures.pro):
        assert figure(merged) == pytest.approx(figure(whole), abs=1e-12)
    assert merged.aupimo(1e-2, 1e-1) == pytest.approx(whole.aupimo(1e-2, 1e-1), abs=1e-12)


@given(factor=st.integers(-8, 8), power=st.sampled_from([1, 2]))
@settings(max_examples=8)
def test_only_the_order_of_values_matters(factor: int, power: int) -> None:
    shown = images(4, side=24)
    other = [((anomaly_map * np.float32(2.0**factor)) ** power, mask) for anomaly_map, mask in shown]
    for figure in (PixelFigures.auroc, PixelFigures.average_precision, PixelFigures.pro):
        assert figure(measured(other)) == pytest.approx(figure(measured(shown)), abs=1e-3)


@given(values=st.lists(st.floats(0, 2.0**127, width=32), min_size=2, max_size=40))
@settings(max_examples=100)
def test_bins_ascend_with_their_values_and_are_narrow(values: list[float]) -> None:
    ascending = np.sort(np.array(values, dtype=np.float32))
    bins = bins_of(ascending)
    assert (np.diff(bins) >= 0).all()
    assert bins.max() < BINS
    low = lowest_of(bins)
    assert (low <= ascending).all()
    assert (ascending - low <= ascending / 2**15 + 1e-38).all()


def test_thresholds_thin_out_towards_the_highest_values() -> None:
    shown = images(5, count=20)
    thresholds = measured(shown).thresholds(20, 1e-4, 0.5)
    assert (np.diff(thresholds) < 0).all()
    values, _ = joined(shown)
    shares = [float((values >= threshold).mean()) for threshold in thresholds]
    assert shares == pytest.approx(np.geomspace(1e-4, 0.5, 20).tolist(), rel=0.3)
    assert len(measured([(np.ones((4, 4), dtype=np.float32), np.eye(4) > 0)]).thresholds()) == 1


def test_many_small_regions_are_counted_one_by_one() -> None:
    """Single pixels two apart: a quarter of all pixels, each a region of its own."""
    mask = np.zeros((64, 64), dtype=np.bool_)
    mask[::2, ::2] = True
    assert measured([(np.ones((64, 64), dtype=np.float32), mask)]).regions == 1024


def test_what_is_not_there_has_no_figure() -> None:
    empty = PixelLevel().figures()
    assert empty.auroc() is empty.pro() is empty.aupimo() is empty.average_precision() is None
    assert empty.tied() == 0
    normal = measured([(np.ones((4, 4), dtype=np.float32), np.zeros((4, 4), dtype=np.bool_))])
    assert normal.auroc() is normal.pro() is normal.aupimo() is normal.average_precision() is None
    assert normal.roc() is None
    assert normal.pro_curve() is None
    abnormal = measured([(np.ones((4, 4), dtype=np.float32), np.ones((4, 4), dtype=np.bool_))])
    assert abnormal.auroc() is abnormal.pro() is None
    assert abnormal.average_precision() == 1.0
    with pytest.raises(ValueError, match="no map was added, so there are no thresholds"):
        empty.thresholds()


def test_curves_are_thinned() -> None:
    level = measured(images(6, count=8, side=128))
    roc, pro = level.roc(), level.pro_curve()
    assert roc is not None
    assert pro is not None
    assert len(roc[0]) <= 2000 >= len(pro[0])
    assert np.trapezoid(roc[1], roc[0]) == pytest.approx(level.auroc(), abs=1e-3)
    assert np.trapezoid(pro[1], pro[0]) / 0.3 == pytest.approx(level.pro(), abs=1e-3)
    assert pro[0][-1] == 0.3


@pytest.mark.parametrize("wrong", [-1.0, np.nan, np.inf])
def test_maps_that_make_no_sense_are_refused(wrong: float) -> None:
    anomaly_map = np.ones((4, 4), dtype=np.float32)
    anomaly_map[1, 2] = wrong
    with pytest.raises(ValueError, match="an anomaly map must be finite and non-negative everywhere"):
        PixelLevel().update(anomaly_map, np.zeros((4, 4), dtype=np.bool_))


def test_minus_zero_is_zero() -> None:
    assert bins_of(np.array([-0.0, 0.0], dtype=np.float32)).tolist() == [0, 0]


def test_shapes_must_fit() -> None:
    with pytest.raises(ValueError, match=r"map \(4, 4\) and mask \(4, 5\) differ in shape"):
        PixelLevel().update(np.ones((4, 4), dtype=np.float32), np.zeros((4, 5), dtype=np.bool_))
