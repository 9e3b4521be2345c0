"""PaDiM as the evaluation's method: the live scorer's numbers, in every reduction and layer."""

from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import mahalanobis as scipy_mahalanobis

from streammon.calibration import Calibration
from streammon.config import ModelConfig
from streammon.errors import ConfigError, FootageError
from streammon.evaluation.methods import (
    Batch,
    GridSmoother,
    Method,
    Model,
    Padim,
    SingleLayer,
    SummedLayers,
    padim_seeds,
)
from streammon.evaluation.methods.layers import LAYERS
from streammon.evaluation.methods.scenes import frames_of
from streammon.evaluation.methods.training import PictureSample
from streammon.ingest import clips
from streammon.padim import (
    INPUT_SIZE,
    Backbone,
    Bank,
    MapSmoother,
    as_batch,
    load_backbone,
    make_reduction,
)
from streammon.padim.gaussian import EPSILON
from streammon.scene import SceneLearner
from streammon.scene.fit import FitOptions, fit_scene
from support.method_batches import SIDE, as_clips, batches, give, pictures, untold

REDUCTIONS = ("random", "all", "pca", "orthogonal")


@pytest.fixture(scope="module")
def footage(backbone: Backbone) -> list[Batch]:
    return batches(backbone, pictures(80))


@pytest.fixture(scope="module")
def probe(backbone: Backbone) -> Batch:
    frames = pictures(4, seed=5)
    frames[2:, 20:44, 20:44] = torch.tensor([220, 30, 30], dtype=torch.uint8)
    return Batch(frames, backbone.maps(frames), [0.0, 0.2, 0.4, 0.6])


def learned(method: Method, backbone: Backbone, footage: list[Batch]) -> Model:
    model = method.model("plaza", backbone, SIDE)
    give(model, footage)
    return model


@pytest.mark.parametrize(
    ("reduction", "frame_score"), [("random", "max"), ("orthogonal", "worst_percent"), ("pca", "max")]
)
def test_it_scores_as_a_bank_of_streammon_fit_does(
    backbone: Backbone, numbered_clip: Path, tmp_path: Path, reduction: str, frame_score: str
) -> None:
    config = ModelConfig.model_validate(
        {"reduction": reduction, "frame_score": frame_score, "engine": "torch", "precision": "float32"}
    )
    options = FitOptions(score_fps=None, hold_out=0, max_frames=16)
    fit_scene("plaza", [numbered_clip], tmp_path, config, options, lambda *_: None)
    bank = Bank.load(tmp_path).prepare(backbone.device)
    frames = islice(clips(numbered_clip)[0].frames(INPUT_SIZE), 20)
    every = batches(backbone, as_batch([frame.picture for frame in frames]))
    model = Padim(config).model("plaza", backbone, INPUT_SIZE)
    give(model, every[:2])
    ours, (maps, scores) = model.score(every[2]), bank.score(every[2].maps)
    # principal components are found from pictures in other batches; how much that changes depends on the processor
    rtol = 5e-3 if reduction == "pca" else 0
    np.testing.assert_allclose(ours.scores, scores.double().numpy(), rtol=rtol)
    np.testing.assert_allclose(ours.grids[0], bank.distances(every[2].maps).numpy(), rtol=rtol)
    np.testing.assert_allclose(GridSmoother(INPUT_SIZE)(ours.grids), maps.numpy(), rtol=rtol)
    assert ours.scores.dtype == np.float64
    assert ours.grids[0].dtype == np.float32


@pytest.mark.parametrize("frame_score", ["max", "worst_percent"])
def test_frame_scores_are_those_of_the_smoothed_map(
    backbone: Backbone, footage: list[Batch], probe: Batch, frame_score: str
) -> None:
    config = ModelConfig.model_validate({"frame_score": frame_score})
    for method in (Padim(config), SummedLayers("efficientnet_lite0", frame_score)):
        scored = learned(method, backbone, footage).score(probe)
        maps = GridSmoother(SIDE)(scored.grids).reshape(4, -1)
        worst = 1 if frame_score == "max" else round(SIDE * SIDE * 0.01)
        np.testing.assert_allclose(scored.scores, np.sort(maps, 1)[:, -worst:].mean(1), rtol=1e-6)
        assert scored.scores[2:].min() > scored.scores[:2].max()


