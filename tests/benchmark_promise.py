"""Promised against observed false alarms on real normal footage, and what the thresholds cost in detection.

    python tests/benchmark_promise.py --keep scores/              # learn the first half, watch the second
    python tests/benchmark_promise.py --keep tenth/ --share 0.1   # learn the first tenth
    python tests/benchmark_promise.py --keep scores/ --recount    # the tables again, from what was kept

Every scene of the data folder is learned from the first part of its footage, by the product's own learner at its
default settings, and the rest is watched. Whatever alerts there is a false alarm. `calibration.TailForm` is how rates
are extrapolated: the first table has the one that ships, the second chooses one on all scenes but the one reported
(`Choice.without`). Staged anomalies and the falls of `coffee_room` show what a threshold costs.
"""

import argparse
import itertools
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from streammon.calibration import Calibration, peaks_above, watched_s
from streammon.calibration.rates import FORM
from streammon.calibration.settings import TailForm
from streammon.cli.display import rarity
from streammon.config import ModelConfig
from streammon.errors import FootageError
from streammon.ingest import Clip, batched, clips
from streammon.ingest.timing import FrameThinning
from streammon.padim import Backbone, as_batch, load_backbone
from streammon.records import Frame
from streammon.scene import SceneLearner, SceneScorer, configured_observer
from streammon.scene.learned import cross_fitted_scores
from streammon.validation.catching import AFTER_S, LEAD_IN_S, staged_frame
from streammon.validation.control import CONTROL, KINDS, staged_segment
from streammon.validation.footage import LEAST_SEGMENT_FRAMES, Piece, SampledPace, read_segment, segment_pieces
from streammon.validation.rates import poisson_interval
from streammon.validation.staging import movers, traffic

DATA = Path(os.environ.get("STREAMMON_DATA", Path(__file__).resolve().parents[1].parent / "shared" / "data"))
RATES = (24.0, 240.0, 2400.0)
DAY_S = 86400.0
SEGMENT_FRAMES = 250
STAGED = 2
MOST_STAGED_S = 10.0
WHOLE_CLIPS = 8  # of so many clips a scene is divided between clips, else within them

GRID = [
    TailForm(prior_scale=scale, first_shape=shape, shape_s=seconds, prior_peaks=peaks)
    for scale, shape in itertools.product((0.25, 0.5, 1.0), (0.75, 1.0, 1.5))
    for seconds, peaks in itertools.product((10.0, 20.0, 40.0, 80.0), (5.0, 20.0))
]
"""What the form is chosen from."""

SLACK = 1.25
"""Times the promised count that may be observed on the scenes a form is chosen on."""


@dataclass
class Watched:
    """What one scene showed.

    Attributes:
        name: Of the scene.
        learned_s: Seconds learned.
        held_out: Scores, recordings and times of what calibrates.
        watched: Scores and times of each recording watched.
        staged: Highest score of each staged anomaly.
        falls: Highest score during each fall.
        control: Highest score of each unchanged thing that was pasted in.
    """

    name: str
    learned_s: float
    held_out: tuple[list[float], list[str], list[float]]
    watched: list[tuple[list[float], list[float]]]
    staged: list[float] = field(default_factory=list)
    falls: list[float] = field(default_factory=list)
    control: list[float] = field(default_factory=list)

    @property
    def watched_s(self) -> float:
        """Seconds watched."""
        return sum(watched_s(["watched"] * len(times), times) for _, times in self.watched)

    def calibration(self, form: TailForm) -> Calibration:
        """Of what was held out."""
        scores, recordings, times_s = self.held_out
        return Calibration.from_scores(np.array(scores), recordings, times_s, decades=True, form=form)

    def alarms(self, threshold: float) -> int:
        """False alarms at a threshold."""
        return sum(
            len(peaks_above(np.array(scores), ["watched"] * len(scores), times, threshold))
            for scores, times in self.watched
        )


