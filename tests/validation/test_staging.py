"""Anomalies staged in painted footage are what they are called, where they are said to be, and nowhere else."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from streammon.records import Picture
from streammon.validation.staging import AnomalyKind, Mover, StagedSegment, background, movers, stage, traffic
from streammon.validation.staging.scenery import value_of_rank
from support.staging_street import HEIGHT, WALK_Y, WIDTH, Walker, street, times_s

FRAMES = 80
WALKERS = [Walker(4, 10, WALK_Y, 4.0), Walker(40, 20, WALK_Y + 4, 4.0)]


class Street:
    """Footage with its movers and traffic, found once."""

    def __init__(self, walkers: list[Walker]) -> None:
        self.pictures = street(walkers, FRAMES)
        self.times_s = times_s(FRAMES)
        self.cast = movers(self.pictures, self.times_s)
        self.traffic = traffic(self.pictures)

    def staged(self, kind: AnomalyKind, seed: int = 0, speed: float = 2.0) -> StagedSegment | None:
        rng = np.random.default_rng(seed)
        return stage(kind, self.pictures, self.times_s, self.cast, self.traffic, rng, speed=speed)

    def surely(self, kind: AnomalyKind, seed: int = 0, speed: float = 2.0) -> StagedSegment:
        staged = self.staged(kind, seed, speed)
        assert staged is not None
        return staged


@pytest.fixture(scope="module")
def one_way() -> Street:
    return Street(WALKERS)


def middles(staged: StagedSegment) -> NDArray[np.float64]:
    """(N, 2) x, y of the mask's middle where all of it is in the picture; the faded ends left out."""
    found = []
    for mask in staged.masks:
        rows, columns = np.nonzero(mask)
        whole = len(rows) and columns.min() > 0 and columns.max() < WIDTH - 1 and rows.max() < HEIGHT - 1
        if whole:
            found.append((columns.mean(), rows.mean()))
    return np.array(found)


def pace(staged: StagedSegment) -> float:
    """Median pixels a frame along x."""
    return float(np.median(np.diff(middles(staged)[:, 0])))


@pytest.mark.parametrize("number", [1, 2, 5, 20, 41])
def test_a_value_of_a_rank_is_the_one_that_sorting_gives(number: int) -> None:
    pictures = np.random.default_rng(number).integers(0, 256, (number, 9, 7, 3), np.uint8)
    pictures[:, :4] //= 64  # many are equal
    for rank in range(number):
        np.testing.assert_array_equal(value_of_rank(list(pictures), rank), np.sort(pictures, axis=0)[rank])


def test_the_background_is_the_street_without_its_walkers(one_way: Street) -> None:
    empty = background(street([], FRAMES))
    apart = np.abs(background(one_way.pictures).astype(int) - empty)
    assert apart.max() <= 12
    assert apart.mean() < 1


def test_walkers_are_found_with_their_paths_and_speeds(one_way: Street) -> None:
    assert len(one_way.cast) == 2
    for mover, walker in zip(sorted(one_way.cast, key=lambda each: each.times_s[0]), WALKERS, strict=True):
        assert mover.velocity == pytest.approx([40, 0], abs=1.0)  # 4 pixels a frame, 10 frames a second
        assert mover.size == pytest.approx(np.sqrt(14 * 30), rel=0.12)
        frame = mover.times_s[5] * 10
        middle = walker.x + 4 * (frame - walker.first_frame) + 6.5, walker.y + 14.5
        assert mover.path()[5] == pytest.approx(middle, abs=1.0)


def test_nothing_moves_so_nothing_is_found_and_nothing_staged() -> None:
    still = Street([])
    assert still.cast == []
    assert still.traffic.max() == 0
    assert [still.staged(kind) for kind in AnomalyKind] == [None] * len(AnomalyKind)


def test_traffic_counts_the_frames_in_which_something_was_there(one_way: Street) -> None:
    # 14 pixels wide at 4 a frame: 3.5 frames for each of the two walkers.
    assert one_way.traffic[WALK_Y + 15, 150] == pytest.approx(7 / FRAMES, abs=2.1 / FRAMES)
    assert one_way.traffic[:80].max() == 0


