"""`streammon eval`: from a data set on disk to a report."""

import time
from collections.abc import Callable, Sequence

from streammon.errors import ConfigError
from streammon.evaluation.ablation import ablation_table
from streammon.evaluation.estimate import estimate
from streammon.evaluation.facts import backbone_facts, dataset_facts, joined, machine_facts
from streammon.evaluation.frame_plots import frame_curves
from streammon.evaluation.localisation import category_tables, localisation
from streammon.evaluation.methods import Progress, delay_fact
from streammon.evaluation.metrics import NULL_SEED, PostProcessing, conventions_table, frame_table, scene_table
from streammon.evaluation.paper import PaperTables
from streammon.evaluation.paper_runs import PUBLISHED, PaperRuns
from streammon.evaluation.results import EvaluationReport
from streammon.evaluation.scores_out import write_scores
from streammon.evaluation.study import Study, StudyOptions
from streammon.evaluation.worst import timelines, worst_frames
from streammon.storage import require_writable


def evaluate_study(options: StudyOptions, command: str, progress: Progress, pictures: bool) -> EvaluationReport:
    """Evaluate one method on one data set.

    Args:
        options: Data set, method and settings.
        command: Command line, for the report.
        progress: Called after each step.
        pictures: Include the pictures of the worst misses and false alarms.

    Raises:
        InputError: The data set, the weights, an option or the cache is wrong.
    """
    began = time.monotonic()
    if options.scores_out is not None:
        require_writable(options.scores_out, "choose another --scores-out DIR")
    study = Study(options, progress)
    methods = study.methods(study.method)
    groups = study.ablation(methods[0]) if options.ablation else {}
    runs = study.run({study.method: methods, **groups})
    draws = runs.pop(study.method)
    if options.scores_out is not None:
        write_scores(draws[0], options.scores_out)
    scores = [draw.scores() for draw in draws]
    post = options.post_processing
    measures = [frame_table(scores, post, NULL_SEED)]
    if len({clip.scene for clip in scores[0]}) > 1:
        measures.append(scene_table(scores, post, NULL_SEED))
    found = localisation(draws, progress)
    if options.conventions:
        measures.append(conventions_table(scores[0], study.dataset.name, NULL_SEED))
    tables = (ablation_table(draws, runs, found, post, progress),) if runs else ()
    processed = [post.apply(clip) for clip in scores[0]]
    name = methods[0].name.partition(", seed")[0]
    return EvaluationReport(
        title=f"{study.dataset.name}: {name}" + (f", mean of {len(draws)} draws" if len(draws) > 1 else ""),
        command=command,
        facts=_facts([study], [draw.method.name for draw in draws], time.monotonic() - began),
        missing=tuple(study.missing),
        warnings=(post.warning(scores[0]),) if post.minmax else (),
        measures=(*measures, *(found.tables if found else ())),
        tables=(*category_tables(found), *tables),
        curves=(*frame_curves({draws[0].method.name: scores[0]}, post), *(found.curves if found else ())),
        timelines=() if study.dataset.is_still else timelines(draws[0], processed, raw=post == PostProcessing()),
        worst=worst_frames(draws[0], processed) if pictures else (),
    )


def evaluate_paper(
    options: StudyOptions,
    numbers: Sequence[int],
    command: str,
    progress: Progress,
    announce: Callable[[str], None],
    *,
    published: bool = False,
) -> EvaluationReport:
    """Compute tables of the PaDiM paper (arXiv:2011.08785) on one data set.

    Before tables I to VI are computed, the time that they will take is estimated.

    Args:
        options: Data set, backbone and settings.
        numbers: Numbers of the tables, 1 to 8.
        command: Command line, for the report.
        progress: Called after each step.
        announce: Called with the estimated time, in one line, before the work begins.
        published: Run each row with the backbone that the paper has there, instead of the configured one; for tables
            3 to 6.

    Raises:
        InputError: The data set, the weights, an option or the cache is wrong.
    """
    if options.ablation:
        raise ConfigError("--ablation", "no table of the paper includes motion", "give --paper or --ablation")
    if options.conventions:
        raise ConfigError("--conventions", "no table of the paper has them", "give --paper or --conventions")
    if options.scores_out is not None:
        raise ConfigError("--scores-out", "a table of the paper has several methods", "give --paper or --scores-out")
    if published:
        if others := [number for number in numbers if number not in PUBLISHED]:
            found = f"table {others[0]} has no rows with backbones of their own"
            raise ConfigError("--published", found, "give it with --paper 3 to 6")
        options = options.with_backbone(next(iter(PUBLISHED[numbers[0]])))
    runs = PaperRuns(Study(options, progress), published=published)
    paper = PaperTables(runs)
    paper.require_fitting(numbers)
    works = [work for number in numbers for work in runs.works(number)]
    facts = {}
    if works and (expected := estimate(works)):
        facts["estimated"] = expected.words
        announce(expected.words)
    began = time.monotonic()
    tables = tuple(paper.table(number) for number in numbers)
    return EvaluationReport(
        title=f"{options.dataset}: tables of the PaDiM paper (arXiv:2011.08785)",
        command=command,
        facts=facts | _facts(runs.studies, [], time.monotonic() - began),
        missing=tuple(dict.fromkeys(line for each in runs.studies for line in each.missing)),
        tables=tables,
    )


def _facts(studies: Sequence[Study], methods: Sequence[str], seconds: float) -> dict[str, str]:
    study, options = studies[0], studies[0].options
    method = {"method": "; ".join(methods)} if methods else {}
    if methods and study.method == "motion":
        method["delay"] = delay_fact()
    run = {
        "post-processing": options.post_processing.name,
        "frame score": options.model.frame_score,
        "cache": str(options.cache),
        "took": f"{seconds:.0f} s, without what was read from the cache",
    }
    parts = [
        dataset_facts(study.dataset, options.selection),
        method,
        backbone_facts([each.backbone for each in studies]),
        run,
        machine_facts(),
    ]
    return joined(parts)
