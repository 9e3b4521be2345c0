"""Comparison of two methods that scored the same clips: paired bootstrap and permutation test.

**Paired bootstrap.** Each resample draws clips with replacement, and both methods are measured on the clips that it
draws. The interval is that of the difference of the two figures, so clips that are hard for both methods cancel out;
the overlap of the two methods' own intervals says nothing about the difference.

**Permutation test.** Under the null hypothesis each clip's scores could as well be the other method's: swapping the
two methods' scores of any set of clips leaves the distribution of the difference as it is. Whole clips are swapped
because frames of one clip are correlated. For a mean over clips (macro AUROC) this is the paired sign-flip test of
the clips' own differences. A micro AUROC ranks frames of all clips together, and after a swap one ranking holds
scores of both methods, whose scales differ. So each method's scores are first replaced by their ranks among all
frames of all clips (mid-ranks for ties, divided by the number of frames). That changes no figure of the method
itself, since every figure depends on the order of the scores alone, and gives both methods the same distribution of
values. Exchanging ranks within units of a paired design is the test of Venkatraman and Begg (Biometrika 83, 1996,
835-848) for whole curves and of Bandos, Rockette and Gur (Statistics in Medicine 24, 2005, 2873-2893) for areas; here
the unit is a clip.

The p-value is two-sided and counts the given assignment as one of the permutations, so it is never 0 (Phipson and
Smyth, Stat. Appl. Genet. Mol. Biol. 9, 2010, article 39). Up to `PERMUTATIONS` assignments, all are enumerated: the
test is then exact, and with C clips no p-value is below 2 / 2^C.

The two answer different questions. The interval says how large the difference is; the test says whether methods that
are exchangeable clip by clip would differ as much. Methods of equal AUROC need not be exchangeable.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from streammon.evaluation.metrics.bootstrap import (
    RESAMPLES,
    Interval,
    Reweighted,
    Weights,
    percentile_interval,
    resampled_weights,
)
from streammon.evaluation.metrics.figures import figures, frame_measures
from streammon.evaluation.metrics.frames import ClipScores, is_still, joined
from streammon.evaluation.metrics.smoothing import PostProcessing
from streammon.evaluation.metrics.table import require_alike
from streammon.evaluation.results import DifferenceTable, ReportedDifference

PERMUTATIONS = 1000
ROUNDING = 1e-12  # a difference that is equal up to rounding counts as being as large
Values = Mapping[str, float | None]


def difference_table(
    one: Sequence[ClipScores],
    other: Sequence[ClipScores],
    names: tuple[str, str],
    post_processing: PostProcessing,
    seed: int,
) -> DifferenceTable:
    """Table of every frame-level figure of two methods, with the difference, its interval and its p-value.

    Args:
        one: The clips with the raw scores of the first method.
        other: The same clips with those of the second.
        names: Names of the two methods.
        post_processing: Post-processing, applied here to both.
        seed: Random seed of bootstrap and permutations.

    Raises:
        ValueError: The clips differ.
        ConfigError: The post-processing needs time and the clips are still images.
    """
    require_alike([one, other])
    one, other = ([post_processing.apply(clip) for clip in clips] for clips in (one, other))
    first, second = frame_measures(one), frame_measures(other)
    intervals, p_values = difference_intervals(one, other, seed), permutation_p_values(one, other, seed)
    rows = tuple(
        ReportedDifference(
            name=figure.name,
            value=first[figure.name],
            other=second[figure.name],
            difference=_difference(first, second)[figure.name],
            low=intervals[figure.name].low,
            high=intervals[figure.name].high,
            p_value=p_values[figure.name],
            unit=figure.unit,
            higher_is_better=figure.higher_is_better,
        )
        for figure in figures(one)
    )
    unit = "images" if is_still(one) else "clips"
    note = (
        f"95 % interval of the difference: paired bootstrap over {unit}; p: two-sided permutation test that swaps "
        f"the rank-transformed scores of whole {unit}; the interval says how large a difference is, p how often "
        f"methods that are exchangeable would differ as much; post-processing of both: {post_processing.name}"
    )
    return DifferenceTable(f"{names[0]} minus {names[1]}", *names, rows, note)


def difference_intervals(
    one: Sequence[ClipScores], other: Sequence[ClipScores], seed: int = 0, resamples: int = RESAMPLES
) -> dict[str, Interval]:
    """The 95 % interval of the difference of each figure, first minus second method, by name."""
    first, second = Reweighted(one), Reweighted(other)
    drawn: dict[str, list[float | None]] = {figure.name: [] for figure in figures(one)}
    for weights in resampled_weights(first.units, seed, resamples):
        for name, value in _difference(first.measures(weights), second.measures(weights)).items():
            drawn[name].append(value)
    return {name: percentile_interval(values, first.units) for name, values in drawn.items()}


def permutation_p_values(
    one: Sequence[ClipScores], other: Sequence[ClipScores], seed: int = 0, permutations: int = PERMUTATIONS
) -> dict[str, float | None]:
    """Two-sided p-value of the difference of each figure by name; None where the figure isn't defined."""
    pooled = Reweighted([*rank_transformed(one), *rank_transformed(other)])
    units = pooled.units // 2
    given = _swapped_difference(pooled, np.zeros(units, dtype=np.int64))
    exact = 2**units <= permutations
    reached = dict.fromkeys(given, 0 if exact else 1)  # a drawn sample of permutations includes the given one
    for swapped in _all_swaps(units) if exact else _drawn_swaps(units, seed, permutations):
        for name, value in _swapped_difference(pooled, swapped).items():
            least = given[name]
            if value is not None and least is not None:
                reached[name] += abs(value) >= abs(least) - ROUNDING
    total = 2**units if exact else permutations + 1
    return {name: None if given[name] is None else count / total for name, count in reached.items()}