@pytest.mark.parametrize("kind", list(AnomalyKind))
@pytest.mark.parametrize("seed", [0, 1])
def test_outside_the_mask_the_footage_is_untouched(one_way: Street, kind: AnomalyKind, seed: int) -> None:
    staged = one_way.surely(kind, seed)
    assert len(staged.pictures) == len(staged.masks) == FRAMES
    for before, after, mask in zip(one_way.pictures, staged.pictures, staged.masks, strict=True):
        assert np.array_equal(before[~mask], after[~mask])
    assert sum(mask.any() for mask in staged.masks) >= 5
    touched = np.mean(
        [(before != after).any(axis=2)[mask].mean() for before, after, mask in changed(one_way, staged)]
    )
    assert touched > 0.8  # the mask is no larger than what was pasted


def changed(street: Street, staged: StagedSegment) -> list[tuple[Picture, Picture, NDArray[np.bool_]]]:
    together = zip(street.pictures, staged.pictures, staged.masks, strict=True)
    return [each for each in together if each[2].any()]


@pytest.mark.parametrize("kind", list(AnomalyKind))
def test_the_same_draws_stage_the_same(one_way: Street, kind: AnomalyKind) -> None:
    first, second = one_way.surely(kind, 7), one_way.surely(kind, 7)
    assert all(np.array_equal(*pair) for pair in zip(first.pictures, second.pictures, strict=True))
    assert all(np.array_equal(*pair) for pair in zip(first.masks, second.masks, strict=True))


@pytest.mark.parametrize(("speed", "pixels_a_frame"), [(2.0, 8.0), (1.5, 6.0), (3.0, 12.0)])
def test_something_fast_goes_so_many_times_its_speed(one_way: Street, speed: float, pixels_a_frame: float) -> None:
    assert pace(one_way.surely(AnomalyKind.FAST, speed=speed)) == pytest.approx(pixels_a_frame, abs=0.6)


def test_no_speed_is_odd_where_that_speed_is_usual() -> None:
    mixed = Street([Walker(2, 10, WALK_Y, 3.0), Walker(2, 10, 40, 3.0), Walker(40, 10, WALK_Y, 6.0)])
    slow = [mover for mover in mixed.cast if mover.velocity[0] < 40 and mover.path()[0, 1] > 100]
    assert slow
    rest = [mover for mover in mixed.cast if mover.velocity[0] > 40]
    rng = np.random.default_rng(0)
    assert stage(AnomalyKind.FAST, mixed.pictures, mixed.times_s, slow, mixed.traffic, rng) is not None
    assert all(mixed_fast_is_none(mixed, [*slow, *rest * 3], seed) for seed in range(2))


def mixed_fast_is_none(mixed: Street, cast: list[Mover], seed: int) -> bool:
    """Whether only the fast ones, never the slow, are sped up."""
    staged = stage(
        AnomalyKind.FAST, mixed.pictures, mixed.times_s, cast, mixed.traffic, np.random.default_rng(seed), speed=2.0
    )
    return staged is None or pace(staged) > 9


def test_the_wrong_way_is_the_path_backwards_facing_where_it_goes(one_way: Street) -> None:
    staged = one_way.surely(AnomalyKind.WRONG_WAY)
    assert pace(staged) == pytest.approx(-4.0, abs=0.3)
    index = [i for i, mask in enumerate(staged.masks) if mask.any()][10]
    _, columns = np.nonzero(staged.masks[index])
    left = int(columns.min()) + 4
    row = int(np.median(np.nonzero(staged.masks[index])[0]))
    assert staged.pictures[index][row, left, 0] > 180  # the red half leads, as it does on the way there


