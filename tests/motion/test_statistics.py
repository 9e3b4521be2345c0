"""Sums of motion by place, against plain loops over the frames; and the halves that they are kept in."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streammon.motion.change import CHANGE_CHANNELS, CHANGE_GRID
from streammon.motion.flow import GRID, Motion
from streammon.motion.objects import MovingObject
from streammon.motion.observe import Observation
from streammon.motion.statistics import (
    DIRECTIONS,
    OBJECT_GRID,
    Halves,
    MotionSums,
    cell_speeds,
    direction_bins,
    direction_positions,
    moving_places,
    object_places,
    object_shapes,
)
from support.motion_samples import DIMENSIONS, QUICK, SEEDS, flat, grid_motion, learned, motion_of, some_frame, thing
from support.moving_square import STREET_DIMENSIONS, moving, observed


class TestCells:
    def test_moving_cells_have_their_speeds_in_the_order_of_rows(self) -> None:
        motion = motion_of({(2, 5): (0.3, 0.4), (0, 63): (0.0, -0.2), (63, 0): (0.1, 0.0)})
        cells, speeds = cell_speeds(motion)
        assert cells.tolist() == [63, 2 * 64 + 5, 63 * 64]
        np.testing.assert_allclose(speeds, [[0.2], [0.5], [0.1]])

    def test_a_cell_s_speed_may_exceed_its_velocity_s_length(self) -> None:
        """Of a cell in which half goes left and half goes right the velocities cancel, the speeds don't."""
        motion = motion_of({(1, 1): (0.0, 0.0)})
        motion.speed[1, 1] = 0.25
        assert cell_speeds(motion)[1].tolist() == [[0.25]]

    def test_what_does_not_move_is_left_out_however_fast(self) -> None:
        motion = grid_motion(np.ones((GRID, GRID, 2)), np.zeros((GRID, GRID), bool))
        assert [len(each) for each in cell_speeds(motion)] == [0, 0]
        assert len(moving_places(motion)) == 0

    @pytest.mark.parametrize(
        ("velocity", "eighth"),
        [
            ((1, 0), 0),  # rightwards
            ((1, 1), 1),
            ((0, 1), 2),  # downwards
            ((-1, 1), 3),
            ((-1, 0), 4),
            ((-1, -1), -3),
            ((0, -1), -2),
            ((1, -1), -1),
        ],
    )
    def test_directions_go_from_right_over_down(self, velocity: tuple[float, float], eighth: int) -> None:
        motion = motion_of({(3, 3): velocity})
        assert direction_positions(motion, flat([(3, 3)])).tolist() == pytest.approx([eighth])
        assert direction_bins(motion, flat([(3, 3)])).tolist() == [eighth % 8]

    @QUICK
    @given(SEEDS, st.floats(0, 0.1))
    def test_a_place_moves_where_one_of_its_sixteen_cells_does(self, seed: int, share: float) -> None:
        cells = np.random.default_rng(seed).random((GRID, GRID)) < share
        expected = {row // 4 * CHANGE_GRID + column // 4 for row, column in zip(*np.nonzero(cells), strict=True)}
        assert moving_places(grid_motion(np.zeros((GRID, GRID, 2)), cells)).tolist() == sorted(expected)


class TestObjects:
    @pytest.mark.parametrize(
        ("place", "row", "column"),
        [((0, 0), 0, 0), ((0.5, 0.25), 8, 4), ((1 / 16 - 1e-9, 1 / 16), 0, 1), ((0.999, 1.0), 15, 15)],
    )
    def test_the_centre_s_place_is_one_of_sixteen_each_way(
        self, place: tuple[float, float], row: int, column: int
    ) -> None:
        assert object_places([thing([], place)]).tolist() == [row * OBJECT_GRID + column]

    def test_shapes_are_logarithms_of_width_height_and_the_mask_s_area(self) -> None:
        mask = np.ones((10, 20), bool)
        mask[:5, :10] = False
        one = MovingObject((3, 4, 20, 10), mask, flat([]), (0.5, 0.5))
        found = object_shapes([one, thing([], size=(1, 7))])
        np.testing.assert_allclose(found, [np.log([20, 10, 150]), np.log([1, 7, 7])], rtol=1e-6)
        assert object_shapes([]).shape == (0, 3)
        assert object_places([]).shape == (0,)


class TestSums:
    def test_they_are_those_of_plain_loops(self) -> None:
        rng = np.random.default_rng(0)
        frames = [some_frame(rng, number) for number in range(7)]
        frames.append(Observation("yard", 0.7, None, embedding=frames[0].embedding))
        frames.append(Observation("yard", 0.8, motion_of({})))
        expected = MotionSums(DIMENSIONS).arrays()
        for seen in frames:
            if seen.embedding is not None:
                expected["view"] = expected["view"] + seen.embedding
            if seen.motion is not None:
                expected["frames"] = expected["frames"] + 1
                add_cells(expected, seen.motion)
            for each, features in zip(seen.objects, seen.features, strict=True):
                row, column = (min(int(16 * share), 15) for share in each.place)
                _, _, wide, high = each.box
                add(expected, "looks", (row, column), features)
                add(expected, "shape", (row, column), np.log(np.array([wide, high, wide * high], np.float32)))
            if seen.motion is not None and seen.change is not None:
                for row in range(CHANGE_GRID):
                    for column in range(CHANGE_GRID):
                        if seen.motion.cells[4 * row : 4 * row + 4, 4 * column : 4 * column + 4].any():
                            add(expected, "change", (row, column), seen.change[row, column])
        found = learned(frames).arrays()
        assert found.keys() == expected.keys()
        for name, array in expected.items():
            np.testing.assert_allclose(found[name], array, rtol=1e-6, atol=1e-6, err_msg=name)

    @settings(max_examples=8)
    @given(SEEDS)
    def test_a_cell_s_directions_add_up_to_its_speeds(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        sums = learned([some_frame(rng, number) for number in range(4)])
        np.testing.assert_allclose(sums.directions.sum(-1), sums.speed.total[..., 0], rtol=1e-9)

    def test_a_frame_without_motion_counts_for_the_view_alone(self) -> None:
        embedding = np.ones((CHANGE_GRID, CHANGE_GRID, CHANGE_CHANNELS), np.float32)
        change = 2 * embedding
        sums = learned([Observation("yard", 0.0, None, change=change, embedding=embedding)] * 3)
        assert (sums.frames, sums.change.count.sum()) == (0, 0)
        assert (sums.view == 3).all()

    def test_windows_are_counted_by_who_assigns_them(self) -> None:
        """And added when sums are merged."""
        one, other = learned([some_frame(np.random.default_rng(0), 1)], turns=2), MotionSums(DIMENSIONS)
        other.turns = 3
        one.merge(other)
        assert (one.turns, one.frames) == (5, 1)

    @settings(max_examples=4)
    @given(SEEDS, st.integers(0, 6))
    def test_an_empty_fit_changes_nothing_and_merging_leaves_the_other_as_it_was(self, seed: int, cut: int) -> None:
        rng = np.random.default_rng(seed)
        frames = [some_frame(rng, number) for number in range(6)]
        one, other = learned(frames[:cut], 1), learned(frames[cut:], 2)
        before = {name: array.copy() for name, array in other.arrays().items()}
        merged = MotionSums(DIMENSIONS)
        merged.merge(other)
        one.merge(MotionSums(DIMENSIONS))
        one.merge(merged)
        for name, array in other.arrays().items():
            np.testing.assert_array_equal(array, before[name])
            np.testing.assert_array_equal(merged.arrays()[name], before[name])
        for name, array in learned(frames, 3).arrays().items():
            np.testing.assert_allclose(one.arrays()[name], array, rtol=1e-9, atol=1e-9)

    def test_fits_of_other_features_are_not_merged(self) -> None:
        with pytest.raises(ValueError, match="3 features of an object against 4"):
            MotionSums(3).merge(MotionSums(4))

    def test_arrays_of_another_shape_or_without_one_are_refused(self) -> None:
        sums = MotionSums(3)
        with pytest.raises(ValueError, match=r"its looks\.total is \(16, 16, 4\), not \(16, 16, 3\)"):
            sums.restore(MotionSums(4).arrays())
        for name in sums.arrays():
            others = {key: array for key, array in MotionSums(3).arrays().items() if key != name}
            with pytest.raises(KeyError, match=name):
                sums.restore(others)

    def test_restored_sums_are_a_copy(self) -> None:
        one, other = learned([some_frame(np.random.default_rng(0), 1)], turns=4), MotionSums(DIMENSIONS)
        other.restore(one.arrays())
        one.update(some_frame(np.random.default_rng(1), 1))
        assert (other.frames, other.turns, one.frames) == (1, 4, 2)
        assert other.speed.count.sum() < one.speed.count.sum()


def add(sums: dict[str, np.ndarray], name: str, place: tuple[int, int], values: np.ndarray) -> None:
    """Count a value, the value and its products at a place."""
    exact = np.asarray(values, np.float64)
    sums[f"{name}.count"][place] += 1
    sums[f"{name}.total"][place] += exact
    sums[f"{name}.products"][place] += np.outer(exact, exact)


def add_cells(sums: dict[str, np.ndarray], motion: Motion) -> None:
    for row, column in zip(*np.nonzero(motion.cells), strict=True):
        speed, (right, down) = motion.speed[row, column], motion.velocity[row, column]
        add(sums, "speed", (row, column), np.array([speed]))
        nearest = round(math.degrees(math.atan2(down, right)) / 45) % DIRECTIONS
        sums["directions"][row, column, nearest] += speed


class TestHalves:
    def test_a_step_back_in_time_begins_another_window(self) -> None:
        halves = Halves()
        times_s = (100.0, 110.0, 99.9, 100.0, 114.8, 114.9, 50.0)
        found = [halves.turn(Observation("yard", time_s, None)) for time_s in times_s]
        assert found == [(0, True), (0, False), (1, True), (1, False), (1, False), (0, True), (1, True)]

    def test_the_next_stream_goes_to_the_other_half_of_the_last(self) -> None:
        """Also where a fit goes on from a file, which keeps the last half alone."""
        for last in (0, 1):
            halves = Halves()
            halves.last = last
            assert halves.turn(Observation("yard", 7.0, None)) == (1 - last, True)
            assert halves.turn(Observation("lane", 7.0, None)) == (last, True)
            assert halves.turn(Observation("lane", 7.0, None)) == (last, False)


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
    halves, street = (MotionSums(STREET_DIMENSIONS), MotionSums(STREET_DIMENSIONS)), observed(moving(25.0), 0.0)
    for half, frames in zip(halves, (6, 3), strict=True):
        half.turns = frames // 3
        for _ in range(frames):
            half.update(street)
    halves[0].merge(halves[1])
    assert (halves[0].turns, halves[0].frames) == (3, 9)
