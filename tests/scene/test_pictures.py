"""Whole pictures against what normal footage showed: real footage, tampered with."""

from pathlib import Path

import numpy as np
import pytest

from streammon.errors import BankError
from streammon.ingest import clips, glance_at
from streammon.records import Condition, Frame, Picture
from streammon.scene.files import _load_pictures, _merged_pictures
from streammon.scene.pictures import CHOSEN, NormalPictures, PictureSums
from support.courtyard import courtyard
from support.tampered import Variant, black, blurred, covered, dimmed, infrared, overexposed, view

SCENES = ("corridor1", "pets2009", "room")


def pictures_of(path: Path) -> list[Picture]:
    (clip,) = clips(path)
    return [frame.picture for frame in clip.frames(256, fps=1)]


def learned(pictures: list[Picture]) -> PictureSums:
    sums = PictureSums()
    for picture in pictures:
        sums.add(glance_at(picture))
    return sums


def shares(normal: NormalPictures, pictures: list[Picture], variant: Variant) -> dict[Condition | None, float]:
    """Share of the pictures judged as each condition."""
    faults = [normal.fault(glance_at(variant(picture))) for picture in pictures]
    found = [None if fault is None else fault[0] for fault in faults]
    return {each: found.count(each) / len(found) for each in dict.fromkeys(found)}


@pytest.fixture(scope="module", params=SCENES)
def scene(request: pytest.FixtureRequest, shared_data: Path) -> tuple[NormalPictures, list[Picture]]:
    """A real scene learned from its first half in the view's window, and its second half."""
    pictures = pictures_of(shared_data / "normal" / f"{request.param}.mp4")
    half = len(pictures) // 2
    sums = learned([view(each) for each in pictures[:half]] * (1 + CHOSEN.least_pictures // half))
    normal = sums.normal()
    assert normal is not None
    return normal, pictures[half:]


@pytest.mark.parametrize(
    ("variant", "condition"),
    [
        (view, None),
        (lambda picture: dimmed(view(picture)), None),
        (lambda picture: infrared(view(picture)), None),
        (lambda picture: black(view(picture)), Condition.BLACK),
        (lambda picture: overexposed(view(picture)), Condition.OVEREXPOSED),
        (lambda picture: covered(view(picture)), Condition.COVERED),
        (lambda picture: blurred(view(picture)), Condition.BLURRED),
        (lambda picture: view(picture, pan_deg=10), Condition.VIEW),
        (lambda picture: view(picture, roll_deg=10), Condition.VIEW),
    ],
    ids=["normal", "dim", "infrared", "black", "overexposed", "covered", "blurred", "panned", "rolled"],
)
def test_most_pictures_of_a_real_scene_are_judged_as_what_they_are(
    scene: tuple[NormalPictures, list[Picture]], variant: Variant, condition: Condition | None
) -> None:
    assert shares(*scene, variant).get(condition, 0.0) > 0.8


def test_a_camera_covered_by_hand_is_not_normal(shared_data: Path) -> None:
    (clip,) = clips(shared_data / "tampering" / "covered.mp4")
    frames = [(frame.stream_time_s, glance_at(frame.picture)) for frame in clip.frames(256, fps=5)]
    sums = PictureSums()
    for time_s, glance in frames:
        if time_s < 8.0:
            sums.add(glance)
    normal = sums.normal()
    assert normal is not None
    faults = [normal.fault(glance) for time_s, glance in frames if time_s > 8.6]
    assert len(faults) >= 2
    assert all(fault and fault[0] in (Condition.COVERED, Condition.VIEW) for fault in faults)


def frame_of(picture: Picture, number: int, recording: str = "yard") -> Frame:
    return Frame(recording, number, picture, (320, 240), number / 5, number / 5)


def test_one_picture_a_second_is_learned_of_each_recording() -> None:
    sums = PictureSums()
    for recording in ("monday", "tuesday"):
        for number, picture in enumerate(courtyard(2)):
            sums.learn(frame_of(picture, number, recording))
    assert sums.moments[0, 0] == 8  # 20 pictures at 0.2 s make 4 s


def test_too_few_pictures_judge_nothing() -> None:
    assert learned(courtyard(CHOSEN.least_pictures / 10)).normal() is None
    assert learned(courtyard((CHOSEN.least_pictures + 1) / 10)).normal() is not None


def test_sums_of_two_fits_add_up_to_those_of_one() -> None:
    pictures = courtyard(3)
    one, other, both = learned(pictures[:12]), learned(pictures[12:]), learned(pictures)
    one.merge(other)
    assert np.allclose(one.edges, both.edges)
    assert np.allclose(one.moments[:4], both.moments[:4])
    empty = PictureSums()
    empty.merge(both)
    assert np.array_equal(empty.edges, both.edges)


def test_sums_survive_a_file_and_a_broken_file_is_refused(tmp_path: Path) -> None:
    sums = learned(courtyard(2))
    again = PictureSums.of_arrays(sums.arrays())
    assert np.array_equal(again.moments, sums.moments)
    with pytest.raises(ValueError, match="moments"):
        PictureSums.of_arrays({"moments": np.zeros((1, 1)), "edges": np.zeros(0)})
    assert _load_pictures(tmp_path) is None
    assert _merged_pictures([tmp_path]) is None
    (tmp_path / "pictures.safetensors").write_bytes(b"nonsense")
    with pytest.raises(BankError, match=r"pictures\.safetensors"):
        _load_pictures(tmp_path)
