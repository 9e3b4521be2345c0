"""`eval`: its options, and how it evaluates a method or the scores of a folder and shows the report."""

import shlex
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from streammon.cli.options import (
    PATH,
    FiniteRange,
    every_option,
    load_config,
    option_group,
    reduction_options,
    require_only,
)
from streammon.cli.output import console_of, write_json
from streammon.config import SCENES
from streammon.errors import ConfigError

if TYPE_CHECKING:
    from streammon.evaluation.results import EvaluationReport

SCORES_OPTIONS = frozenset(
    (
        *("dataset", "root", "scores", "against", "conventions", "categories"),
        *("smoothing", "minmax", "allow_partial", "page", "json_file"),
    )
)
"""Parameters of `eval` that go with `--scores`."""


def scores_given(context: click.Context, scores: Path | None, against: Path | None) -> bool:
    """True if `eval` is to measure the scores of a folder instead of running a method.

    Raises:
        ConfigError: An option is given that doesn't go with another one.
    """
    if scores is not None:
        require_only(context, "--scores", SCORES_OPTIONS)
    elif against is not None:
        raise ConfigError("--against", "there is no --scores", "give both or neither")
    return scores is not None


evaluation_options = option_group(
    click.option(
        "--dataset",
        required=True,
        help="stc, stc-weakly, ped1, ped2, avenue, nwpu, street-scene, complexvad, corridor, ubnormal, mvtec, "
        "rd-mvtec, or folder for your own.",
    ),
    click.option("--root", required=True, type=PATH, metavar="DIR", help="The data set's folder."),
    click.option(
        "--method",
        help="motion (default of video), padim (of images), spade, vae, mahalanobisad, or one that a package adds.",
    ),
    click.option(
        "--scores",
        type=PATH,
        metavar="DIR",
        help="Measure these scores instead of running a method: a .npy, .npz, .csv, .txt or .parquet file for each "
        "clip, and maps/CLIP.npy; or one table of all clips. Labels suffice, without footage.",
    ),
    click.option(
        "--against", type=PATH, metavar="DIR", help="With --scores: also compare with the scores of another method."
    ),
    click.option(
        "--conventions", is_flag=True, help="Also measure the scores under each convention of the literature."
    ),
    click.option("--ablation", is_flag=True, help="Also score without each part of motion, in the same run."),
    click.option(
        "--paper",
        "tables",
        multiple=True,
        type=click.IntRange(1, 8),
        help="Run what this table of the PaDiM paper reports instead; may be repeated.",
    ),
    click.option("--published", is_flag=True, help="With --paper 3 to 6: each row with the paper's backbone."),
    reduction_options,
    click.option("--seed", help="Random seed of the first draw. Default: 0."),
    click.option("--seeds", type=click.IntRange(1, 100), help="Number of random seeds. Default: 5; motion 1."),
    every_option,
    click.option("--score-fps", type=FiniteRange(0.2, 240), help="Score N frames a second. Default: all."),
    click.option(
        "--max-train-frames",
        type=click.IntRange(2),
        help="Largest number of training frames per bank, evenly spread.",
    ),
    click.option("--global-bank", is_flag=True, help="One bank for all scenes instead of one a scene."),
    click.option("--category", "categories", multiple=True, help="Of mvtec, only this one; may be repeated."),
    click.option("--smoothing", default="none", show_default=True, help="causal:SECONDS or offline:SECONDS."),
    click.option("--minmax", is_flag=True, help="Stretch the scores of each clip to 0..1; warns of what it does."),
    click.option(
        "--epochs", type=click.IntRange(1), default=100, show_default=True, help="Training epochs of the vae."
    ),
    click.option(
        "--epoch-images",
        type=click.IntRange(32),
        default=10_000,
        show_default=True,
        help="Augmented images per epoch of the vae.",
    ),
    click.option("--allow-partial", is_flag=True, help="Leave out what is missing or damaged, and say PARTIAL."),
    click.option(
        "--cache", type=PATH, metavar="DIR", help="Folder of finished results, to resume an interrupted run."
    ),
    click.option("--scores-out", type=PATH, metavar="DIR", help="Also write CLIP.parquet with each clip's scores."),
    click.option("--report", "page", type=PATH, metavar="DIR", help="Also write a page with plots and pictures."),
)
"""Options of `eval` other than those of the model."""


def require_published(tables: tuple[int, ...], options: dict[str, Any]) -> None:
    """Refuse `--published` without a table of the paper, and with options that the table itself decides.

    Raises:
        ConfigError: `--paper` is missing, or a backbone, weights or a reduction are given.
    """
    if not tables:
        raise ConfigError("--published", "there is no --paper", "give both or neither")
    for name in ("backbone", "weights", "reduction", "dimensions"):
        if options[name] is not None:
            raise ConfigError("--published", f"--{name} is given too", "leave one of them out")


def evaluate_method(
    options: dict[str, Any], tables: tuple[int, ...], json_file: str | None, page: Path | None, *, published: bool
) -> None:
    """Evaluate a method, or compute tables of the PaDiM paper, and show the report.

    Args:
        options: Values of the other options of `eval`.
        tables: Numbers of tables of the paper; empty to evaluate a method.
        json_file: File for the report as JSON; `-` for standard output.
        page: Folder for the page; None for none.
        published: Each row of a table with the paper's backbone.

    Raises:
        InputError: The data set, the weights, an option, the cache or a folder is wrong.
    """
    config = load_config(options.pop("config_file"))
    if published:
        require_published(tables, options)
    from streammon.cli.display import WorkBar
    from streammon.evaluation.options import study_options
    from streammon.evaluation.report import require_page
    from streammon.evaluation.run import evaluate_paper, evaluate_study

    study = study_options(config.model if config else None, config.scenes if config else SCENES, options)
    require_page(page)
    console = console_of(json_file)
    try:
        with WorkBar(console) as bar:
            if tables:
                announce = partial(console.print, markup=False, highlight=False, soft_wrap=True)
                report = evaluate_paper(study, tables, command_line(), bar, announce, published=published)
            else:
                report = evaluate_study(study, command_line(), bar, pictures=page is not None)
    except KeyboardInterrupt:
        print(f"streammon: interrupted; the same command goes on from what is kept in {study.cache}", file=sys.stderr)
        raise
    show_report(report, json_file, page)


def evaluate_scores(options: dict[str, Any], json_file: str | None, page: Path | None) -> None:
    """Measure the scores of a folder and show the report.

    Args:
        options: Values of the options of `eval`, among them `scores` and `against`.
        json_file: File for the report as JSON; `-` for standard output.
        page: Folder for the page; None for none.

    Raises:
        InputError: The ground truth, the scores or an option is wrong.
    """
    from streammon.cli.display import WorkBar
    from streammon.evaluation.referee import judge_scores, referee_options
    from streammon.evaluation.report import require_page

    chosen = referee_options(options)
    require_page(page)
    with WorkBar(console_of(json_file), "steps") as bar:
        report = judge_scores(chosen, command_line(), bar)
    show_report(report, json_file, page)


def command_line() -> str:
    """The command as it was given, for the report."""
    return f"streammon {shlex.join(sys.argv[1:])}"


def show_report(report: "EvaluationReport", json_file: str | None, page: Path | None) -> None:
    """Print the report, and write it as JSON and as a page where asked for.

    Raises:
        StorageError: A file can't be written.
    """
    from streammon.evaluation.report import report_json, report_tables, write_page

    console = console_of(json_file)
    console.print(report_tables(report))
    write_json(json_file, report_json(report))
    if page is not None:
        console.print(f"page: {write_page(report, page)}")
