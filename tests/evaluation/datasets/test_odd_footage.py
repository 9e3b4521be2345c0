"""Labelled footage that is displayed otherwise than stored, or has another number of frames than one thinks."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from streammon.errors import DatasetError
from streammon.evaluation.datasets import DatasetOptions, load_dataset
from streammon.evaluation.labelled import Dataset
from support.odd_containers import variable_rate, with_edit_list
from support.turned_footage import MATRICES, encode_pictures, save_image, stored_picture, turn_track


def labelled(root: Path, clip: Path, frames: int, size: tuple[int, int]) -> Path:
    """A tree with one test clip, whose frame 1 is abnormal in its left half."""
    for name in ("train", "test", "labels", "masks"):
        (root / name).mkdir(exist_ok=True)
    encode_pictures(root / "train" / "day.mp4", stored_picture(1))
    clip.rename(root / "test" / f"night{clip.suffix}")
    labels = np.arange(frames) == 1
    masks = np.zeros((frames, size[1], size[0]), bool)
    masks[1, :, : size[0] // 2] = True
    np.save(root / "labels" / "night.npy", labels)
    np.save(root / "masks" / "night.npy", masks)
    return root


def load(root: Path) -> Dataset:
    return load_dataset("folder", root, DatasetOptions(allow_partial=False))


def test_masks_fit_the_upright_frame(tmp_path: Path) -> None:
    video = encode_pictures(tmp_path / "phone.mp4", stored_picture(6), frames=4)
    [clip] = load(labelled(tmp_path, turn_track(video, MATRICES[6]), 4, (96, 64))).clips
    assert clip.masks is not None
    assert clip.masks[1].shape == (64, 96)
    assert next(clip.clip.frames(None)).picture.shape == (64, 96, 3)


def test_masks_of_turned_images_fit_them(tmp_path: Path) -> None:
    folder = tmp_path / "stills"
    folder.mkdir()
    for number in range(3):
        save_image(folder / f"{number}.jpg", stored_picture(8), 8)
    [clip] = load(labelled(tmp_path, folder, 3, (96, 64))).clips
    assert clip.masks is not None
    assert clip.masks[1].shape == (64, 96)


def test_labels_are_of_the_frames_that_an_edit_list_shows(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    root = labelled(tmp_path / "data", with_edit_list(tmp_path), 150, (96, 64))
    [clip] = load(root).clips
    assert len(clip.labels) == clip.clip.frame_count() == 150
    np.save(root / "labels" / "night.npy", np.zeros(170))
    with pytest.raises(DatasetError, match="170 labels for the 150 frames of"):
        load(root)


def test_labels_are_not_held_against_an_estimate(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    [clip] = load(labelled(tmp_path / "data", variable_rate(tmp_path, "mkv")[0], 120, (96, 64))).clips
    assert len(clip.labels) == 120


def test_a_jpeg_masks_blurred_borders_are_not_abnormal(tmp_path: Path) -> None:
    video = encode_pictures(tmp_path / "night.mp4", stored_picture(1), frames=2)
    root = labelled(tmp_path, video, 2, (96, 64))
    (root / "masks" / "night.npy").unlink()
    (root / "masks" / "night").mkdir()
    for number in range(2):
        mask = np.zeros((64, 96), np.uint8)
        mask[10:21, 30:47] = 255 * number
        cv2.imwrite(str(root / "masks" / "night" / f"{number}.jpg"), mask, [cv2.IMWRITE_JPEG_QUALITY, 80])
    [clip] = load(root).clips
    assert clip.masks is not None
    assert (clip.masks[0].sum(), clip.masks[1].sum()) == (0, 11 * 17)
