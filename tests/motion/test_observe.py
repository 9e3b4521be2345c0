"""Observations of frames: each frame's own, whatever batch it comes in and whatever streams come with it."""

from collections.abc import Sequence
from dataclasses import fields

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from streammon.motion import Observation, Observer, PixelBox
from streammon.motion.change import CoarseEmbedding
from streammon.motion.flow import FlowEstimator
from streammon.motion.objects import ObjectFeatures, crop_of, moving_objects
from streammon.records import Detail, Frame, Picture
from support.motion_samples import MeanColours, frame_of, pair_of, texture

HEIGHT, WIDTH = 128, 192
CHANNELS = (4, 16, 20)
RED, GREEN, BLUE = np.eye(3)


def street(lefts: Sequence[int], colours: Sequence[np.ndarray], top: int = 50) -> np.ndarray:
    """A grey street with a textured square of 24 pixels in one colour at each place."""
    picture = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    for left, colour in zip(lefts, colours, strict=True):
        picture[top : top + 24, left : left + 24] = texture(24, 24, 1)[..., :1] * colour
    return picture


def passing(*colours: np.ndarray, step: int = 3) -> Detail:
    """Squares of some colours, 50 pixels apart, that move to the right."""
    lefts = [20 + 50 * number for number in range(len(colours))]
    return pair_of(street(lefts, colours), street([left + step for left in lefts], colours))


def maps_of(count: int, channels: tuple[int, int, int] = CHANNELS) -> list[Tensor]:
    """Random feature maps of so many frames."""
    generator = torch.Generator().manual_seed(0)
    return [
        torch.randn(count, each, side, side, generator=generator)
        for each, side in zip(channels, (32, 16, 8), strict=True)
    ]


def some_frames() -> list[Frame]:
    """Two streams, interleaved, with none to three objects each."""
    details = [passing(), passing(RED), None, passing(GREEN, BLUE), passing(RED, GREEN, BLUE), Detail(street([], []))]
    return [frame_of(each, ("yard", "lane")[number % 2], number) for number, each in enumerate([*details, *details])]


def assert_same(one: Observation, other: Observation) -> None:
    assert (one.stream, one.time_s) == (other.stream, other.time_s)
    assert (one.motion is None, one.change is None) == (other.motion is None, other.change is None)
    if one.motion is not None and other.motion is not None:
        np.testing.assert_array_equal(one.motion.cells, other.motion.cells)
        np.testing.assert_allclose(one.motion.velocity, other.motion.velocity, atol=1e-3)
    assert [each.box for each in one.objects] == [each.box for each in other.objects]
    np.testing.assert_allclose(one.features, other.features, rtol=1e-5, atol=1e-6)
    if one.change is not None and other.change is not None:
        np.testing.assert_allclose(one.change, other.change, rtol=1e-4, atol=1e-4)
    assert one.embedding is not None
    assert other.embedding is not None
    np.testing.assert_allclose(one.embedding, other.embedding, rtol=1e-5)


def batches(frames: list[Frame], maps: list[Tensor], borders: Sequence[int]) -> list[Observation]:
    """Observations of frames that come in batches which end at the borders."""
    observer, found = Observer(MeanColours(CHANNELS)), []
    for part in np.split(np.arange(len(frames)), sorted(borders)):
        if len(part):
            found += observer.observe([frames[number] for number in part], [each[part] for each in maps])
    return found


class TestObserver:
    @settings(max_examples=5)
    @given(st.lists(st.integers(1, 11), max_size=12))
    def test_it_does_not_see_batch_borders(self, borders: list[int]) -> None:
        frames, maps = some_frames(), maps_of(12)
        whole = batches(frames, maps, [])
        assert [len(each.objects) for each in whole] == [0, 1, 0, 2, 3, 0] * 2
        for one, other in zip(whole, batches(frames, maps, borders), strict=True):
            assert_same(one, other)

    def test_streams_that_are_interleaved_are_as_each_alone(self) -> None:
        frames, maps = some_frames(), maps_of(12)
        whole = batches(frames, maps, [])
        for stream, first in (("yard", 0), ("lane", 1)):
            alone = batches(frames[first::2], [each[first::2] for each in maps], [])
            assert {each.stream for each in alone} == {stream}
            for one, other in zip(whole[first::2], alone, strict=True):
                assert_same(one, other)
            assert [each.change is not None for each in alone] == [False, False, True, True, True, True]

    def test_each_part_of_an_observation_is_its_module_s(self) -> None:
        network, frames, maps = MeanColours(CHANNELS), some_frames(), maps_of(12)
        embeddings = CoarseEmbedding(CHANNELS).embed(maps)
        for frame, embedding, seen in zip(frames, embeddings, Observer(network).observe(frames, maps), strict=True):
            assert (seen.stream, seen.time_s) == (frame.camera, frame.stream_time_s)
            np.testing.assert_array_equal(seen.embedding, embedding)
            motion = FlowEstimator().motion(frame.detail)
            assert (motion is None) == (seen.motion is None)
            if motion is None or frame.detail is None:
                assert (seen.objects, seen.features.shape) == ([], (0, 4))
                continue
            objects = moving_objects(motion)
            assert [each.box for each in seen.objects] == [each.box for each in objects]
            crops = [crop_of(frame.detail.picture, each) for each in objects]
            np.testing.assert_allclose(seen.features, ObjectFeatures(network).features(crops), rtol=1e-5)

    def test_each_object_has_the_features_of_its_own_picture(self) -> None:
        """The strongest of the first three channels over its number is the object's colour."""
        frames = some_frames()[:6]
        expected = {1: [0], 3: [1, 2], 4: [0, 1, 2]}
        for number, seen in enumerate(Observer(MeanColours(CHANNELS)).observe(frames, maps_of(6))):
            colours = (seen.features[:, :3] ** 2 / [1, 2, 3]).argmax(1)
            order = np.argsort([each.box[0] for each in seen.objects])
            assert colours[order].tolist() == expected.get(number, [])

    def test_a_change_is_the_embeddings_difference_over_the_time(self) -> None:
        """Frames three tenths apart: a lag ago is the frame before."""
        maps = maps_of(2)
        frames = [frame_of(None, number=number) for number in (0, 3)]
        first, second = Observer(MeanColours(CHANNELS)).observe(frames, maps)
        assert first.change is None
        assert second.change is not None
        assert first.embedding is not None
        assert second.embedding is not None
        np.testing.assert_allclose(second.change, (second.embedding - first.embedding) / 0.3, rtol=1e-3, atol=1e-3)

    def test_no_frames_have_no_observations(self) -> None:
        assert Observer(MeanColours(CHANNELS)).observe([], maps_of(0)) == []

    @pytest.mark.parametrize("channels", [4, 90])
    def test_its_dimensions_are_those_of_its_features(self, channels: int) -> None:
        observer = Observer(MeanColours((channels, 16, 20)))
        (seen,) = observer.observe([frame_of(passing(RED))], maps_of(1, (channels, 16, 20)))
        assert seen.features.shape == (1, observer.dimensions) == (1, min(channels, 64))


