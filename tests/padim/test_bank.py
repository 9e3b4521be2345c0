"""A scene's files: what goes in comes out, and what doesn't fit is refused with both sides named."""

import json
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from scipy.spatial.distance import mahalanobis as scipy_mahalanobis

from streammon.config import ModelConfig
from streammon.errors import BankError, FootageError
from streammon.padim import Backbone, Bank, as_batch, load_backbone, pack_lower
from streammon.padim.gaussian import EPSILON
from streammon.records import Frame
from streammon.scene import SceneLearner, save_statistics
from streammon.scene.files import go_on
from support.method_batches import SIDE, pictures


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return load_backbone(ModelConfig(engine="torch", precision="float32"))


def frames_of(taken: torch.Tensor, first: int = 0) -> list[Frame]:
    """Frames of one recording, five a second."""
    return [
        Frame("plaza", first + n, picture.numpy(), (SIDE, SIDE), (first + n) / 5, 0.0)
        for n, picture in enumerate(taken)
    ]


def new_learner(
    backbone: Backbone, model: ModelConfig | None = None, hold_out: float = 0.0, crop: int | None = None
) -> SceneLearner:
    """Of eight seconds of footage."""
    model = model or ModelConfig()
    return SceneLearner("plaza", backbone, model, None, total_s=8.0, hold_out=hold_out, size=SIDE, crop=crop)


def learned(backbone: Backbone, frames: torch.Tensor, held_out: int, **model: object) -> SceneLearner:
    """The last `held_out` of the frames are measured by what was learned of the others."""
    learner = new_learner(backbone, ModelConfig.model_validate(model))
    fit, rest = frames[: len(frames) - held_out], frames[len(frames) - held_out :]
    for first, block in enumerate(torch.split(fit, 8)):
        learner.learn(frames_of(block, 8 * first), backbone.maps(block))
    if held_out:
        learner.begin_hold_out()
        learner.learn(frames_of(rest, len(fit)), backbone.maps(rest))
    return learner


@pytest.fixture
def scene(tmp_path: Path, backbone: Backbone) -> Path:
    folder = tmp_path / "plaza"
    learned(backbone, pictures(40), 12).finish().bank.save(folder)
    return folder


@pytest.mark.parametrize("reduction", ["random", "all", "orthogonal"])
def test_map_equals_scipys_mahalanobis_with_numpys_covariance(backbone: Backbone, reduction: str) -> None:
    frames = pictures(60)
    learner = learned(backbone, frames, 0, reduction=reduction)
    bank = learner.finish().bank.prepare(backbone.device)
    embeddings = bank.reduction.embed(backbone.maps(frames)).double().numpy()
    strange = backbone.maps(pictures(3, seed=5))
    distances = bank.distances(strange).flatten(1)
    probes = bank.reduction.embed(strange).double().numpy()
    for position in range(0, 64, 9):
        samples = embeddings[:, position]
        inverse = np.linalg.inv(np.cov(samples.T) + EPSILON * np.eye(samples.shape[1]))
        for b in range(3):
            expected = scipy_mahalanobis(probes[b, position], samples.mean(0), inverse)
            assert float(distances[b, position]) == pytest.approx(expected, rel=1e-3)


def test_what_calibrates_is_measured_by_what_was_learned_before_it_and_then_learned(backbone: Backbone) -> None:
    learner = learned(backbone, pictures(30), 0)
    gaussian = learner.statistics.gaussian
    gaussian._mean = gaussian.mean.float()  # as where a device has no float64
    learner.begin_hold_out()
    taken = pictures(8, seed=5)
    maps, mean = backbone.maps(taken), gaussian.mean.clone()
    for first in (30, 60):
        learner.learn(frames_of(taken, first), maps)
    looks = [frame.looks for frame in learner.held_out]
    assert looks[:8] == looks[8:]
    assert gaussian.count == 46
    assert not torch.equal(gaussian.mean, mean)


def test_the_second_half_is_held_out_in_two_steps_each_measured_by_all_before_it(backbone: Backbone) -> None:
    """Eight seconds at five a second: frames 0 to 19 are learned, 20 to 29 and 30 to 39 measured first."""
    taken = pictures(40)
    learner = new_learner(backbone, hold_out=0.5)
    for first in range(40):
        learner.learn(frames_of(taken[first : first + 1], first), backbone.maps(taken[first : first + 1]))
    assert [round(5 * frame.time_s) for frame in learner.held_out] == list(range(21, 40))
    looks = [frame.looks for frame in learner.held_out]
    for begins, measured in ((21, slice(0, 10)), (31, slice(10, 19))):
        before = learned(backbone, taken[:begins], 0).finish().bank.prepare(backbone.device)
        _, expected = before.score(backbone.maps(taken[begins : begins + len(looks[measured])]))
        assert looks[measured] == pytest.approx(expected.tolist(), rel=1e-4)


