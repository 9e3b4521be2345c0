"""A weighted figure is the figure of clips that stand in the list that often; intervals and tables follow."""

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streammon.errors import ConfigError
from streammon.evaluation.metrics import (
    ClipScores,
    PostProcessing,
    frame_measures,
    frame_table,
    intervals,
    micro_auroc,
    scene_table,
)
from streammon.evaluation.metrics.bootstrap import Reweighted, auroc_interval
from support.evaluation_samples import scored_clips

NONE = PostProcessing()


@given(seed=st.integers(0, 1000), weights=st.lists(st.integers(0, 3), min_size=5, max_size=5))
@settings(max_examples=20)
def test_weights_are_repetitions_of_clips(seed: int, weights: list[int]) -> None:
    clips = scored_clips(seed)
    repeated = [clip for clip, weight in zip(clips, weights, strict=True) for _ in range(weight)]
    if not repeated:
        return
    weighted, expected = Reweighted(clips).measures(np.array(weights)), frame_measures(repeated)
    if len({clip.scene for clip in repeated}) == 1:
        expected["AUROC, mean of scenes"] = expected["AUROC, micro"]  # left out of a table of one scene
    assert weighted == {name: pytest.approx(expected[name], abs=1e-9) for name in weighted}


@given(seed=st.integers(0, 1000), draws=st.integers(0, 1000))
@settings(max_examples=15)
def test_weights_are_repetitions_of_still_images(seed: int, draws: int) -> None:
    clips = scored_clips(seed, fps=0.0)
    counts = [len(clip.labels) for clip in clips]
    weights = np.random.default_rng(draws).integers(0, 3, sum(counts))
    repeated = [
        replace(clip, scores=np.repeat(clip.scores, its), labels=np.repeat(clip.labels, its))
        for clip, its in zip(clips, np.split(weights, np.cumsum(counts)[:-1]), strict=True)
    ]
    expected = frame_measures(repeated)
    assert Reweighted(clips).measures(weights) == {
        name: pytest.approx(value, abs=1e-9) for name, value in expected.items()
    }


def test_the_interval_is_that_of_a_plain_bootstrap() -> None:
    """The same draws, each measured from scratch by scikit-learn."""
    clips = scored_clips(3)
    generator = np.random.default_rng(11)
    drawn = []
    for _ in range(100):
        chosen = [clips[number] for number in generator.integers(5, size=5)]
        drawn.append(micro_auroc(chosen))
    defined = [value for value in drawn if value is not None]
    found = intervals(clips, seed=11, resamples=100)["AUROC, micro"]
    assert (found.low, found.high) == pytest.approx(tuple(np.percentile(defined, [2.5, 97.5])))
    assert found.undefined == 100 - len(defined)
    assert auroc_interval(clips, seed=11, resamples=100) == found


def test_resamples_without_a_class_are_left_out_and_counted() -> None:
    """Of two clips, one normal and one abnormal, a quarter of the resamples draws each alone: half is undefined."""
    one = ClipScores("a", "a", np.array([1.0, 2.0]), np.array([False, False]), 1.0)
    two = ClipScores("b", "a", np.array([3.0, 1.5]), np.array([True, True]), 1.0)
    found = intervals([one, two], resamples=1000)
    assert 440 < found["AUROC, micro"].undefined < 560
    assert found["AUROC, micro"].low == found["AUROC, micro"].high == 0.75  # 3 beats both, 1.5 one of two
    note = frame_table([[one, two]], NONE, 0).note
    assert f"left out because a figure isn't defined there: AUROC, micro in {found['AUROC, micro'].undefined}" in note


def test_a_single_clip_has_no_interval() -> None:
    found = intervals([scored_clips(0)[1]], resamples=10)["AUROC, micro"]
    assert (found.low, found.high) == (None, None)


def test_a_table_holds_means_spreads_intervals_and_nulls() -> None:
    seeds = [scored_clips(1), [replace(clip, scores=-clip.scores) for clip in scored_clips(1)]]
    table = frame_table(seeds, NONE, seed=4)
    assert table.title == "Frame level"
    micro = table.measures[0]
    first, second = (frame_measures(clips)["AUROC, micro"] for clips in seeds)
    assert first is not None
    assert second is not None
    assert micro.value == pytest.approx(0.5)  # u and 1 - u
    assert micro.spread == pytest.approx(np.std([first, second], ddof=1))
    around = intervals(seeds[0], seed=4)["AUROC, micro"]
    assert (micro.low, micro.high) == (around.low, around.high)
    assert micro.constant == 0.5
    assert micro.scene_rate is not None
    assert micro.noise is not None
    assert 0.3 < micro.noise < 0.7
    by_name = {measure.name: measure for measure in table.measures}
    assert by_name["false alarms at 80 % of events caught"].unit == "per hour"
    assert not by_name["EER"].higher_is_better
    assert by_name["normal footage in alarm at 95 % of events caught"].constant == 1.0
    assert frame_table(seeds[:1], NONE, seed=4).measures[0].spread is None


def test_still_images_make_an_image_level_table() -> None:
    table = frame_table([scored_clips(1, fps=0.0)], NONE, seed=0)
    assert table.title == "Image level"
    names = [measure.name for measure in table.measures]
    assert names == ["AUROC", "AUROC, mean of categories", "average precision", "EER"]
    assert "bootstrap over images" in table.note
    assert [measure.name for measure in scene_table([scored_clips(1, fps=0.0)], NONE, 0).measures] == ["00", "01"]


def test_a_scene_table_is_a_table_of_each_scene() -> None:
    clips = scored_clips(2)
    table = scene_table([clips], NONE, seed=0)
    for measure in table.measures:
        alone = frame_table([[clip for clip in clips if clip.scene == measure.name]], NONE, seed=0).measures[0]
        assert replace(alone, name=measure.name) == measure


def test_null_scores_go_through_the_same_post_processing() -> None:
    """Min-max makes every clip of the scene-rate oracle 0, so it knows no more than a constant."""
    stretched = frame_table([scored_clips(1)], PostProcessing(minmax=True), seed=0).measures[0]
    assert (stretched.constant, stretched.scene_rate) == (0.5, 0.5)
    plain = frame_table([scored_clips(1)], NONE, seed=0).measures[0]
    assert plain.scene_rate is not None
    assert plain.scene_rate != 0.5


def test_seeds_must_be_of_the_same_clips() -> None:
    with pytest.raises(ValueError, match="the seeds were not scored on the same clips"):
        frame_table([scored_clips(1), scored_clips(1)[:-1]], NONE, 0)
    with pytest.raises(ValueError, match="no seeds to measure"):
        frame_table([], NONE, 0)
    with pytest.raises(ConfigError, match="post-processing: '00_0' has still images"):
        frame_table([scored_clips(1, fps=0.0)], PostProcessing("causal", 1.0), 0)


def test_the_whole_of_stc_is_bootstrapped_in_well_under_a_minute(shared_data: Path) -> None:
    generator = np.random.default_rng(0)
    clips = []
    for file in sorted((shared_data / "stc_labels").glob("*.npy")):
        labels = np.load(file).astype(np.bool_)
        scores = generator.random(len(labels)) + 0.3 * labels
        clips.append(ClipScores(file.stem, file.stem[:2], scores, labels, 24.0))
    began = time.process_time()
    found = intervals(clips, resamples=200)
    assert time.process_time() - began < 12  # a fifth of the usual resamples
    assert all(interval.low is not None for interval in found.values())