class Halves:
    """A detector that finds the left and the right half of every picture, and keeps the pictures it was shown."""

    fingerprint = "halves"

    def __init__(self) -> None:
        self.shown: list[Picture] = []

    def __call__(self, picture: Picture) -> Sequence[PixelBox]:
        self.shown.append(picture)
        half = picture.shape[1] // 2
        return [(half, 0, half, picture.shape[0]), (0, 0, half - 10, picture.shape[0])]


class TestDetector:
    def test_its_boxes_are_the_objects_the_largest_first(self) -> None:
        detector = Halves()
        observer = Observer(MeanColours(CHANNELS), detector)
        assert (observer.detector, Observer(MeanColours(CHANNELS)).detector) == ("halves", "")
        (seen,) = observer.observe([frame_of(passing(RED))], maps_of(1))
        assert [each.box for each in seen.objects] == [(96, 0, 96, HEIGHT), (0, 0, 86, HEIGHT)]
        assert seen.features.shape == (2, 4)

    def test_it_is_shown_the_detail_of_frames_that_have_motion_alone(self) -> None:
        """A picture without an earlier one has no objects, moving or not."""
        detector, detail = Halves(), passing(RED)
        frames = [frame_of(each, number=n) for n, each in enumerate((None, Detail(street([], [])), detail))]
        found = Observer(MeanColours(CHANNELS), detector).observe(frames, maps_of(3))
        assert [len(each.objects) for each in found] == [0, 0, 2]
        assert len(detector.shown) == 1
        assert detector.shown[0] is detail.picture


def test_any_number_of_threads_gives_the_same_bits() -> None:
    frames = some_frames()
    alone, several = (Observer(MeanColours(), threads=threads).motions(frames) for threads in (1, 3))
    assert sum(each is not None for each in alone) == 8
    for one, other in zip(alone, several, strict=True):
        if one is None or other is None:
            assert one is other
            continue
        for each in fields(one):
            np.testing.assert_array_equal(getattr(one, each.name), getattr(other, each.name))


def test_motion_that_was_begun_before_is_that_of_its_frame() -> None:
    observer = Observer(MeanColours(), threads=2)
    frames = [frame_of(passing(RED, step=step), number=step) for step in range(1, 4)]
    expected = observer.motions(frames)
    observer.begin(frames)
    for found, motion in zip(observer.motions(frames[::-1])[::-1], expected, strict=True):
        assert found is not None
        assert motion is not None
        np.testing.assert_array_equal(found.velocity, motion.velocity)


def test_frames_of_two_clips_of_one_name_have_their_own_motion() -> None:
    observer = Observer(MeanColours(), threads=2)
    frames = [frame_of(passing(RED, step=step), number=7) for step in (1, 3)]
    expected = observer.motions(frames)
    for frame in frames:
        observer.begin([frame])
    for found, motion in zip(observer.motions(frames), expected, strict=True):
        assert found is not None
        assert motion is not None
        np.testing.assert_array_equal(found.velocity, motion.velocity)


def test_motion_that_fails_fails_where_it_is_observed() -> None:
    observer = Observer(MeanColours(), threads=2)
    flat = np.zeros((4, 480, 3), np.uint8)
    frame = frame_of(pair_of(flat, flat))
    observer.begin([frame])
    with pytest.raises(ValueError, match="too small for optical flow"):
        observer.motions([frame])


def test_motion_that_is_never_observed_is_forgotten_after_the_next_batch() -> None:
    observer = Observer(MeanColours())
    frames = [frame_of(None, number=number) for number in range(10)]
    for frame in frames:
        observer.begin([frame])
    assert [list(batch) for batch in observer._begun] == [frames[8:9], frames[9:]]
