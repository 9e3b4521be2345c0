"""Tables of figures with their spread over seeds, 95 % intervals and null controls."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from streammon.evaluation.metrics.bootstrap import RESAMPLES, Interval, auroc_interval, intervals
from streammon.evaluation.metrics.figures import Figure, figures
from streammon.evaluation.metrics.frames import ClipScores, by_scene, is_still
from streammon.evaluation.metrics.nulls import NOISE_DRAWS, constant_scores, noise_scores, scene_rate_scores
from streammon.evaluation.metrics.smoothing import PostProcessing
from streammon.evaluation.results import FigureTable, ReportedFigure

Figures = dict[str, float | None]
"""Figures by name; None where a figure isn't defined."""

Level = TypeVar("Level")

NULLS = (
    "constant, noise and scene rate: the same figures of scores computed without the frames; "
    f"noise is the mean of {NOISE_DRAWS} seeded draws"
)


def frame_table(
    clips_per_seed: Sequence[Sequence[ClipScores]], post_processing: PostProcessing, seed: int
) -> FigureTable:
    """Table of every frame-level figure (image level, for still images) of one method.

    Args:
        clips_per_seed: The same clips with the raw scores of each seed of the method.
        post_processing: Post-processing, applied here to real and null scores alike.
        seed: Random seed of the bootstrap and of the noise scores.

    Raises:
        ValueError: There are no seeds or no clips, or the seeds differ in their clips or labels.
        ConfigError: The post-processing needs time and the clips are still images.
    """
    require_alike(clips_per_seed)
    still = is_still(clips_per_seed[0])
    runs = Runs.of(clips_per_seed, post_processing.apply, seed)
    intervals_by_name = intervals(runs.seeds[0], seed)
    measures = tuple(
        runs.row(figure, figure.name, intervals_by_name[figure.name]) for figure in figures(clips_per_seed[0])
    )
    unit = "images" if still else "clips"
    notes = [f"95 % intervals: bootstrap over {unit}" + (", first seed" if len(clips_per_seed) > 1 else "")]
    notes.append(NULLS)
    if not still:
        notes.append(
            "an alarm that never ends counts as no false alarm and has no delay: see normal footage in alarm"
        )
    left_out = [
        f"{name} in {found.undefined}" for name, found in intervals_by_name.items() if 0 < found.undefined < RESAMPLES
    ]
    if left_out:
        notes.append(f"resamples left out because a figure isn't defined there: {', '.join(left_out)}")
    notes.append(f"post-processing: {post_processing.name}")
    return FigureTable("Image level" if still else "Frame level", measures, "; ".join(notes))


def scene_table(
    clips_per_seed: Sequence[Sequence[ClipScores]], post_processing: PostProcessing, seed: int
) -> FigureTable:
    """Table of the AUROC of each scene (category, for still images); arguments and columns as in `frame_table`."""
    require_alike(clips_per_seed)
    still = is_still(clips_per_seed[0])
    scenes = [by_scene(clips) for clips in clips_per_seed]
    measures = []
    for scene in scenes[0]:
        runs = Runs.of([by_name[scene] for by_name in scenes], post_processing.apply, seed)
        micro = figures(runs.seeds[0])[0]
        measures.append(runs.row(micro, scene, auroc_interval(runs.seeds[0], seed)))
    unit = "images of the category" if still else "clips of the scene"
    title = "AUROC of each category" if still else "AUROC of each scene"
    return FigureTable(title, tuple(measures), f"95 % intervals: bootstrap over the {unit}, none for a single one")


@dataclass(frozen=True)
class Runs:
    """Post-processed clips of one table.

    Attributes:
        seeds: Clips with the real scores of each seed.
        constant: Clips with constant scores.
        noises: Clips with each draw of the noise scores.
        scene_rate: Clips with the scene's share of abnormal frames as scores.
    """

    seeds: list[list[ClipScores]]
    constant: list[ClipScores]
    noises: list[list[ClipScores]]
    scene_rate: list[ClipScores]

    @classmethod
    def of(
        cls, clips_per_seed: Sequence[Sequence[ClipScores]], apply: Callable[[ClipScores], ClipScores], seed: int
    ) -> "Runs":
        """The clips, and those of the null controls, each post-processed by `apply`; `seed` is that of the noise."""

        def processed(clips: Sequence[ClipScores]) -> list[ClipScores]:
            return [apply(clip) for clip in clips]

        raw = clips_per_seed[0]
        return cls(
            [processed(clips) for clips in clips_per_seed],
            processed(constant_scores(raw)),
            [processed(noise_scores(raw, seed + number)) for number in range(NOISE_DRAWS)],
            processed(scene_rate_scores(raw)),
        )

    def row(self, figure: Figure, name: str, interval: Interval) -> ReportedFigure:
        """One figure with its spread, interval and null controls."""
        value, spread = mean_and_spread([figure.compute(clips) for clips in self.seeds])
        return ReportedFigure(
            name=name,
            value=value,
            spread=spread,
            low=interval.low,
            high=interval.high,
            constant=figure.compute(self.constant),
            noise=mean_and_spread([figure.compute(clips) for clips in self.noises])[0],
            scene_rate=figure.compute(self.scene_rate),
            unit=figure.unit,
            higher_is_better=figure.higher_is_better,
        )


def mean_and_spread(values: Sequence[float | None]) -> tuple[float | None, float | None]:
    """Mean and standard deviation over seeds; both None if a value is None, no deviation for a single seed.

    >>> mean_and_spread([1.0, 2.0, 3.0])
    (2.0, 1.0)
    """
    defined = [value for value in values if value is not None]
    if len(defined) < len(values) or not defined:
        return None, None
    return float(np.mean(defined)), float(np.std(defined, ddof=1)) if len(defined) > 1 else None


def level_figures(kinds: Mapping[str, Callable[[Level], float | None]], level: Level) -> Figures:
    """Figures of accumulated pixels or regions, each by the function of its name."""
    return {name: compute(level) for name, compute in kinds.items()}


def figure_rows(
    draws: Sequence[Figures],
    intervals_by_name: Mapping[str, Interval],
    constant: Figures | None = None,
    noise: Figures | None = None,
) -> tuple[ReportedFigure, ...]:
    """Rows of a table, one for each figure.

    Args:
        draws: Figures of each draw of a method, over which mean and spread are computed.
        intervals_by_name: 95 % intervals, where there are any.
        constant: Figures of the null control of constant maps.
        noise: Figures of the null control of random maps.
    """
    rows = []
    for name in draws[0]:
        value, spread = mean_and_spread([one[name] for one in draws])
        interval = intervals_by_name.get(name, Interval(None, None, 0))
        rows.append(
            ReportedFigure(
                name=name,
                value=value,
                spread=spread,
                low=interval.low,
                high=interval.high,
                constant=(constant or {}).get(name),
                noise=(noise or {}).get(name),
            )
        )
    return tuple(rows)


def require_alike(clips_per_seed: Sequence[Sequence[ClipScores]]) -> None:
    """Require that the same clips were scored with each seed.

    Raises:
        ValueError: There are no seeds, or they differ in their clips or labels.
    """
    if not clips_per_seed:
        raise ValueError("no seeds to measure")
    first = clips_per_seed[0]
    for clips in clips_per_seed[1:]:
        alike = len(clips) == len(first) and all(
            (one.name, one.scene, one.fps) == (other.name, other.scene, other.fps)
            and np.array_equal(one.labels, other.labels)
            for one, other in zip(clips, first, strict=True)
        )
        if not alike:
            raise ValueError("the seeds were not scored on the same clips")