def scenes(data: Path) -> dict[str, tuple[list[Clip], list[Clip]]]:
    """Clips of normal footage, and clips with falls, by scene."""
    found = {path.stem: (clips(path), list[Clip]()) for path in sorted((data / "normal").glob("*.mp4"))}
    found |= {path.stem: (clips(path), []) for path in sorted((data / "clips").glob("*.mp4"))}
    found |= {name: (clips(data / name), []) for name in ("lane_day", "street_night")}
    found["coffee_room"] = (clips(data / "coffee_room" / "train"), clips(data / "coffee_room" / "test"))
    found["ped2"] = (clips(data / "ucsd_ped2" / "training" / "frames", 10.0), [])
    return found


def divided(found: Sequence[Clip], share: float) -> tuple[list[Piece], list[Piece]]:
    """What is learned and what is watched."""
    counts = [clip.frame_count() for clip in found]
    whole = [Piece(clip, 0, count) for clip, count in zip(found, counts, strict=True)]
    if len(found) >= WHOLE_CLIPS:
        border = max(1, round(len(found) * share))
        return whole[:border], whole[border:]
    left, learned, rest = round(sum(counts) * share), [], []
    for piece in whole:
        cut = min(left, len(piece))
        left -= cut
        learned += [replace(piece, last=cut)] if cut else []
        rest += [replace(piece, first=cut)] if cut < len(piece) else []
    return learned, rest


