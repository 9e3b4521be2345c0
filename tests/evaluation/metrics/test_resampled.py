"""Intervals of the figures of maps: a resample by its weighted sums is the figure of the clips it stands for."""

import numpy as np
import pytest
from numpy.typing import NDArray

from streammon.evaluation.metrics import Interval, PixelFigures, PixelLevel, PixelUnits, RegionLevel, pixel_intervals
from streammon.evaluation.metrics.resampled import region_intervals

Clip = tuple[NDArray[np.float32], NDArray[np.bool_]]
FIGURES = {"AUROC": PixelFigures.auroc, "PRO": PixelFigures.pro, "AP": PixelFigures.average_precision}
REGIONS = {"RBDC": RegionLevel.rbdc, "TBDC": RegionLevel.tbdc}


def clip(seed: int, gain: float) -> Clip:
    """Four maps and masks, abnormal pixels higher by `gain`."""
    generator = np.random.default_rng(seed)
    masks = np.zeros((4, 24, 24), dtype=np.bool_)
    masks[1:3, 5:12, 4:15] = True
    return (10 + generator.standard_normal(masks.shape) + gain * masks).astype(np.float32), masks


def ends_of(intervals: dict[str, Interval]) -> tuple[float, float]:
    """The ends of the AUROC's interval."""
    low, high = intervals["AUROC"].low, intervals["AUROC"].high
    assert low is not None
    assert high is not None
    return low, high


CLIPS = [clip(seed, gain) for seed, gain in enumerate((0.2, 0.5, 1.0, 1.5, 2.0, 0.1))]


def level(clips: list[Clip]) -> PixelLevel:
    whole = PixelLevel()
    for maps, masks in clips:
        for anomaly_map, mask in zip(maps, masks, strict=True):
            whole.update(anomaly_map, mask)
    return whole


def regions(clips: list[Clip]) -> RegionLevel:
    whole = RegionLevel([10.0, 11.0, 12.0, 13.0])
    for maps, masks in clips:
        whole.update_clip(maps, masks)
    return whole


def drawn(seed: int, count: int) -> list[list[Clip]]:
    """The clips of each resample, drawn as the bootstrap draws."""
    return [[CLIPS[index] for index in row] for row in np.random.default_rng(seed).integers(6, size=(count, 6))]


def test_a_resample_is_the_figure_of_the_clips_that_were_drawn() -> None:
    units = PixelUnits()
    for one in CLIPS:
        units.add(level([one]))
    resampled = units.resample(FIGURES, seed=3, resamples=5)
    for number, clips in enumerate(drawn(3, 5)):
        exact = level(clips)
        for name, compute in FIGURES.items():
            assert resampled[name][number] == pytest.approx(compute(exact.figures()), abs=1e-3)


def test_clips_added_up_are_the_clips_together() -> None:
    weighted = RegionLevel.weighted([regions([one]) for one in CLIPS], [1] * 6)
    together = regions(CLIPS)
    assert (weighted.rbdc(), weighted.tbdc()) == (together.rbdc(), together.tbdc())


def test_a_clip_that_counts_twice_counts_as_two() -> None:
    weighted = RegionLevel.weighted([regions([one]) for one in CLIPS[:2]], [2, 1])
    together = regions([CLIPS[0], CLIPS[0], CLIPS[1]])
    assert (weighted.rbdc(), weighted.tbdc(), weighted.frames) == (together.rbdc(), together.tbdc(), 12)


def test_the_interval_is_that_of_the_resamples_figures() -> None:
    found = region_intervals([regions([one]) for one in CLIPS], REGIONS, seed=1, resamples=40)
    exact = [regions(clips).rbdc() or 0.0 for clips in drawn(1, 40)]
    assert (found["RBDC"].low, found["RBDC"].high) == pytest.approx(np.percentile(exact, [2.5, 97.5]))


def test_an_interval_holds_the_figure_and_is_narrower_for_clips_that_are_alike() -> None:
    def width(clips: list[Clip]) -> float:
        units = PixelUnits()
        for one in clips:
            units.add(level([one]))
        low, high = ends_of(pixel_intervals([units], FIGURES, resamples=200))
        assert low < (level(clips).figures().auroc() or 0) < high
        return high - low

    assert width([clip(seed, 1.0) for seed in range(6)]) < width(CLIPS) / 3


def test_a_single_clip_has_no_interval() -> None:
    units = PixelUnits()
    units.add(level(CLIPS[:1]))
    interval = pixel_intervals([units], FIGURES, resamples=10)["AUROC"]
    assert (interval.low, interval.high) == (None, None)


def test_the_interval_of_a_mean_over_two_groups_lies_between_theirs() -> None:
    groups = []
    for clips in (CLIPS[:3], CLIPS[3:]):
        units = PixelUnits()
        for one in clips:
            units.add(level([one]))
        groups.append(units)
    ends = [np.array(ends_of(pixel_intervals([units], FIGURES, resamples=300))) for units in groups]
    low, high = ends_of(pixel_intervals(groups, FIGURES, resamples=300))
    assert np.min(ends) < low < high < np.max(ends)
