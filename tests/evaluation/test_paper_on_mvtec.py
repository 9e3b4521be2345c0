"""Tables III and V by one command on MVTec AD's layout: the time is told first, and nothing is computed twice."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import torch
import torchvision

from streammon.config import ModelConfig
from streammon.errors import ConfigError
from streammon.evaluation import estimate as estimating
from streammon.evaluation import paper_figures
from streammon.evaluation.estimate import MEASURING, READING, Cost, Estimate, Work, estimate
from streammon.evaluation.methods import Method, Spade, Vae, padim_seeds
from streammon.evaluation.paper_runs import PUBLISHED, PaperRuns
from streammon.evaluation.results import EvaluationReport
from streammon.evaluation.run import evaluate_paper
from streammon.evaluation.study import Study, StudyOptions
from support.commands import command_here
from support.dataset_trees import mvtec_category
from support.precision import COMPUTED
from support.published_weights import PUBLISHED as PUBLISHED_WEIGHTS
from support.published_weights import random_state

pytestmark = pytest.mark.slow

CATEGORIES = ("bottle", "carpet", "grid")
"""An object and two textures."""

PADIM = "PaDiM efficientnet_lite0 Rd8"
Groups = dict[str, Sequence[Method]]


def quiet(_what: str, _done: int, _total: int) -> None:
    """Nobody looks."""


def quiet_line(_line: str) -> None:
    """Nobody reads."""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three categories beside one another, each with 4 images to learn from, 2 good ones and 2 with a block."""
    folder = tmp_path_factory.mktemp("mvtec") / "mvtec_anomaly_detection"
    for seed, category in enumerate(CATEGORIES):
        mvtec_category(folder / category, training=4, seed=seed)
    (folder / "license.txt").write_text("beside the categories")
    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def share(cell: str, which: int = 0) -> float:
    """One figure of a cell such as `95.7 ± 0.1 / 88.5 ± 0.3`."""
    return float(cell.split(" / ")[which].split()[0])


def options(root: Path, cache: Path, *categories: str) -> StudyOptions:
    model = ModelConfig.model_validate({"dimensions": 8, **COMPUTED})
    return StudyOptions("mvtec", root, model, cache, seeds=1, categories=categories, epochs=1, epoch_images=4)


def test_table_3_tells_its_time_and_is_computed_once(root: Path, cache: Path) -> None:
    announced: list[str] = []

    def report() -> EvaluationReport:
        return evaluate_paper(options(root, cache, "bottle", "carpet"), [3], "command", quiet, announced.append)

    first = report()
    (told,) = announced
    parts = "reading and features .*VAE .*SPADE .*PaDiM .*"
    assert re.fullmatch(rf"(about|under) .*, from 8 pictures timed \({parts}\)", told)
    assert first.facts["estimated"] == told
    (table,) = first.tables
    assert table.columns == ("AUROC % / PRO %", "VAE", "paper", "SPADE", "paper", PADIM, "paper")
    rows = {row[0]: row[1:] for row in table.rows}
    assert list(rows) == ["bottle", "carpet", "textures", "objects", "all"]
    of_vae = [cells[1] for cells in rows.values()]
    assert of_vae == ["83.1 / 70.5", "59.7 / 61.9", "61.2 / 49.9", "81.0 / 71.4", "74.4 / 64.2"]
    for column in (0, 2, 4):
        ours = {name: cells[column] for name, cells in rows.items()}
        assert (ours["textures"], ours["objects"]) == (ours["carpet"], ours["bottle"])
        for which in (0, 1):
            mean = (share(ours["carpet"], which) + share(ours["bottle"], which)) / 2
            assert share(ours["all"], which) == pytest.approx(mean, abs=0.11)
    assert report().tables == first.tables
    assert re.fullmatch(
        r"(about|under) .*, since all results are in the cache \(measuring pixels [^,]*\)", announced[1]
    )