def test_there_is_no_wrong_way_where_both_are_usual() -> None:
    both = Street([Walker(2, 10, WALK_Y, 4.0), Walker(38, 290, WALK_Y + 3, -4.0)])
    assert {np.sign(mover.velocity[0]) for mover in both.cast} == {1, -1}
    assert [both.staged(AnomalyKind.WRONG_WAY, seed) for seed in range(3)] == [None] * 3


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_wrong_place_is_where_nothing_moved(one_way: Street, seed: int) -> None:
    staged = one_way.surely(AnomalyKind.WRONG_PLACE, seed)
    assert max(float(one_way.traffic[mask].max()) for mask in staged.masks if mask.any()) == 0
    assert pace(staged) == pytest.approx(4.0, abs=0.3)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_what_stands_stays_where_it_is_to_the_end_and_nothing_moved_there(one_way: Street, seed: int) -> None:
    staged = one_way.surely(AnomalyKind.STANDING, seed)
    shown = [mask for mask in staged.masks if mask.any()]
    assert all(np.array_equal(mask, shown[0]) for mask in shown)
    assert staged.masks[-1].any()
    assert not staged.masks[0].any()
    assert one_way.traffic[shown[0]].max() == 0


def test_there_is_no_place_to_stand_where_things_move_everywhere(one_way: Street) -> None:
    everywhere = np.ones_like(one_way.traffic)
    for kind in (AnomalyKind.STANDING, AnomalyKind.WRONG_PLACE):
        rng = np.random.default_rng(0)
        assert stage(kind, one_way.pictures, one_way.times_s, one_way.cast, everywhere, rng) is None


def test_a_stranger_moves_as_the_others_and_looks_like_nothing_here(one_way: Street) -> None:
    staged = one_way.surely(AnomalyKind.STRANGER)
    assert pace(staged) == pytest.approx(4.0, abs=0.3)


def test_a_stranger_wears_the_looks_it_is_given(one_way: Street) -> None:
    green = np.zeros((30, 30, 3), np.uint8)
    green[..., 1] = 255
    rng = np.random.default_rng(0)
    args = one_way.pictures, one_way.times_s, one_way.cast, one_way.traffic, rng
    staged = stage(AnomalyKind.STRANGER, *args, texture_sources=[green])
    assert staged is not None
    index = [i for i, mask in enumerate(staged.masks) if mask.any()][10]
    inside = cv2.erode(staged.masks[index].astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
    assert (staged.pictures[index][inside] == (0, 255, 0)).all()


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_something_large_goes_where_the_others_go_and_up_to_twice_as_fast(one_way: Street, seed: int) -> None:
    staged = one_way.surely(AnomalyKind.LARGE, seed)
    assert 3.7 <= pace(staged) <= 8.3
    areas = [mask.sum() for mask in staged.masks if mask.any()]
    assert max(areas) > 0.9 * 14 * 30
    assert max(float(one_way.traffic[mask].max()) for mask in staged.masks if mask.any()) > 0


def test_uneven_times_keep_the_speed_per_second(one_way: Street) -> None:
    kept = [index for index in range(FRAMES) if index % 3]  # every third picture is missing
    pictures = [one_way.pictures[index] for index in kept]
    moments = [one_way.times_s[index] for index in kept]
    staged = stage(AnomalyKind.FAST, pictures, moments, one_way.cast, one_way.traffic, np.random.default_rng(0))
    assert staged is not None
    whole = [i for i, mask in enumerate(staged.masks) if mask.any() and np.nonzero(mask)[1].max() < WIDTH - 1]
    x = [float(np.nonzero(staged.masks[i])[1].mean()) for i in whole]
    rates = np.diff(x) / np.diff([moments[i] for i in whole])
    assert np.median(rates) == pytest.approx(80, abs=6)


def test_pictures_and_times_have_to_agree(one_way: Street) -> None:
    with pytest.raises(ValueError, match="80 pictures and 79 times"):
        movers(one_way.pictures, one_way.times_s[:-1])


def test_real_people_on_a_real_pavement_give_every_kind(shared_data: Path) -> None:
    files = sorted((shared_data / "ucsd_ped2/training/frames/01").glob("*.jpg"))[:60]
    pictures = [np.asarray(cv2.imread(str(file)), np.uint8) for file in files]
    cast, busy = movers(pictures, times_s(60)), traffic(pictures)
    assert len(cast) >= 8
    for kind in AnomalyKind:
        staged = stage(kind, pictures, times_s(60), cast, busy, np.random.default_rng(0))
        assert staged is not None
        assert sum(mask.any() for mask in staged.masks) >= 5
