"""Motion: flow in lengths a second, sums by place, tails, and one score of them."""

import math
from dataclasses import replace
from functools import cache
from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal

from streammon.calibration.drift import Guess, shifted
from streammon.calibration.tails import Tail
from streammon.config import ModelConfig
from streammon.motion.change import CHANGE_CHANNELS, CHANGE_GRID, LAG_S, EmbeddingHistory
from streammon.motion.evidence import Evidence, Measure
from streammon.motion.flow import GRID, FlowEstimator, Motion
from streammon.motion.gaussians import WIDTHS, PlacedSums, chosen_width
from streammon.motion.objects import CROP_SIDE, MovingObject, crop_of, moving_objects
from streammon.motion.observe import Observation, Observer
from streammon.motion.statistics import (
    Halves,
    MotionSums,
    cell_speeds,
    direction_bins,
    object_places,
    object_shapes,
)
from streammon.motion.still import StillPatches
from streammon.motion.view import LearnedView
from streammon.padim import as_batch, load_backbone
from streammon.records import Channel, Detail, Frame
from streammon.scene import Fused, Measured, Scene, SceneLearner, SceneScorer
from streammon.scene.fusion import Averages, CellTails, Fusion, Parts
from streammon.scene.held_out import HeldOut, HeldOutFrames, Stretch
from streammon.scene.learned import SceneMotion, motion_of

WIDTH, HEIGHT = 240, 160
DIMENSIONS = 4


def texture(seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).uniform(0, 255, (HEIGHT, WIDTH, 3)).astype(np.float32)
    return cv2.GaussianBlur(noise, (0, 0), 2.0)


def street(left: float, top: float = 60, side: int = 40, seed: int = 0) -> np.ndarray:
    """A textured street with one textured square on it, placed to a fraction of a pixel."""
    ground = texture(seed)
    onto = np.array([[1, 0, left], [0, 1, top]], np.float32)
    thing = cv2.warpAffine(texture(seed + 1)[:side, :side], onto, (WIDTH, HEIGHT))
    matte = cv2.warpAffine(np.ones((side, side), np.float32), onto, (WIDTH, HEIGHT))[..., None]
    stretched = 128 + 2.5 * (ground * (1 - matte) + thing * matte - 128)
    return stretched.clip(0, 255).astype(np.uint8)


def detail_of(before: np.ndarray, after: np.ndarray, step_s: float) -> Detail:
    return Detail(after, cv2.cvtColor(before, cv2.COLOR_RGB2GRAY).astype(np.uint8), step_s)


def moving(rightwards: float, step_s: float = 0.1, left: float = 100, top: float = 60) -> Motion:
    """What is read of a square that moves by so many pixels a second."""
    pair = detail_of(street(left, top), street(left + rightwards * step_s, top), step_s)
    motion = FlowEstimator().motion(pair)
    assert motion is not None
    return motion


class TestFlow:
    @pytest.mark.parametrize("step_s", [0.04, 0.1, 0.2])
    def test_a_speed_is_the_same_whatever_the_time_between_the_pictures(self, step_s: float) -> None:
        motion = moving(30.0, step_s)
        fastest = np.sort(motion.speed.reshape(-1))[-20:].mean()
        assert fastest == pytest.approx(30.0 / WIDTH, rel=0.15)

    def test_several_read_at_once_are_what_each_is_alone(self) -> None:
        details = [detail_of(street(100), street(100 + shift), 0.1) for shift in range(-4, 5)]
        together = FlowEstimator(threads=3).motions([*details, None])
        assert together[-1] is None
        for one, detail in zip(together[:-1], details, strict=True):
            alone = FlowEstimator().motion(detail)
            assert one is not None
            assert alone is not None
            np.testing.assert_array_equal(one.velocity, alone.velocity)
            np.testing.assert_array_equal(one.moving, alone.moving)

    def test_what_stands_still_doesnt_move(self) -> None:
        motion = moving(0.0)
        assert not motion.cells.any()
        assert moving_objects(motion) == []

    def test_a_picture_redrawn_by_its_codec_doesnt_move(self) -> None:
        """A keyframe shifts edges by a fraction of a pixel all over: by a grey level or two."""
        soft = (128 + (street(100).astype(np.float32) - 128) / 8).round().astype(np.uint8)
        onto = np.array([[1, 0, 0.5], [0, 1, 0]], np.float32)
        redrawn = cv2.warpAffine(soft, onto, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REPLICATE).astype(np.uint8)
        assert np.abs(redrawn.astype(int) - soft).max() > 0
        motion = FlowEstimator().motion(detail_of(soft, redrawn, 0.1))
        assert motion is not None
        assert not motion.moving.any()

    def test_light_that_changes_everywhere_doesnt_move_and_hides_nobody(self) -> None:
        before, after = street(100), street(104)
        brighter = (after.astype(np.float32) + 4).clip(0, 255).astype(np.uint8)
        motion = FlowEstimator().motion(detail_of(before, brighter, 0.1))
        assert motion is not None
        square = np.zeros((HEIGHT, WIDTH), bool)
        square[55:105, 95:150] = True
        assert motion.moving[square].mean() > 0.3
        assert not motion.moving[~cv2.dilate(square.view(np.uint8), np.ones((25, 25), np.uint8)).view(np.bool_)].any()

    @pytest.mark.parametrize(("left", "top"), [(0.0, 0.0), (196.0, 116.0), (100.0, 60.0)])
    def test_flow_is_found_at_the_pictures_edges_too(self, left: float, top: float) -> None:
        motion = moving(30.0, left=left, top=top)
        assert np.sort(motion.speed.reshape(-1))[-20:].mean() == pytest.approx(30.0 / WIDTH, rel=0.15)
        assert not motion.moving[np.abs(np.arange(HEIGHT) - top - 20) > 50].any()

    def test_a_plain_thing_that_differs_at_its_rim_alone_moves_as_a_whole(self) -> None:
        before, after = street(100), street(103)
        before[70:90, 110:130] = after[70:90, 113:133] = 90
        motion = FlowEstimator().motion(detail_of(before, after, 0.1))
        assert motion is not None
        assert motion.moving[72:88, 115:131].mean() > 0.9

    def test_a_picture_without_an_earlier_one_has_no_motion(self) -> None:
        assert FlowEstimator().motion(None) is None
        assert FlowEstimator().motion(Detail(street(50))) is None

    def test_each_eighth_of_the_circle_is_its_own_direction(self) -> None:
        right, left = moving(40.0), moving(-40.0)
        for motion, expected in ((right, 0), (left, 4)):
            cells = np.flatnonzero(motion.cells)
            bins = direction_bins(motion, cells)
            assert np.median(bins) == expected


