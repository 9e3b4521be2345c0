"""Still places: what came and stays rises over the place's own past, out of reach of motion."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streammon.motion import SETTINGS
from streammon.motion.flow import GRID, Motion
from streammon.motion.observe import Observation
from streammon.motion.still import StillPatches
from support.motion_samples import SEEDS, Cell, motion_of
from support.moving_square import moving

SIDE = 32
"""Patches a side: each is 2 x 2 cells of the grid of motion."""

CHOSEN = SETTINGS.still
SOMETHING_MOVES = motion_of({(60, 60): (0.1, 0.0)})
FPS = 10


def patches(place: Cell | None = None, height: float = 25.0) -> np.ndarray:
    """Distances of 5 everywhere, and of 5 + height in 5 x 5 patches about a place."""
    distances = np.full((SIDE, SIDE), 5, np.float32)
    if place is not None:
        row, column = place
        distances[row - 2 : row + 3, column - 2 : column + 3] += height
    return distances


def rare(height: float = 1.0) -> np.ndarray:
    return np.full((GRID, GRID), height, np.float32)


def heights(
    distances: list[np.ndarray],
    motion: Motion | None = SOMETHING_MOVES,
    still: StillPatches | None = None,
    start_s: float = 0.0,
) -> list[float]:
    """Heights of a stream's frames, ten a second."""
    seen = [Observation("yard", start_s + number / FPS, motion) for number in range(len(distances))]
    return (still or StillPatches(rare())).heights(seen, np.stack(distances))


@settings(max_examples=20)
@given(SEEDS, st.integers(2, 30))
def test_distances_that_stay_as_they_are_have_no_height_whatever_they_are(seed: int, frames: int) -> None:
    distances = np.random.default_rng(seed).uniform(0, 50, (SIDE, SIDE)).astype(np.float32)
    assert max(heights([distances] * frames)) < 1e-3


def test_what_comes_and_stays_rises_towards_its_height_with_the_time_constant() -> None:
    """After t s it has 1 - exp(-t / 3 s) of it, less what the place has got used to: t / 300 s."""
    found = heights([patches(), *[patches((8, 8))] * 100])
    assert found[0] == 0
    assert found[1:60] == sorted(found[1:60])
    for seconds in (1, 3, 6):
        grown = math.exp(-seconds / CHOSEN.rise_s) - math.exp(-seconds / CHOSEN.dwell_s)
        assert found[FPS * seconds] == pytest.approx(25 * grown, rel=0.1)


def test_for_minutes_what_stays_becomes_the_place_s_own() -> None:
    """Two frames a minute apart at most are compared: exp(-t / 300 s) of it is left."""
    times_s = [0.0, *np.arange(1.0, 900.0, 5.0)]
    seen = [Observation("yard", time_s, SOMETHING_MOVES) for time_s in times_s]
    found = StillPatches(rare()).heights(seen, np.stack([patches(), *[patches((8, 8))] * (len(seen) - 1)]))
    highest = int(np.argmax(found))
    assert times_s[highest] < 30
    assert found[highest:] == sorted(found[highest:], reverse=True)
    assert found[-1] == pytest.approx(found[highest] * math.exp(-(times_s[-1] - times_s[highest]) / 300), rel=0.15)


def test_what_leaves_leaves_no_height() -> None:
    found = heights([patches(), *[patches((8, 8))] * 50, *[patches()] * 20])
    assert found[50] > 15
    assert max(found[51:]) < 0.5


def test_a_place_lower_than_before_has_no_height() -> None:
    assert max(heights([patches((8, 8)), *[patches()] * 30])) < 1e-3