def test_one_command_tells_its_time_and_takes_what_another_table_has_computed(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], root: Path, cache: Path, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (video,) = evaluate_paper(options(root, cache, *CATEGORIES), [4], "command", quiet, quiet_line).tables
    assert [row[0] for row in video.rows] == ["CAVGA-RU", "SPADE", PADIM]
    chosen = [word for category in CATEGORIES for word in ("--category", category)]
    few = ("--dimensions", "8", "--seeds", "1", "--cache", cache, "--json", "facts.json")
    words = ("eval", "--dataset", "mvtec", "--root", root, "--paper", "5", *chosen, *few)
    ended = command_here(monkeypatch, capfd)(*words)
    assert ended.code == 0, ended
    told, _, shown = ended.stdout.partition("\n")
    parts = "reading and features .*, MahalanobisAD .*"
    assert re.fullmatch(rf"(about|under) .*, from 8 pictures timed \({parts}\)", told)
    assert "SPADE" not in told
    assert "Table V: detection" in shown
    report = json.loads(Path("facts.json").read_text())
    assert report["facts"]["estimated"] == told
    (table,) = report["tables"]
    assert table["columns"] == ["image AUROC %", "textures", "paper", "objects", "paper", "all", "paper"]
    rows = {row[0]: row[1:] for row in table["rows"]}
    assert rows["Patch-SVDD"] == ["–", "94.6", "–", "90.9", "–", "92.1"]
    assert rows["MahalanobisAD"][1::2] == ["97.2", "94.8", "95.8"]
    assert rows["SPADE"][1::2] == ["–", "–", "85.5"]
    for name in ("SPADE", "MahalanobisAD", PADIM):
        textures, objects, whole = (share(cell) for cell in rows[name][::2])
        assert whole == pytest.approx((2 * textures + objects) / 3, abs=0.11)


def test_a_result_that_lacks_is_all_that_is_estimated(root: Path, tmp_path: Path) -> None:
    chosen = Study(options(root, tmp_path, "bottle", "carpet"), quiet)
    groups: Groups = {PADIM: padim_seeds(chosen.options.model, 1), "SPADE": [Spade("efficientnet_lite0")]}
    works = [Work(chosen, groups, False)]
    chosen.run(groups)
    assert estimate(works) == Estimate({}, 0)
    spade = chosen.harness(chosen.views()[0], groups["SPADE"])
    (kept,) = spade.methods.values()
    kept._file("carpet/block", "scores.npy").unlink()
    (bank,) = spade.work()
    assert (bank.plan.name, bank.frames) == ("carpet", 4 + 2)
    found = estimate(works)
    assert found is not None
    assert found.parts_s.keys() == {READING, "SPADE"}
    assert found.pictures == 8


