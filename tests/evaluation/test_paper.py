"""The tables of the PaDiM paper: its own figures, and ours beside them."""

from pathlib import Path
from statistics import fmean

import pytest

from streammon.config import ModelConfig
from streammon.errors import ConfigError
from streammon.evaluation import paper_figures
from streammon.evaluation.paper import PaperTables
from streammon.evaluation.results import PlainTable
from streammon.evaluation.study import Study, StudyOptions
from support.dataset_trees import mvtec_category
from support.precision import COMPUTED


def quiet(_what: str, _done: int, _total: int) -> None:
    """Nobody looks."""


@pytest.mark.parametrize("name", paper_figures.LOCALISATION)
@pytest.mark.parametrize(
    ("group", "categories"),
    [
        ("textures", paper_figures.TEXTURES),
        ("objects", paper_figures.CATEGORIES[5:]),
        ("all", paper_figures.CATEGORIES),
    ],
)
def test_the_paper_s_categories_average_to_the_means_that_it_prints(
    name: str, group: str, categories: tuple[str, ...]
) -> None:
    figures = paper_figures.LOCALISATION[name]
    for which in (0, 1):
        if (name, group, which) == ("SPADE", "all", 0):
            continue  # 96.0, where the paper prints 96.5
        mean = fmean(figures[category][which] for category in categories)
        assert mean == pytest.approx(figures[group][which], abs=0.07)


def test_the_paper_s_tables_say_what_its_text_says() -> None:
    def gain(better: paper_figures.Pair, worse: paper_figures.Pair) -> tuple[float, ...]:
        return tuple(round(a - b, 1) for a, b in zip(better, worse, strict=True))

    layers, reductions = paper_figures.LAYERS, paper_figures.REDUCTIONS
    assert gain(layers["all layers together"]["all"], layers["layers 1+2+3 summed"]["all"]) == (1.1, 1.8)
    assert gain(reductions["all 448"]["all"], reductions["Rd 100"]["all"]) == (0.4, 0.3)
    assert gain(reductions["Rd 200"]["all"], reductions["PCA 200"]["all"]) == (1.3, 1.2)


def study(root: Path, cache: Path, dataset: str = "mvtec") -> Study:
    model = ModelConfig.model_validate({"dimensions": 20, **COMPUTED})
    return Study(StudyOptions(dataset, root, model, cache, seeds=2, epochs=1, epoch_images=4), quiet)


@pytest.fixture(scope="module")
def nuts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A category of its own, six images to learn from."""
    return mvtec_category(tmp_path_factory.mktemp("paper") / "nut", training=6).root


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def shares(table: PlainTable, column: int) -> list[float]:
    """A column of ours, in percent, without its spread."""
    return [float(row[column].split()[0]) for row in table.rows]


def test_table_1_has_each_layer_their_sum_and_all_together(nuts: Path, cache: Path) -> None:
    table = PaperTables(study(nuts, cache)).table(1)
    assert [row[0] for row in table.rows] == list(paper_figures.LAYERS)
    assert table.rows[0][4:] == ("94.8", "86.8")
    assert all(50 < share <= 100 for share in shares(table, 1))


def test_table_2_has_the_spread_of_random_choices_alone(nuts: Path, cache: Path) -> None:
    table = PaperTables(study(nuts, cache)).table(2)
    assert [row[0] for row in table.rows] == ["Rd 100", "PCA 100", "Rd 200", "PCA 200", "all 232"]
    assert ["±" in row[1] for row in table.rows] == [True, False, True, False, False]


def test_tables_3_to_5_compare_the_methods(nuts: Path, cache: Path) -> None:
    paper = PaperTables(study(nuts, cache))
    localisation, video, detection = paper.table(3), paper.table(4), paper.table(5)
    columns = ("AUROC % / PRO %", "VAE", "paper", "SPADE", "paper", "PaDiM efficientnet_lite0 Rd20", "paper")
    assert localisation.columns == columns
    assert [row[0] for row in localisation.rows] == ["nut"]
    assert [row[0] for row in video.rows] == ["CAVGA-RU", "SPADE", "PaDiM efficientnet_lite0 Rd20"]
    assert [row[-1] for row in video.rows] == ["85.0", "89.9", "–"]
    assert [row[0] for row in detection.rows] == ["SPADE", "MahalanobisAD", "PaDiM efficientnet_lite0 Rd20"]


def test_table_6_wants_random_views_and_averages_over_them(nuts: Path, cache: Path) -> None:
    with pytest.raises(ConfigError) as refusal:
        PaperTables(study(nuts, cache)).table(6)
    assert str(refusal.value) == (
        "--dataset: it is mvtec, and table 6 needs MVTec AD in random views; give --dataset rd-mvtec"
    )
    table = PaperTables(study(nuts, cache, "rd-mvtec")).table(6)
    assert [row[0] for row in table.rows] == ["VAE", "SPADE", "PaDiM efficientnet_lite0 Rd20"]
    assert all("±" in row[1] for row in table.rows)
    assert "mean of 2 random views" in table.note


def test_tables_7_and_8_measure_the_same_models(nuts: Path, cache: Path) -> None:
    paper = PaperTables(study(nuts, cache))
    seconds, memory = paper.table(7), paper.table(8)
    names = ["VAE", "SPADE", "MahalanobisAD", "PaDiM efficientnet_lite0 Rd20"]
    assert [row[0] for row in seconds.rows] == [row[0] for row in memory.rows] == names
    assert all(share > 0 for share in shares(seconds, 1))
    padim_bytes = 28 * 28 * (2 * 20 * 4 + 210 * 2)  # mean, scales and triangle of each of the 28x28 positions
    assert shares(memory, 1)[3] == pytest.approx(padim_bytes / 1e9, abs=1e-3)
