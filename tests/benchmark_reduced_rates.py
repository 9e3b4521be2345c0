"""Alerts of normal footage that is scored less often than it was learned, as under overload.

    python tests/benchmark_reduced_rates.py normal/pets2009.mp4 street_night/

Each argument is a scene: a video, of which the second half is scored, or a folder of videos, of which the second half
of the videos are. The first half is learned, 5 frames a second. Prints the alerts opened at each rate and threshold,
and the levels of looks alone, once a second.
"""

import argparse
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np

from streammon.alerting import AlertRule
from streammon.config import AlertingConfig, ModelConfig
from streammon.ingest import clips
from streammon.padim import INPUT_SIZE, Backbone, as_batch, load_backbone
from streammon.records import AlertEvent, Frame, ScoredFrame
from streammon.scene import Scene, SceneLearner, SceneScorer, configured_observer

LEARNED_FPS = 5.0
RATES = (5.0, 3.0, 2.5, 2.0)
FALSE_ALARMS_PER_DAY = (240, 2_400, 24_000)


def halves(footage: Path, fps: float) -> tuple[list[Frame], list[Frame]]:
    """Frames of the first and of the second half."""
    parts = [list(clip.frames(INPUT_SIZE, detail=True, fps=fps)) for clip in clips(footage)]
    if len(parts) == 1:
        middle = len(parts[0]) // 2
        return parts[0][:middle], parts[0][middle:]
    middle = len(parts) // 2
    return [frame for part in parts[:middle] for frame in part], [frame for part in parts[middle:] for frame in part]


def batches(frames: Iterable[Frame]) -> Iterator[list[Frame]]:
    """Eight frames at a time."""
    rest = iter(frames)
    while batch := list(islice(rest, 8)):
        yield batch


def learned(frames: list[Frame], backbone: Backbone, model: ModelConfig) -> Scene:
    """The scene of some frames."""
    observer, seconds = configured_observer(model, backbone), len(frames) / LEARNED_FPS
    learner = SceneLearner("scene", backbone, model, observer, total_s=seconds, score_fps=LEARNED_FPS)
    for batch in batches(frames):
        learner.learn(batch, backbone.maps(as_batch([frame.picture for frame in batch])))
    return learner.finish()


def scored(scene: Scene, frames: list[Frame], backbone: Backbone, model: ModelConfig) -> list[ScoredFrame]:
    """Scores of frames."""
    scorer = SceneScorer(scene, backbone, configured_observer(model, backbone))
    maps = ((batch, backbone.maps(as_batch([frame.picture for frame in batch]))) for batch in batches(frames))
    return [score for batch, own in maps for score in scorer.score(batch, own)]


def alerts(scores: list[ScoredFrame], per_day: float) -> int:
    """Alerts that open, as live, but without a cooldown."""
    alerting = AlertingConfig(false_alarms_per_day=per_day, cooldown_s=0)
    rules: dict[str, AlertRule] = {}
    opened = 0
    for score in scores:
        rule = rules.setdefault(score.camera, AlertRule(score.camera, score.scene, alerting))
        found = rule.step(replace(score, wall_time_s=1000 + score.stream_time_s))
        opened += sum(alert.event is AlertEvent.OPEN for alert in found)
    return opened


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenes", type=Path, nargs="+")
    model = ModelConfig()
    backbone = load_backbone(model)
    for footage in parser.parse_args().scenes:
        scene = learned(halves(footage, LEARNED_FPS)[0], backbone, model)
        for fps in RATES:
            scores = scored(scene, halves(footage, fps)[1], backbone, model)
            counts = ", ".join(f"{alerts(scores, per_day)} at {per_day}" for per_day in FALSE_ALARMS_PER_DAY)
            print(f"{footage}, {fps} a second: alerts {counts} a day", flush=True)
        looks = [replace(frame, detail=None) for frame in halves(footage, 1.0)[1]]
        levels = [score.level for score in scored(scene, looks, backbone, model)]
        print(f"{footage}, looks alone: levels {np.median(levels):.2f} (median), {max(levels):.2f} (largest)")


if __name__ == "__main__":
    main()