class TestObjects:
    def test_a_moving_square_is_one_object_where_it_is(self) -> None:
        found = moving_objects(moving(30.0))
        assert len(found) == 1
        x, y, width, height = found[0].box
        assert abs(x + width / 2 - 121.5) < 6
        assert abs(y + height / 2 - 80) < 6
        assert object_places(found).tolist() == [int(found[0].place[0] * 16) * 16 + int(found[0].place[1] * 16)]

    def test_its_crop_holds_it_and_its_mask(self) -> None:
        found = moving_objects(moving(30.0))
        crop, mask = crop_of(street(103.0), found[0])
        assert crop.shape == (CROP_SIDE, CROP_SIDE, 3)
        assert mask[CROP_SIDE // 2, CROP_SIDE // 2] == pytest.approx(1.0)
        assert 0.3 < mask.mean() < 0.95

    @pytest.mark.parametrize("side", [12, 150])
    def test_a_crop_at_the_edge_of_the_picture_keeps_its_object_in_the_middle(self, side: int) -> None:
        still = moving(0.0)
        corner = np.zeros((HEIGHT, WIDTH), bool)
        corner[:side, :side] = True
        found = moving_objects(Motion(corner, still.velocity, still.speed, still.cells))[0]
        picture = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
        picture[:side, :side] = 200
        crop, mask = crop_of(picture, found)
        middle = slice(CROP_SIDE // 4, 3 * CROP_SIDE // 4)
        assert crop[middle, middle].min() == 200
        assert mask[middle, middle].min() == pytest.approx(1.0)
        covered = (side / max(side, 16) / 1.15) ** 2
        assert mask.mean() == pytest.approx(covered, rel=0.1)

    def test_a_wide_region_is_cut_into_windows_about_as_wide_as_high(self) -> None:
        still = moving(0.0)
        wide = np.zeros((HEIGHT, WIDTH), bool)
        wide[60:100, 40:160] = True
        found = moving_objects(Motion(wide, still.velocity, still.speed, still.cells))
        assert sorted(each.box for each in found) == [(40, 60, 40, 40), (80, 60, 40, 40), (120, 60, 40, 40)]

    def test_a_detectors_boxes_take_the_place_of_regions(self) -> None:
        found = moving_objects(moving(0.0), boxes=[(10, 20, 30, 40), (230, 150, 50, 50)])
        assert [each.box for each in found] == [(10, 20, 30, 40), (230, 150, 10, 10)]


class TestPlacedSums:
    def test_parts_add_up_to_the_whole(self) -> None:
        rng = np.random.default_rng(0)
        places, values = rng.integers(0, 64, 300), rng.normal(size=(300, 3)).astype(np.float32)
        whole, one, other = PlacedSums(8, 3), PlacedSums(8, 3), PlacedSums(8, 3)
        whole.update(places, values)
        one.update(places[:100], values[:100])
        other.update(places[100:], values[100:])
        one.merge(other)
        np.testing.assert_allclose(one.products, whole.products, rtol=1e-12)
        np.testing.assert_allclose(one.total, whole.total, rtol=1e-9, atol=1e-12)
        np.testing.assert_array_equal(one.count, whole.count)
        with pytest.raises(ValueError, match="against"):
            one.merge(PlacedSums(8, 2))

    def test_one_gaussian_of_all_places_is_numpys_covariance(self) -> None:
        rng = np.random.default_rng(1)
        values = (rng.normal(size=(5000, 3)) @ np.array([[2, 0, 0], [1, 1, 0], [0, 0.5, 0.3]])).astype(np.float32)
        sums = PlacedSums(8, 3)
        sums.update(rng.integers(0, 64, 5000), values)
        gaussians = sums.pooled(math.inf)
        factor = gaussians.whitening[3, 4].astype(np.float64)
        covariance = np.linalg.inv(factor.T @ factor)
        expected = np.cov(values.T, bias=True)
        np.testing.assert_allclose(covariance, expected + 0.01 * np.diag(np.diag(expected)), rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(gaussians.mean[0, 0], values.mean(0), rtol=1e-4, atol=1e-4)

    def test_the_likelihood_from_the_sums_is_scipys_from_the_values(self) -> None:
        rng = np.random.default_rng(2)
        places, values = rng.integers(0, 16, 400), rng.normal(size=(400, 2)).astype(np.float32)
        learned, judged = PlacedSums(4, 2), PlacedSums(4, 2)
        learned.update(places[:200], values[:200])
        judged.update(places[200:], values[200:])
        gaussians = learned.pooled(1.5)
        each = []
        for place, value in zip(places[200:], values[200:], strict=True):
            factor = gaussians.whitening.reshape(-1, 2, 2)[place].astype(np.float64)
            mean = gaussians.mean.reshape(-1, 2)[place]
            each.append(multivariate_normal(mean, np.linalg.inv(factor.T @ factor)).logpdf(value))
        assert judged.log_likelihood(gaussians) == pytest.approx(np.mean(each), rel=1e-4)

    def test_how_far_places_borrow_follows_the_footage(self) -> None:
        """Alike everywhere: borrow from all. Each column its own: borrow from few."""
        rng = np.random.default_rng(3)
        for slope, narrowest, widest in ((0.0, 6.0, math.inf), (3.0, 0.0, 1.5)):
            halves = (PlacedSums(16, 1), PlacedSums(16, 1))
            for half in halves:
                places = rng.integers(0, 256, 6000)
                columns = (places % 16)[:, None]
                half.update(places, (slope * columns + rng.normal(size=(6000, 1))).astype(np.float32))
            assert narrowest <= chosen_width(halves) <= widest
            assert chosen_width(halves, least=6.0) >= 6.0
        assert chosen_width((PlacedSums(4, 1), PlacedSums(4, 1))) == WIDTHS[-1]


class TestTail:
    def test_within_what_was_seen_it_is_the_share_that_reaches_it(self) -> None:
        tail = Tail.of(np.linspace(0, 1, 10_001))
        np.testing.assert_allclose(tail.surprise(np.array([0.0, 0.5, 0.9])), [0, 0.30103, 1.0], atol=1e-3)

    @settings(max_examples=50, deadline=None)
    @given(st.lists(st.floats(-1e3, 1e3), min_size=10, max_size=60), st.floats(-2e3, 2e3), st.floats(0, 1e3))
    def test_it_never_falls_and_never_ends(self, seen: list[float], value: float, more: float) -> None:
        tail = Tail.of(np.array(seen))
        low, high = tail.surprise(np.array([value, value + more]))
        assert 0 <= low <= high < math.inf

    def test_what_many_frames_showed_is_as_usual_as_all_of_them_make_it(self) -> None:
        mostly_nothing = Tail.of(np.concatenate([np.zeros(600), np.linspace(0, 1, 402)[1:-1]]))
        np.testing.assert_allclose(mostly_nothing.surprise(np.array([0.0, 0.01])), [0, -math.log10(0.4)], atol=5e-3)
        never_anything = Tail.of(np.zeros(100))
        assert never_anything.surprise(np.array(0.0)) == 0
        assert never_anything.surprise(np.array(1e-9)) == pytest.approx(-math.log10(0.02), rel=1e-3)

    def test_beyond_it_an_exponential_is_continued_with_care(self) -> None:
        values = np.random.default_rng(0).exponential(size=200_000)
        tail = Tail.of(values)
        surprise = float(tail.surprise(np.array(6.9078)))  # one in a thousand
        assert 2.7 < surprise < 3.05
        assert float(tail.surprise(np.array(60.0))) < 60 / math.log(10)  # nobody has seen one in 10^26

    def test_a_smaller_guess_of_the_drift_leaves_more_surprise(self) -> None:
        values = np.random.default_rng(0).normal(size=400) + 5
        once = np.zeros(400, np.int64)
        for relative in (True, False):
            guesses = [Guess(spread, relative=relative) for spread in (0.5, 0.3, 0.1, 0.001)]
            surprises = [float(Tail.of(values, once, guess=each).surprise(np.array(9.0))) for each in guesses]
            assert surprises == sorted(surprises)
            assert surprises[-1] == pytest.approx(float(Tail.of(values).surprise(np.array(9.0))), rel=0.05)

    @pytest.mark.parametrize("few", [2, 5, 12])
    def test_footage_that_drifts_keeps_what_a_few_stretches_of_it_promised(self, few: int) -> None:
        """Stretches differ by as much as frames do. What is due once in a thousand frames comes no more often."""
        rng = np.random.default_rng(0)
        came: dict[bool, list[float]] = {True: [], False: []}
        for _ in range(60):
            stretches = np.arange(100 * (few + 12)) // 100
            values = 5 + rng.normal(size=few + 12)[stretches] + rng.normal(size=len(stretches))
            seen, coming = values[: 100 * few], values[100 * few :]
            for knows in came:
                tail = Tail.of(
                    seen, stretches[: 100 * few] if knows else None, weight=math.inf, guess=Guess(1.0, relative=False)
                )
                came[knows].append(float((tail.surprise(coming) >= 3.0).mean()))
        assert np.mean(came[True]) < 1e-3
        assert np.mean(came[False]) > 2e-3

    def test_few_values_have_no_tail(self) -> None:
        with pytest.raises(ValueError, match="at least 10"):
            Tail.of(np.zeros(9))


def flat(number: float) -> np.ndarray:
    return np.full((CHANGE_GRID, CHANGE_GRID, CHANGE_CHANNELS), number, np.float32)


class TestChange:
    @settings(max_examples=30, deadline=None)
    @given(st.lists(st.floats(0.02, 0.4), min_size=12, max_size=30))
    def test_a_steady_change_has_its_rate_however_uneven_the_frames(self, steps: list[float]) -> None:
        history, time_s, said = EmbeddingHistory(), 0.0, 0
        known_from = next((sum(steps[:n]) for n in range(len(steps)) if sum(steps[:n]) >= LAG_S), math.inf)
        for step in steps:
            change = history.change(flat(2.0 * time_s), time_s)
            if change is not None:
                said += 1
                np.testing.assert_allclose(change, 2.0, rtol=1e-3)
            time_s += step
        expected = sum(sum(steps[:n]) >= known_from for n in range(len(steps)))
        assert abs(said - expected) <= 1  # the first may fall to rounding

    def test_after_a_gap_or_a_step_back_nothing_is_said_for_a_lag(self) -> None:
        for jump in (5.0, -2.0):
            history = EmbeddingHistory()
            said = [history.change(flat(0), 10 + 0.1 * n) is not None for n in range(8)]
            assert said == [False] * 3 + [True] * 5
            assert [history.change(flat(9), 10.7 + jump + 0.1 * n) is not None for n in range(4)] == [False] * 3 + [
                True
            ]


class TestView:
    def picture(self, seed: int) -> np.ndarray:
        noise = np.random.default_rng(seed).uniform(0, 1, (CHANGE_GRID, CHANGE_GRID, CHANGE_CHANNELS))
        return noise.astype(np.float32)

    def test_the_learned_view_is_known_in_any_light_and_another_is_not(self) -> None:
        sums, learned = MotionSums(DIMENSIONS), self.picture(0)
        for number in range(20):
            frame = learned + np.float32(0.1) * self.picture(number + 10)
            sums.update(Observation("yard", number / 10, None, embedding=frame))
        view = LearnedView(sums.view)
        assert view.likeness(learned) > 0.95
        for gain, offset in ((0.2, 0.0), (3.0, 0.0), (1.0, 5.0)):
            assert view.likeness(np.float32(gain) * learned + np.float32(offset)) == pytest.approx(
                view.likeness(learned), abs=1e-4
            )
        assert abs(view.likeness(self.picture(1))) < 0.1
        assert abs(view.likeness(flat(0.0))) < 0.1

    def test_half_hidden_it_is_still_known(self) -> None:
        hidden = self.picture(0)
        hidden[:, : CHANGE_GRID // 2] = 0.5
        assert LearnedView(self.picture(0).astype(np.float64)).likeness(hidden) > 0.5


def evidence(speed: float = 0.0, place: float = 0.0, likeness: float = 0.8) -> Evidence:
    cells = np.arange(20, dtype=np.int16)
    values = np.full(20, speed, np.float16)
    looks = np.full(20, 5, np.float16)
    return Evidence(cells, values, looks, looks, place=place, likeness=likeness)


def held_out(frames: int = 300, recording: str = "lobby") -> list[HeldOut]:
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(frames, 3))
    nothing = np.zeros(4, np.float16)
    return [
        HeldOut(recording, n / 10, 10 + a, 10 + a, nothing, evidence(b, abs(c))) for n, (a, b, c) in enumerate(noise)
    ]


def stretches_of(frames: list[HeldOut]) -> list[Stretch]:
    kept = HeldOutFrames()
    for frame in frames:
        kept.add(frame)
    return kept.stretches


class TestFusion:
    def judged(self, fusion: Fusion, seen: Evidence, patches: float = 10.0, frames: int = 8) -> tuple[float, Channel]:
        """Score and channel of the last of some frames that all show the same, from 0 s on."""
        found = [fusion.fuse(seen, patches, "yard", n / 10) for n in range(frames)]
        score, channel, _ = found[-1]
        return score, channel

    def test_the_witness_that_sees_something_speaks_and_is_named(self) -> None:
        fusion = Fusion.of(stretches_of(held_out()))
        score, channel = self.judged(fusion, evidence(speed=9.0))
        assert channel is Channel.SPEED
        assert score > 3
        assert self.judged(fusion, evidence(place=6.0))[1] is Channel.PLACE
        assert self.judged(fusion, evidence(), patches=40.0)[1] is Channel.LOOKS
        assert self.judged(fusion, evidence(likeness=0.05))[1] is Channel.VIEW
        assert self.judged(fusion, evidence(speed=90.0, likeness=0.05))[1] is Channel.VIEW

    def test_what_hides_the_view_for_moments_is_no_other_view(self) -> None:
        fusion = Fusion.of(stretches_of(held_out()))
        likeness = [0.8] * 50 + [0.0] * 30 + [0.8] * 50 + [0.0] * 60  # hidden for 3 s, and another for 6
        found = [fusion.fuse(evidence(likeness=like), 10.0, "yard", n / 10) for n, like in enumerate(likeness)]
        assert max(score for score, _, _ in found[:140]) < 3
        score, channel, _ = found[-1]
        assert score > 6
        assert channel is Channel.VIEW

    def test_a_part_that_is_left_out_is_silent(self) -> None:
        quiet = Fusion.of(stretches_of(held_out()), Parts(speed=False, witnesses=frozenset()))
        assert self.judged(quiet, evidence(speed=9.0))[0] == self.judged(quiet, evidence())[0]

    def test_a_witness_with_a_small_share_must_be_more_surprising(self) -> None:
        fusion = Fusion.of(stretches_of(held_out()))
        reached = np.array([frame.evidence.place for frame in held_out()]).max()
        score, _ = self.judged(fusion, evidence(place=float(reached)))
        alone = Fusion.of(stretches_of(held_out()), Parts(witnesses=frozenset()))
        assert score < self.judged(alone, evidence(speed=float(reached)))[0]

    def test_one_frame_alone_counts_less_than_the_same_for_a_while(self) -> None:
        fusion = Fusion.of(stretches_of(held_out()))
        before = [fusion.fuse(evidence(), 10.0, "yard", n / 10)[0] for n in range(8)][-1]
        flash, _, _ = fusion.fuse(evidence(speed=9.0), 10.0, "yard", 0.8)
        assert before < flash < self.judged(fusion, evidence(speed=9.0))[0]

    def test_scores_of_held_out_frames_are_what_each_gets_when_it_comes_by(self) -> None:
        """Frames of two recordings, interleaved, as two cameras give them."""
        lobby, yard = held_out(150), held_out(150, "yard")
        parts = stretches_of([frame for pair in zip(lobby, yard, strict=True) for frame in pair])
        fusion = Fusion.of(parts)
        passing = [
            fusion.fuse(frame.evidence, frame.still, frame.recording, frame.time_s)[0]
            for part in parts
            for frame in part.frames
        ]
        assert fusion.scores(parts).tolist() == passing

    def test_a_fusion_read_from_its_arrays_scores_as_the_one_written(self) -> None:
        parts = stretches_of(held_out())
        fusion = Fusion.of(parts)
        again = Fusion.of_arrays({name: array.copy() for name, array in fusion.arrays().items()})
        assert again.scores(parts).tolist() == fusion.scores(parts).tolist()


def test_looks_count_beyond_what_the_worst_cell_of_one_frame_in_ten_shows() -> None:
    rng = np.random.default_rng(0)
    frames = [
        replace(frame, evidence=replace(frame.evidence, looks=rng.gamma(4, size=20).astype(np.float16)))
        for frame in held_out()
    ]
    tails = CellTails.of([frame.evidence for frame in frames], Parts())
    at = {share: float(np.quantile([frame.evidence.looks.max() for frame in frames], share)) for share in (0.9, 0.97)}
    shown = {
        share: tails.surprise(replace(evidence(), looks=np.full(20, value, np.float16)))[1].max()
        for share, value in at.items()
    }
    assert shown[0.9] == pytest.approx(0, abs=0.05)
    assert shown[0.97] == pytest.approx(-math.log10(0.03) - 1, abs=0.1)


def test_another_stretch_begins_every_10_s_and_with_each_recording() -> None:
    frames = held_out(250)  # 25 s
    frames += [replace(frame, recording="yard") for frame in frames[:20]]
    assert [len(stretch.frames) for stretch in stretches_of(frames)] == [100, 100, 50, 20]


LEFTS = range(10, 190, 15)
LEARNED, HELD_OUT = 80, 200  # squares that pass, one every two seconds
SIDE = 64  # of the model's input


@cache
def crossing(way: int, speed: float, top: float) -> list[tuple[Motion, list[MovingObject]]]:
    """A square that crosses the lane: to the right, or with -1 to the left."""
    motions = [moving(way * speed, left=left, top=top) for left in LEFTS[::way]]
    return [(motion, moving_objects(motion)) for motion in motions]


class TestOneWay:
    """A lane in which hundreds of squares passed, all to the right."""

    def passing(self, way: int, start_s: float, rng: np.random.Generator) -> list[Observation]:
        seen = []
        crossed = crossing(way, float(rng.choice([26, 30, 34])), float(rng.choice([58, 62])))
        for number, (motion, objects) in enumerate(crossed):
            features = rng.normal(size=(len(objects), DIMENSIONS)).astype(np.float32)
            seen.append(Observation("lane", start_s + number / 10, motion, objects, features))
        return seen

    def test_who_goes_the_other_way_is_told_by_the_direction_at_one_a_day(self) -> None:
        rng, turns, halves = np.random.default_rng(0), Halves(), (MotionSums(DIMENSIONS), MotionSums(DIMENSIONS))
        kept, before = HeldOutFrames(), None
        for number in range(LEARNED + HELD_OUT):
            if number == LEARNED:
                before = Measure(halves)
            for seen in self.passing(1, 2.0 * number, rng):
                if before is not None:
                    kept.add(HeldOut("lane", seen.time_s, 0.0, 0.0, np.zeros(4, np.float16), before.evidence(seen)))
                else:
                    half, begins = turns.turn(seen)
                    halves[half].turns += begins
                    halves[half].update(seen)
        motion = motion_of("lane", halves, "", kept)
        assert motion.calibration is not None
        threshold = motion.calibration.score_at_rate(1.0)
        scorer = lane_scorer(motion)
        worst = {}
        for way, start_s in ((1, 3000.0), (-1, 4000.0)):
            passing = self.passing(way, start_s, rng)
            worst[way] = max(judged(scorer, passing), key=lambda each: each[0].score)
        (usual, _), (against, seen) = worst[1], worst[-1]
        assert usual.score < threshold < against.score
        assert against.channel is Channel.DIRECTION
        (anomaly_map,) = scorer.anomaly_maps([against])
        assert anomaly_map.max() == pytest.approx(against.score, rel=1e-5)
        row, column = np.unravel_index(int(anomaly_map.argmax()), anomaly_map.shape)
        x, y, wide, high = seen.objects[0].box
        assert (
            x <= (column + 0.5) / SIDE * WIDTH <= x + wide
        )  # the map shows where, though each cell is usual by itself
        assert y <= (row + 0.5) / SIDE * HEIGHT <= y + high


def lane_scorer(motion: SceneMotion) -> SceneScorer:
    """By that motion, and by patches of two frames of noise."""
    backbone, rng = load_backbone(ModelConfig(dimensions=4)), np.random.default_rng(0)
    learner = SceneLearner("lane", backbone, ModelConfig(dimensions=4), None, total_s=0.0, hold_out=0.0, size=SIDE)
    pictures = rng.integers(0, 255, (2, SIDE, SIDE, 3), np.uint8)
    frames = [Frame("lane", n, picture, (WIDTH, HEIGHT), n / 10, 0.0) for n, picture in enumerate(pictures)]
    learner.learn(frames, backbone.maps(as_batch(list(pictures))))
    return SceneScorer(Scene(learner.finish().bank, motion), backbone, Observer(backbone))


def judged(scorer: SceneScorer, passing: list[Observation]) -> list[tuple[Fused, Observation]]:
    """What is said of what moves in some frames, whose patches are as usual."""
    measure = scorer.measure.motion
    assert measure is not None
    nothing = np.zeros((SIDE // 8, SIDE // 8), np.float32)
    black = np.zeros((SIDE, SIDE, 3), np.uint8)
    frames = [Frame(seen.stream, n, black, (WIDTH, HEIGHT), seen.time_s, 0.0) for n, seen in enumerate(passing)]
    measured = [Measured(0.0, nothing, 0.0, measure.evidence(seen), seen) for seen in passing]
    return list(zip(scorer.fuse(frames, measured), passing, strict=True))


class TestDrift:
    """Of values that are all one number within a stretch, so that what is likely shows the shifts alone."""

    def spread(self, stretches: int, rng: np.random.Generator) -> float:
        numbers = np.repeat(np.arange(stretches), 200)
        values = 5 + 2 * rng.normal(size=stretches)[numbers]
        likely = shifted(values, numbers, 0.9, Guess(1.0, relative=False)).reshape(-1, 41)
        return float(likely.std(axis=1).mean())

    def test_new_footage_differs_as_stretches_do_and_less_when_many_were_seen(self) -> None:
        rng = np.random.default_rng(0)
        assert self.spread(1, rng) == pytest.approx(math.sqrt(2), rel=0.2)  # of the guess and itself
        assert np.mean([self.spread(9, rng) for _ in range(50)]) == pytest.approx(1.75, rel=0.15)
        assert self.spread(1000, rng) == pytest.approx(0.2, rel=0.1)

    def test_distances_differ_by_a_factor(self) -> None:
        for size in (0.01, 10.0):
            likely = shifted(np.full(10, size), np.zeros(10, np.int64), 0.9, Guess(0.3))
            assert likely.min() > 0
            assert np.log(likely / size).std() == pytest.approx(0.3 * math.sqrt(2), rel=0.2)

    def test_where_nothing_was_ever_seen_nothing_is_shifted(self) -> None:
        assert not shifted(np.zeros(10), np.zeros(10, np.int64), 0.9).any()


class TestStillPatches:
    """Frames ten a second: a square that moves in the middle, and something in a corner."""

    CORNER, MIDDLE = (56, 6), (30, 30)
    EVERYWHERE = np.ones((GRID, GRID), np.float32)

    def distances(self, place: tuple[int, int], height: float = 30.0) -> np.ndarray:
        grid = np.full((1, GRID, GRID), 5, np.float32)
        (row, column), half = place, 2
        grid[0, row - half : row + half + 1, column - half : column + half + 1] = height
        return grid

    def heights(
        self, still: StillPatches, motion: Motion | None, grids: list[np.ndarray], start_s: float = 0.0
    ) -> list[float]:
        return [
            still.heights([Observation("lobby", start_s + n / 10, motion)], grid)[0] for n, grid in enumerate(grids)
        ]

    def test_what_moves_is_left_to_the_others(self) -> None:
        motion = moving(30.0)
        rows, columns = np.nonzero(motion.cells)
        walker = self.distances((int(rows.mean()), int(columns.mean())))
        came = [self.distances(self.MIDDLE, 5), walker, walker]
        assert max(self.heights(StillPatches(self.EVERYWHERE), motion, came)) < 0.1

    def test_what_comes_and_stays_is_seen_for_minutes_and_what_was_there_is_not(self) -> None:
        empty, bag = self.distances(self.CORNER, 5), self.distances(self.CORNER)
        still, motion = StillPatches(self.EVERYWHERE), moving(30.0)
        came = self.heights(still, motion, [empty, *[bag] * 600])
        assert came[0] == 0
        assert max(came[:6]) < 0.2 * max(came)  # half a second is no news
        assert came[100] == pytest.approx(24, rel=0.15)
        assert came[100] > came[600] > 0.75 * came[100]
        assert self.heights(still, motion, [bag] * 30, start_s=1e4)[29] < 0.1 * came[100]
        assert max(self.heights(StillPatches(self.EVERYWHERE), motion, [bag] * 50)) == 0

    def test_where_things_seldom_move_what_stays_counts_for_more(self) -> None:
        empty, bag = self.distances(self.CORNER, 5), self.distances(self.CORNER)
        came, rarity = [empty, *[bag] * 100], self.EVERYWHERE.copy()
        everywhere = self.heights(StillPatches(rarity), moving(30.0), came)
        for busy, share in ((0.5, 0.5), (0.0, 0.1)):
            rarity[40:] = busy
            there = self.heights(StillPatches(rarity), moving(30.0), came)
            assert there[100] == pytest.approx(share * everywhere[100], rel=0.05)
        assert max(self.heights(StillPatches(0 * rarity), moving(30.0), came)) == pytest.approx(0.1 * max(everywhere))

    def test_a_place_that_is_free_again_is_soon_guarded_again(self) -> None:
        empty, bag = self.distances(self.CORNER, 5), self.distances(self.CORNER)
        seen = self.heights(StillPatches(self.EVERYWHERE), moving(30.0), [bag, *[empty] * 40, *[bag] * 40])
        assert max(seen[:41]) < 0.1
        assert seen[80] > 15

    def test_where_motion_cannot_be_read_all_patches_speak_from_the_second_frame_on(self) -> None:
        empty, walker = self.distances(self.MIDDLE, 5), self.distances(self.MIDDLE)
        still = StillPatches(self.EVERYWHERE)
        assert self.heights(still, None, [walker, *[empty] * 20, *[walker] * 40])[60] > 10
        assert self.heights(still, moving(30.0), [empty], start_s=7.0) == [0.0]
        assert self.heights(still, None, [walker], start_s=7.1) == [0.0]


def test_averages_reach_back_by_time_and_not_over_a_gap() -> None:
    averages = Averages(0.6)
    steady = [averages.take({Channel.SPEED: float(n)}, n / 10)[Channel.SPEED] for n in range(10)]
    assert steady[2] == pytest.approx(1.0)
    assert steady[9] == pytest.approx(np.mean([4, 5, 6, 7, 8, 9]))
    views = Averages(0.6)
    assert [views.take({Channel.VIEW: float(n)}, n / 10)[Channel.VIEW] for n in range(80)][-1] == pytest.approx(54.5)
    assert averages.take({Channel.SPEED: 50.0}, 30.0)[Channel.SPEED] == 50.0
    assert averages.take({Channel.SPEED: 7.0}, 2.0)[Channel.SPEED] == 7.0


def observed(motion: Motion, time_s: float) -> Observation:
    objects = moving_objects(motion)
    features = np.ones((len(objects), DIMENSIONS), np.float32)
    return Observation("street", time_s, motion, objects, features, flat(0.0))


def learned_street(turns_each: int, swaying: int = 0) -> Measure:
    """A street on which things go to the right at 20 to 30 pixels a second, along its middle: 24 frames of it.

    Args:
        turns_each: Quarter minutes that each half's frames are from.
        swaying: Frames in which something sways there, to and fro.
    """
    halves = (MotionSums(DIMENSIONS), MotionSums(DIMENSIONS))
    for n in range(24):
        halves[n % 2].update(observed(moving(20.0 + n % 11, left=20 + 7 * n), n / 10))
    for n in range(swaying):
        halves[n // 2 % 2].update(observed(moving(1.0 if n % 2 else -1.0, step_s=0.5), n / 10))
    for half in halves:
        half.turns = turns_each
    return Measure(halves)


@pytest.fixture(scope="module")
def measure() -> Measure:
    """That street, each frame from another quarter minute."""
    return learned_street(12)


def test_a_turn_is_a_quarter_minute_of_a_stream_and_turns_go_to_the_halves_by_turns() -> None:
    turns, street, given = Halves(), observed(moving(25.0), 0.0), []
    times = {"street": (0.0, 5.0, 14.9, 15.0, 29.0, 31.0, 100.0), "lane": (0.0, 1.0)}
    for stream, each in times.items():
        given += [turns.turn(replace(street, stream=stream, time_s=time_s)) for time_s in each]
    assert given == [
        (0, True),
        (0, False),
        (0, False),
        (1, True),
        (1, False),
        (0, True),
        (1, True),
        (0, True),  # the lane's
        (0, False),
    ]


def test_merged_sums_are_those_of_all_frames_and_turns() -> None:
    halves, street = (MotionSums(DIMENSIONS), MotionSums(DIMENSIONS)), observed(moving(25.0), 0.0)
    for half, frames in zip(halves, (6, 3), strict=True):
        half.turns = frames // 3
        for _ in range(frames):
            half.update(street)
    halves[0].merge(halves[1])
    assert (halves[0].turns, halves[0].frames) == (3, 9)


class TestMeasure:
    def test_twice_the_usual_speed_stands_out(self, measure: Measure) -> None:
        usual = measure.evidence(observed(moving(25.0), 9.0))
        fast = measure.evidence(observed(moving(60.0), 9.0))
        assert fast.speed.max() > usual.speed.max() + 1.5

    def test_the_other_way_is_a_rare_direction(self, measure: Measure) -> None:
        usual = measure.evidence(observed(moving(25.0), 9.0))
        against = measure.evidence(observed(moving(-25.0), 9.0))
        assert against.direction > usual.direction + 0.6

    def test_who_sways_has_gone_nowhere_and_hides_no_one_who_goes_the_other_way(self, measure: Measure) -> None:
        swaying = learned_street(12, swaying=10).evidence  # as many frames as there is something that passes
        alone = measure.evidence(observed(moving(-25.0), 9.0)).direction
        assert swaying(observed(moving(-25.0), 9.0)).direction > 0.4 * alone
        assert swaying(observed(moving(-1.0, step_s=0.5), 9.0)).direction < 0.05 * alone

    def test_of_two_objects_the_one_that_goes_the_other_way_is_the_most_unusual(self, measure: Measure) -> None:
        usual, against = moving(25.0, left=30), moving(-25.0, left=180)
        both = Motion(
            usual.moving | against.moving,
            usual.velocity + against.velocity,
            usual.speed + against.speed,
            usual.cells | against.cells,
        )
        most_unusual = np.zeros(GRID * GRID, bool)
        most_unusual[measure.most_unusual_object_cells(observed(both, 9.0), Channel.DIRECTION)] = True
        moves = most_unusual & both.cells.reshape(-1)
        assert np.array_equal(moves.reshape(GRID, GRID), against.cells)
        assert len(measure.most_unusual_object_cells(observed(moving(0.0), 9.0), Channel.DIRECTION)) == 0

    def test_many_frames_of_one_quarter_minute_make_no_way_certain(self, measure: Measure) -> None:
        against = observed(moving(-25.0), 9.0)
        surprise = [learned_street(turns).evidence(against).direction for turns in (1, 3, 12)]
        assert surprise == sorted(surprise)
        assert surprise[0] < 0.7 * surprise[2] == 0.7 * measure.evidence(against).direction

    def test_where_nothing_went_is_a_rare_place(self, measure: Measure) -> None:
        usual = measure.evidence(observed(moving(25.0), 9.0))
        aside = measure.evidence(observed(moving(25.0, top=4), 9.0))
        assert aside.place > usual.place + 0.5

    def test_many_frames_of_one_quarter_minute_make_no_place_certain(self, measure: Measure) -> None:
        aside = observed(moving(25.0, top=4), 9.0)
        surprise = [learned_street(turns).evidence(aside).place for turns in (1, 3, 12)]
        assert surprise == sorted(surprise)
        assert surprise[0] < np.log10(4.1)  # two turns with nothing there, and one of either kind beforehand
        assert surprise[2] == measure.evidence(aside).place > np.log10(20)

    def test_footage_in_which_nothing_moved_makes_every_motion_rare(self) -> None:
        empty = (MotionSums(DIMENSIONS), MotionSums(DIMENSIONS))
        for n in range(40):
            empty[n % 2].update(observed(moving(0.0), n / 10))
            empty[n % 2].turns += 1
        seen = Measure(empty).evidence(observed(moving(25.0), 9.0))
        assert seen.place > 1.5
        assert len(seen.cells) == len(cell_speeds(moving(25.0))[0])

    def test_shapes_are_logarithms_of_pixels(self) -> None:
        found = moving_objects(moving(30.0))
        wide, high, area = np.exp(object_shapes(found)[0])
        assert (round(wide), round(high)) == found[0].box[2:]
        assert area == pytest.approx(found[0].mask.sum(), rel=1e-4)


def test_the_kernels_are_in_order() -> None:
    assert all(one < other for one, other in pairwise(WIDTHS))
    assert GRID % CHANGE_GRID == 0
