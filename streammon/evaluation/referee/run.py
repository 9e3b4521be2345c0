"""`streammon eval --scores`: from a folder of scores to a report."""

import platform
import time
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from streammon.errors import ConfigError
from streammon.evaluation.datasets import DatasetOptions, load_truth
from streammon.evaluation.datasets.checking import Defects
from streammon.evaluation.frame_plots import frame_curves, timeline
from streammon.evaluation.labelled import GroundTruth
from streammon.evaluation.localisation import category_tables, localisation
from streammon.evaluation.metrics import (
    NULL_SEED,
    convention_names,
    conventions_table,
    difference_table,
    frame_table,
    require_video,
    scene_table,
)
from streammon.evaluation.referee.files import MAPS
from streammon.evaluation.referee.maps import ScoreMaps, load_maps
from streammon.evaluation.referee.options import RefereeOptions
from streammon.evaluation.referee.scored import MethodScores, load_scores
from streammon.evaluation.results import DifferenceTable, EvaluationReport, FigureTable
from streammon.evaluation.versions import versions_text

if TYPE_CHECKING:  # its package loads torch
    from streammon.evaluation.methods import Progress

LIBRARIES = ("numpy", "scipy", "scikit-learn", "opencv-python")


def judge_scores(options: RefereeOptions, command: str, progress: "Progress") -> EvaluationReport:
    """Measure the scores of a folder against the labels of a data set.

    Args:
        options: Data set, scores and settings.
        command: Command line, for the report.
        progress: Called after each step.

    Raises:
        InputError: The ground truth, the scores or an option is wrong.
    """
    began = time.monotonic()
    chosen = DatasetOptions(allow_partial=options.allow_partial, categories=options.categories)
    truth = load_truth(options.dataset, options.root, chosen)
    if options.conventions:
        require_video(options.dataset, truth.is_still)
    defects = Defects(options.allow_partial)
    scored = load_scores(options.scores, truth, defects)
    other = load_scores(options.against, truth, defects) if options.against else None
    maps = _maps(options, truth, defects, progress)
    found = localisation([maps], progress) if maps else None
    post = options.post_processing
    measures = _frame_tables(options, scored, progress)
    names = [measure.name for measure in measures[0].measures]
    methods = {_names(scored, other)[0]: scored.clips}
    if other:
        methods[_names(scored, other)[1]] = other.clips
    processed = [post.apply(clip) for clip in scored.clips]
    return EvaluationReport(
        title=f"{truth.name}: scores in {options.scores}",
        command=command,
        facts=_facts(options, truth, scored, other, maps, time.monotonic() - began),
        missing=(*truth.missing, *defects.messages),
        warnings=_warnings(options, scored, other, truth, maps),
        measures=(*measures, *(found.tables if found else ())),
        comparisons=(_comparison(options, scored, other, progress),) if other else (),
        tables=(convention_names(names, post), *category_tables(found)),
        curves=(*frame_curves(methods, post), *(found.curves if found else ())),
        timelines=() if truth.is_still else tuple(timeline(clip, {}) for clip in processed),
    )


def _frame_tables(options: RefereeOptions, scored: MethodScores, progress: "Progress") -> list[FigureTable]:
    """Frame-level figures, those of each scene where there are several, and the conventions where asked for."""
    clips, post = scored.clips, options.post_processing
    tables = [partial(frame_table, [clips], post, NULL_SEED)]
    if len({clip.scene for clip in clips}) > 1:
        tables.append(partial(scene_table, [clips], post, NULL_SEED))
    if options.conventions:
        tables.append(partial(conventions_table, clips, options.dataset, NULL_SEED))
    measured = []
    for number, table in enumerate(tables):
        progress("measuring frame scores", number, len(tables))
        measured.append(table())
    return measured


def _maps(options: RefereeOptions, truth: GroundTruth, defects: Defects, progress: "Progress") -> ScoreMaps | None:
    if truth.name == "rd-mvtec" and (options.scores / MAPS).is_dir():
        found = "the masks of rd-mvtec fit random views that only streammon makes"
        raise ConfigError("--scores", f"maps in {options.scores / MAPS}, but {found}", "give --dataset mvtec")
    return load_maps(options.scores, truth, defects, progress)


def _names(scored: MethodScores, other: MethodScores | None) -> tuple[str, str]:
    """Names of the methods: those of their folders or tables, or the paths if these are alike."""
    places = scored.place, other.place if other else scored.place
    first, second = (place.resolve().name for place in places)
    return (first, second) if first != second else (str(places[0]), str(places[1]))


def _comparison(
    options: RefereeOptions, scored: MethodScores, other: MethodScores, progress: "Progress"
) -> DifferenceTable:
    """Comparison on the clips that both methods have scores of.

    Raises:
        ConfigError: There is no such clip.
    """
    shared = {clip.name for clip in scored.clips} & {clip.name for clip in other.clips}
    if not shared:
        raise ConfigError("--against", f"no clip has scores in both {scored.place} and {other.place}", "add some")
    progress("comparing the methods", 0, 1)
    one, two = ([clip for clip in each.clips if clip.name in shared] for each in (scored, other))
    return difference_table(one, two, _names(scored, other), options.post_processing, NULL_SEED)


def _warnings(
    options: RefereeOptions,
    scored: MethodScores,
    other: MethodScores | None,
    truth: GroundTruth,
    maps: ScoreMaps | None,
) -> tuple[str, ...]:
    warnings: Sequence[str] = (*scored.warnings, *(other.warnings if other else ()))
    if options.post_processing.minmax:
        warnings = (options.post_processing.warning(scored.clips), *warnings)
    if maps is None and (options.scores / MAPS).is_dir():
        place = options.scores / MAPS
        warnings = (*warnings, f"{place} was not read: there are no masks of {truth.name} in {truth.root}")
    return tuple(warnings)


def _facts(
    options: RefereeOptions,
    truth: GroundTruth,
    scored: MethodScores,
    other: MethodScores | None,
    maps: ScoreMaps | None,
    seconds: float,
) -> dict[str, str]:
    frames = sum(len(clip.labels) for clip in truth.clips)
    abnormal = sum(int(clip.labels.sum()) for clip in truth.clips)
    masked = sum(clip.masks is not None for clip in truth.clips)
    what = "images" if truth.is_still else "frames"
    facts = {
        "data set": f"{truth.name} in {truth.root}, labels and masks alone",
        "test": f"{len(truth.clips)} clips, {frames:,} {what}, {abnormal:,} abnormal; masks for {masked} clips",
        "fingerprint": truth.fingerprint,
        "scores": scored.fact,
    }
    if other:
        facts["against"] = other.fact
    if maps:
        sizes = sorted({maps.size(clip) for clip in maps.clips})
        listed = ", ".join(f"{width}x{height}" for height, width in sizes[:3]) + (", …" if len(sizes) > 3 else "")
        facts["maps"] = f"of {len(maps.clips)} clips, {listed} pixels; masks are sampled to the size of the maps"
    return facts | {
        "post-processing": options.post_processing.name,
        "versions": versions_text(LIBRARIES),
        "system": platform.platform(),
        "took": f"{seconds:.0f} s",
    }
