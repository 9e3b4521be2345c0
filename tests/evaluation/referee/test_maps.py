"""Maps of any size, kind and range give the figures of pixels and regions that plain computations give."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from streammon.errors import DatasetError
from streammon.evaluation.datasets import DatasetOptions, load_truth
from streammon.evaluation.datasets.checking import Defects
from streammon.evaluation.labelled import GroundTruth
from streammon.evaluation.localisation import localisation
from streammon.evaluation.referee.maps import ScoreMaps, load_maps
from support.dataset_trees import Tree, folder_tree, ucsd_tree
from support.straightforward_evaluation import naive_pro
from support.surveillance_trees import street_scene_tree

STRICT = DatasetOptions()
Maps = dict[str, NDArray[np.float64]]


def silent(_what: str, _done: int, _total: int) -> None:
    pass


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """Two clips of nine frames, 64x48, three of them abnormal."""
    return folder_tree(tmp_path / "lobby")


def truth_of(tree: Tree) -> GroundTruth:
    return load_truth("folder", tree.root, STRICT)


def made_maps(tree: Tree, step: int = 1, seed: int = 0) -> Maps:
    """Noise, and more where a mask is, at every `step`-th pixel from half a step on."""
    generator = np.random.default_rng(seed)
    half = step // 2
    chosen = {name: masks[:, half::step, half::step] for name, masks in tree.masks.items()}
    return {name: generator.normal(0.0, 1.0, masks.shape) + masks for name, masks in chosen.items()}


def saved(folder: Path, maps: Maps, dtype: str = "f8") -> Path:
    """The folder of scores whose maps these are."""
    for name, its in maps.items():
        (folder / "maps" / name).parent.mkdir(parents=True, exist_ok=True)
        np.save(folder / "maps" / f"{name}.npy", its.astype(dtype))
    return folder


def loaded(folder: Path, tree: Tree) -> ScoreMaps:
    maps = load_maps(folder, truth_of(tree), Defects(False), silent)
    assert maps is not None
    return maps


def test_pixel_figures_are_scikit_learn_s_though_maps_are_negative(tree: Tree, tmp_path: Path) -> None:
    maps = made_maps(tree)
    found = localisation([loaded(saved(tmp_path, maps), tree)], silent)
    assert found is not None
    pixels, regions = found.tables
    values = {measure.name: measure for measure in pixels.measures}
    scores = np.concatenate([maps[name] for name in sorted(maps)])
    masks = np.concatenate([tree.masks[name] for name in sorted(maps)])
    assert scores.min() < 0
    assert values["AUROC"].value == pytest.approx(roc_auc_score(masks.ravel(), scores.ravel()), abs=1e-4)
    expected = average_precision_score(masks.ravel(), scores.ravel())
    assert values["average precision"].value == pytest.approx(expected, abs=1e-4)
    assert values["PRO to FPR 0.3"].value == pytest.approx(naive_pro(scores, masks), abs=2e-3)
    assert values["AUROC"].constant == 0.5
    assert values["AUROC"].noise == pytest.approx(0.5, abs=0.1)
    assert values["AUROC"].low is not None
    assert [measure.name for measure in regions.measures] == ["RBDC", "TBDC"]
    assert regions.measures[0].value is not None


def test_masks_are_sampled_to_the_size_of_the_maps(tree: Tree, tmp_path: Path) -> None:
    """Of 64x48 masks, maps of 21x16 take every third pixel, at the middle of three."""
    maps = {name: its[:, :, :21] for name, its in made_maps(tree, step=3).items()}
    source = loaded(saved(tmp_path, maps), tree)
    assert source.size(source.clips[0]) == (16, 21)
    for clip in source.clips:
        centres = ((np.arange(21) + 0.5) * 64 / 21).astype(int)
        expected = tree.masks[clip.name][:, 1::3][:, :, centres]
        np.testing.assert_array_equal(np.stack(list(source.masks(clip))), expected)


@pytest.mark.parametrize("dtype", ["f2", "f4", "u1", "i8"])
def test_maps_of_any_numbers_keep_their_order(tree: Tree, tmp_path: Path, dtype: str) -> None:
    maps = {name: np.round(its * 20 + 100) for name, its in made_maps(tree).items()}
    source = loaded(saved(tmp_path, maps, dtype), tree)
    lowest = min(its.min() for its in maps.values())
    for clip in source.clips:
        np.testing.assert_array_equal(np.stack(list(source.maps(clip))), maps[clip.name] - lowest)


def test_a_difference_far_from_0_is_not_lost(tree: Tree, tmp_path: Path) -> None:
    """Values from 1,000,000 to 1,000,001 differ by less than the histogram of pixels tells apart there."""
    maps = {name: 1e6 + its.astype(float) for name, its in tree.masks.items()}
    found = localisation([loaded(saved(tmp_path, maps), tree)], silent, regions=False, nulls=False)
    assert found is not None
    assert found.tables[0].measures[0].value == 1.0


def test_regions_of_published_tracks_differ_from_those_of_the_masks(tmp_path: Path) -> None:
    """Maps of half the size mark two objects that touch and, until it goes, one that goes and returns.

    By the masks there are 5 + 4 regions and 1 + 2 tracks, by the published tracks 6 + 4 and 2 + 1.
    """
    tree = street_scene_tree(tmp_path / "street")
    maps = {name: masks[:, 1::2, 1::2].astype(float) for name, masks in tree.masks.items()}
    maps["Test002"][5:] = 0
    truth = load_truth("street-scene", tree.root, DatasetOptions(allow_partial=True))
    source = load_maps(saved(tmp_path, maps), truth, Defects(False), silent)
    assert source is not None
    found = localisation([source], silent)
    assert found is not None
    assert {measure.name: measure.value for measure in found.tables[1].measures} == {
        "RBDC": pytest.approx(7 / 9),
        "TBDC": pytest.approx(2 / 3),
        "RBDC, published tracks": pytest.approx(8 / 10),
        "TBDC, published tracks": pytest.approx(3 / 3),
    }


def test_clips_without_masks_need_no_maps(tmp_path: Path) -> None:
    """Of Ped1 only some clips have masks; here the second."""
    tree = ucsd_tree(tmp_path / "ped1", "ped1")
    truth = load_truth("ped1", tree.root, DatasetOptions(allow_partial=True))
    folder = saved(tmp_path, {"Test002": np.zeros((9, 48, 72))})
    maps = load_maps(folder, truth, Defects(False), silent)
    assert maps is not None
    assert [clip.name for clip in maps.clips] == ["Test002"]


def test_published_tracks_are_measured_in_maps_of_any_size(tmp_path: Path) -> None:
    """Maps of half the size that are the masks themselves: every track is found, with no false region."""
    tree = street_scene_tree(tmp_path / "set")
    truth = load_truth("street-scene", tree.root, DatasetOptions(allow_partial=True))
    folder = saved(tmp_path, {name: masks[:, 1::2, 1::2].astype(float) for name, masks in tree.masks.items()})
    maps = load_maps(folder, truth, Defects(False), silent)
    assert maps is not None
    found = localisation([maps], silent)
    assert found is not None
    values = {measure.name: measure.value for measure in found.tables[1].measures}
    assert values == dict.fromkeys(("RBDC", "TBDC", "RBDC, published tracks", "TBDC, published tracks"), 1.0)
    (frame, _, *box), *_ = tree.boxes["Test002"]
    boxes, tracks = list(maps.tracks(maps.clips[1]))[frame]
    assert boxes.tolist() == [[side / 2 for side in box]]
    assert tracks.tolist() == [0]


def test_without_maps_or_masks_nothing_is_measured(tree: Tree, tmp_path: Path) -> None:
    assert load_maps(tmp_path, truth_of(tree), Defects(False), silent) is None
    folder = saved(tmp_path, made_maps(tree))
    (tree.root / "masks").rename(tree.root / "unused")
    assert load_maps(folder, truth_of(tree), Defects(False), silent) is None


@pytest.mark.parametrize(
    ("array", "complaint"),
    [
        (
            np.zeros((9, 48)),
            "an array of shape (9, 48) of float64; maps are (T, H, W) of numbers; copy it again, or ",
        ),
        (np.zeros((9, 4, 4), complex), "an array of shape (9, 4, 4) of complex128; maps are (T, H, W) of numbers; "),
        (np.zeros((9, 0, 4)), "an array of shape (9, 0, 4) of float64; maps are (T, H, W) of numbers; "),
        (np.zeros((8, 4, 4)), "8 maps for the 9 frames of clip 'night'; give each frame one map"),
        (
            np.where(np.arange(9)[:, None, None] == 5, np.nan, np.zeros((9, 4, 4))),
            "the map of frame 5 of clip 'night' has a value that is not finite; give finite maps",
        ),
        (np.full((9, 2, 2), 1e300), "the map of frame 0 of clip 'night' has a value that is not finite; "),
    ],
)
def test_maps_that_do_not_fit_are_refused(
    tree: Tree, tmp_path: Path, array: NDArray[np.float64], complaint: str
) -> None:
    folder = saved(tmp_path, made_maps(tree))
    path = folder / "maps" / "night.npy"
    np.save(path, array)
    with pytest.raises(DatasetError) as refusal:
        loaded(folder, tree)
    assert str(refusal.value).startswith(f"{path}: {complaint}")
    defects = Defects(True)
    maps = load_maps(folder, truth_of(tree), defects, silent)
    assert maps is not None
    assert [clip.name for clip in maps.clips] == ["noon"]
    assert defects.messages[0].endswith("; the file is left out")


def test_a_clip_without_maps_and_maps_without_a_clip_are_refused(tree: Tree, tmp_path: Path) -> None:
    folder = saved(tmp_path, made_maps(tree))
    (folder / "maps" / "noon.npy").rename(folder / "maps" / "dawn.npy")
    with pytest.raises(DatasetError, match=r"dawn\.npy: no clip of folder has the name 'dawn'; remove it, or name"):
        loaded(folder, tree)
    (folder / "maps" / "dawn.npy").unlink()
    with pytest.raises(
        DatasetError, match="maps: nothing for 1 of 2 clips, first 'noon'; add what lacks, or leave out"
    ):
        loaded(folder, tree)
