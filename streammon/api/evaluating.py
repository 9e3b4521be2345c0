"""Evaluating a method on labelled footage."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from streammon.api.models import Model, model_config
from streammon.config import SCENES
from streammon.errors import ConfigError
from streammon.evaluation.anomaly_method import AnomalyMethod
from streammon.evaluation.metrics import parse_post_processing
from streammon.evaluation.options import study_options
from streammon.evaluation.referee import RefereeOptions, judge_scores
from streammon.evaluation.report import require_page, write_page
from streammon.evaluation.results import EvaluationReport
from streammon.evaluation.run import evaluate_paper, evaluate_study

Progress = Callable[[str, int, int], None]
"""Called with the name of the work, the number of steps done and of all."""


def evaluate(
    dataset: str,
    root: str | Path,
    *,
    method: str | type[AnomalyMethod] | None = None,
    model: Model | None = None,
    seeds: int | None = None,
    ablation: bool = False,
    conventions: bool = False,
    paper: Sequence[int] = (),
    published: bool = False,
    every: int = 1,
    score_fps: float | None = None,
    max_train_frames: int | None = None,
    global_bank: bool = False,
    categories: Sequence[str] = (),
    smoothing: str = "none",
    minmax: bool = False,
    epochs: int = 100,
    epoch_images: int = 10_000,
    allow_partial: bool = False,
    cache: str | Path | None = None,
    scores_out: str | Path | None = None,
    page: str | Path | None = None,
    scenes: str | Path = SCENES,
    progress: Progress | None = None,
    announce: Callable[[str], None] | None = None,
) -> EvaluationReport:
    """Evaluate a method on a labelled data set, as `streammon eval` does; the arguments are its options.

    Args:
        dataset: `stc`, `ped2`, `nwpu`, `folder` or another of those that `streammon eval --help` lists.
        root: Folder of the data set.
        method: `motion` (default of video), `padim` (of images), `spade`, `vae`, `mahalanobisad`, a name that a
            package registered, or the class of a method of one's own.
        model: Settings of the backbone, as in the section `model` of `config.yaml`.
        seeds: Number of random seeds; default: 5, `motion` 1.
        ablation: Also score without each part of `motion`.
        conventions: Also measure the scores under each convention of the literature.
        paper: Numbers of tables of the PaDiM paper, which are computed instead.
        published: Of tables 3 to 6, each row with the paper's backbone.
        every: Take the first of each so many frames.
        score_fps: Score so many frames a second; None for all.
        max_train_frames: Largest number of training frames for each bank, evenly spread.
        global_bank: One bank for all scenes instead of one a scene.
        categories: Of MVTec AD, only these.
        smoothing: `none`, `causal:SECONDS` or `offline:SECONDS`.
        minmax: Stretch the scores of each clip to 0..1.
        epochs: Training epochs of the VAE.
        epoch_images: Augmented images in each of its epochs.
        allow_partial: Leave out what is missing or damaged.
        cache: Folder of finished results; default: the user's cache.
        scores_out: Folder for the frame scores, `<clip>.parquet` for each test clip.
        page: Folder for a page with plots and pictures.
        scenes: Folder of all scenes, where the network in int8 is.
        progress: Called after each step.
        announce: Called with the estimated time of the paper's tables, before the work begins.

    Returns:
        The report: tables of figures with their null controls and intervals, curves, timelines.

    Raises:
        InputError: The data set, a setting, the method or a folder is wrong.

    >>> evaluate("folder", "lobby", method="padam")
    Traceback (most recent call last):
    streammon.errors.ConfigError: --method: it is 'padam'; choose one of motion, padim, spade, vae, mahalanobisad...
    """
    if not set(paper) <= set(range(1, 9)):
        raise ConfigError("evaluate", f"paper is {list(paper)}", "give numbers of tables, 1 to 8")
    options: dict[str, Any] = {
        "dataset": dataset,
        "root": Path(root),
        "method": method if isinstance(method, str) else None,
        "seeds": seeds,
        "ablation": ablation,
        "conventions": conventions,
        "every": every,
        "score_fps": score_fps,
        "max_train_frames": max_train_frames,
        "global_bank": global_bank,
        "categories": tuple(categories),
        "smoothing": smoothing,
        "minmax": minmax,
        "epochs": epochs,
        "epoch_images": epoch_images,
        "allow_partial": allow_partial,
        "cache": None if cache is None else Path(cache),
        "scores_out": None if scores_out is None else Path(scores_out),
    }
    study = study_options(model_config(model), Path(scenes), options)
    if method is not None and not isinstance(method, str):
        study = replace(study, own_method=method)
    folder = _prepared(page)
    shown = progress or _unseen
    command = f"streammon.evaluate({dataset!r}, {str(root)!r})"
    if paper:
        report = evaluate_paper(study, paper, command, shown, announce or _untold, published=published)
    else:
        report = evaluate_study(study, command, shown, pictures=folder is not None)
    return _on_page(report, folder)


def evaluate_scores(
    dataset: str,
    root: str | Path,
    scores: str | Path,
    *,
    against: str | Path | None = None,
    conventions: bool = False,
    categories: Sequence[str] = (),
    smoothing: str = "none",
    minmax: bool = False,
    allow_partial: bool = False,
    page: str | Path | None = None,
    progress: Progress | None = None,
) -> EvaluationReport:
    """Measure the scores of any method on a labelled data set, as `streammon eval --scores` does.

    Args:
        dataset: `stc`, `ped2`, `nwpu`, `folder` or another of those that `streammon eval --help` lists.
        root: Folder of the data set; of most, the labels suffice.
        scores: Folder with a file of scores for each clip, and maps in `maps/` where there are any; or a table of all
            clips.
        against: Likewise, of another method to compare with.
        conventions: Also measure the scores under each convention of the literature.
        categories: Of MVTec AD, only these.
        smoothing: `none`, `causal:SECONDS` or `offline:SECONDS`.
        minmax: Stretch the scores of each clip to 0..1.
        allow_partial: Leave out what is missing or damaged.
        page: Folder for a page with plots.
        progress: Called after each step.

    Raises:
        InputError: The data set, the scores, a setting or a folder is wrong.

    >>> evaluate_scores("stc", "nowhere", "mine")
    Traceback (most recent call last):
    streammon.errors.DatasetError: nowhere: it can't be read as a folder (no such file); give the folder of the \
unpacked data set
    """
    options = RefereeOptions(
        dataset=dataset,
        root=Path(root),
        scores=Path(scores),
        against=None if against is None else Path(against),
        conventions=conventions,
        post_processing=parse_post_processing(smoothing, minmax),
        categories=tuple(categories),
        allow_partial=allow_partial,
    )
    folder = _prepared(page)
    command = f"streammon.evaluate_scores({dataset!r}, {str(root)!r}, {str(scores)!r})"
    return _on_page(judge_scores(options, command, progress or _unseen), folder)


def _unseen(_what: str, _done: int, _total: int) -> None:
    """Progress that nobody looks at."""


def _untold(_estimate: str) -> None:
    """Estimate that nobody reads."""


def _prepared(page: str | Path | None) -> Path | None:
    """Folder of the page, which can be written; None for no page."""
    folder = None if page is None else Path(page)
    require_page(folder)
    return folder


def _on_page(report: EvaluationReport, folder: Path | None) -> EvaluationReport:
    """The report, also written as a page where asked for."""
    if folder is not None:
        write_page(report, folder)
    return report
