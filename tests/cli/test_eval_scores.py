"""`streammon eval --scores`: scores of any method, with labels alone; and one line for each mistake."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from streammon.evaluation.datasets import DatasetOptions, load_truth
from streammon.evaluation.datasets.checking import Defects
from streammon.evaluation.metrics import frame_measures
from streammon.evaluation.metrics.conventions import PUBLISHED
from streammon.evaluation.referee.scored import load_scores
from support.commands import Command, Ended, command_here
from support.dataset_trees import mvtec_category
from support.score_folders import noisy, truth_of, write_scores

Labels = dict[str, NDArray[np.bool_]]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Command:
    """The command in a folder of the test's own."""
    monkeypatch.chdir(tmp_path)
    return command_here(monkeypatch, capfd)


@pytest.fixture(scope="module")
def labels() -> Labels:
    """Labels of four clips of two scenes; the last is normal."""
    generator = np.random.default_rng(0)
    made: Labels = {}
    for number, name in enumerate(("hall/01", "hall/02", "yard/01", "yard/02")):
        made[name] = np.zeros(int(generator.integers(30, 50)), dtype=bool)
        made[name][10 : 10 + 5 * (3 - number)] = True
    return made


@pytest.fixture(scope="module")
def root(labels: Labels, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of which nothing but the labels is at hand."""
    folder = tmp_path_factory.mktemp("set")
    (folder / "dataset.yaml").write_text("fps: 5\n")
    for name, its in labels.items():
        (folder / "labels" / name).parent.mkdir(parents=True, exist_ok=True)
        np.save(folder / "labels" / f"{name}.npy", its)
    return folder


def judged(command: Command, root: Path, scores: Path, *words: str | Path) -> Ended:
    return command("eval", "--dataset", "folder", "--root", root, "--scores", scores, *words)


def report_of(ended: Ended) -> dict[str, Any]:
    assert ended.code == 0, ended
    report: dict[str, Any] = json.loads(ended.stdout)
    return report


def values(report: dict[str, Any], title: str = "Frame level") -> dict[str, Any]:
    tables = {table["title"]: table["measures"] for table in report["measures"]}
    return {row["name"]: row for row in tables[title]}


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".csv", ".txt"])
def test_figures_of_any_kind_of_file_are_scikit_learn_s(
    command: Command, labels: Labels, root: Path, tmp_path: Path, suffix: str
) -> None:
    scores = noisy(labels, 2.0)
    report = report_of(judged(command, root, write_scores(tmp_path / "ours", scores, suffix), "--json", "-"))
    every, truth = np.concatenate(list(scores.values())), np.concatenate(list(labels.values()))
    singles = [roc_auc_score(labels[name], its) for name, its in scores.items() if labels[name].any()]
    found = {name: row["value"] for name, row in values(report).items()}
    assert found["AUROC, micro"] == pytest.approx(roc_auc_score(truth, every))
    assert found["AUROC, macro, single-class clips left out"] == pytest.approx(np.mean(singles))
    assert found["average precision"] == pytest.approx(average_precision_score(truth, every))
    assert values(report)["AUROC, micro"]["constant"] == 0.5
    assert values(report)["AUROC, micro"]["low"] < found["AUROC, micro"] < values(report)["AUROC, micro"]["high"]
    assert report["facts"]["test"].startswith("4 clips, ")
    assert f"4 {suffix}, matched by name" in report["facts"]["scores"]
    assert report["warnings"] == []
    assert [timeline["clip"] for timeline in report["timelines"]] == list(labels)
    assert [row[0] for row in report["tables"][0]["rows"]][:2] == list(found)[:2]


@pytest.mark.slow
def test_conventions_and_another_method_stand_in_terminal_json_and_page(
    command: Command, labels: Labels, root: Path, tmp_path: Path
) -> None:
    ours = write_scores(tmp_path / "ours", noisy(labels, 1.2))
    theirs = write_scores(tmp_path / "theirs", noisy(labels, 6.0, seed=1), ".csv")
    words = ("--against", theirs, "--conventions", "--json", tmp_path / "report.json", "--report", tmp_path / "page")
    ended = judged(command, root, ours, *words)
    assert ended.code == 0, ended
    report = json.loads((tmp_path / "report.json").read_text())
    conventions = values(report, "AUROC under each convention of the field")
    assert conventions["micro"]["value"] == values(report)["AUROC, micro"]["value"]
    assert conventions["micro, zero-padded Gaussian"]["constant"] > 0.5
    (comparison,) = report["comparisons"]
    assert (comparison["title"], comparison["first"], comparison["second"]) == ("ours minus theirs", "ours", "theirs")
    micro = comparison["differences"][0]
    assert micro["value"] == values(report)["AUROC, micro"]["value"]
    assert micro["difference"] == pytest.approx(micro["value"] - micro["other"])
    assert micro["low"] < micro["difference"] < micro["high"]
    assert micro["p_value"] == 2 / 2**4  # the given assignment of four clips and its mirror image are the extremes
    assert [curve["label"] for curve in report["curves"]] == ["ours", "theirs", "noise"]
    page = (tmp_path / "page" / "index.html").read_text()
    for words_shown in ("ours minus theirs", "AUROC under each convention", "zero-padded Gaussian", "0.125"):
        assert words_shown in " ".join(ended.stdout.split())
        assert words_shown in page


def test_smoothing_is_that_of_streammon_s_own_methods(
    command: Command, labels: Labels, root: Path, tmp_path: Path
) -> None:
    scores = noisy(labels, 2.0)
    folder = write_scores(tmp_path / "ours", scores)
    report = report_of(judged(command, root, folder, "--smoothing", "causal:0.4", "--minmax", "--json", "-"))
    means = [np.convolve(its, [0.5, 0.5])[: len(its)] for its in scores.values()]  # 0.4 s are two frames
    for its, mean in zip(scores.values(), means, strict=True):
        mean[0] = its[0]
    flat = np.concatenate([(its - its.min()) / np.ptp(its) for its in means])
    assert values(report)["AUROC, micro"]["value"] == pytest.approx(
        roc_auc_score(np.concatenate(list(labels.values())), flat)
    )
    assert report["warnings"][0].startswith("per-clip min-max needs the whole clip")


def test_frames_between_scored_ones_repeat_the_last_score(
    command: Command, labels: Labels, root: Path, tmp_path: Path
) -> None:
    scores = noisy(labels, 2.0)
    for name, its in scores.items():
        path = tmp_path / "thinned" / f"{name}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = [f"{3 * number},{score!r}" for number, score in enumerate(its[::3].tolist())]
        path.write_text("\n".join(["frame,score", *rows]))
    report = report_of(judged(command, root, tmp_path / "thinned", "--json", "-"))
    repeated = np.concatenate([its[::3].repeat(3)[: len(its)] for its in scores.values()])
    truth = np.concatenate(list(labels.values()))
    assert values(report)["AUROC, micro"]["value"] == pytest.approx(roc_auc_score(truth, repeated))
    own = sum(-(-len(its) // 3) for its in labels.values())
    assert f"{len(truth) - own} frames repeat the score of the last scored frame" in report["facts"]["scores"]


def test_one_table_has_the_scores_of_all_clips(command: Command, labels: Labels, root: Path, tmp_path: Path) -> None:
    scores = noisy(labels, 2.0)
    rows = [f"{name},{frame},{its!r}" for name in reversed(scores) for frame, its in enumerate(scores[name].tolist())]
    table = tmp_path / "scores.csv"
    table.write_text("\n".join(["clip,frame,score", *rows]))
    report = report_of(judged(command, root, table, "--json", "-"))
    truth, every = np.concatenate(list(labels.values())), np.concatenate(list(scores.values()))
    assert values(report)["AUROC, micro"]["value"] == pytest.approx(roc_auc_score(truth, every))
    assert f"{table}: 1 .csv, matched by name" in report["facts"]["scores"]
    table.write_text("\n".join(["clip,frame,score", *rows[:-1]]).replace("yard/02", "yard/03"))
    assert judged(command, root, table).complaint == (
        f"{table}: no clip of folder has the name 'yard/03'; remove it, or name it as the clip, as 'hall/01'"
    )
    table.write_text("frame,score\n0,1\n")
    told = judged(command, root, table).complaint
    assert told == f"{table}: no column 'clip' in it; add it, or give a folder with a file for each clip"
    (tmp_path / "scores.npy").touch()
    assert judged(command, root, tmp_path / "scores.npy").complaint == (
        f"{tmp_path}/scores.npy: a file, not a folder; "
        "give the folder with one file for each clip, or a table (.csv or .parquet)"
    )


def test_maps_give_the_figures_of_pixels(command: Command, labels: Labels, root: Path, tmp_path: Path) -> None:
    masked = Path(shutil.copytree(root, tmp_path / "masked"))
    folder = write_scores(tmp_path / "ours", noisy(labels, 1.2))
    for name, its in labels.items():
        masks = np.zeros((len(its), 12, 16), np.uint8)
        masks[its, 2:6, 3:9] = 1
        for place, array in ((masked / "masks", masks), (folder / "maps", masks[:, 1::2, 1::2] - 0.5)):
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            np.save(place / f"{name}.npy", array)
    report = report_of(judged(command, masked, folder, "--json", "-"))
    assert values(report, "Pixel level")["AUROC"]["constant"] == 0.5
    assert values(report, "Pixel level")["PRO to FPR 0.3"]["value"] > 0.9
    assert values(report, "Regions and tracks")["TBDC"]["value"] == 1.0
    assert report["facts"]["maps"] == "of 4 clips, 8x6 pixels; masks are sampled to the size of the maps"
    report = report_of(judged(command, root, folder, "--json", "-"))
    assert report["warnings"] == [f"{folder}/maps was not read: there are no masks of folder in {root}"]


def test_still_images_are_measured_as_images(command: Command, tmp_path: Path) -> None:
    root = mvtec_category(tmp_path / "nut").root
    shutil.rmtree(root / "train")
    folder = write_scores(tmp_path / "ours", {"nut/block": np.array([3.0, 2.5]), "nut/good": np.array([1.0, 2.7])})
    words = ("eval", "--dataset", "mvtec", "--root", root, "--scores", folder)
    report = report_of(command(*words, "--json", "-"))
    assert values(report, "Image level")["AUROC"]["value"] == 0.75
    assert "--conventions: they are about video" in command(*words, "--conventions").complaint
    (folder / "maps").mkdir()
    words = ("eval", "--dataset", "rd-mvtec", "--root", root, "--scores", folder)
    assert "the masks of rd-mvtec fit random views" in command(*words).complaint


def test_scores_matched_by_number_or_stretched_before_are_warned_of(
    command: Command, labels: Labels, root: Path, tmp_path: Path
) -> None:
    scores = [(its - its.min()) / np.ptp(its) for its in noisy(labels, 2.0).values()]
    folder = write_scores(tmp_path / "ours", {f"{number}": its for number, its in enumerate(scores)}, ".txt")
    report = report_of(judged(command, root, folder, "--json", "-"))
    by_number, stretched = report["warnings"]
    assert by_number == (
        f"nothing in {folder} has the name of a clip, so names were assigned in natural order: 0 to hall/01, …, "
        "3 to yard/02; clips of equal length may be mistaken for one another"
    )
    assert stretched.startswith(f"the scores in {folder} run from 0 to 1 in every clip: they were stretched")
    assert "matched in natural order" in report["facts"]["scores"]


def test_a_clip_without_scores_is_left_out_where_that_is_allowed(
    command: Command, labels: Labels, root: Path, tmp_path: Path
) -> None:
    folder = write_scores(tmp_path / "ours", noisy(labels, 2.0))
    other = write_scores(tmp_path / "theirs", noisy(labels, 2.0))
    (folder / "hall" / "01.npy").unlink()
    (other / "yard" / "01.npy").write_bytes(b"damaged")
    ended = judged(command, root, folder, "--against", other, "--allow-partial", "--json", tmp_path / "report.json")
    assert ended.code == 0, ended
    assert "PARTIAL" in ended.stdout
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["missing"] == [
        f"{folder}: nothing for 1 of 4 clips, first 'hall/01'; they are left out",
        f"{other}/yard/01.npy: it is not a NumPy array, is cut short, or contains Python objects; "
        "the clip is left out",
    ]
    shared = ("hall/02", "yard/02")
    scores = noisy(labels, 2.0)
    micro = roc_auc_score(np.concatenate([labels[n] for n in shared]), np.concatenate([scores[n] for n in shared]))
    assert report["comparisons"][0]["differences"][0]["value"] == pytest.approx(micro)
    assert [timeline["clip"] for timeline in report["timelines"]] == ["hall/02", "yard/01", "yard/02"]


def changed(name: str, change: Callable[[NDArray[np.float64]], object]) -> Callable[[Path], object]:
    return lambda folder: np.save(folder / name, np.asarray(change(np.load(folder / name))))


def with_nan(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    scores[17] = np.nan
    return scores


def all_shortened(folder: Path) -> None:
    for path in folder.rglob("*.npy"):
        np.save(path, np.load(path)[4:])


AGAIN = "copy it again, or leave it out with --allow-partial"


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda folder: (folder / "hall" / "02.npy").unlink(), "nothing for 1 of 4 clips, first 'hall/02'; add "),
        (
            lambda folder: (folder / "hall" / "02.txt").write_text("1\n"),
            "a second file of the clip 'hall/02'; keep it",
        ),
        (
            lambda folder: (folder / "hall" / "03.npy").touch(),
            "no clip of folder has the name 'hall/03'; remove it, or ",
        ),
        (lambda folder: (folder / "hall" / "02.npy").write_bytes(b"damaged"), f"contains Python objects; {AGAIN}"),
        (changed("hall/02.npy", lambda its: its[1:]), "frames of clip 'hall/02'; give each frame one score"),
        (
            changed("hall/02.npy", with_nan),
            "the score of frame 17 of clip 'hall/02' is nan; give each frame a finite",
        ),
        (changed("hall/02.npy", lambda its: its[:, None] + [0, 1]), "scores are (T,), one for each frame; save one"),
        (changed("hall/02.npy", lambda its: its[:0]), f"no scores in it; {AGAIN}"),
        (all_shortened, "every clip has 4 scores fewer than labels (clip 'hall/01': "),
        (lambda folder: shutil.rmtree(folder), "it can't be read as a folder (no such file or directory); give the "),
    ],
)
def test_wrong_scores_are_told_in_one_line(
    command: Command, labels: Labels, root: Path, tmp_path: Path, spoil: Callable[[Path], object], complaint: str
) -> None:
    folder = write_scores(tmp_path / "ours", noisy(labels, 2.0))
    spoil(folder)
    told = judged(command, root, folder).complaint
    assert told.startswith(str(folder))
    assert complaint in told


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--method", "padim"), "--method: it doesn't go with --scores; leave one of them out"),
        (("--ablation",), "--ablation: it doesn't go with --scores; "),
        (("--paper", "1"), "--paper: it doesn't go with --scores; "),
        (("--seeds", "3"), "--seeds: it doesn't go with --scores; "),
        (("--every", "2"), "--every: it doesn't go with --scores; "),
        (("--score-fps", "5"), "--score-fps: it doesn't go with --scores; "),
        (("--backbone", "resnet18"), "--backbone: it doesn't go with --scores; "),
        (("--cache", "cache"), "--cache: it doesn't go with --scores; "),
        (("--smoothing", "median:3"), "--smoothing: 'median:3' is no post-processing; "),
        (("--dataset", "ped3"), "ped3: no such data set; choose one of "),
        (("--category", "nut"), "folder: it has no categories; "),
        (("--report", "/dev/null/page"), "/dev/null/page: it can't be written (not a directory); "),
        (("--against", "nowhere"), "nowhere: it can't be read as a folder (no such file or directory); "),
        (("--json", "nowhere/report.json"), "nowhere/report.json: there is no such folder; "),
    ],
)
def test_options_that_do_not_go_together_are_told_in_one_line(
    command: Command, labels: Labels, root: Path, tmp_path: Path, words: tuple[str, ...], complaint: str
) -> None:
    folder = write_scores(tmp_path / "ours", noisy(labels, 2.0))
    assert judged(command, root, folder, *words).complaint.startswith(complaint)


def test_against_needs_scores_and_a_table_of_the_paper_has_no_conventions(command: Command, root: Path) -> None:
    words = ("eval", "--dataset", "folder", "--root", root)
    told = command(*words, "--against", "theirs").complaint
    assert told == "--against: there is no --scores; give both or neither"
    told = command(*words, "--conventions", "--paper", "1").complaint
    assert told == "--conventions: no table of the paper has them; give --paper or --conventions"


def test_the_real_labels_of_stc_judge_scores_of_other_methods(shared_data: Path, tmp_path: Path) -> None:
    """Noisy labels get scikit-learn's figures; a constant by the published post-processing gets 0.770."""
    (tmp_path / "stc" / "testing").mkdir(parents=True)
    (tmp_path / "stc" / "testing" / "test_frame_mask").symlink_to(shared_data / "stc_labels")
    truth = load_truth("stc", tmp_path / "stc", DatasetOptions())
    labels = {clip.name: clip.labels for clip in truth.clips}
    scores = noisy(labels, 3.0)
    found = load_scores(write_scores(tmp_path / "noisy", scores, ".npz"), truth, Defects(False))
    measures = frame_measures(found.clips)
    every, flags = np.concatenate(list(scores.values())), np.concatenate(list(labels.values()))
    assert measures["AUROC, micro"] == pytest.approx(roc_auc_score(flags, every), abs=1e-12)
    assert measures["average precision"] == pytest.approx(average_precision_score(flags, every), abs=1e-12)
    assert found.warnings == ()
    ones = load_scores(
        write_scores(tmp_path / "ones", {n: np.ones(len(its)) for n, its in labels.items()}), truth, Defects(False)
    )
    published = {}
    for clip in ones.clips:
        smoothed = PUBLISHED["stc"].apply(clip).scores
        published[clip.name] = (smoothed - smoothed.min()) / np.ptp(smoothed)
    null = load_scores(write_scores(tmp_path / "null", published, ".csv"), truth, Defects(False))
    assert frame_measures(null.clips)["AUROC, micro"] == pytest.approx(0.770, abs=1e-3)
    assert null.warnings[0].startswith(f"the scores in {tmp_path / 'null'} run from 0 to 1 in every clip")


def test_neither_torch_nor_what_only_pages_and_parquet_need_is_loaded(
    labels: Labels, root: Path, tmp_path: Path
) -> None:
    folder = write_scores(tmp_path / "ours", noisy(labels, 2.0))
    command = [sys.executable, "-X", "importtime", "-m", "streammon", "eval"]
    words = ["--dataset", "folder", "--root", str(root), "--scores", str(folder)]
    ended = subprocess.run([*command, *words], cwd=tmp_path, capture_output=True, text=True, check=True)
    loaded = {line.rpartition("|")[2].strip() for line in ended.stderr.splitlines()}
    assert "streammon.evaluation.referee.run" in loaded
    assert not loaded & {"torch", "matplotlib", "pyarrow"}


def test_made_up_clips_need_no_data_set_on_disk(tmp_path: Path) -> None:
    """The part behind the command takes any ground truth."""
    labels = {"01_1": np.array([False, True, True]), "02_1": np.array([False, False])}
    folder = write_scores(tmp_path, {"01_1": np.array([1.0, 3.0, 2.0]), "02_1": np.array([2.5, 0.0])})
    found = load_scores(folder, truth_of(labels), Defects(False))
    assert frame_measures(found.clips)["AUROC, micro"] == pytest.approx(5 / 6)  # 2 against 2.5 is lost