def test_a_saved_bank_scores_as_the_one_in_memory(backbone: Backbone, tmp_path: Path) -> None:
    bank = learned(backbone, pictures(40), 12).finish().bank
    bank.save(tmp_path / "plaza")
    loaded = Bank.load(tmp_path / "plaza")
    assert loaded.facts == bank.facts
    assert loaded.facts.frames == 40  # those that calibrated are learned as well
    assert loaded.facts.calibration_frames == 12
    assert loaded.calibration is not None
    assert bank.calibration is not None
    assert loaded.calibration.level(30.0) == bank.calibration.level(30.0)
    probe = backbone.maps(pictures(2, seed=3))
    for ours, theirs in zip(
        bank.prepare(backbone.device).score(probe), loaded.prepare(backbone.device).score(probe), strict=True
    ):
        torch.testing.assert_close(ours, theirs, atol=0, rtol=0)


def test_a_bank_of_the_format_before_scores_the_same(backbone: Backbone, tmp_path: Path) -> None:
    """Format 2 has Cholesky factors: a scene that was learned with an older version is still scored."""
    learner = learned(backbone, pictures(20), 0)
    learner.finish().bank.save(tmp_path / "plaza")
    file, maps = tmp_path / "plaza" / "bank.safetensors", backbone.maps(pictures(3, seed=4))
    expected = Bank.load(file.parent).prepare(backbone.device).distances(maps)
    with safe_open(file, framework="pt") as opened:
        facts = json.loads(opened.metadata()["streammon"])
    older = {name: each for name, each in load_file(file).items() if not name.startswith("whitening")}
    older["cholesky"] = pack_lower(learner.statistics.gaussian.cholesky())
    save_file(older, file, {"streammon": json.dumps(facts | {"format": 2})})
    loaded = Bank.load(file.parent)
    assert loaded.facts.format == facts["format"] == 3  # as it would be written
    torch.testing.assert_close(loaded.prepare(backbone.device).distances(maps), expected, rtol=0, atol=0)


def test_something_new_scores_higher_than_anything_held_out(backbone: Backbone, scene: Path) -> None:
    bank = Bank.load(scene).prepare(backbone.device)
    normal = pictures(8, seed=7)
    strange = normal.clone()
    strange[:, 20:44, 20:44] = torch.tensor([220, 30, 30], dtype=torch.uint8)
    maps, scores = bank.score(backbone.maps(strange))
    assert scores.min() > bank.score(backbone.maps(normal))[1].max()
    assert bank.calibration is not None
    assert bank.calibration.level(float(scores.min())) > bank.calibration.level(float(bank.calibration.scores[-1]))
    row, column = divmod(int(maps[0].argmax()), SIDE)
    assert 16 <= row < 48
    assert 16 <= column < 48


def test_continuing_a_fit_equals_one_fit(backbone: Backbone, tmp_path: Path) -> None:
    frames, folder = pictures(60), tmp_path / "plaza"
    save_statistics(folder, learned(backbone, frames[:30], 0))
    learner = new_learner(backbone)
    go_on(learner, folder)
    learner.learn(frames_of(frames[30:], 30), backbone.maps(frames[30:]))
    whole = learned(backbone, frames, 0)
    cholesky, expected = (each.statistics.gaussian.cholesky() for each in (learner, whole))
    torch.testing.assert_close(cholesky / expected.abs().max(), expected / expected.abs().max(), atol=1e-5, rtol=0)
    assert learner.finish().bank.facts.frames == 60


def test_a_continued_fit_keeps_the_channels_and_says_whose_seed_chose_them(
    backbone: Backbone, tmp_path: Path
) -> None:
    earlier, folder = learned(backbone, pictures(4), 0, seed=3), tmp_path / "plaza"
    save_statistics(folder, earlier)
    learner = new_learner(backbone, ModelConfig(seed=0))
    go_on(learner, folder)
    learner.learn(frames_of(pictures(4, seed=1)), backbone.maps(pictures(4, seed=1)))
    bank = learner.finish().bank
    assert bank.facts.seed == 3
    assert bank.reduction.indices is not None
    assert earlier.statistics.reduction.indices is not None
    assert torch.equal(bank.reduction.indices, earlier.statistics.reduction.indices)


def test_a_fit_at_another_rate_is_not_continued_and_both_rates_are_named(backbone: Backbone, tmp_path: Path) -> None:
    save_statistics(tmp_path / "plaza", learned(backbone, pictures(4), 0))
    learner = SceneLearner("plaza", backbone, ModelConfig(), None, total_s=8.0, score_fps=5.0, size=SIDE)
    with pytest.raises(BankError) as refused:
        go_on(learner, tmp_path / "plaza")
    assert str(refused.value) == (
        "scene 'plaza': it was learned at the rate of its footage, the other at 5 frames a second; "
        "fit both with the same --score-fps"
    )


def test_a_crop_one_pixel_smaller_is_a_crop() -> None:
    assert as_batch([pictures(1)[0].numpy()], SIDE - 1).shape == (1, SIDE - 1, SIDE - 1, 3)


