"""The figures of a table: names, units and order."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from streammon.evaluation.metrics.events import detection_delay_s, false_alarm_share, false_alarms_per_hour
from streammon.evaluation.metrics.frames import (
    ClipScores,
    average_precision,
    equal_error_rate,
    is_still,
    macro_auroc,
    mean_scene_auroc,
    micro_auroc,
    padded_macro_auroc,
)

CAUGHT = (0.80, 0.95)  # shares of events caught that set the thresholds for false alarms and delays


@dataclass(frozen=True)
class Figure:
    """One row of a table.

    Attributes:
        name: Name shown in the table.
        compute: Function from scored clips to the figure; it returns None where the figure isn't defined.
        unit: Empty for shares, else `s` or `per hour`.
        higher_is_better: True if higher values are better.
    """

    name: str
    compute: Callable[[Sequence[ClipScores]], float | None]
    unit: str = ""
    higher_is_better: bool = True


def figures(clips: Sequence[ClipScores]) -> tuple[Figure, ...]:
    """Figures of these clips: a mean over scenes if there are several, macro AUROC and events only for video."""
    still = is_still(clips)
    chosen = [Figure("AUROC" if still else "AUROC, micro", micro_auroc)]
    if not still:
        chosen.append(Figure("AUROC, macro, single-class clips left out", macro_auroc))
        chosen.append(Figure("AUROC, macro, padded", padded_macro_auroc))
    if len({clip.scene for clip in clips}) > 1:
        chosen.append(Figure(f"AUROC, mean of {'categories' if still else 'scenes'}", mean_scene_auroc))
    chosen.append(Figure("average precision", average_precision))
    chosen.append(Figure("EER", equal_error_rate, higher_is_better=False))
    if not still:
        chosen += [figure for caught in CAUGHT for figure in event_figures(caught)]
    return tuple(chosen)


def event_figures(caught: float) -> tuple[Figure, ...]:
    """False alarms and detection delays at the threshold that catches the share `caught` of events."""

    def median_delay_s(clips: Sequence[ClipScores]) -> float | None:
        delay = detection_delay_s(clips, caught)
        return delay.median_s if delay else None

    def mean_delay_s(clips: Sequence[ClipScores]) -> float | None:
        delay = detection_delay_s(clips, caught)
        return delay.mean_s if delay else None

    at = f"at {caught:.0%} of events caught".replace("%", " %")
    return (
        Figure(f"false alarms {at}", lambda clips: false_alarms_per_hour(clips, caught), "per hour", False),
        Figure(f"normal footage in alarm {at}", lambda clips: false_alarm_share(clips, caught), "", False),
        Figure(f"detection delay {at}, median", median_delay_s, "s", False),
        Figure(f"detection delay {at}, mean", mean_delay_s, "s", False),
    )


def frame_measures(clips: Sequence[ClipScores]) -> dict[str, float | None]:
    """Every figure of these clips by its name, in the order of the table."""
    return {figure.name: figure.compute(clips) for figure in figures(clips)}
