"""A lane that everything passes in one direction: who goes the other way is told by the direction."""

from functools import cache

import numpy as np
import pytest

from streammon.config import ModelConfig
from streammon.motion.evidence import Measure
from streammon.motion.flow import Motion
from streammon.motion.objects import MovingObject, moving_objects
from streammon.motion.observe import Observation, Observer
from streammon.motion.statistics import (
    Halves,
    MotionSums,
)
from streammon.padim import as_batch, load_backbone
from streammon.records import Channel, Frame
from streammon.scene import Fused, Measured, Scene, SceneLearner, SceneScorer
from streammon.scene.held_out import HeldOut, HeldOutFrames
from streammon.scene.learned import SceneMotion, motion_of
from support.moving_square import STREET_DIMENSIONS, STREET_HEIGHT, STREET_WIDTH, moving

pytestmark = pytest.mark.slow

LEFTS = range(10, 190, 15)


LEARNED, HELD_OUT = 80, 200  # squares that pass, one every two seconds


SIDE = 64  # of the model's input


@cache
def crossing(way: int, speed: float, top: float) -> list[tuple[Motion, list[MovingObject]]]:
    """A square that crosses the lane: to the right, or with -1 to the left."""
    motions = [moving(way * speed, left=left, top=top) for left in LEFTS[::way]]
    return [(motion, moving_objects(motion)) for motion in motions]


class TestOneWay:
    """A lane in which hundreds of squares passed, all to the right."""

    def passing(self, way: int, start_s: float, rng: np.random.Generator) -> list[Observation]:
        seen = []
        crossed = crossing(way, float(rng.choice([26, 30, 34])), float(rng.choice([58, 62])))
        for number, (motion, objects) in enumerate(crossed):
            features = rng.normal(size=(len(objects), STREET_DIMENSIONS)).astype(np.float32)
            seen.append(Observation("lane", start_s + number / 10, motion, objects, features))
        return seen

    def test_who_goes_the_other_way_is_told_by_the_direction_at_one_a_day(self) -> None:
        rng, turns = np.random.default_rng(0), Halves()
        halves = (MotionSums(STREET_DIMENSIONS), MotionSums(STREET_DIMENSIONS))
        kept, before = HeldOutFrames(), None
        for number in range(LEARNED + HELD_OUT):
            if number == LEARNED:
                before = Measure(halves)
            for seen in self.passing(1, 2.0 * number, rng):
                if before is not None:
                    kept.add(HeldOut("lane", seen.time_s, 0.0, 0.0, np.zeros(4, np.float16), before.evidence(seen)))
                else:
                    half, begins = turns.turn(seen)
                    halves[half].turns += begins
                    halves[half].update(seen)
        motion = motion_of("lane", halves, "", kept)
        assert motion.tails is not None
        threshold = motion.tails.calibration.score_at_rate(1.0)
        scorer = lane_scorer(motion)
        worst = {}
        for way, start_s in ((1, 3000.0), (-1, 4000.0)):
            passing = self.passing(way, start_s, rng)
            worst[way] = max(judged(scorer, passing), key=lambda each: each[0].score)
        (usual, _), (against, seen) = worst[1], worst[-1]
        assert usual.score < threshold < against.score
        assert against.channel is Channel.DIRECTION
        (anomaly_map,) = scorer.anomaly_maps([against])
        assert anomaly_map.max() == pytest.approx(against.score, rel=1e-5)
        row, column = np.unravel_index(int(anomaly_map.argmax()), anomaly_map.shape)
        x, y, wide, high = seen.objects[0].box
        assert (
            x <= (column + 0.5) / SIDE * STREET_WIDTH <= x + wide
        )  # the map shows where, though each cell is usual by itself
        assert y <= (row + 0.5) / SIDE * STREET_HEIGHT <= y + high


def lane_scorer(motion: SceneMotion) -> SceneScorer:
    """By that motion, and by patches of two frames of noise."""
    backbone, rng = load_backbone(ModelConfig(dimensions=4)), np.random.default_rng(0)
    learner = SceneLearner("lane", backbone, ModelConfig(dimensions=4), None, total_s=0.0, hold_out=0.0, size=SIDE)
    pictures = rng.integers(0, 255, (2, SIDE, SIDE, 3), np.uint8)
    frames = [
        Frame("lane", n, picture, (STREET_WIDTH, STREET_HEIGHT), n / 10, 0.0) for n, picture in enumerate(pictures)
    ]
    learner.learn(frames, backbone.maps(as_batch(list(pictures))))
    return SceneScorer(Scene(learner.finish().bank, motion), backbone, Observer(backbone))


def judged(scorer: SceneScorer, passing: list[Observation]) -> list[tuple[Fused, Observation]]:
    """What is said of what moves in some frames, whose patches are as usual."""
    measure = scorer.measure.motion
    assert measure is not None
    nothing = np.zeros((SIDE // 8, SIDE // 8), np.float32)
    black = np.zeros((SIDE, SIDE, 3), np.uint8)
    frames = [
        Frame(seen.stream, n, black, (STREET_WIDTH, STREET_HEIGHT), seen.time_s, 0.0)
        for n, seen in enumerate(passing)
    ]
    measured = [Measured(0.0, nothing, 0.0, measure.evidence(seen), seen) for seen in passing]
    return list(zip(scorer.fuse(frames, measured), passing, strict=True))