def test_statistics_of_another_channel_choice_do_not_merge(backbone: Backbone) -> None:
    one, other = (learned(backbone, pictures(4), 0, seed=seed).statistics for seed in (0, 1))
    with pytest.raises(
        BankError, match="its channel reduction differs from the other's; fit both with the same reduction"
    ):
        one.merge(other, "scene 'plaza'")


def test_one_frame_is_too_few(backbone: Backbone) -> None:
    with pytest.raises(FootageError) as caught:
        learned(backbone, pictures(1), 0).finish()
    assert str(caught.value) == (
        "scene 'plaza': it has 1 frames to learn from; give at least 2, and far more for a bank that is of use"
    )


def test_centre_crop_leaves_the_border_unscored(backbone: Backbone) -> None:
    learner = new_learner(backbone, crop=48)
    learner.learn(frames_of(pictures(20)), backbone.maps(pictures(20)[:, 8:56, 8:56]))
    bank = learner.finish().bank.prepare(backbone.device)
    maps, _ = bank.score(backbone.maps(pictures(1, seed=2)[:, 8:56, 8:56]))
    assert maps.shape == (1, SIDE, SIDE)
    assert maps[0, :8].abs().max() == 0
    assert maps[0, 8:56, 8:56].min() > 0


def test_a_bank_of_another_backbone_is_refused_with_both_named(backbone: Backbone, scene: Path) -> None:
    bank = Bank.load(scene)
    bank.facts = replace(bank.facts, backbone="resnet18", grid=(64, 64))
    with pytest.raises(BankError) as caught:
        bank.require_fit(backbone, SIDE, SIDE)
    assert str(caught.value) == (
        "scene 'plaza': its bank was fitted with resnet18 (64x64 positions), the config asks for "
        "efficientnet_lite0 (8x8 positions); fit it again with `streammon fit --scene plaza`"
    )


def test_a_bank_of_other_weights_is_refused(backbone: Backbone, scene: Path) -> None:
    bank = Bank.load(scene)
    bank.facts = replace(bank.facts, weights_sha256="0" * 64)
    with pytest.raises(
        BankError, match=r"weights_sha256 000000000000, the config asks for .* weights_sha256 57934424"
    ):
        bank.require_fit(backbone, SIDE, SIDE)


def test_a_bank_regularised_with_another_epsilon_is_refused(backbone: Backbone, scene: Path) -> None:
    bank = Bank.load(scene)
    bank.facts = replace(bank.facts, epsilon=0.001)
    with pytest.raises(BankError, match=r"epsilon 0.001, the config asks for .* epsilon 0.01;"):
        bank.require_fit(backbone, SIDE, SIDE)


def test_a_missing_bank_says_how_to_learn_one(tmp_path: Path) -> None:
    with pytest.raises(BankError, match=r"scene 'attic': it has no bank \(.*\); learn it with `streammon fit`"):
        Bank.load(tmp_path / "attic")


def broken(path: Path, how: str) -> None:
    content = path.read_bytes()
    if how == "cut short":
        path.write_bytes(content[: len(content) // 2])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "pickle":
        path.write_bytes(pickle.dumps({"mean": 1}))
    elif how == "torch.save":
        torch.save({"mean": torch.zeros(2)}, path)
    elif how == "stranger":
        save_file({"mean": torch.zeros(2)}, path)
    elif how in ("wrong shape", "old format", "no sense"):
        tensors = load_file(path)
        length = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + length])["__metadata__"]
        facts = json.loads(header["streammon"])
        if how == "wrong shape":
            tensors["mean"] = tensors["mean"][:5].clone()
        facts |= {"old format": {"format": 0}, "no sense": {"grid": "wide"}}.get(how, {})
        save_file(tensors, path, {**header, "streammon": json.dumps(facts)})


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("cut short", "is no safetensors file, or cut short"),
        ("empty", "is no safetensors file, or cut short"),
        ("pickle", "is a pickle"),
        ("torch.save", "is a pickle"),
        ("stranger", "is a safetensors file, but was not written by streammon"),
        ("wrong shape", r"its mean is \(5, 100\) where the header says \(64, 100\)"),
        ("old format", "is of format 0, this streammon reads 2 and 3"),
        ("no sense", "the header of .* is not valid"),
    ],
)
def test_a_broken_bank_is_one_clear_line(scene: Path, how: str, message: str) -> None:
    broken(scene / "bank.safetensors", how)
    with pytest.raises(BankError, match=message) as caught:
        Bank.load(scene)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith("fit it again with `streammon fit`")


def test_an_interrupted_write_leaves_the_old_bank(
    backbone: Backbone, scene: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (scene / "bank.safetensors").read_bytes()
    bank = learned(backbone, pictures(40, seed=1), 12).finish().bank
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        bank.save(scene)
    assert (scene / "bank.safetensors").read_bytes() == before
    assert [file.name for file in scene.iterdir()] == ["bank.safetensors"]