def test_an_estimate_is_the_sum_of_its_parts(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each picture takes 1 s to learn and 3 s to score, each bank 10 s, and each map 0.5 s to measure.

    Two categories: 4 images each to learn, 4 each to score. So a method takes 2 x (4 x 1 + 10 + 4 x 3) = 52 s, and
    two seeds take 104 s. SPADE was timed with 9 training images and searches 4: 2 x (14 + 12 x 4 / 9). The VAE was
    timed for 2 batches and trains for 100 epochs of 10,000 images in 313 batches: 2 x (4 + 10 x 31300 / 2 + 12).
    Of the second work SPADE's results are in the cache. The maps of both works are measured: 8 images of
    2 + 1 + 1 methods, and of 1.
    """
    monkeypatch.setattr(estimating, "cost_of", lambda *_: Cost(1.0, 10.0, 3.0))
    monkeypatch.setattr(estimating, "measuring_s", lambda *_: 0.5)
    chosen = Study(options(root, tmp_path, "bottle", "carpet"), quiet)
    spade = Spade("efficientnet_lite0")
    groups: Groups = {PADIM: padim_seeds(chosen.options.model, 2), "SPADE": [spade], "VAE": [Vae(100, 10_000)]}
    again = {"SPADE": [Spade("efficientnet_lite0")]}
    found = estimate([Work(chosen, groups, True), Work(chosen, again, True)])
    assert found is not None
    reading_s = found.parts_s[READING]
    assert reading_s > 0
    assert found.parts_s == {
        READING: reading_s,
        PADIM: pytest.approx(104.0),
        "SPADE": pytest.approx(28 + 24 * 4 / 9),
        "VAE": pytest.approx(32 + 20 * 31_300 / 2),
        MEASURING: pytest.approx(8 * 5 * 0.5),
    }
    assert found.words.startswith("about 4 days, from 8 pictures timed (")


def test_pictures_that_cannot_be_read_give_no_estimate(root: Path, tmp_path: Path) -> None:
    tree = mvtec_category(tmp_path / "nut", training=2)
    chosen = Study(options(tree.root, tmp_path / "cache"), quiet)
    for file in (tree.root / "train" / "good").iterdir():
        file.write_bytes(file.read_bytes()[:100])
    assert estimate([Work(chosen, {"SPADE": [Spade("efficientnet_lite0")]}, False)]) is None


@pytest.mark.parametrize("numbers", [(3, 6), (6,)])
def test_a_table_that_needs_another_data_set_is_refused_before_any_work(
    root: Path, tmp_path: Path, numbers: Sequence[int]
) -> None:
    announced: list[str] = []
    with pytest.raises(ConfigError, match="table 6 needs MVTec AD in random views"):
        evaluate_paper(options(root, tmp_path, "bottle"), numbers, "command", quiet, announced.append)
    assert announced == []
    assert not list(tmp_path.rglob("*.npy"))


def test_tables_7_and_8_have_no_estimate(root: Path, tmp_path: Path) -> None:
    runs = PaperRuns(Study(options(root, tmp_path, "bottle"), quiet))
    assert runs.works(7) == runs.works(8) == []
    works = [work for number in range(1, 7) for work in runs.works(number)]
    assert [work.localised for work in works] == [True, True, True, True, False, True]


@pytest.fixture
def published_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files under the published names in torch's cache, with random values."""
    folder = tmp_path / "torch" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    torch.save(torchvision.models.resnet18(weights=None).state_dict(), folder / "resnet18-f37072fd.pth")
    for published in PUBLISHED_WEIGHTS.values():
        torch.save(random_state(published.layout(), seed=0), folder / published.file)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")


@pytest.mark.usefixtures("published_weights")
def test_the_published_rows_have_the_paper_s_backbones(root: Path, tmp_path: Path) -> None:
    torch_alone = {"engine": "torch", "precision": "float32", "backbone": "wide_resnet50_2"}
    options = StudyOptions("mvtec", root, ModelConfig.model_validate(torch_alone), tmp_path, categories=("bottle",))
    runs = PaperRuns(Study(options, quiet), published=True)
    reported: dict[int, Mapping[str, object]] = {
        3: paper_figures.LOCALISATION,
        4: paper_figures.STC,
        5: paper_figures.DETECTION,
        6: paper_figures.RANDOM_VIEWS,
    }
    elsewhere = {"CAVGA-RU", "GANomaly", "ITAE", "Patch-SVDD"}
    for number in PUBLISHED:
        names = [name for work in runs.works(number) for name in work.groups]
        assert set(names) == reported[number].keys() - elsewhere
    of_five = {work.study.backbone.name: list(work.groups) for work in runs.works(5)}
    assert of_five == {
        "wide_resnet50_2": ["SPADE", "PaDiM wide_resnet50_2 Rd550"],
        "efficientnet_b5": ["MahalanobisAD", "PaDiM efficientnet_b5 Rd200"],
    }
    assert [study.backbone.name for study in runs.studies] == ["wide_resnet50_2", "resnet18", "efficientnet_b5"]
    assert all(study.dataset is runs.study.dataset for study in runs.studies)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ((), "--published: there is no --paper; give both or neither"),
        (("--paper", "3", "--backbone", "resnet18"), "--published: --backbone is given too; leave one of them out"),
        (("--paper", "3", "--dimensions", "9"), "--published: --dimensions is given too; leave one of them out"),
        (
            ("--paper", "3", "--paper", "7"),
            "--published: table 7 has no rows with backbones of their own; give it with --paper 3 to 6",
        ),
    ],
)
def test_published_decides_the_backbones_itself(
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    root: Path,
    words: Sequence[str],
    complaint: str,
) -> None:
    ended = command_here(monkeypatch, capfd)("eval", "--dataset", "mvtec", "--root", root, "--published", *words)
    assert ended.complaint == complaint
