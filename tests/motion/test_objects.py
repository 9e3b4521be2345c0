"""Moving objects: regions of motion, their windows, their crops and the features of the crops."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import find_objects, label, map_coordinates

from streammon.motion import SETTINGS
from streammon.motion.flow import GRID, Motion
from streammon.motion.objects import (
    CROP_SIDE,
    MovingObject,
    ObjectFeatures,
    PixelBox,
    crop_of,
    feature_dimensions,
    moving_objects,
)
from streammon.motion.statistics import object_places
from support.motion_samples import QUICK, SEEDS, STILL, MeanColours, texture
from support.moving_square import STREET_HEIGHT, STREET_WIDTH, moving, street

HEIGHT, WIDTH = 128, 192  # a cell of the grid is 2 pixels high and 3 wide
OBJECTS = SETTINGS.objects


def moving_at(*boxes: PixelBox, size: tuple[int, int] = (HEIGHT, WIDTH)) -> Motion:
    """Motion of the pixels of some boxes."""
    moving = np.zeros(size, bool)
    for x, y, wide, high in boxes:
        moving[y : y + high, x : x + wide] = True
    return Motion(moving, STILL.velocity, STILL.speed, STILL.cells)


def boxes_of(found: list[MovingObject]) -> list[PixelBox]:
    return [each.box for each in found]


def full(box: PixelBox) -> MovingObject:
    """An object that fills its box, in a picture of which nothing else matters."""
    return MovingObject(box, np.ones((box[3], box[2]), bool), np.zeros(0, np.int64), (0.5, 0.5))


class TestRegions:
    def test_a_region_s_box_mask_cells_and_place_are_its_own(self) -> None:
        """30 wide and 20 high, less a corner of 6 x 4 pixels, which are 2 x 2 cells of 3 x 2."""
        motion = moving_at((30, 10, 30, 20))
        motion.moving[10:14, 30:36] = False
        (found,) = moving_objects(motion)
        assert found.box == (30, 10, 30, 20)
        assert found.mask.sum() == 30 * 20 - 6 * 4
        assert not found.mask[:4, :6].any()
        inside = {row * GRID + column for row in range(5, 15) for column in range(10, 20)}
        corner = {row * GRID + column for row in (5, 6) for column in (10, 11)}
        assert found.cells.tolist() == sorted(inside - corner)
        assert found.place == ((10 + 20 / 2) / HEIGHT, (30 + 30 / 2) / WIDTH)

    def test_in_a_picture_smaller_than_the_grid_a_pixel_touches_the_cell_of_its_corner(self) -> None:
        """A pixel of 32 x 48 is 2 cells high and 4 / 3 wide: row r is row 2 r, column c is column 4 c // 3."""
        (found,) = moving_objects(moving_at((9, 5, 3, 2), size=(32, 48)))
        assert found.cells.tolist() == [row * GRID + column for row in (10, 12) for column in (12, 13, 14)]

    def test_pixels_that_touch_at_a_corner_are_one_region_and_a_gap_of_one_makes_two(self) -> None:
        assert boxes_of(moving_objects(moving_at((20, 20, 10, 10), (30, 30, 10, 10)))) == [(20, 20, 20, 20)]
        apart = moving_objects(moving_at((20, 20, 10, 10), (31, 31, 10, 11)))
        assert boxes_of(apart) == [(31, 31, 10, 11), (20, 20, 10, 10)]  # the larger first

    def test_less_than_a_two_thousandth_of_the_picture_is_no_object(self) -> None:
        """0.0005 * 160 * 240 = 19.2 pixels."""
        for box, expected in (((50, 50, 5, 4), 1), ((50, 50, 19, 1), 0), ((50, 50, 3, 6), 0)):
            assert len(moving_objects(moving_at(box, size=(160, 240)))) == expected

    def test_of_many_the_twelve_largest_are_kept_the_largest_first(self) -> None:
        squares = [(30 * (n % 4), 30 * (n // 4), 5 + 7 * n % 16, 5 + 7 * n % 16) for n in range(16)]
        found = moving_objects(moving_at(*squares))
        areas = sorted((wide * high for _, _, wide, high in squares), reverse=True)
        assert [int(each.mask.sum()) for each in found] == areas[:12]

    @pytest.mark.parametrize(
        ("size", "windows"),
        [
            ((30, 20), [(30, 20)]),  # 1.5 times as wide as high: still one
            ((32, 20), [(16, 20)] * 2),  # 1.6: round(1.6) = 2 windows
            ((50, 20), [(25, 20)] * 2),  # 2.5 is rounded to the even 2
            ((70, 10), [(10, 10)] * 7),
            ((10, 35), [(10, 35)]),  # 3.5 times as high as wide: still one
            ((10, 42), [(10, 42)]),  # 4.2: round(4.2 / 3) = 1
            ((10, 50), [(10, 25)] * 2),  # round(50 / 30) = 2 windows
            ((10, 90), [(10, 30)] * 3),
        ],
    )
    def test_wide_and_high_regions_are_cut_into_windows(
        self, size: tuple[int, int], windows: list[tuple[int, int]]
    ) -> None:
        found = moving_objects(moving_at((20, 15, *size)))
        assert [each.box[2:] for each in found] == windows
        corners = {each.box[:2] for each in found}
        wide, high = windows[0]
        across = size[0] > wide
        assert corners == {(20 + n * wide * across, 15 + n * high * (not across)) for n in range(len(windows))}

    def test_a_window_holds_its_own_region_s_pixels_alone(self) -> None:
        """A diagonal band is cut into windows, and a square beyond its bend lies in the box of one of them."""
        motion = moving_at((20, 20, 60, 12), (20, 32, 8, 20), (60, 40, 10, 10))
        found = moving_objects(motion)
        covered = np.zeros((HEIGHT, WIDTH), int)
        for each in found:
            x, y, wide, high = each.box
            covered[y : y + high, x : x + wide] += each.mask
        np.testing.assert_array_equal(covered, motion.moving)

    @QUICK
    @given(SEEDS)
    def test_regions_neither_wide_nor_high_are_scipy_s(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        boxes = [(*rng.integers(0, 90, 2).tolist(), *rng.integers(8, 12, 2).tolist()) for _ in range(6)]
        motion = moving_at(*boxes)
        labels, _ = label(motion.moving, np.ones((3, 3)))
        expected: dict[PixelBox, np.ndarray] = {}
        for number, (rows, columns) in enumerate(find_objects(labels), 1):
            wide, high = columns.stop - columns.start, rows.stop - rows.start
            if wide <= 1.5 * high and high <= 3.5 * wide:
                expected[columns.start, rows.start, wide, high] = labels[rows, columns] == number
        found = {each.box: each for each in moving_objects(motion)}
        for box, mask in expected.items():
            np.testing.assert_array_equal(found[box].mask, mask)
            x, y, _, _ = box
            pixels = [(row + y, column + x) for row, column in zip(*np.nonzero(mask), strict=True)]
            assert found[box].cells.tolist() == sorted({row // 2 * GRID + column // 3 for row, column in pixels})

    @QUICK
    @given(SEEDS, st.integers(0, 8), st.integers(0, 8))
    def test_they_move_with_the_picture(self, seed: int, rows: int, columns: int) -> None:
        """By whole cells: boxes by pixels, cells by their number, places by shares; masks stay as they are."""
        rng = np.random.default_rng(seed)
        boxes = [(*rng.integers(0, 100, 2).tolist(), *rng.integers(5, 60, 2).tolist()) for _ in range(3)]
        boxes = [(x, min(y, 50), wide, high) for x, y, wide, high in boxes]
        shifted = [(x + 3 * columns, y + 2 * rows, wide, high) for x, y, wide, high in boxes]
        here, there = moving_objects(moving_at(*boxes)), moving_objects(moving_at(*shifted))
        for one, other in zip(here, there, strict=True):
            x, y, wide, high = one.box
            assert other.box == (x + 3 * columns, y + 2 * rows, wide, high)
            np.testing.assert_array_equal(one.mask, other.mask)
            np.testing.assert_array_equal(one.cells + rows * GRID + columns, other.cells)
            assert other.place == pytest.approx((one.place[0] + rows / GRID, one.place[1] + columns / GRID))


class TestDetectorBoxes:
    def test_they_are_whole_objects_whatever_moves_in_them(self) -> None:
        (found,) = moving_objects(moving_at((0, 0, 5, 5)), [(30, 10, 90, 20)])
        assert found.box == (30, 10, 90, 20)
        np.testing.assert_array_equal(found.mask, np.ones((20, 90), bool), strict=True)
        assert len(found.cells) == 90 // 3 * 20 // 2
        assert moving_objects(moving_at((0, 0, 50, 50)), []) == []

    NOTHING_MOVES = moving_at()

    @QUICK
    @given(st.integers(-50, 250), st.integers(-50, 250), st.integers(-5, 120), st.integers(-5, 120))
    def test_they_are_clipped_to_the_picture_and_what_is_too_small_then_is_left_out(
        self, x: int, y: int, wide: int, high: int
    ) -> None:
        inside = np.zeros((HEIGHT, WIDTH), bool)
        for row in range(y, y + high):
            for column in range(x, x + wide):
                if 0 <= row < HEIGHT and 0 <= column < WIDTH:
                    inside[row, column] = True
        found = moving_objects(self.NOTHING_MOVES, [(x, y, wide, high)])
        if inside.sum() < OBJECTS.least_area * HEIGHT * WIDTH:
            assert found == []
            return
        (rows, columns), ((left, top, width, height),) = np.nonzero(inside), boxes_of(found)
        assert (left, top) == (columns.min(), rows.min())
        assert (left + width, top + height) == (columns.max() + 1, rows.max() + 1)


class TestCrops:
    def ramps(self) -> np.ndarray:
        """Red is the column, green the row, blue neither: a crop shows where each of its pixels is from."""
        rows, columns = np.mgrid[:HEIGHT, :WIDTH]
        return np.stack([columns, rows, np.full_like(rows, 7)], -1).astype(np.uint8)

    @QUICK
    @given(st.integers(0, 150), st.integers(0, 90), st.integers(2, 42), st.integers(2, 38))
    def test_the_crop_is_scipy_s_interpolation_about_the_object_s_middle(
        self, x: int, y: int, wide: int, high: int
    ) -> None:
        """Its side is 1.15 of the longer one, or of 16 pixels; beyond the picture its border goes on."""
        side = max(wide, high, OBJECTS.least_crop_px) * OBJECTS.crop_margin
        crop, mask = crop_of(self.ramps(), full((x, y, wide, high)))
        offsets = (np.arange(CROP_SIDE) - CROP_SIDE / 2) * side / CROP_SIDE
        expected_columns = (x + wide / 2 + offsets).clip(0, WIDTH - 1)
        expected_rows = (y + high / 2 + offsets).clip(0, HEIGHT - 1)
        assert np.abs(crop[..., 0] - expected_columns).max() <= 0.6  # rounded, and OpenCV's steps of 1/32 pixel
        assert np.abs(crop[..., 1] - expected_rows[:, None]).max() <= 0.6
        assert (crop[..., 2] == 7).all()
        whole = np.zeros((HEIGHT, WIDTH))
        whole[y : y + high, x : x + wide] = 1
        places = np.meshgrid(y + high / 2 + offsets, x + wide / 2 + offsets, indexing="ij")
        np.testing.assert_allclose(mask, map_coordinates(whole, places, order=1, mode="grid-constant"), atol=0.05)

    @QUICK
    @given(SEEDS, st.integers(0, 40), st.integers(0, 40))
    def test_the_same_thing_elsewhere_has_the_same_crop(self, seed: int, right: int, down: int) -> None:
        picture = np.full((HEIGHT, WIDTH, 3), 50, np.uint8)
        picture[30:60, 40:62] = texture(30, 22, seed)
        here = crop_of(picture, full((40, 30, 22, 30)))
        there = crop_of(np.roll(picture, (down, right), (0, 1)), full((40 + right, 30 + down, 22, 30)))
        np.testing.assert_allclose(here[0].astype(int), there[0], atol=2)
        np.testing.assert_allclose(here[1], there[1], atol=1e-5)

    def test_crops_of_both_kinds_are_square_and_in_their_types(self) -> None:
        for box in ((0, 0, 100, 20), (180, 100, 12, 28), (90, 60, 1, 1)):
            crop, mask = crop_of(self.ramps(), full(box))
            assert crop.shape == (CROP_SIDE, CROP_SIDE, 3)
            assert mask.shape == (CROP_SIDE, CROP_SIDE)
            assert [crop.dtype, mask.dtype] == [np.uint8, np.float32]
            assert 0 <= mask.min() <= mask.max() <= 1


class TestFeatures:
    def some_crops(self, seed: int, count: int) -> list[tuple[np.ndarray, np.ndarray]]:
        rng = np.random.default_rng(seed)
        return [
            (rng.integers(0, 255, (64, 64, 3), np.uint8), (rng.random((64, 64)) < 0.4).astype(np.float32))
            for _ in range(count)
        ]

    def test_they_are_roots_of_means_over_the_mask_by_plain_loops(self) -> None:
        """MeanColours' first map: channel c is colour c % 3 of 4 x 4 pixels, over 255, times c + 1."""
        crops = self.some_crops(0, 2)
        found = ObjectFeatures(MeanColours((4, 16, 20))).features(crops)
        assert found.shape == (2, 4)
        assert found.dtype == np.float32
        for (crop, mask), features in zip(crops, found, strict=True):
            for channel, feature in enumerate(features):
                total = weights = 0.0
                for row in range(0, 64, 4):
                    for column in range(0, 64, 4):
                        block = slice(row, row + 4), slice(column, column + 4)
                        weight = float(mask[block].mean()) + OBJECTS.outside_weight
                        total += weight * float(crop[block][..., channel % 3].mean()) / 255 * (channel + 1)
                        weights += weight
                assert feature == pytest.approx(math.sqrt(total / weights), rel=1e-5)

    def test_what_lies_beside_the_object_hardly_counts(self) -> None:
        """A red object on green ground: f = sqrt(200 / 255) of red, and of green a hundredth of it and less."""
        crop, mask = np.zeros((64, 64, 3), np.uint8), np.zeros((64, 64), np.float32)
        crop[..., 1], crop[16:48, 16:48], mask[16:48, 16:48] = 200, (200, 0, 0), 1
        ((red, green, blue),) = ObjectFeatures(MeanColours((3, 16, 20))).features([(crop, mask)])
        assert red == pytest.approx(math.sqrt(200 / 255), rel=0.01)
        assert green == pytest.approx(math.sqrt(2 * 200 / 255 * 3e-3), rel=0.01)  # 3 times the area, 1e-3 the weight
        assert blue == 0

    def test_a_crop_without_an_object_has_its_mean(self) -> None:
        crop = np.full((64, 64, 3), 51, np.uint8)
        ((first, second, third),) = ObjectFeatures(MeanColours((3, 16, 20))).features(
            [(crop, np.zeros((64, 64), np.float32))]
        )
        np.testing.assert_allclose([first, second, third], np.sqrt([0.2, 0.4, 0.6]), rtol=1e-5)

    @QUICK
    @given(SEEDS, st.integers(1, 6))
    def test_they_do_not_see_batch_borders(self, seed: int, count: int) -> None:
        crops, features = self.some_crops(seed, count), ObjectFeatures(MeanColours())
        alone = np.concatenate([features.features([each]) for each in crops])
        np.testing.assert_allclose(features.features(crops), alone, rtol=1e-6)

    def test_no_crops_have_no_features_of_as_many_dimensions(self) -> None:
        assert ObjectFeatures(MeanColours((4, 16, 20))).features([]).shape == (0, 4)

    @pytest.mark.parametrize(("channels", "expected"), [(4, 4), (64, 64), (65, 64), (256, 64)])
    def test_an_object_has_the_first_64_channels_at_most(self, channels: int, expected: int) -> None:
        features = ObjectFeatures(MeanColours((channels, 16, 20)))
        assert features.dimensions == feature_dimensions((channels, 512, 512)) == expected
        found = features.features(self.some_crops(0, 1))
        assert found.shape == (1, expected)
        one = ObjectFeatures(MeanColours((3, 16, 20))).features(self.some_crops(0, 1))
        np.testing.assert_allclose(found[0, :3], one[0], rtol=1e-6)

    def test_negative_activations_count_as_none_at_all(self) -> None:
        class Negative(MeanColours):
            def maps(self, pictures: torch.Tensor, stages: int = 3) -> list[torch.Tensor]:
                return [-each for each in super().maps(pictures, stages)]

        assert not ObjectFeatures(Negative()).features(self.some_crops(0, 2)).any()


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
        corner = np.zeros((STREET_HEIGHT, STREET_WIDTH), bool)
        corner[:side, :side] = True
        found = moving_objects(Motion(corner, still.velocity, still.speed, still.cells))[0]
        picture = np.full((STREET_HEIGHT, STREET_WIDTH, 3), 90, np.uint8)
        picture[:side, :side] = 200
        crop, mask = crop_of(picture, found)
        middle = slice(CROP_SIDE // 4, 3 * CROP_SIDE // 4)
        assert crop[middle, middle].min() == 200
        assert mask[middle, middle].min() == pytest.approx(1.0)
        covered = (side / max(side, 16) / 1.15) ** 2
        assert mask.mean() == pytest.approx(covered, rel=0.1)

    def test_a_wide_region_is_cut_into_windows_about_as_wide_as_high(self) -> None:
        still = moving(0.0)
        wide = np.zeros((STREET_HEIGHT, STREET_WIDTH), bool)
        wide[60:100, 40:160] = True
        found = moving_objects(Motion(wide, still.velocity, still.speed, still.cells))
        assert sorted(each.box for each in found) == [(40, 60, 40, 40), (80, 60, 40, 40), (120, 60, 40, 40)]

    def test_a_detectors_boxes_take_the_place_of_regions(self) -> None:
        found = moving_objects(moving(0.0), boxes=[(10, 20, 30, 40), (230, 150, 50, 50)])
        assert [each.box for each in found] == [(10, 20, 30, 40), (230, 150, 10, 10)]
