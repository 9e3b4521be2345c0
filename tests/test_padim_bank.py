"""A scene's files: what goes in comes out, and what doesn't fit is refused with both sides named."""

import json
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from scipy.spatial.distance import mahalanobis as scipy_mahalanobis

from streammon.calibration.rates import KEPT_SCORES
from streammon.config import ModelConfig
from streammon.errors import BankError, FootageError
from streammon.padim import Backbone, Bank, SceneLearner, Statistics, as_batch, load_backbone
from streammon.padim.gaussian import EPSILON

SIZE = 64  # an 8x8 grid for efficientnet_lite0: small and quick


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return load_backbone(ModelConfig(precision="float32"))


def pictures(frames: int, seed: int = 0) -> torch.Tensor:
    """(B, S, S, 3) uint8: a fixed texture with noise and drifting light."""
    generator = torch.Generator().manual_seed(99)
    texture = torch.randint(60, 190, (SIZE, SIZE, 3), generator=generator)
    generator.manual_seed(seed)
    noise = torch.randint(-15, 16, (frames, SIZE, SIZE, 3), generator=generator)
    light = torch.randint(-10, 11, (frames, 1, 1, 1), generator=generator)
    return (texture + noise + light).to(torch.uint8)


def learned(backbone: Backbone, frames: torch.Tensor, held_out: int, **model: object) -> SceneLearner:
    learner = SceneLearner("plaza", backbone, ModelConfig.model_validate(model), SIZE)
    fit, rest = frames[: len(frames) - held_out], frames[len(frames) - held_out :]
    for block in torch.split(fit, 8):
        learner.learn(backbone.maps(block), [0.0] * len(block))
    if held_out:
        learner.begin_calibration()
        learner.learn(backbone.maps(rest), [i / 5 for i in range(held_out)])
    return learner


@pytest.fixture
def scene(tmp_path: Path, backbone: Backbone) -> Path:
    folder = tmp_path / "plaza"
    learned(backbone, pictures(40), 12).bank().save(folder)
    return folder


@pytest.mark.parametrize("reduction", ["random", "all", "orthogonal"])
def test_map_equals_scipys_mahalanobis_with_numpys_covariance(backbone: Backbone, reduction: str) -> None:
    frames = pictures(60)
    learner = learned(backbone, frames, 0, reduction=reduction)
    bank = learner.bank().prepare(backbone.device)
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


def test_what_calibrates_is_judged_by_what_was_learned_before_it_and_then_learned(backbone: Backbone) -> None:
    learner = learned(backbone, pictures(30), 0)
    gaussian = learner.statistics.gaussian
    gaussian.mean = gaussian.mean.float()  # as where a device has no float64
    learner.begin_calibration()
    maps, mean = backbone.maps(pictures(8, seed=5)), gaussian.mean.clone()
    first, second = (learner.learn(maps, [start + n / 5 for n in range(8)]) for start in (0, 10))
    assert first is not None
    assert second is not None
    assert torch.equal(first, second)
    assert gaussian.count == 46
    assert not torch.equal(gaussian.mean, mean)


def test_a_saved_bank_scores_as_the_one_in_memory(backbone: Backbone, tmp_path: Path) -> None:
    bank = learned(backbone, pictures(40), 12).bank()
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


def test_something_new_scores_higher_than_anything_held_out(backbone: Backbone, scene: Path) -> None:
    bank = Bank.load(scene).prepare(backbone.device)
    normal = pictures(8, seed=7)
    strange = normal.clone()
    strange[:, 20:44, 20:44] = torch.tensor([220, 30, 30], dtype=torch.uint8)
    maps, scores = bank.score(backbone.maps(strange))
    assert scores.min() > bank.score(backbone.maps(normal))[1].max()
    assert bank.calibration is not None
    assert bank.calibration.level(float(scores.min())) > bank.calibration.level(float(bank.calibration.scores[-1]))
    row, column = divmod(int(maps[0].argmax()), SIZE)
    assert 16 <= row < 48
    assert 16 <= column < 48