@pytest.mark.parametrize(("away", "hidden"), [(0, True), (3, True), (6, False), (-3, True), (-6, False)])
def test_places_within_an_eighth_of_the_picture_of_motion_are_left_out(away: int, hidden: bool) -> None:
    """4 of 32 patches: three and the one that smoothing spreads to. Something comes in a single patch."""
    arrived = patches()
    arrived[12, 8] += 60
    moving = motion_of({(2 * (12 + away), 16): (0.1, 0.0), (2 * 12, 2 * 28): (0.1, 0.0)})
    found = heights([patches(), *[arrived] * 60], moving)[60]
    assert found < 0.5 if hidden else found > 20


def test_while_something_passes_a_place_it_keeps_its_past() -> None:
    """A bag stands, someone passes before it, the bag still stands: as high as before."""
    passing = motion_of({(16, 16): (0.1, 0.0)})
    still = StillPatches(rare())
    before = heights([patches(), *[patches((8, 8))] * 60], still=still)
    while_passing = heights([patches((8, 8), 200)] * 10, passing, still, start_s=6.1)
    after = heights([patches((8, 8))] * 10, still=still, start_s=7.1)
    assert max(while_passing) < 1e-3
    assert after[0] == pytest.approx(before[-1], rel=0.1)
    assert max(after) < 1.2 * before[-1]


@pytest.mark.parametrize(("there", "weight"), [(2.0, 1.0), (1.0, 0.5), (0.2, 0.1), (0.0, 0.1)])
def test_the_height_is_weighted_by_the_place_s_rarity_of_motion_over_the_largest(there: float, weight: float) -> None:
    rarity = rare(2.0)
    rarity[:32, :32] = there
    arrived = [patches(), *[patches((8, 8))] * 30]
    found = heights(arrived, still=StillPatches(rarity))
    assert found[30] == pytest.approx(weight * heights(arrived)[30], rel=1e-3)
    assert heights(arrived, still=StillPatches(5 * rarity))[30] == pytest.approx(found[30], rel=1e-3)


def test_each_stream_has_its_own_past_and_a_batch_has_no_borders() -> None:
    """Frames of two streams, interleaved, in batches of any size, are as each stream's frame by frame."""
    arrived = [patches(), *[patches((8, 8))] * 20]
    alone = {"yard": heights(arrived), "lane": heights([patches()] * 21)}
    for size in (2, 7, 42):
        still, found = StillPatches(rare()), []
        mixed = [
            (Observation(stream, number / FPS, SOMETHING_MOVES), distances)
            for number in range(21)
            for stream, distances in (("yard", arrived[number]), ("lane", patches()))
        ]
        for first in range(0, len(mixed), size):
            part = mixed[first : first + size]
            found += still.heights([seen for seen, _ in part], np.stack([each for _, each in part]))
        assert found[::2] == pytest.approx(alone["yard"])
        assert found[1::2] == pytest.approx(alone["lane"])


def test_a_stream_that_begins_again_has_no_past() -> None:
    still = StillPatches(rare())
    assert heights([patches(), *[patches((8, 8))] * 30], still=still)[30] > 10
    assert max(heights([patches((8, 8))] * 30, still=still)) < 1e-3


def test_without_optical_flow_places_are_compared_from_the_second_frame_on() -> None:
    """The first such frame has height 0, also after frames with flow, and so does what is there from then on."""
    still = StillPatches(rare())
    found = heights([patches((8, 8)), patches(), *[patches((8, 8))] * 60], None, still)
    assert found[0] == 0
    assert found[61] > 10
    assert heights([patches()], SOMETHING_MOVES, still, start_s=7.0)[0] < 1e-3
    assert heights([patches((8, 8))], None, still, start_s=7.1) == [0.0]


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

    def test_what_came_in_a_pause_is_conspicuous_only_after_it_stayed(self) -> None:
        empty, bag = self.distances(self.CORNER, 5), self.distances(self.CORNER)
        still, motion = StillPatches(self.EVERYWHERE), moving(30.0)
        self.heights(still, motion, [empty] * 50)
        after = self.heights(still, motion, [bag] * 100, start_s=35.0)
        assert max(after[:6]) < 0.2 * max(after)
        assert after[99] > 15

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
