"""`streammon eval`: one command from a data set to a report, and one line for each mistake."""

import json
import signal
from pathlib import Path

import numpy as np
import pytest

from support.commands import Command, RunningCommand, command_here
from support.dataset_trees import folder_tree, mvtec_category
from support.surveillance_trees import street_scene_tree
from support.user_cache import cache_without_results

pytestmark = pytest.mark.slow


@pytest.fixture
def command(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path, user_cache: str
) -> Command:
    """The command in a folder of the test's own; what is computed once is kept for the other tests."""
    monkeypatch.setenv("XDG_CACHE_HOME", user_cache)
    monkeypatch.chdir(tmp_path)
    return command_here(monkeypatch, capfd)


@pytest.fixture(scope="module")
def user_cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    return cache_without_results(tmp_path_factory.mktemp("user"))


@pytest.fixture(scope="module")
def lobby(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set in the layout for anything: nine frames to learn from, two test clips of nine."""
    return folder_tree(tmp_path_factory.mktemp("eval") / "lobby").root


def evaluate(root: Path, *words: str | Path) -> tuple[str | Path, ...]:
    """PaDiM unless another method is among the words: the last one given counts."""
    few = ("--method", "padim", "--seeds", "1", "--dimensions", "8")
    return ("eval", "--dataset", "folder", "--root", root, *few, *words)


def test_a_data_set_becomes_tables_json_and_a_page(command: Command, lobby: Path, tmp_path: Path) -> None:
    ended = command(*evaluate(lobby, "--json", tmp_path / "report.json", "--report", tmp_path / "page"))
    assert ended.code == 0, ended
    assert "AUROC, micro" in ended.stdout
    report = json.loads((tmp_path / "report.json").read_text())
    frame, pixel, regions = report["measures"]
    assert [table["title"] for table in report["measures"]] == ["Frame level", "Pixel level", "Regions and tracks"]
    assert frame["measures"][0]["constant"] == 0.5
    assert frame["measures"][0]["noise"] == pytest.approx(0.5, abs=0.15)
    assert pixel["measures"][0]["constant"] == 0.5
    assert regions["measures"][0]["value"] is not None
    assert report["facts"]["test"].startswith("2 clips, 18 frames, 6 abnormal")
    assert not report["partial"]
    assert [timeline["clip"] for timeline in report["timelines"]] == ["night", "noon"]
    page = (tmp_path / "page" / "index.html").read_text()
    assert page.count("<img") >= 4
    assert "AUROC, micro" in page


def test_published_tracks_are_measured_beside_those_of_the_masks(command: Command, tmp_path: Path) -> None:
    root = street_scene_tree(tmp_path / "street").root
    words = ("--dataset", "street-scene", "--allow-partial", "--json", "-")
    ended = command(*evaluate(root, *words))
    assert ended.code == 0, ended
    report = json.loads(ended.stdout)
    figures = {figure["name"]: figure for figure in report["measures"][2]["measures"]}
    assert list(figures) == ["RBDC", "TBDC", "RBDC, published tracks", "TBDC, published tracks"]
    assert all(0 <= figure["value"] <= 1 for figure in figures.values())
    assert report["partial"]
    assert report["facts"]["test"].startswith("2 clips, 18 frames, 9 abnormal")


def test_results_are_kept_in_the_user_s_cache_unless_said_otherwise(
    command: Command, lobby: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", cache_without_results(tmp_path / "user"))
    assert command(*evaluate(lobby, "--every", "3")).code == 0
    assert list((tmp_path / "user" / "streammon" / "eval").rglob("noon.scores.npy"))
    assert command(*evaluate(lobby, "--every", "3", "--cache", tmp_path / "own")).code == 0
    assert list((tmp_path / "own").rglob("noon.scores.npy"))


def test_int8_is_computed_by_the_network_beside_the_scenes(command: Command, lobby: Path) -> None:
    int8 = ("--method", "padim", "--dimensions", "8", "--engine", "auto", "--precision", "int8")
    assert command("fit", lobby / "train", "--scene", "lobby", "--hold-out", "0", *int8).code == 0
    (network,) = Path("scenes").glob("efficientnet_lite0-int8-*")
    ended = command(*evaluate(lobby, "--every", "3", *int8, "--json", "-"))
    assert ended.code == 0, ended
    assert json.loads(ended.stdout)["facts"]["backbone"].startswith("efficientnet_lite0, openvino in int8")
    network.unlink()
    assert "has no efficientnet_lite0-int8-" in command(*evaluate(lobby, "--every", "3", *int8)).complaint


def test_what_limits_a_look_stands_in_the_report(command: Command, lobby: Path, tmp_path: Path) -> None:
    words = ("--every", "2", "--max-train-frames", "3", "--global-bank", "--smoothing", "causal:0.2", "--json", "-")
    ended = command(*evaluate(lobby, *words))
    assert ended.code == 0, ended
    facts = json.loads(ended.stdout)["facts"]
    assert facts["frames taken"] == "the first of every 2 (12.5 frames a second)"
    assert facts["training"] == "1 clips, 5 frames, 3 learned"
    assert facts["banks"] == "1 (one for all scenes)"
    assert facts["post-processing"] == "causal mean over 0.2 s"


def test_at_another_rate_every_frame_has_a_score_and_the_report_names_the_rate(
    command: Command, lobby: Path, tmp_path: Path
) -> None:
    ended = command(*evaluate(lobby, "--score-fps", "5", "--cache", tmp_path / "own", "--json", "-"))
    assert ended.code == 0, ended
    report = json.loads(ended.stdout)
    assert report["facts"]["frames taken"] == (
        "all, at most 5 a second scored; frames in between repeat the last score (25 frames a second)"
    )
    assert report["facts"]["test"].startswith("2 clips, 18 frames")
    assert report["facts"]["training"] == "1 clips, 9 frames, 2 learned"
    found = [np.load(file) for file in (tmp_path / "own").rglob("*.scores.npy")]
    assert [(len(each), len(set(each.tolist()))) for each in found] == [(9, 2)] * 2


def test_still_images_have_no_rate(command: Command, tmp_path: Path) -> None:
    category = mvtec_category(tmp_path / "nut").root
    told = command("eval", "--dataset", "mvtec", "--root", category, "--score-fps", "5")
    assert told.complaint == (
        "--score-fps: it is 5, and mvtec has still images; leave it out, or give a data set of video"
    )


def test_the_conventions_are_measured_of_streammon_s_own_methods_too(
    command: Command, lobby: Path, tmp_path: Path
) -> None:
    ended = command(*evaluate(lobby, "--conventions", "--json", "-"))
    assert ended.code == 0, ended
    tables = {table["title"]: table["measures"] for table in json.loads(ended.stdout)["measures"]}
    conventions = {row["name"]: row for row in tables["AUROC under each convention of the field"]}
    assert conventions["micro"]["value"] == tables["Frame level"][0]["value"]
    assert conventions["macro, padded"]["value"] == tables["Frame level"][2]["value"]
    category = mvtec_category(tmp_path / "nut").root
    told = command("eval", "--dataset", "mvtec", "--root", category, "--conventions")
    assert told.complaint == (
        "--conventions: they are about video, and mvtec has still images; leave it out, or give a data set of video"
    )


def test_min_max_per_clip_comes_with_a_warning(command: Command, lobby: Path) -> None:
    ended = command(*evaluate(lobby, "--minmax"))
    assert ended.code == 0, ended
    assert "per-clip min-max needs the whole clip" in " ".join(ended.stdout.split())


def test_a_smoothed_score_has_no_thresholds_of_the_raw_one(command: Command, lobby: Path) -> None:
    ended = command(*evaluate(lobby, "--smoothing", "offline:0.2", "--json", "-"))
    assert all(timeline["thresholds"] == {} for timeline in json.loads(ended.stdout)["timelines"])


@pytest.mark.parametrize("method", ["spade", "mahalanobisad"])
def test_the_baselines_go_the_same_way(command: Command, lobby: Path, method: str) -> None:
    ended = command(*evaluate(lobby, "--method", method, "--json", "-"))
    assert ended.code == 0, ended
    titles = [table["title"] for table in json.loads(ended.stdout)["measures"]]
    assert titles[0] == "Frame level"
    assert ("Pixel level" in titles) == (method == "spade")


def test_still_images_are_measured_as_images(command: Command, tmp_path: Path) -> None:
    root = mvtec_category(tmp_path / "nut", training=5).root
    ended = command("eval", "--dataset", "mvtec", "--root", root, "--seeds", "2", "--dimensions", "8", "--json", "-")
    assert ended.code == 0, ended
    image, pixel = json.loads(ended.stdout)["measures"]
    assert (image["title"], image["measures"][0]["name"]) == ("Image level", "AUROC")
    assert pixel["measures"][0]["spread"] is not None


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (
            ("--dataset", "ped3"),
            "ped3: no such data set; choose one of stc, stc-weakly, ped1, ped2, avenue, nwpu, street-scene, "
            "complexvad, corridor, ubnormal, mvtec, rd-mvtec, folder",
        ),
        (("--method", "padam"), "--method: it is 'padam'; choose one of motion, padim, spade, vae, mahalanobisad"),
        (("--reduction", "pca", "--method", "motion"), "--reduction: it is 'pca', which motion doesn't support"),
        (("--ablation",), "--ablation: it removes parts of motion, and the method is padim; give --method motion"),
        (("--ablation", "--paper", "1"), "--ablation: no table of the paper includes motion; give --paper or "),
        (("--smoothing", "median:3"), "--smoothing: 'median:3' is no post-processing; "),
        (("--smoothing", "causal:nan"), "--smoothing: 'causal:nan' is no post-processing; "),
        (("--category", "nut"), "folder: it has no categories; choose categories of mvtec or rd-mvtec only"),
        (("--dimensions", "0"), "--dimensions: it is '0'; "),
        (("--dimensions", "999"), "model.dimensions: it is 999, and efficientnet_lite0 has 232 channels; "),
        (("--backbone", "vgg"), "--backbone: it is 'vgg'; "),
        (("--report", "/dev/null/page"), "/dev/null/page: it can't be written (not a directory); "),
        (("--cache", "/dev/null/cache"), "it can't be written (not a directory); "),
        (("--paper", "6"), "--dataset: it is folder, and table 6 needs MVTec AD in random views; "),
        (("--paper", "9"), "invalid value for '--paper': 9 is not in the range 1<=x<=8; "),
        (("--every", "0"), "invalid value for '--every': 0 is not in the range x>=1; "),
        (("--json", "nowhere/report.json"), "nowhere/report.json: there is no such folder; "),
    ],
)
def test_a_mistake_is_told_in_one_line(command: Command, lobby: Path, words: tuple[str, str], complaint: str) -> None:
    assert complaint in command(*evaluate(lobby, *words)).complaint


def test_a_root_that_is_nowhere_is_told_in_one_line(command: Command, tmp_path: Path) -> None:
    told = command("eval", "--dataset", "stc", "--root", tmp_path / "nowhere").complaint
    assert told.startswith(f"{tmp_path / 'nowhere'}: ")


def test_an_interrupted_run_says_how_to_go_on_and_does(command: Command, tmp_path: Path) -> None:
    root = folder_tree(tmp_path / "long", frames=60).root
    words = evaluate(root, "--cache", tmp_path / "cache")
    with RunningCommand(*words, folder=tmp_path) as running:
        running.wait_for_file(tmp_path / "cache", "*.fit.safetensors")
        ended = running.interrupt()
    assert ended.code == 128 + signal.SIGINT
    assert f"the same command goes on from what is kept in {tmp_path / 'cache'}" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert command(*words).code == 0
