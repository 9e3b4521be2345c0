"""Flow: where two pictures differ, and how fast what differs moves there."""

import cv2
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter, maximum_filter

from streammon.motion import SETTINGS
from streammon.motion.flow import GRID, FlowEstimator, differing
from streammon.motion.objects import moving_objects
from streammon.motion.statistics import direction_bins
from streammon.records import Detail
from support.motion_samples import QUICK, SEEDS, motion_between, pair_of, texture
from support.moving_square import STREET_HEIGHT, STREET_WIDTH, detail_of, moving, street

HEIGHT, WIDTH = 256, 320
CELL_HEIGHT, CELL_WIDTH = HEIGHT // GRID, WIDTH // GRID  # 4 and 5 pixels
FLOW = SETTINGS.flow


def plain_street(left: int, top: int, seed: int = 1) -> np.ndarray:
    """A plain grey street with one textured square of 40 pixels on it."""
    picture = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    picture[top : top + 40, left : left + 40] = texture(40, 40, seed)
    return picture


def grey_of(picture: np.ndarray) -> np.ndarray:
    grey = pair_of(picture, picture).earlier
    assert grey is not None
    return grey


def smoothed_difference(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """By scipy: means of 2 x 2 pixels, rounded, then a Gaussian of WIDTH / 2 / 120 of them, out to four sigmas."""
    height, width = one.shape
    blocks = abs(one.astype(int) - other).reshape(height // 2, 2, width // 2, 2).mean((1, 3))
    sigma = max(height, width) / 2 * FLOW.difference_blur
    radius = (round(8 * sigma + 1) | 1) // 2
    return np.asarray(gaussian_filter(np.floor(blocks + 0.5), sigma, mode="mirror", radius=radius))


class TestDiffering:
    @QUICK
    @given(SEEDS, st.integers(0, 30), st.floats(0, 12))
    def test_it_is_scipy_s_filters_and_numpy_s_median(self, seed: int, contrast: int, noise: float) -> None:
        """Beyond least_difference + ambient_factor * median, widened by WIDTH / 2 / 45 to each side, both ways up."""
        rng = np.random.default_rng(seed)
        one = rng.integers(60, 190, (HEIGHT, WIDTH)).astype(np.uint8)
        other = one + rng.normal(0, noise, one.shape)
        top, left = rng.integers(0, HEIGHT - 30), rng.integers(0, WIDTH - 30)
        other[top : top + 30, left : left + 30] += contrast
        later = other.clip(0, 255).astype(np.uint8)
        smooth = smoothed_difference(one, later)
        limit = FLOW.least_difference + FLOW.ambient_factor * np.median(smooth[::4, ::4])
        reach = 2 * round(WIDTH / 2 * FLOW.difference_reach) + 1
        found = differing(one, later)
        for slack, holds in ((1e-3, np.less_equal), (-1e-3, np.greater_equal)):
            expected = maximum_filter(smooth > limit + slack, reach, mode="constant")
            assert holds(expected.repeat(2, 0).repeat(2, 1), found).all()

    def test_one_grey_level_is_the_codec_s_and_three_are_motion_s(self) -> None:
        """A square on a picture that is else the same: the median is 0, so the limit is 2 grey levels."""
        ground = np.full((HEIGHT, WIDTH), 100, np.uint8)
        for contrast, expected in ((1, False), (3, True)):
            later = ground.copy()
            later[60:100, 100:140] += np.uint8(contrast)
            assert differing(ground, later)[80, 120] == expected
            assert differing(ground, later).any() == expected

    def test_noise_everywhere_raises_the_limit(self) -> None:
        """A uniform difference of 5 has a median of 5: only what differs by more than 2 + 2 * 5 counts."""
        ground = np.full((HEIGHT, WIDTH), 100, np.uint8)
        for contrast, expected in ((11, False), (14, True)):
            later = ground + np.uint8(5)
            later[60:100, 100:140] = 100 + contrast
            assert differing(ground, later)[80, 120] == expected

    @QUICK
    @given(SEEDS, st.integers(10, 50), st.integers(10, 80))
    def test_it_moves_with_the_picture(self, seed: int, half_down: int, half_right: int) -> None:
        rng = np.random.default_rng(seed)
        one, other = np.full((2, HEIGHT, WIDTH), 100, np.uint8)
        other[20:40, 30:60] = rng.integers(0, 255, (20, 30))
        shift = 2 * half_down, 2 * half_right
        found = differing(one, other)
        np.testing.assert_array_equal(
            np.roll(found, shift, (0, 1)), differing(np.roll(one, shift, (0, 1)), np.roll(other, shift, (0, 1)))
        )
        assert found.any()


class TestMotion:
    def test_without_an_earlier_picture_or_time_between_there_is_none(self) -> None:
        picture = plain_street(100, 60)
        assert FlowEstimator().motion(None) is None
        assert FlowEstimator().motion(pair_of(picture, picture, step_s=0.0)) is None
        assert FlowEstimator().motion(pair_of(picture, picture, step_s=-0.1)) is None

    @settings(max_examples=10)
    @given(SEEDS, st.integers(-5, 5), st.integers(-5, 5))
    def test_it_is_opencv_s_flow_smoothed_by_scipy_and_averaged_by_numpy(
        self, seed: int, right: int, down: int
    ) -> None:
        """Of 128 x 128 pixels with two squares, all of them within 32 of a difference: cells of 2 x 2."""
        assume(right or down)
        before, after = np.full((2, 128, 128, 3), 128, np.uint8)
        for corner in (15, 70):
            piece = texture(40, 40, seed + corner)
            before[corner : corner + 40, corner : corner + 40] = piece
            after[corner + down : corner + down + 40, corner + right : corner + right + 40] = piece
        motion, earlier, grey = motion_between(before, after, 0.25), grey_of(before), grey_of(after)
        dis = cv2.DISOpticalFlow.create(FLOW.dis_preset)
        dis.setGradientDescentIterations(FLOW.descents)
        flow = dis.calc(earlier, grey, None)  # type: ignore[call-overload]  # None: no initial flow
        sigma = FLOW.blur * 128
        radius = (round(8 * sigma + 1) | 1) // 2
        shift = np.stack([gaussian_filter(flow[..., n], sigma, mode="mirror", radius=radius) for n in (0, 1)], -1)
        length, differs = np.hypot(shift[..., 0], shift[..., 1]), differing(earlier, grey)

        def by_cell(values: np.ndarray) -> np.ndarray:
            return np.asarray(values.reshape(64, 2, 64, 2, *values.shape[2:]).mean((1, 3)))

        np.testing.assert_allclose(motion.velocity, by_cell(shift) / (128 * 0.25), rtol=2e-3, atol=1e-4)
        np.testing.assert_allclose(motion.speed, by_cell(length) / (128 * 0.25), rtol=2e-3, atol=1e-4)
        for slack, holds in ((1e-2, np.less_equal), (-1e-2, np.greater_equal)):
            expected = differs & (length > FLOW.least_shift_px + slack)
            assert holds(expected, motion.moving).all()
            expected = (by_cell(length) > FLOW.least_shift_px + slack) & (by_cell(differs) >= 0.5)
            assert holds(expected, motion.cells).all()

    @pytest.mark.parametrize("step_s", [0.05, 0.2, 0.4])
    def test_the_same_shift_in_twice_the_time_is_half_the_velocity(self, step_s: float) -> None:
        """A power of two: exact in floating point. What moves does not depend on the time."""
        before, after = plain_street(100, 60), plain_street(103, 61)
        one, other = motion_between(before, after, step_s), motion_between(before, after, 2 * step_s)
        np.testing.assert_array_equal(one.velocity, 2 * other.velocity)
        np.testing.assert_array_equal(one.speed, 2 * other.speed)
        np.testing.assert_array_equal(one.cells, other.cells)
        np.testing.assert_array_equal(one.moving, other.moving)
        assert one.cells.any()

    @settings(max_examples=10)
    @given(st.integers(-5, 5), st.integers(-5, 5))
    def test_it_moves_with_the_picture(self, pairs_right: int, pairs_down: int) -> None:
        """By pairs of cells; the part that flow is computed for, 128 pixels a side, stays within the picture."""
        right, down = 2 * CELL_WIDTH * pairs_right, 2 * CELL_HEIGHT * pairs_down
        here = motion_between(plain_street(140, 108), plain_street(143, 109))
        there = motion_between(plain_street(140 + right, 108 + down), plain_street(143 + right, 109 + down))
        shift = 2 * pairs_down, 2 * pairs_right
        np.testing.assert_allclose(np.roll(here.velocity, shift, (0, 1)), there.velocity, atol=1e-3)
        np.testing.assert_allclose(np.roll(here.speed, shift, (0, 1)), there.speed, atol=1e-3)
        assert (np.roll(here.cells, shift, (0, 1)) != there.cells).sum() <= 1  # the last bits of flow may differ
        assert (np.roll(here.moving, (down, right), (0, 1)) != there.moving).sum() <= 5
        assert here.cells.sum() > 80

    @settings(max_examples=10)
    @given(st.integers(-5, 5), st.integers(-5, 5))
    def test_in_a_mirror_it_goes_the_other_way(self, right: int, down: int) -> None:
        assume(abs(right) + abs(down) >= 3)
        before, after = plain_street(100, 60), plain_street(100 + right, 60 + down)
        seen = motion_between(before, after)
        mirrored = motion_between(before[:, ::-1].copy(), after[:, ::-1].copy())
        both = seen.cells & mirrored.cells[:, ::-1]
        assert both.sum() > 0.8 * seen.cells.sum() > 0
        difference = mirrored.velocity[:, ::-1][both] * [-1, 1] - seen.velocity[both]
        assert np.abs(np.median(difference, axis=0)).max() * WIDTH * 0.1 < 0.2  # pixels

    def test_both_go_back_when_time_goes_back(self) -> None:
        before, after = plain_street(100, 60), plain_street(104, 60)
        for motion, rightwards in ((motion_between(before, after), 4.0), (motion_between(after, before), -4.0)):
            velocity = np.median(motion.velocity[motion.cells], axis=0)
            np.testing.assert_allclose(velocity * WIDTH * 0.1, [rightwards, 0], atol=0.4)

    def test_the_size_of_the_picture_does_not_matter(self) -> None:
        """Twice as large in both directions, a square that moves twice as many pixels: the same velocity."""
        small = motion_between(plain_street(100, 60), plain_street(103, 60))
        before, after = (np.kron(plain_street(left, 60), np.ones((2, 2, 1), np.uint8)) for left in (100, 103))
        large = motion_between(before, after)
        both = small.cells & large.cells
        assert both.sum() > 0.8 * max(small.cells.sum(), large.cells.sum())
        for motion in (small, large):
            assert np.median(motion.speed[both]) == pytest.approx(3 / WIDTH / 0.1, rel=0.1)

    @settings(max_examples=10)
    @given(SEEDS)
    def test_a_cell_s_mean_speed_is_at_least_its_mean_velocity_s_length(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        before = after = texture(HEIGHT, WIDTH, seed)
        for number in range(3):
            left, top = int(rng.integers(10, WIDTH - 60)), int(rng.integers(10, HEIGHT - 60))
            (right, down), piece = rng.integers(-6, 7, 2), texture(40, 40, seed + number + 1)
            before, after = before.copy(), after.copy()
            before[top : top + 40, left : left + 40] = piece
            after[top + down : top + down + 40, left + right : left + right + 40] = piece
        motion = motion_between(before, after)
        assert (np.linalg.norm(motion.velocity, axis=-1) <= motion.speed * (1 + 2e-3) + 1e-6).all()

    def test_what_moves_differs_and_far_from_it_the_velocity_is_exactly_0(self) -> None:
        """The square and its shift end at column 144: 32 pixels of margin, and what differs reaches a little."""
        before, after = plain_street(100, 60), plain_street(104, 60)
        motion = motion_between(before, after)
        assert (motion.moving <= differing(grey_of(before), grey_of(after))).all()
        assert motion.moving[65:95, 106:138].mean() > 0.9
        columns = (np.arange(GRID) + 0.5) * CELL_WIDTH
        assert not motion.speed[:, columns > 144 + 32 + 16].any()
        assert not motion.cells[:, columns > 144 + 16].any()

    @pytest.mark.parametrize(("shift_px", "moves"), [(0.15, False), (0.25, False), (0.5, True), (0.75, True)])
    def test_motion_begins_at_three_tenths_of_a_pixel(self, shift_px: float, moves: bool) -> None:
        """A part of a smooth texture, interpolated linearly between two pixels."""
        before = texture(HEIGHT, WIDTH, 0)
        shifted = (1 - shift_px) * before + shift_px * np.roll(before, 1, axis=1)
        after = before.copy()
        after[50:110, 90:170] = shifted.round()[50:110, 90:170]
        motion = motion_between(before, after)
        assert motion.moving.any() == motion.cells.any() == moves

    def test_velocities_keep_eleven_bits_so_that_runs_repeat(self) -> None:
        motion = motion_between(plain_street(100, 60), plain_street(104, 61))
        for values in (motion.velocity, motion.speed):
            np.testing.assert_array_equal(values, values.astype(np.float16))
            assert values.dtype == np.float32


class TestFlow:
    @pytest.mark.parametrize("step_s", [0.04, 0.1, 0.2])
    def test_a_speed_is_the_same_whatever_the_time_between_the_pictures(self, step_s: float) -> None:
        motion = moving(30.0, step_s)
        fastest = np.sort(motion.speed.reshape(-1))[-20:].mean()
        assert fastest == pytest.approx(30.0 / STREET_WIDTH, rel=0.15)

    def test_several_read_at_once_are_what_each_is_alone(self) -> None:
        details = [detail_of(street(100), street(100 + shift), 0.1) for shift in range(-4, 5)]
        estimator = FlowEstimator(threads=3)
        begun = [estimator.begin(detail) for detail in (*details, None)]
        together = [result() for result in begun]
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
        redrawn = cv2.warpAffine(soft, onto, (STREET_WIDTH, STREET_HEIGHT), borderMode=cv2.BORDER_REPLICATE).astype(
            np.uint8
        )
        assert np.abs(redrawn.astype(int) - soft).max() > 0
        motion = FlowEstimator().motion(detail_of(soft, redrawn, 0.1))
        assert motion is not None
        assert not motion.moving.any()

    def test_light_that_changes_everywhere_doesnt_move_and_hides_nobody(self) -> None:
        before, after = street(100), street(104)
        brighter = (after.astype(np.float32) + 4).clip(0, 255).astype(np.uint8)
        motion = FlowEstimator().motion(detail_of(before, brighter, 0.1))
        assert motion is not None
        square = np.zeros((STREET_HEIGHT, STREET_WIDTH), bool)
        square[55:105, 95:150] = True
        assert motion.moving[square].mean() > 0.3
        assert not motion.moving[~cv2.dilate(square.view(np.uint8), np.ones((25, 25), np.uint8)).view(np.bool_)].any()

    @pytest.mark.parametrize(("left", "top"), [(0.0, 0.0), (196.0, 116.0), (100.0, 60.0)])
    def test_flow_is_found_at_the_pictures_edges_too(self, left: float, top: float) -> None:
        motion = moving(30.0, left=left, top=top)
        assert np.sort(motion.speed.reshape(-1))[-20:].mean() == pytest.approx(30.0 / STREET_WIDTH, rel=0.15)
        assert not motion.moving[np.abs(np.arange(STREET_HEIGHT) - top - 20) > 50].any()

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