def test_continuing_a_fit_equals_one_fit(backbone: Backbone, tmp_path: Path) -> None:
    frames = pictures(60)
    learned(backbone, frames[:30], 0).statistics.save(tmp_path / "plaza")
    earlier = Statistics.load(tmp_path / "plaza")
    learner = SceneLearner("plaza", backbone, ModelConfig(), SIZE, earlier=earlier)
    learner.learn(backbone.maps(frames[30:]), [0.0] * 30)
    continued, whole = learner.bank(), learned(backbone, frames, 0).bank()
    assert continued.facts.frames == 60
    largest = whole.cholesky.abs().max()
    torch.testing.assert_close(continued.cholesky / largest, whole.cholesky / largest, atol=1e-5, rtol=0)


def test_a_continued_fit_keeps_the_channels_and_says_whose_seed_chose_them(backbone: Backbone) -> None:
    earlier = learned(backbone, pictures(4), 0, seed=3).statistics
    learner = SceneLearner("plaza", backbone, ModelConfig(seed=0), SIZE, earlier=earlier)
    learner.learn(backbone.maps(pictures(4, seed=1)), [0.0] * 4)
    bank = learner.bank()
    assert bank.facts.seed == 3
    assert bank.reduction.indices is not None
    assert earlier.reduction.indices is not None
    assert torch.equal(bank.reduction.indices, earlier.reduction.indices)


def test_only_the_newest_held_out_scores_are_kept(backbone: Backbone) -> None:
    statistics = learned(backbone, pictures(4), 0).statistics
    statistics.hold_out([1.0] * KEPT_SCORES, [0.0] * KEPT_SCORES)
    statistics.hold_out([2.0, 3.0], [0.1, 0.2])
    assert len(statistics.scores) == len(statistics.times_s) == KEPT_SCORES
    assert statistics.scores[-3:] == [1.0, 2.0, 3.0]


def test_a_crop_one_pixel_smaller_is_a_crop() -> None:
    assert as_batch([pictures(1)[0].numpy()], SIZE - 1).shape == (1, SIZE - 1, SIZE - 1, 3)


def test_statistics_of_another_channel_choice_do_not_merge(backbone: Backbone) -> None:
    one, other = (learned(backbone, pictures(4), 0, seed=seed).statistics for seed in (0, 1))
    with pytest.raises(BankError, match="it kept other channels; fit both with the same reduction"):
        one.merge(other, "scene 'plaza'")


def test_one_frame_is_too_few(backbone: Backbone) -> None:
    with pytest.raises(FootageError) as caught:
        learned(backbone, pictures(1), 0).bank()
    assert str(caught.value) == (
        "scene 'plaza': it has 1 frames to learn from; give at least 2, and far more for a bank that is of use"
    )


def test_centre_crop_leaves_the_border_unscored(backbone: Backbone) -> None:
    learner = SceneLearner("plaza", backbone, ModelConfig(), SIZE, crop=48)
    learner.learn(backbone.maps(pictures(20)[:, 8:56, 8:56]), [0.0] * 20)
    bank = learner.bank().prepare(backbone.device)
    maps, _ = bank.score(backbone.maps(pictures(1, seed=2)[:, 8:56, 8:56]))
    assert maps.shape == (1, SIZE, SIZE)
    assert maps[0, :8].abs().max() == 0
    assert maps[0, 8:56, 8:56].min() > 0


def test_a_bank_of_another_backbone_is_refused_with_both_named(backbone: Backbone, scene: Path) -> None:
    bank = Bank.load(scene)
    bank.facts = replace(bank.facts, backbone="resnet18", grid=(64, 64))
    with pytest.raises(BankError) as caught:
        bank.hold_fit(backbone, SIZE, SIZE)
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
        bank.hold_fit(backbone, SIZE, SIZE)


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
        ("stranger", "is a safetensors file, but none of streammon's"),
        ("wrong shape", r"its mean is \(5, 100\) where the header says \(64, 100\)"),
        ("old format", "is of format 0, this streammon reads 1"),
        ("no sense", "the header of .* makes no sense"),
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
    bank = learned(backbone, pictures(40, seed=1), 12).bank()
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        bank.save(scene)
    assert (scene / "bank.safetensors").read_bytes() == before
    assert [file.name for file in scene.iterdir()] == ["bank.safetensors"]