@pytest.mark.parametrize("side", [224, 256])
def test_a_crop_has_the_grid_of_its_own_side(backbone: Backbone, side: int) -> None:
    frames = torch.randint(0, 256, (4, side, side, 3), dtype=torch.uint8)
    model = Padim(ModelConfig()).model("plaza", backbone, side)
    give(model, batches(backbone, frames))
    scored = model.score(batches(backbone, frames)[0])
    assert scored.grids[0].shape == (4, side // 8, side // 8)
    assert GridSmoother(side)(scored.grids).shape == (4, side, side)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_an_interrupted_model_scores_as_one_that_was_not(
    backbone: Backbone, footage: list[Batch], probe: Batch, reduction: str
) -> None:
    """Saved and restored after every clip of every pass, both steps of what is held out included."""
    method = Padim(ModelConfig.model_validate({"reduction": reduction}), calibrate=True)
    whole = method.model("plaza", backbone, SIDE)
    clips_of_it = as_clips(footage[:6])  # 1.4 s each: the fourth to the sixth are held out, by two banks
    give(whole, clips_of_it, expected_s=8.0)
    model = method.model("plaza", backbone, SIDE)
    model.expect(8.0, 5.0)
    for _ in range(model.passes):
        for batch in clips_of_it:
            model.learn(batch)
            state = {name: tensor.clone() for name, tensor in model.state().items()}
            model.learn(probe)  # what came after the state was saved is lost
            model = method.model("plaza", backbone, SIDE)
            model.expect(8.0, 5.0)
            model.restore(state)
        model.end_pass()
    model.finish(untold)
    np.testing.assert_array_equal(model.score(probe).scores, whole.score(probe).scores)
    np.testing.assert_array_equal(model.score(probe).grids[0], whole.score(probe).grids[0])
    assert model.calibration is not None
    assert whole.calibration is not None
    np.testing.assert_array_equal(model.calibration.scores, whole.calibration.scores)
    assert len(whole.calibration.scores) == 25  # the last frame of the third clip, and the three after it


def test_a_saved_state_is_not_changed_by_what_is_learned_later(backbone: Backbone, footage: list[Batch]) -> None:
    for method in (Padim(ModelConfig(), calibrate=True), SummedLayers("efficientnet_lite0")):
        model = method.model("plaza", backbone, SIDE)
        model.learn(footage[0])
        state = model.state()
        before = {name: tensor.clone() for name, tensor in state.items()}
        model.learn(footage[1])
        assert all(torch.equal(state[name], before[name]) for name in before)


def test_what_calibrates_is_scored_before_it_is_learned(backbone: Backbone, footage: list[Batch]) -> None:
    """The thresholds are those of a bank that holds the end out; the scores those of one that knows it all."""
    model = Padim(ModelConfig(), calibrate=True).model("plaza", backbone, SIDE)
    give(model, footage, expected_s=16.0)
    learner = SceneLearner("plaza", backbone, ModelConfig(), None, total_s=16.0, score_fps=5.0, size=SIDE)
    for batch in footage:
        learner.learn(frames_of(batch), batch.maps)
    expected = learner.finish().bank.calibration
    assert expected is not None
    assert model.calibration is not None
    np.testing.assert_array_equal(model.calibration.scores, expected.scores)
    assert model.calibration.score_at_rate(1) == expected.score_at_rate(1)
    plain = learned(Padim(ModelConfig()), backbone, footage)
    # learned in other batches, since one is cut where the held-out footage begins
    np.testing.assert_allclose(model.score(footage[0]).scores, plain.score(footage[0]).scores, rtol=3e-5)
    assert plain.calibration is None  # type: ignore[attr-defined]


def test_footage_without_time_is_not_calibrated(backbone: Backbone, footage: list[Batch]) -> None:
    still = [Batch(batch.pictures, batch.maps, [0.0] * len(batch.times_s)) for batch in footage]
    for expected_s in (0.0, 16.0):
        model = Padim(ModelConfig(), calibrate=True).model("plaza", backbone, SIDE)
        give(model, still, expected_s)
        assert model.calibration is None


def test_calibration_may_be_asked_for_before_there_is_anything_to_calibrate(backbone: Backbone) -> None:
    model = Padim(ModelConfig(), calibrate=True).model("plaza", backbone, SIDE)
    model.expect(16.0, 5.0)
    assert model.calibration is None
    assert model.state() == {}


def test_seeds_draw_the_channels_of_make_reduction(backbone: Backbone, footage: list[Batch]) -> None:
    methods = padim_seeds(ModelConfig(seed=3, dimensions=20), 3, calibrate=True)
    assert [method.name for method in methods] == [f"PaDiM efficientnet_lite0 Rd20, seed {n}" for n in (3, 4, 5)]
    states = []
    for method, seed in zip(methods, (3, 4, 5), strict=True):
        model = method.model("plaza", backbone, SIDE)
        model.expect(3.0, 5.0)
        for batch in footage[:3]:
            model.learn(batch)
        states.append(model.state())
        expected = make_reduction("random", 232, 20, seed).indices
        assert expected is not None
        assert torch.equal(states[-1]["channel_indices"], expected)
    assert ["measure.mean" in state for state in states] == [True, False, False]  # the first alone is calibrated


def test_names_and_keys_tell_the_settings_apart() -> None:
    resnet = {"backbone": "resnet18"}
    configs = [
        resnet,
        resnet | {"seed": 1},
        resnet | {"frame_score": "worst_percent"},
        resnet | {"reduction": "pca"},
        resnet | {"reduction": "pca", "dimensions": 200},
        resnet | {"reduction": "orthogonal"},
        resnet | {"reduction": "all"},
        {"backbone": "wide_resnet50_2"},
    ]
    methods = [Padim(ModelConfig.model_validate(config)) for config in configs]
    assert [method.name for method in methods] == [
        "PaDiM resnet18 Rd100, seed 0",
        "PaDiM resnet18 Rd100, seed 1",
        "PaDiM resnet18 Rd100, seed 0, worst 1 %",
        "PaDiM resnet18 PCA100",
        "PaDiM resnet18 PCA200",
        "PaDiM resnet18 SO100, seed 0",
        "PaDiM resnet18 all 448",
        "PaDiM wide_resnet50_2 Rd550, seed 0",
    ]
    layers: list[Method] = [*(SingleLayer(layer, "resnet18") for layer in LAYERS), SummedLayers("resnet18")]
    assert [method.name for method in layers] == [
        "PaDiM resnet18 layer 1 alone",
        "PaDiM resnet18 layer 2 alone",
        "PaDiM resnet18 layer 3 alone",
        "PaDiM resnet18 layers 1+2+3 summed",
    ]
    assert len({method.key for method in [*methods, *layers]}) == len(methods) + 4


def test_more_channels_than_there_are_is_the_configurations_fault(backbone: Backbone) -> None:
    with pytest.raises(ConfigError, match=r"model\.dimensions: it is 300, and efficientnet_lite0 has 232 channels"):
        Padim(ModelConfig(dimensions=300)).model("plaza", backbone, SIDE)


@pytest.mark.parametrize("reduction", ["random", "pca"])
def test_too_few_frames_are_refused(backbone: Backbone, footage: list[Batch], reduction: str) -> None:
    one = Batch(footage[0].pictures[:1], [feature[:1] for feature in footage[0].maps], [0.0])
    for frames, few in ((0, []), (1, [one])):
        model = Padim(ModelConfig.model_validate({"reduction": reduction})).model("plaza", backbone, SIDE)
        with pytest.raises(FootageError) as caught:
            give(model, few)
        assert str(caught.value) == (
            f"scene 'plaza': it has {frames} frames to learn from; give at least 2, and many more for a useful model"
        )


def test_the_memory_of_scoring_is_that_of_means_whitening_and_reduction(
    backbone: Backbone, footage: list[Batch]
) -> None:
    def gaussian_bytes(positions: int, dimensions: int) -> int:
        """Means and scales of rows in 4 bytes, triangles of groups of 64 positions in 2."""
        grouped = -(-positions // 64) * 64
        return positions * 2 * dimensions * 4 + grouped * dimensions * (dimensions + 1) // 2 * 2

    model = learned(Padim(ModelConfig(dimensions=20)), backbone, footage)
    assert model.scoring_bytes() == gaussian_bytes(64, 20) + 20 * 8
    model = learned(Padim(ModelConfig(reduction="pca", dimensions=20)), backbone, footage)
    assert model.scoring_bytes() == gaussian_bytes(64, 20) + 232 * 20 * 4
    layer2 = learned(SingleLayer(2, "efficientnet_lite0"), backbone, footage)
    assert layer2.scoring_bytes() == gaussian_bytes(16, 80) + 80 * 8


@pytest.mark.parametrize("layer", [1, 2, 3])
def test_a_single_layer_measures_as_scipy_does_on_its_own_grid(
    backbone: Backbone, footage: list[Batch], probe: Batch, layer: int
) -> None:
    scored = learned(SingleLayer(layer, "efficientnet_lite0"), backbone, footage).score(probe)
    samples = torch.cat([batch.maps[layer - 1] for batch in footage]).double().numpy()
    strange = probe.maps[layer - 1].double().numpy()
    channels, side = samples.shape[1:3]
    assert scored.grids[0].shape == (4, side, side)
    for row, column in ((0, 0), (side // 2, side - 1)):
        here = samples[:, :, row, column]
        inverse = np.linalg.inv(np.cov(here.T) + EPSILON * np.eye(channels))
        for b in range(4):
            expected = scipy_mahalanobis(strange[b, :, row, column], here.mean(0), inverse)
            assert scored.grids[0][b, row, column] == pytest.approx(expected, rel=1e-3)


def test_summed_layers_are_the_three_single_layers_maps_added(
    backbone: Backbone, footage: list[Batch], probe: Batch
) -> None:
    summed = learned(SummedLayers("efficientnet_lite0"), backbone, footage)
    alone = [learned(SingleLayer(layer, "efficientnet_lite0"), backbone, footage) for layer in (1, 2, 3)]
    ours = summed.score(probe)
    for grid, model in zip(ours.grids, alone, strict=True):
        np.testing.assert_array_equal(grid, model.score(probe).grids[0])
    cpu = torch.device("cpu")
    maps = sum(MapSmoother((g.shape[1],) * 2, (SIDE, SIDE), cpu)(torch.from_numpy(g)).numpy() for g in ours.grids)
    np.testing.assert_allclose(GridSmoother(SIDE)(ours.grids), maps, rtol=1e-5)
    np.testing.assert_allclose(ours.scores, np.asarray(maps).reshape(4, -1).max(1), rtol=1e-5)
    assert summed.scoring_bytes() == sum(model.scoring_bytes() for model in alone)


def test_interrupted_layers_score_as_ones_that_were_not(
    backbone: Backbone, footage: list[Batch], probe: Batch
) -> None:
    method = SummedLayers("efficientnet_lite0")
    whole = learned(method, backbone, footage)
    half, rest = method.model("plaza", backbone, SIDE), method.model("plaza", backbone, SIDE)
    for batch in footage[:5]:
        half.learn(batch)
    rest.restore(half.state())
    give(rest, footage[5:])
    for ours, theirs in zip(rest.score(probe).grids, whole.score(probe).grids, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_read_only_grid_is_smoothed_without_a_word(tmp_path: Path) -> None:
    np.save(tmp_path / "grid.npy", np.ones((2, 8, 8), dtype=np.float32))
    grid = np.load(tmp_path / "grid.npy", mmap_mode="r")
    np.testing.assert_allclose(GridSmoother(SIDE)((grid,)), 1, rtol=1e-5)


def test_no_grid_is_no_map() -> None:
    with pytest.raises(ValueError, match="a map needs at least one grid"):
        GridSmoother(SIDE)(())


@given(frames=st.integers(0, 200), block=st.integers(1, 7), most=st.sampled_from([2, 8, 20]))
def test_kept_pictures_are_evenly_spread_and_bounded(frames: int, block: int, most: int) -> None:
    spread = PictureSample(most)
    numbered = torch.arange(frames, dtype=torch.uint8).view(-1, 1, 1, 1)
    for start in range(0, frames, block):
        spread.add(numbered[start : start + block])
    kept = [int(picture) for picture in spread.pictures().flatten()]
    assert kept[:1] == [0][:frames]
    assert min(frames, most // 2) <= len(kept) <= most
    assert len({after - before for before, after in pairwise(kept)}) <= 1
    if len(kept) > 1:
        assert frames - kept[-1] <= kept[1]  # up to the end


def test_resnet18_of_the_paper_gives_a_grid_for_each_layer(shared_data: Path) -> None:
    weights = shared_data.parent / "weights" / "resnet18_imagenet_conv1-layer3.safetensors"
    network = load_backbone(ModelConfig(backbone="resnet18", weights=weights, engine="torch", precision="float32"))
    (clip, *_) = clips(shared_data / "ucsd_ped2" / "training" / "frames")
    taken = batches(network, as_batch([frame.picture for frame in islice(clip.frames(INPUT_SIZE), 8)]))
    model = SummedLayers("resnet18").model("ped2", network, INPUT_SIZE)
    give(model, taken)
    assert [grid.shape for grid in model.score(taken[0]).grids] == [(8, 64, 64), (8, 32, 32), (8, 16, 16)]


def test_a_calibration_is_what_a_bank_would_have(backbone: Backbone, footage: list[Batch]) -> None:
    model = Padim(ModelConfig(), calibrate=True).model("plaza", backbone, SIDE)
    give(model, footage, expected_s=16.0)
    assert isinstance(model.calibration, Calibration)
    assert model.calibration.watched_s == pytest.approx(39 / 5)  # frames 41 to 79