class Scoring:
    """One scene, learned and then scored at its pace.

    Args:
        learned: Its footage.
        selection: At which pace.
        backbone: Where frames go through.
        model: Its settings.
    """

    def __init__(
        self, learned: Sequence[Piece], selection: SampledPace, backbone: Backbone, model: ModelConfig
    ) -> None:
        self._backbone, self._batch, self._selection = backbone, model.batch, selection
        observer = configured_observer(model, backbone)
        self.learned_s = sum(piece.seconds(selection) for piece in learned)
        learner = SceneLearner(
            "benchmark", backbone, model, observer, total_s=self.learned_s, score_fps=selection.fps
        )
        for some in batched((frame for piece in learned for frame in piece.frames(selection)), model.batch):
            learner.learn(some, self._maps(some))
        self._scorer = SceneScorer(learner.finish(), backbone, observer)
        stretches = learner.held_out.stretches
        names = [str(number) for number, stretch in enumerate(stretches) for _ in stretch.frames]
        times_s = [frame.time_s for stretch in stretches for frame in stretch.frames]
        self.held_out = (cross_fitted_scores(stretches).tolist(), names, times_s)

    def scores(self, frames: Iterator[Frame]) -> tuple[list[float], list[float]]:
        """Scores and times of one recording's frames."""
        scores, times_s = list[float](), list[float]()
        for some in batched(frames, self._batch):
            measured = self._scorer.measured(some, self._maps(some))
            scores += [each.score for each in self._scorer.fuse(some, measured)]
            times_s += [frame.stream_time_s for frame in some]
        return scores, times_s

    def staged(self, watched: list[Piece]) -> Iterator[tuple[str, float]]:
        """Kind and highest score of anomalies staged in what is watched."""
        rng, wanted = np.random.default_rng(0), dict.fromkeys(KINDS, STAGED)
        found = segment_pieces(watched, STAGED)
        for number, piece in enumerate(found):
            segment = read_segment(piece, SampledPace(), SEGMENT_FRAMES)
            if len(segment.frames) < LEAST_SEGMENT_FRAMES:
                continue
            cast, ways = movers(segment.pictures, segment.times_s), traffic(segment.pictures)
            for kind in KINDS:
                for turn in range(-(-wanted[kind] // (len(found) - number))):
                    staged = staged_segment(kind, segment, cast, ways, rng)
                    if staged is None:
                        break
                    wanted[kind] -= 1
                    shown = [at for at, mask in zip(segment.times_s, staged.masks, strict=True) if mask.any()]
                    end_s = min(shown[-1] + AFTER_S, shown[0] + MOST_STAGED_S)
                    thinning = FrameThinning(self._selection.fps or 240.0)
                    name = f"{kind} {number} {turn}"
                    scores, times_s = self.scores(
                        staged_frame(staged, segment, index, name)
                        for index, at in enumerate(segment.times_s)
                        if shown[0] - LEAD_IN_S <= at <= end_s and thinning.keeps(at)
                    )
                    yield kind, max(s for s, at in zip(scores, times_s, strict=True) if at >= shown[0])

    def _maps(self, frames: Sequence[Frame]) -> list:  # type: ignore[type-arg]
        return self._backbone.maps(as_batch([frame.picture for frame in frames]))


def watch(
    name: str,
    share: float,
    selection: SampledPace,
    backbone: Backbone,
    model: ModelConfig,
    *,
    staged: bool,
    data: Path,
) -> Watched:
    """Learn a scene's first part, watch the rest."""
    normal, abnormal = scenes(data)[name]
    learned, rest = divided(normal, share)
    scoring = Scoring(learned, selection, backbone, model)
    found = Watched(
        name, scoring.learned_s, scoring.held_out, [scoring.scores(piece.frames(selection)) for piece in rest]
    )
    for clip in abnormal:
        labels = np.load(data / name / "labels" / f"{clip.name}.npy")
        fall_s = np.flatnonzero(labels) * clip.seconds() / len(labels)
        scores, times_s = scoring.scores(Piece(clip, 0, len(labels)).frames(selection))
        if len(fall_s):
            inside = [s for s, at in zip(scores, times_s, strict=True) if fall_s[0] <= at <= fall_s[-1] + AFTER_S]
            found.falls.append(max(inside))
    for kind, score in scoring.staged(rest) if staged else ():
        (found.control if kind == CONTROL else found.staged).append(score)
    return found


def thresholds(scene: Watched, form: TailForm) -> list[float]:
    """One for each of `RATES`."""
    calibration = scene.calibration(form)
    return [calibration.score_at_rate(rate) for rate in RATES]


def holds(counts: NDArray[np.int64], seconds: float) -> bool:
    """Whether each rate's count agrees with its promise, and is not above it by more than `SLACK`."""
    for rate, count in zip(RATES, counts.tolist(), strict=True):
        expected = rate * seconds / DAY_S
        low, high = poisson_interval(count)
        if not low <= expected <= high or count > max(SLACK * expected, expected + 0.5 if expected >= 0.5 else 0.0):
            return False
    return True


class Choice:
    """Counts of all scenes under all forms, and the form chosen without one scene.

    Args:
        found: The scenes.
    """

    def __init__(self, found: Sequence[Watched]) -> None:
        self._found = found
        self._counts, self._caught = {}, {}
        for form in GRID:
            limits = [thresholds(scene, form) for scene in found]
            self._counts[form] = np.array([[s.alarms(t) for t in own] for s, own in zip(found, limits, strict=True)])
            self._caught[form] = np.array(
                [
                    sum(score >= t for t in own[:2] for score in (*s.staged, *s.falls))
                    for s, own in zip(found, limits, strict=True)
                ]
            )

    def without(self, left_out: str | None) -> TailForm | None:
        """Of the forms whose counts hold in total, the one that catches most at the two rarer rates."""
        kept = np.array([scene.name != left_out for scene in self._found])
        seconds = sum(scene.watched_s for scene, keep in zip(self._found, kept, strict=True) if keep)
        good = [form for form in GRID if holds(self._counts[form][kept].sum(0), seconds)]
        return max(good, key=lambda form: int(self._caught[form][kept].sum()), default=None)


def report(found: Sequence[Watched], forms: Sequence[TailForm | None], title: str) -> Table:
    """A row for each scene, and the totals with their exact intervals."""
    table = Table(title=title, title_justify="left")
    for heading in (
        "scene",
        "learned",
        "calibrates",
        "watched",
        "promised",
        "observed",
        "staged",
        "falls",
        "its text",
    ):
        table.add_column(heading)
    seconds, counts = 0.0, np.zeros(len(RATES), int)
    caught, staged = np.zeros((2, len(RATES)), int), [0, 0]
    for scene, form in zip(found, forms, strict=True):
        if form is None:
            continue
        limits, calibration = thresholds(scene, form), scene.calibration(form)
        own = np.array([scene.alarms(limit) for limit in limits])
        shown = [[sum(score >= limit for score in kind) for limit in limits] for kind in (scene.staged, scene.falls)]
        seconds, counts, caught = seconds + scene.watched_s, counts + own, caught + np.array(shown)
        staged = [staged[0] + len(scene.staged), staged[1] + len(scene.falls)]
        promised = ", ".join(f"{rate * scene.watched_s / DAY_S:.2f}" for rate in RATES)
        highest = max(max(scores) for scores, _ in scene.watched)
        text = rarity(calibration.level(highest), calibration.watched_s)
        row = (f"{scene.learned_s:.0f} s", f"{calibration.watched_s:.0f} s", f"{scene.watched_s:.0f} s")
        table.add_row(scene.name, *row, promised, _of(own), f"{_of(shown[0])} of {len(scene.staged)}",
                      f"{_of(shown[1])} of {len(scene.falls)}", text)  # fmt: skip
    table.add_section()
    expected = [rate * seconds / DAY_S for rate in RATES]
    intervals = [poisson_interval(int(count)) for count in counts]
    agree = all(low <= each <= high for each, (low, high) in zip(expected, intervals, strict=True))
    shown_intervals = zip(counts, intervals, strict=True)
    observed = ", ".join(f"{count} ({low:.2f} to {high:.2f})" for count, (low, high) in shown_intervals)
    table.add_row("all", "", "", f"{seconds:.0f} s", ", ".join(f"{each:.2f}" for each in expected), observed,
                  f"{_of(caught[0])} of {staged[0]}", f"{_of(caught[1])} of {staged[1]}",
                  "holds" if agree else "does not hold")  # fmt: skip
    return table


def _of(counts: Sequence[int] | NDArray[np.int64]) -> str:
    return ", ".join(str(int(count)) for count in counts)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--keep", type=Path, required=True, metavar="DIR", help="a JSON file of scores for each scene"
    )
    parser.add_argument("--recount", action="store_true", help="only the tables, from what is kept")
    parser.add_argument("--share", type=float, default=0.5, help="of the footage, that is learned")
    parser.add_argument("--score-fps", type=float, default=5.0)
    parser.add_argument("--no-staged", action="store_true", help="stage no anomalies, which take longest")
    parser.add_argument("--scene", action="append", help="only this one; may be repeated")
    parser.add_argument("--data", type=Path, default=DATA)
    args = parser.parse_args()
    args.keep.mkdir(parents=True, exist_ok=True)
    console = Console(width=200)
    if not args.recount:
        model = ModelConfig()
        backbone, selection = load_backbone(model), SampledPace(fps=args.score_fps)
        for name in args.scene or scenes(args.data):
            file = args.keep / f"{name}.json"
            if file.exists():
                continue
            try:
                found = watch(name, args.share, selection, backbone, model, staged=not args.no_staged, data=args.data)
            except FootageError as error:
                console.print(f"{name}: not learned ({error})")
                continue
            file.write_text(json.dumps(found.__dict__), encoding="utf-8")
            console.print(f"{name}: watched {found.watched_s:.0f} s")
    kept = [Watched(**json.loads(file.read_text(encoding="utf-8"))) for file in sorted(args.keep.glob("*.json"))]
    rates = ", ".join(f"{rate:g}" for rate in RATES)
    console.print(report(kept, [FORM] * len(kept), f"the form that ships, at {rates} a day"))
    choice = Choice(kept)
    forms = [choice.without(scene.name) for scene in kept]
    console.print(report(kept, forms, f"each scene left out of the choice of its form, at {rates} a day"))
    console.print("chosen on all:", choice.without(None))
    return 0


if __name__ == "__main__":
    sys.exit(main())
