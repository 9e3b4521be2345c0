"""`evaluate` and `evaluate_scores`: what they return is what the commands show, on a page too."""

from pathlib import Path

import numpy as np
import pytest

from streammon import InputError, evaluate, evaluate_scores
from support.dataset_trees import folder_tree, mvtec_category
from support.precision import COMPUTED


@pytest.mark.slow
def test_a_table_of_the_paper_is_written_as_a_page_too(tmp_path: Path) -> None:
    root, page = mvtec_category(tmp_path / "nut").root, tmp_path / "page"
    report = evaluate("mvtec", root, paper=[5], seeds=1, model=COMPUTED, cache=tmp_path / "cache", page=page)
    assert [table.title.partition(":")[0] for table in report.tables] == ["Table V"]
    assert "Table V" in (page / "index.html").read_text("utf-8")


def test_scores_of_a_folder_are_measured_and_written_as_a_page(tmp_path: Path) -> None:
    tree = folder_tree(tmp_path / "labelled", frames=12)
    scores = tmp_path / "scores"
    scores.mkdir()
    for clip in tree.masks:
        np.save(scores / f"{clip}.npy", tree.labels(clip).astype(float))
    report = evaluate_scores("folder", tree.root, scores, page=tmp_path / "page")
    assert report.measures[0].measures[0].value == 1.0
    assert (tmp_path / "page" / "index.html").exists()
    with pytest.raises(InputError, match="no file in it that ends in"):
        evaluate_scores("folder", tree.root, tmp_path / "page")


def test_a_page_that_can_t_be_written_is_refused_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "page").write_text("a file")
    with pytest.raises(InputError, match="page: it can't be written"):
        evaluate_scores(
            "folder", folder_tree(tmp_path / "labelled").root, tmp_path / "scores", page=tmp_path / "page"
        )
