"""What the model sees of a picture, its mask sees too: the same crop, the same rotation, in every run."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from streammon.evaluation.datasets import DatasetOptions, View, load_dataset
from streammon.evaluation.datasets.view import _resized
from streammon.ingest import Clip, clips
from streammon.padim import as_batch
from support.dataset_trees import encode_video, mvtec_category, wall, write_images

MARKERS = ((60, 40), (250, 90), (150, 180))  # x, y of their middles, in a picture of 320x240


@pytest.fixture(scope="module")
def marked(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    """Six dark pictures of 320x240, each with three white discs."""
    folder = tmp_path_factory.mktemp("marked") / "clip"
    picture = np.repeat(discs()[..., None].astype(np.uint8) * 255, 3, axis=2)
    [clip] = clips(write_images(folder, [picture] * 6, "{:03}.png"))
    return clip


def discs() -> NDArray[np.bool_]:
    """(240, 320) the truth of the three discs."""
    mask = np.zeros((240, 320), np.uint8)
    for middle in MARKERS:
        cv2.circle(mask, middle, 16, 1, -1)
    return mask > 0


def overlap(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """Intersection over union."""
    return float((one & other).sum() / (one | other).sum())


@pytest.mark.parametrize("view", [View(), View(256, 224), View(256, None, 0), View(256, 224, 1), View(200, 97, 2)])
def test_a_mask_stays_on_what_it_marks(marked: Clip, view: View) -> None:
    for frame in view.frames(marked):
        mask = view.mask(marked, frame.seq, discs())
        assert frame.picture.shape == (view.side, view.side, 3)
        assert frame.picture.dtype == np.uint8
        assert mask.shape == (view.side, view.side)
        assert mask.dtype == np.bool_
        assert overlap(frame.picture[..., 0] > 127, mask) > 0.95


def test_without_a_seed_it_is_the_centre_that_a_bank_sees(marked: Clip) -> None:
    seen = np.stack([frame.picture for frame in View(256, 224).frames(marked)])
    whole = [frame.picture for frame in marked.frames(256)]
    np.testing.assert_array_equal(seen, as_batch(whole, 224).numpy())
    odd = np.stack([frame.picture for frame in View(256, 225).frames(marked)])
    np.testing.assert_array_equal(odd, as_batch(whole, 225).numpy())
    np.testing.assert_array_equal(np.stack([frame.picture for frame in View().frames(marked)]), np.stack(whole))


def test_a_seed_gives_the_same_view_in_every_run_and_each_image_its_own(marked: Clip) -> None:
    def seen(seed: int) -> list[NDArray[np.uint8]]:
        return [frame.picture for frame in View(256, 224, seed).frames(marked)]

    first, again, other = seen(0), seen(0), seen(1)
    np.testing.assert_array_equal(np.stack(first), np.stack(again))
    assert len({picture.tobytes() for picture in first + other}) == 12


def test_every_third_image_has_the_view_it_has_among_all(marked: Clip) -> None:
    view = View(256, 224, 3)
    all_of_them = [frame.picture for frame in view.frames(marked)]
    for frame in view.frames(marked, every=3):
        np.testing.assert_array_equal(frame.picture, all_of_them[frame.seq * 3])
        mask = view.mask(marked, frame.seq * 3, discs())
        assert overlap(frame.picture[..., 0] > 127, mask) > 0.95


def test_a_view_does_not_depend_on_where_the_data_set_lies(tmp_path: Path) -> None:
    seen = []
    for place in ("here", "there"):
        mvtec_category(tmp_path / place / "nut")
        dataset = load_dataset("rd-mvtec", tmp_path / place / "nut", DatasetOptions())
        everything = [*dataset.scenes[0].clips, *(clip.clip for clip in dataset.clips)]
        seen.append(np.stack([frame.picture for clip in everything for frame in View(64, 56, 7).frames(clip)]))
    np.testing.assert_array_equal(seen[0], seen[1])


def test_videos_have_seeded_views_too(tmp_path: Path) -> None:
    pictures = wall(1)
    video = Clip("walk", encode_video(tmp_path / "walk.avi", [next(pictures) for _ in range(4)]))
    view = View(64, 56, 0)
    frames = list(view.frames(video))
    assert [frame.seq for frame in frames] == [0, 1, 2, 3]
    np.testing.assert_array_equal(list(view.frames(video, every=2))[1].picture, frames[2].picture)


@pytest.mark.parametrize(("view", "shown"), [(View(), True), (View(64, 64), True), (View(256, 224), False)])
def test_only_a_view_of_the_whole_picture_gives_details(marked: Clip, view: View, shown: bool) -> None:
    for every in (1, 2):
        frames = list(view.frames(marked, every, detail=True))
        assert [frame.detail is not None for frame in frames] == [shown] * len(frames)
        steps_s = [round(frame.detail.step_s * 25) for frame in frames if frame.detail]  # `marked` plays at 25
        assert steps_s == [0 if n * every < 3 else 3 for n in range(len(frames))] * shown
    for frame in (*View(64, None, 5).frames(marked, detail=True), *view.frames(marked)):
        assert frame.detail is None


def test_what_comes_from_outside_is_black_and_normal(tmp_path: Path) -> None:
    white = np.full((100, 100, 3), 255, np.uint8)
    [clip] = clips(write_images(tmp_path / "white", [white] * 8, "{}.png"))
    view = View(100, None, 5)
    for frame in view.frames(clip):
        mask = view.mask(clip, frame.seq, np.ones((100, 100), bool))
        corners = frame.picture[[0, 0, -1, -1], [0, -1, 0, -1]]
        assert frame.picture[50, 50].tolist() == [255, 255, 255]
        assert mask[50, 50]
        assert mask.mean() == pytest.approx((frame.picture[..., 0] > 127).mean(), abs=0.01)
        assert corners.max() < 255 or mask.mean() > 0.99  # a rotation by nearly nothing


def test_a_seeded_picture_differs_from_the_live_scaler_by_its_rotation_alone(shared_data: Path) -> None:
    """Turned back, it shows the same nut in the same place."""
    [clip] = clips(shared_data / "hazelnut" / "train" / "good")
    view = View(256, None, 11)
    straight = next(clip.frames(256)).picture.astype(int)
    frame = next(view.frames(clip))
    angle, _, _ = view._draw(clip, 0)
    matrix = cv2.getRotationMatrix2D((127.5, 127.5), -angle, 1.0)
    turned_back = cv2.warpAffine(frame.picture, matrix, (256, 256), flags=cv2.INTER_CUBIC).astype(int)
    middle = slice(64, 192)
    assert abs(angle) > 1
    assert np.abs(turned_back - straight)[middle, middle].mean() < 3
    assert np.abs(frame.picture - straight)[middle, middle].mean() > 5


@pytest.mark.parametrize(
    ("footage", "mean", "worst"), [("hazelnut/train/good", 0.5, 2), ("ucsd_ped2/testing/frames/01", 0.5, 8)]
)
def test_a_seeded_picture_is_resized_as_live_pictures_are(
    shared_data: Path, footage: str, mean: float, worst: int
) -> None:
    [clip] = clips(shared_data / footage)
    resized = _resized(next(clip.frames(None)).picture, 256).astype(int)
    differences = np.abs(resized - next(clip.frames(256)).picture)
    assert differences.mean() < mean
    assert differences.max() <= worst


@settings(max_examples=30)
@given(seed=st.integers(0, 2**40), number=st.integers(0, 400))
def test_angle_and_crop_stay_within_their_bounds(seed: int, number: int) -> None:
    angle, top, left = View(256, 224, seed)._draw(Clip("clip", Path("clip.avi")), number)
    assert -10 <= angle <= 10
    assert 0 <= top <= 32
    assert 0 <= left <= 32


def test_angles_and_places_are_spread_over_all_that_is_allowed() -> None:
    clip = Clip("clip", Path("clip.avi"))
    draws = np.array([View(256, 224, 0)._draw(clip, number) for number in range(600)])
    assert draws.mean(axis=0) == pytest.approx([0, 16, 16], abs=1.2)
    assert draws.std(axis=0) == pytest.approx([20 / 12**0.5, 33 / 12**0.5, 33 / 12**0.5], rel=0.07)
    assert draws[:, 1:].min() == 0
    assert draws[:, 1:].max() == 32


def test_a_mask_shrinks_to_the_pixels_nearest_to_each_centre() -> None:
    clip = Clip("clip", Path("clip.avi"))
    mask = np.zeros((6, 6), bool)
    mask[1, 4] = True  # the middle of the second pixel from the right in the top row of 2x2
    assert View(2).mask(clip, 0, mask).tolist() == [[False, True], [False, False]]


def test_a_crop_larger_than_the_picture_is_refused() -> None:
    with pytest.raises(ValueError, match="a crop of 300 from 256"):
        View(256, 300)