def rank_transformed(clips: Sequence[ClipScores]) -> list[ClipScores]:
    """The clips with each score replaced by its mid-rank among all frames of all clips, divided by their number.

    >>> scores = {"1": np.array([5.0, 9.0]), "2": np.array([5.0, 1.0])}
    >>> clips = [ClipScores(name, "a", its, its > 5, 1.0) for name, its in scores.items()]
    >>> [clip.scores.tolist() for clip in rank_transformed(clips)]
    [[0.625, 1.0], [0.625, 0.25]]
    """
    scores, _ = joined(clips)
    _, places, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[places] / len(scores)
    ends = np.cumsum([len(clip.scores) for clip in clips])[:-1]
    return [replace(clip, scores=its) for clip, its in zip(clips, np.split(ranks, ends), strict=True)]


def _all_swaps(units: int) -> Iterator[Weights]:
    """Every (U,) assignment of 0 (as given) and 1 (swapped) to the units."""
    for number in range(2**units):
        yield np.array([number >> unit & 1 for unit in range(units)], dtype=np.int64)


def _drawn_swaps(units: int, seed: int, permutations: int) -> Iterator[Weights]:
    """(U,) random assignments of 0 (as given) and 1 (swapped) to the units."""
    generator = np.random.default_rng(seed)
    for _ in range(permutations):
        yield generator.integers(2, size=units)


def _swapped_difference(pooled: Reweighted, swapped: Weights) -> dict[str, float | None]:
    """Differences with some units swapped; `pooled` has the units of the first method, then those of the second."""
    first = pooled.measures(np.concatenate([1 - swapped, swapped]))
    return _difference(first, pooled.measures(np.concatenate([swapped, 1 - swapped])))


def _difference(first: Values, second: Values) -> dict[str, float | None]:
    values = {name: (value, second[name]) for name, value in first.items()}
    return {name: None if one is None or two is None else one - two for name, (one, two) in values.items()}
