"""Ablation table: the figures of a method without each of its parts."""

from collections.abc import Mapping, Sequence

from streammon.evaluation.draws import Draw
from streammon.evaluation.localisation import PIXEL_AUROC, Localisation, localisation
from streammon.evaluation.methods import Progress
from streammon.evaluation.metrics import PostProcessing, average_precision, macro_auroc, micro_auroc
from streammon.evaluation.results import ABSENT, PlainTable

FIGURES = {"AUROC, micro": micro_auroc, "AUROC, macro": macro_auroc, "average precision": average_precision}
NOTE = (
    "all rows from one pass over the footage, first seed; in each row the remaining parts are calibrated anew on the "
    "same held-out footage; anomaly maps show patches and motion only, so the other parts don't change them"
)


def ablation_table(
    whole: Sequence[Draw],
    parts: Mapping[str, Sequence[Draw]],
    found: Localisation | None,
    post: PostProcessing,
    progress: Progress,
) -> PlainTable:
    """Frame and pixel figures of the whole method and of the method without each part.

    Args:
        whole: Draws of the whole method; only the first enters the table.
        parts: Draws of each further row, by the row's name.
        found: Localisation figures of the whole method; None without anomaly maps or masks.
        post: Post-processing of the frame scores of every row.
        progress: Called after each clip whose maps are measured.
    """
    if found is not None and len(whole) > 1:
        found = localisation(whole[:1], progress, regions=False, nulls=False)
    pixels = _pixels(found)
    rows = [("all parts", *_frames(whole[0], post), pixels)]
    for name, draws in parts.items():
        own = localisation(draws, progress, regions=False, nulls=False)
        rows.append((name, *_frames(draws[0], post), _pixels(own)))
    return PlainTable("Ablation: figures without each part", ("", *FIGURES, "pixel AUROC"), tuple(rows), NOTE)


def _frames(draw: Draw, post: PostProcessing) -> list[str]:
    clips = [post.apply(clip) for clip in draw.scores()]
    return [_cell(figure(clips)) for figure in FIGURES.values()]


def _pixels(found: Localisation | None) -> str:
    if found is None:
        return ABSENT
    return _cell(next(measure.value for measure in found.tables[0].measures if measure.name == PIXEL_AUROC))


def _cell(value: float | None) -> str:
    return ABSENT if value is None else f"{value:.3f}"
