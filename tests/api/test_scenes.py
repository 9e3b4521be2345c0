"""A scene in Python: learned, saved, loaded and scored as the commands and live cameras do it."""

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from streammon import LearnedScene, ScoreRecord, learn_scene, load_scene, score_video
from streammon.config import ModelConfig
from streammon.errors import BankError, ConfigError, FootageError, InputError
from streammon.ingest import clips
from streammon.padim import INPUT_SIZE, as_batch, load_backbone, read_tensors
from streammon.scene import MOTION_FILE, SceneScorer, configured_observer
from streammon.scene import load_scene as read_scene
from streammon.scene.fit import FitOptions, fit_scene
from support.courtyard import courtyard, encode
from support.precision import COMPUTED

SETTINGS: dict[str, Any] = {"dimensions": 8, "batch": 5, **COMPUTED}
PADIM: dict[str, Any] = {"method": "padim", **SETTINGS}
FILES = ("bank.safetensors", MOTION_FILE, "statistics.safetensors")
BOX_S = (3.0, 5.0)
ONCE_A_SECOND = 86400.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two clips of normal footage in `normal`, and one in which a box comes, 10 frames a second."""
    folder = tmp_path_factory.mktemp("api")
    (folder / "normal").mkdir()
    for number, seconds in enumerate((8, 6)):
        encode(folder / "normal" / f"{number}.mp4", courtyard(seconds, seed=number))
    encode(folder / "box.mp4", courtyard(7, BOX_S, seed=5))
    return folder


@pytest.fixture(scope="module")
def scene(folder: Path) -> LearnedScene:
    """Learned with motion from both clips."""
    return learn_scene(folder / "normal", "yard", model=SETTINGS, false_alarms_per_day=ONCE_A_SECOND)


@pytest.fixture(scope="module")
def saved(scene: LearnedScene, folder: Path) -> Path:
    return scene.save(folder / "scenes" / "yard")


@pytest.fixture(scope="module")
def records(scene: LearnedScene, folder: Path) -> list[ScoreRecord]:
    """Scores of the clip with the box."""
    return list(score_video(folder / "box.mp4", scene, maps=True))


def decoded(path: Path) -> list[av.VideoFrame]:
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


def assert_same_files(one: Path, other: Path) -> None:
    for name in FILES:
        (_, tensors), (_, others) = read_tensors(one / name), read_tensors(other / name)
        assert tensors.keys() == others.keys()
        assert [key for key in tensors if not torch.equal(tensors[key], others[key])] == []


def assert_same_scores(found: Sequence[ScoreRecord], expected: Sequence[ScoreRecord]) -> None:
    """The same up to the rounding of batches of other sizes."""
    for one, other in zip(found, expected, strict=True):
        assert one.frame == other.frame
        assert one.seconds == pytest.approx(other.seconds)
    for name in ("score", "level"):
        values = [getattr(each, name) for each in expected]
        assert [getattr(each, name) for each in found] == pytest.approx(values, rel=1e-3, abs=1e-3)


# --- learning


@pytest.mark.slow
def test_a_scene_is_saved_as_fit_writes_it(saved: Path, folder: Path, tmp_path: Path) -> None:
    model = ModelConfig.model_validate(SETTINGS)
    fit_scene("yard", [folder / "normal"], tmp_path / "yard", model, FitOptions(), lambda _done, _total: None)
    assert_same_files(saved, tmp_path / "yard")


@pytest.mark.slow
def test_frames_of_pyav_are_learned_as_their_file_is(folder: Path, tmp_path: Path) -> None:
    clip = folder / "normal" / "0.mp4"
    # a scene of the clip's name, since held-out frames are kept by the name of their recording
    learn_scene(decoded(clip), "0", model=SETTINGS, score_fps=None).save(tmp_path / "frames")
    learn_scene(clip, "0", model=SETTINGS, score_fps=None).save(tmp_path / "file")
    assert_same_files(tmp_path / "frames", tmp_path / "file")


@pytest.mark.slow
def test_add_to_goes_on_as_fit_add_does(folder: Path, saved: Path, tmp_path: Path) -> None:
    more = learn_scene(folder / "normal" / "0.mp4", "yard", model=SETTINGS, add_to=saved)
    assert more.frames == 70 + 40
    model = ModelConfig.model_validate(SETTINGS)
    learn_scene(folder / "normal", "yard", model=SETTINGS).save(tmp_path / "yard")
    fit_scene(
        "yard",
        [folder / "normal" / "0.mp4"],
        tmp_path / "yard",
        model,
        FitOptions(add=True),
        lambda _done, _total: None,
    )
    assert_same_files(more.save(tmp_path / "more"), tmp_path / "yard")


def test_arrays_without_times_are_thinned_by_their_rate() -> None:
    pictures = np.stack(courtyard(6))
    done: list[tuple[int, int]] = []
    scene = learn_scene(pictures, "yard", model=PADIM, fps=10, progress=lambda *each: done.append(each))
    assert (scene.frames, scene.score_fps, scene.method) == (30, 5.0, "padim")
    assert done[-1] == (30, 30)
    every = learn_scene(pictures, "yard", model=PADIM, fps=10, score_fps=None, every=3, max_frames=15, hold_out=0)
    assert (every.frames, every.score_fps) == (15, None)


def test_an_iterator_is_learned_if_its_length_is_given() -> None:
    pictures = courtyard(6)
    known = learn_scene(pictures, "yard", model=PADIM, fps=10)
    lazy = learn_scene(iter(pictures), "yard", model=PADIM, fps=10, seconds=5.9)
    assert lazy.threshold == known.threshold
    with pytest.raises(ConfigError, match="the pictures come from an iterator, so the length of the footage is "):
        learn_scene(iter(pictures), "yard", model=PADIM, fps=10)


def test_statistics_are_kept_only_if_wanted(folder: Path, tmp_path: Path) -> None:
    clip = folder / "normal" / "0.mp4"
    learn_scene(clip, "yard", model=PADIM, keep_statistics=False).save(tmp_path / "yard")
    assert not (tmp_path / "yard" / "statistics.safetensors").exists()
    with pytest.raises(BankError, match="it has no running statistics"):
        learn_scene(clip, "yard", model=PADIM, add_to=tmp_path / "yard")


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"score_fps": 0}, "learn_scene: score_fps is 0; it must be at least 0.2"),
        ({"hold_out": 1}, "learn_scene: hold_out is 1; it must be at most 0.9"),
        ({"every": 0}, "learn_scene: every is 0; it must be at least 1"),
        ({"crop": 257}, "learn_scene: crop is 257; it must be at most 256"),
        ({"crop": 64, "model": SETTINGS}, "crop: motion is learned of the whole picture; choose the method "),
        ({"false_alarms_per_day": 0}, "learn_scene: false_alarms_per_day is 0; it must be above 0"),
        ({"model": {"method": "padam"}}, "model: method is 'padam'; it must be 'motion' or 'padim'"),
        ({"model": {"speed": 1}}, "model: speed is no known key; see the configuration reference, "),
        ({"model": PADIM | {"reduction": "pca"}}, "model: reduction is pca, which reads the footage twice, and the "),
        ({"add_to": "nowhere"}, "scene 'nowhere': it has no running statistics (nowhere/statistics.safetensors); "),
    ],
)
def test_a_wrong_argument_is_told_in_one_line(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InputError) as told:
        learn_scene(courtyard(1), **({"model": PADIM} | options))
    assert str(told.value).startswith(complaint)
    assert "\n" not in str(told.value)


def test_times_are_given_for_pictures_alone(folder: Path) -> None:
    with pytest.raises(ConfigError, match="times_s are given for files, which have times of their own"):
        learn_scene(folder / "box.mp4", model=PADIM, times_s=[0.0])


@pytest.mark.parametrize(
    ("footage", "complaint"),
    [
        ([], "scene 'scene': it has 0 frames to learn from"),
        (courtyard(0.1), "scene 'scene': it has 1 frames to learn from"),
        (courtyard(0.1)[0], r"picture 0 of 'scene': it is uint8 \(320, 3\); give \(H, W, 3\) uint8 RGB"),
        ("nowhere/", "nowhere: it can't be read as footage \\(no such file\\)"),
    ],
)
def test_footage_that_can_t_be_learned_is_told(footage: Any, complaint: str) -> None:
    with pytest.raises(FootageError, match=complaint):
        learn_scene(footage, model=PADIM)


# --- scoring


def test_scores_and_levels_are_those_of_the_scorer_of_live_cameras(
    records: list[ScoreRecord], saved: Path, folder: Path
) -> None:
    """Frame by frame, by the files that were saved."""
    model = ModelConfig.model_validate(SETTINGS)
    backbone = load_backbone(model)
    observer = configured_observer(model, backbone)
    found = read_scene(saved, backbone, model, detector="")
    scorer = SceneScorer(found, backbone, observer)
    (clip,) = clips(folder / "box.mp4")
    frames = list(clip.frames(INPUT_SIZE, detail=True, fps=5.0))
    scored = [each for frame in frames for each in scorer.score([frame], backbone.maps(as_batch([frame.picture])))]
    assert [each.frame for each in records] == [frame.seq for frame in frames]
    assert [each.seconds for each in records] == [frame.stream_time_s for frame in frames]
    for name in ("score", "level"):
        values = [getattr(each, name) for each in scored]
        assert [getattr(each, name) for each in records] == pytest.approx(values, rel=1e-3, abs=1e-3)
    assert found.calibration is not None
    for record in records:
        assert record.level == pytest.approx(found.calibration.level(record.score), abs=1e-6)
        assert record.rate == pytest.approx(found.calibration.false_alarms_per_day(record.score))
        assert record.anomaly_map is not None
        assert record.anomaly_map.shape == (INPUT_SIZE, INPUT_SIZE)
        assert record.anomaly_map.max() == pytest.approx(record.score, rel=1e-4)


def test_records_have_the_clip_s_own_timestamps(records: list[ScoreRecord], folder: Path) -> None:
    frames = decoded(folder / "box.mp4")
    assert [each.pts for each in records] == [frames[each.frame].pts for each in records]
    assert {each.clip for each in records} == {"box"}


def test_what_comes_scores_highest_and_has_the_box(records: list[ScoreRecord], scene: LearnedScene) -> None:
    worst = max(records, key=lambda each: each.score)
    assert BOX_S[0] <= worst.seconds <= BOX_S[1] + 0.6
    for each in records:
        assert bool(each.boxes) == (each.score >= scene.threshold)
    shown = next(each for each in records if BOX_S[0] + 0.5 < each.seconds < BOX_S[1] and each.boxes)
    left = 20 + shown.frame * 9 % (320 - 90 - 40)  # of the box, 90 wide from row 70 to 180
    found = shown.boxes[0]
    assert found.x < left + 90
    assert left < found.x + found.width
    assert found.y < 180
    assert found.y + found.height > 70


def test_maps_are_left_out_unless_asked_for(scene: LearnedScene, folder: Path) -> None:
    assert [each.anomaly_map for each in islice(score_video(folder / "box.mp4", scene), 3)] == [None] * 3


def test_pictures_one_at_a_time_and_in_batches_score_as_their_file(
    scene: LearnedScene, records: list[ScoreRecord], folder: Path
) -> None:
    frames = decoded(folder / "box.mp4")
    scene.restart()
    one_by_one = [scene.score(frame) for frame in frames]
    assert_same_scores([each for each in one_by_one if each is not None], records)
    scene.restart()
    parts = [frames[first : first + 16] for first in range(0, len(frames), 16)]
    batches = [record for part in parts for record in scene.score_batch(part)]
    assert_same_scores(batches, records)
    assert {each.clip for each in batches} == {"yard"}


def test_a_recording_that_begins_again_scores_as_before(scene: LearnedScene, folder: Path) -> None:
    first, second = (list(score_video(folder / "box.mp4", scene)) for _ in range(2))
    assert [each.score for each in first] == [each.score for each in second]
    together = list(zip(*(score_video(folder / "box.mp4", scene) for _ in range(2)), strict=True))
    assert_same_scores([one for one, _ in together], first)
    assert_same_scores([other for _, other in together], first)


@pytest.mark.slow
def test_a_scene_in_files_scores_as_it_did_in_memory(
    records: list[ScoreRecord], saved: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    computed = {"batch": 5, **COMPUTED}
    for named in ("yard", saved, str(saved)):
        loaded = load_scene(named, model=computed, false_alarms_per_day=ONCE_A_SECOND)
        assert repr(loaded) == "<LearnedScene 'yard': motion, 70 frames learned, 5 frames a second scored>"
        assert_same_scores(list(score_video("box.mp4", loaded)), records)
    assert loaded.save("copy") == Path("copy")
    assert_same_scores(list(score_video("box.mp4", load_scene(Path("copy"), model=computed))), records)


def test_a_scene_with_motion_also_scores_by_looks_alone(saved: Path, folder: Path) -> None:
    looks = load_scene(saved, model={"method": "padim", **COMPUTED})
    assert looks.method == "padim"
    channels = {each.channel for each in score_video(folder / "box.mp4", looks)}
    assert [str(channel) for channel in channels] == ["looks"]


def test_several_clips_come_one_after_the_other(scene: LearnedScene, folder: Path) -> None:
    names = [each.clip for each in score_video([folder / "normal", folder / "box.mp4"], scene)]
    assert names == ["0"] * 40 + ["1"] * 30 + ["box"] * 35


def test_without_held_out_footage_nothing_is_scored(folder: Path, tmp_path: Path) -> None:
    scene = learn_scene(folder / "normal" / "0.mp4", "yard", model=PADIM, hold_out=0)
    complaint = "scene 'yard': its bank has no calibration; fit it again on more footage, without --hold-out 0"
    with pytest.raises(BankError, match=complaint):
        list(score_video(folder / "box.mp4", scene))
    with pytest.raises(BankError, match=complaint):
        load_scene(scene.save(tmp_path / "yard"), model=COMPUTED)


def test_footage_is_refused_before_the_first_record_is_asked_for(scene: LearnedScene) -> None:
    with pytest.raises(FootageError, match=r"nowhere\.mp4: it can't be read as footage"):
        score_video("nowhere.mp4", scene)


def test_pictures_out_of_order_are_told(scene: LearnedScene) -> None:
    scene.restart(fps=10)
    picture: NDArray[np.uint8] = courtyard(0.1)[0]
    assert scene.score(picture) is not None
    assert scene.score(picture) is None  # 0.1 s later: the next frame is due after 0.2 s
    assert scene.score(picture) is not None
    with pytest.raises(FootageError, match=r"picture 3 of 'yard': its time is 0\.1 s, after 0\.2 s"):
        scene.score(picture, 0.1)
