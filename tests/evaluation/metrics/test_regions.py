"""Regions and tracks are those counted by hand, and by labelling whole volumes and matching box by box."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from streammon.evaluation.metrics import RegionLevel, update_levels
from streammon.evaluation.metrics.regions import TrackLinks, components

Volume = NDArray[np.float32]


def volume(seed: int, frames: int = 12, side: int = 20) -> tuple[Volume, NDArray[np.bool_]]:
    """(T, S, S) blotchy maps and masks that overlap in part."""
    generator = np.random.default_rng(seed)
    hidden = ndimage.gaussian_filter(generator.standard_normal((frames, side, side)), (1, 2, 2))
    noise = ndimage.gaussian_filter(generator.standard_normal((frames, side, side)), (0.5, 1.5, 1.5))
    maps = (hidden / hidden.std() + noise / noise.std() + 10).astype(np.float32)
    return maps, hidden > 1.2 * hidden.std()


def boxes(flags: NDArray[np.bool_]) -> list[tuple[int, int, int, int]]:
    numbers, _ = ndimage.label(flags, np.ones((3, 3)))
    return [(x.start, y.start, x.stop, y.stop) for y, x in ndimage.find_objects(numbers)]


def plain_iou(one: tuple[int, int, int, int], other: tuple[int, int, int, int]) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    shared = max(width, 0) * max(height, 0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return shared / (sum(areas) - shared)


def plain_rates(clips: list[tuple[Volume, NDArray[np.bool_]]], threshold: float) -> tuple[float, float, float]:
    """False positives a frame, share of regions detected and of tracks."""
    false_positives = frames = 0
    region_hits: list[bool] = []
    track_hits: list[bool] = []
    structure = ndimage.generate_binary_structure(3, 1)
    structure[1] = True  # corners touch in space, only the same pixel in time
    for maps, masks in clips:
        tracks, count = ndimage.label(masks, structure)
        of_track: dict[int, list[bool]] = {number: [] for number in range(1, count + 1)}
        for anomaly_map, mask, numbers in zip(maps, masks, tracks, strict=True):
            true, found = boxes(mask), boxes(anomaly_map >= threshold)
            false_positives += sum(all(plain_iou(one, box) < 0.1 for one in true) for box in found)
            frames += 1
            labelled, _ = ndimage.label(mask, np.ones((3, 3)))
            for number, box in enumerate(true, 1):
                hit = any(plain_iou(box, one) >= 0.1 for one in found)
                region_hits.append(hit)
                of_track[int(numbers[labelled == number][0])].append(hit)
        track_hits += [sum(hits) / len(hits) >= 0.1 for hits in of_track.values()]
    return false_positives / frames, float(np.mean(region_hits)), float(np.mean(track_hits))


def plain_criterion(points: list[tuple[float, float]]) -> float:
    """Area from 0 to 1 of the best rate so far, by interpolation at a million points."""
    x, y, best = [0.0], [max([rate for found, rate in points if found == 0], default=0.0)], 0.0
    for found, rate in sorted(points):
        best = max(best, rate)
        if found > x[-1]:
            x.append(found)
            y.append(best)
        elif found == x[-1]:
            y[-1] = best
    at = np.linspace(0, 1, 1_000_001)
    return float(np.trapezoid(np.interp(at, x, y), at))


@given(seed=st.integers(0, 1000))
@settings(max_examples=6)
def test_both_criteria_are_those_of_a_plain_computation(seed: int) -> None:
    clips = [volume(seed), volume(seed + 1, frames=5)]
    thresholds = np.linspace(9, 15, 13).astype(np.float32)
    level = RegionLevel(thresholds)
    for maps, masks in clips:
        level.update_clip(iter(maps), iter(masks))
    rates = [plain_rates(clips, float(threshold)) for threshold in thresholds]
    assert level.rbdc() == pytest.approx(plain_criterion([(x, region) for x, region, _ in rates]), abs=1e-5)
    assert level.tbdc() == pytest.approx(plain_criterion([(x, track) for x, _, track in rates]), abs=1e-5)


@given(seed=st.integers(0, 1000))
@settings(max_examples=20)
def test_tracks_are_the_components_of_the_masks_volume(seed: int) -> None:
    _, masks = volume(seed)
    links = TrackLinks()
    for mask in masks:
        labels, found = components(mask.astype(np.uint8))
        links.add(labels, len(found))
    structure = ndimage.generate_binary_structure(3, 1)
    structure[1] = True
    assert len(set(links.tracks().tolist())) == ndimage.label(masks, structure)[1]


def blank(frames: int) -> tuple[Volume, NDArray[np.bool_]]:
    return np.zeros((frames, 10, 10), dtype=np.float32), np.zeros((frames, 10, 10), dtype=np.bool_)


def test_a_clip_is_worked_out_by_hand() -> None:
    """Ten frames with one track of ten regions, 4 x 4 each. The map has 9 on the region in frame 0 alone, 5 on the
    regions of frames 1 to 4, and 7 on one far-away pixel in frames 0 to 4.

    Threshold 9: 1 of 10 regions, the track (1/10 >= alpha), no false positive. 7: five false ones in ten frames, no
    more regions. 5: 5 of 10 regions, still five false ones.
    RBDC: at x = 0 the best is 1/10, at x = 1/2 it is 1/2, level from there: (1/10 + 1/2)/2 x 1/2 + 1/2 x 1/2 = 0.4.
    TBDC: 1 throughout.
    """
    maps, masks = blank(10)
    masks[:, 2:6, 2:6] = True
    maps[0, 2:6, 2:6] = 9
    maps[1:5, 2:6, 2:6] = 5
    maps[:5, 9, 9] = 7
    level = RegionLevel([9.0, 7.0, 5.0])
    level.update_clip(maps, masks)
    assert (level.frames, level.regions, level.tracks) == (10, 10, 1)
    assert level.rbdc() == pytest.approx(0.4)
    assert level.tbdc() == pytest.approx(1.0)


def test_boxes_match_from_an_iou_of_beta() -> None:
    """True box 10 x 1; a detected pixel in it is 1 of 10 pixels: 0.1, just enough. Beside it, 0."""
    maps, masks = blank(1)
    masks[0, 3] = True
    maps[0, 3, 4] = 1
    level = RegionLevel([1.0])
    level.update_clip(maps, masks)
    assert level.rbdc() == 1.0
    stricter = RegionLevel([1.0], beta=0.11)
    stricter.update_clip(maps, masks)
    assert stricter.rbdc() == 0.0


def test_regions_that_grow_together_at_low_thresholds_take_nothing_back() -> None:
    """At 9 the region is found; at 1 the whole picture is one box, whose IoU with 2 x 2 of 100 pixels is 0.04."""
    maps, masks = blank(1)
    masks[0, :2, :2] = True
    maps[:] = 1
    maps[0, :2, :2] = 9
    level = RegionLevel([1.0, 9.0])
    level.update_clip(maps, masks)
    assert level.rbdc() == level.tbdc() == 1.0


def test_two_regions_that_meet_later_are_one_track() -> None:
    """Frame 0 has two regions, frame 1 one that overlaps both, frame 2 none, frame 3 one again: two tracks."""
    _, masks = blank(4)
    masks[0, 1, 1:3] = masks[0, 1, 6:8] = True
    masks[1, 1, 1:8] = True
    masks[3, 1, 1:8] = True
    links = TrackLinks()
    for mask in masks:
        labels, found = components(mask.astype(np.uint8))
        links.add(labels, len(found))
    assert links.tracks().tolist() == [0, 0, 0, 1]


def test_normal_clips_only_add_frames_and_false_positives() -> None:
    maps, masks = blank(2)
    maps[0, 0, 0] = 5
    level = RegionLevel([5.0])
    level.update_clip(maps, masks)
    assert (level.frames, level.regions) == (2, 0)
    assert level.rbdc() is level.tbdc() is None
    masks[:, 5, 5] = maps[:, 5, 5] = 5
    level.update_clip(maps, masks)
    assert level.rbdc() == 0.75  # two false ones in four frames: (0 + 1)/2 x 1/2 + 1 x 1/2


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="regions need at least one threshold"):
        RegionLevel([])
    maps, masks = blank(2)
    with pytest.raises(ValueError, match="zip"):
        RegionLevel([1.0]).update_clip(maps, masks[:1])
    with pytest.raises(ValueError, match=r"map \(10, 10\) and mask \(9, 10\) differ in shape"):
        RegionLevel([1.0]).update_clip(maps, masks[:, 1:])


def test_published_tracks_count_apart_from_those_of_the_masks() -> None:
    """Two objects side by side through ten frames, 4 x 4 each; the map has 9 on the left one in frames 0 and 1.

    By the masks they are one region of 8 x 4, half of which is found (IoU 1/2): 2 of 10 regions, the track. By the
    published tracks they are two: 2 of 20 regions, and one of two tracks.
    """
    maps, masks = blank(10)
    masks[:, 2:6, 1:9] = True
    maps[:2, 2:6, 1:5] = 9
    published = [(np.array([[1.0, 2, 5, 6], [5, 2, 9, 6]]), np.array([7, 4])) for _ in range(10)]
    by_masks, by_tracks = RegionLevel([9.0]), RegionLevel([9.0])
    update_levels(maps, masks, by_masks, by_tracks, published)
    assert (by_masks.regions, by_masks.tracks, by_tracks.regions, by_tracks.tracks) == (10, 1, 20, 2)
    assert (by_masks.rbdc(), by_masks.tbdc()) == (0.2, 1.0)
    assert (by_tracks.rbdc(), by_tracks.tbdc()) == (0.1, 0.5)


def test_a_published_track_is_one_through_a_gap_and_not_across_clips() -> None:
    """A track of frames 0 and 3, found in frame 0, and one of the same number in another clip, not found."""
    maps, masks = blank(4)
    maps[0, 2:6, 2:6] = 9
    box, none = np.array([[2.0, 2, 6, 6]]), np.zeros((0, 4))
    numbers = [np.array([5]), np.zeros(0, np.int64), np.zeros(0, np.int64), np.array([5])]
    published = list(zip([box, none, none, box], numbers, strict=True))
    by_masks, by_tracks = RegionLevel([9.0]), RegionLevel([9.0])
    update_levels(maps, masks, by_masks, by_tracks, published)
    assert (by_tracks.regions, by_tracks.tracks, by_tracks.tbdc()) == (2, 1, 1.0)
    update_levels(np.zeros_like(maps), masks, by_masks, by_tracks, published)
    assert (by_tracks.frames, by_tracks.tracks, by_tracks.rbdc(), by_tracks.tbdc()) == (8, 2, 0.25, 0.5)
    assert by_masks.tbdc() is None  # the masks are empty


@given(seed=st.integers(0, 1000))
@settings(max_examples=6)
def test_published_tracks_that_are_the_masks_give_what_the_masks_give(seed: int) -> None:
    maps, masks = volume(seed)
    structure = ndimage.generate_binary_structure(3, 1)
    structure[1] = True
    tracks, _ = ndimage.label(masks, structure)
    published = []
    for mask, numbers in zip(masks, tracks, strict=True):
        labelled, count = ndimage.label(mask, np.ones((3, 3)))
        ids = [int(numbers[labelled == number][0]) for number in range(1, count + 1)]
        published.append((np.array(boxes(mask), dtype=np.float64).reshape(-1, 4), np.array(ids, dtype=np.int64)))
    thresholds = np.linspace(9, 15, 13).astype(np.float32)
    by_masks, by_tracks = RegionLevel(thresholds), RegionLevel(thresholds)
    update_levels(maps, masks, by_masks, by_tracks, published)
    assert (by_tracks.regions, by_tracks.tracks) == (by_masks.regions, by_masks.tracks)
    assert (by_tracks.rbdc(), by_tracks.tbdc()) == (by_masks.rbdc(), by_masks.tbdc())
