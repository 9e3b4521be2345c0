"""Motions, moving objects, frames and a network made of plain numbers, for the tests of motion."""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from hypothesis import settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from streammon.motion import MotionSums, Observation
from streammon.motion.change import CHANGE_CHANNELS, CHANGE_GRID
from streammon.motion.flow import GRID, FlowEstimator, Motion
from streammon.motion.objects import MovingObject
from streammon.records import Detail, Frame

DIMENSIONS = 3
SEEDS = st.integers(0, 2**32 - 1)
QUICK = settings(max_examples=25)

Cell = tuple[int, int]
Velocity = tuple[float, float]


def grid_motion(velocity: np.ndarray, cells: np.ndarray) -> Motion:
    """Motion of cells alone, without its pixels."""
    speed = np.linalg.norm(velocity, axis=-1).astype(np.float32)
    return Motion(np.zeros((GRID, GRID), bool), velocity.astype(np.float32), speed, cells)


def motion_of(velocities: dict[Cell, Velocity]) -> Motion:
    """Motion of a few cells, by row and column, with their velocities."""
    velocity, cells = np.zeros((GRID, GRID, 2)), np.zeros((GRID, GRID), bool)
    for cell, each in velocities.items():
        velocity[cell], cells[cell] = each, True
    return grid_motion(velocity, cells)


STILL = motion_of({})


def flat(cells: list[Cell]) -> NDArray[np.int64]:
    """Flat indices of cells."""
    return np.array([row * GRID + column for row, column in cells], np.int64)


def thing(cells: list[Cell], place: tuple[float, float] = (0.5, 0.5), size: tuple[int, int] = (9, 9)) -> MovingObject:
    """An object of some cells; its place and its size (width, height) need not agree with them."""
    wide, high = size
    return MovingObject((0, 0, wide, high), np.ones((high, wide), bool), flat(cells), place)


def some_frame(rng: np.random.Generator, number: int) -> Observation:
    """A frame with a tenth of its cells moving, up to three objects, and a change in two frames of three."""
    motion = grid_motion(rng.normal(size=(GRID, GRID, 2)), rng.random((GRID, GRID)) < 0.1)
    objects = [
        thing([(0, each) for each in range(4)], (row, column), (wide, high))
        for wide, high, row, column in zip(
            *rng.integers(1, 40, (2, number % 4)), *rng.random((2, number % 4)), strict=True
        )
    ]
    features = rng.normal(size=(len(objects), DIMENSIONS)).astype(np.float32)
    embedding, change = rng.normal(size=(2, CHANGE_GRID, CHANGE_GRID, CHANGE_CHANNELS)).astype(np.float32)
    return Observation("yard", number / 10, motion, objects, features, change if number % 3 else None, embedding)


def learned(frames: list[Observation], turns: int = 0) -> MotionSums:
    """Sums of some frames, from so many windows."""
    sums = MotionSums(DIMENSIONS)
    for each in frames:
        sums.update(each)
    sums.turns = turns
    return sums


def texture(height: int, width: int, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).uniform(0, 255, (height, width, 3)).astype(np.float32)
    return (128 + 2.5 * (cv2.GaussianBlur(noise, (0, 0), 2.0) - 128)).clip(0, 255).astype(np.uint8)


def pair_of(before: np.ndarray, after: np.ndarray, step_s: float = 0.1) -> Detail:
    """A picture and the one before it."""
    return Detail(after, cv2.cvtColor(before, cv2.COLOR_RGB2GRAY).astype(np.uint8), step_s)


def motion_between(before: np.ndarray, after: np.ndarray, step_s: float = 0.1) -> Motion:
    motion = FlowEstimator().motion(pair_of(before, after, step_s))
    assert motion is not None
    return motion


def frame_of(detail: Detail | None, stream: str = "yard", number: int = 0) -> Frame:
    """Frame `number` of a stream with ten a second; motion looks at its detail alone."""
    return Frame(stream, number, np.zeros((8, 8, 3), np.uint8), (8, 8), number / 10, number / 10, detail)


@dataclass(frozen=True)
class Channels:
    channels: tuple[int, int, int]


class MeanColours:
    """A network whose maps are mean colours: channel c of a map is colour c % 3, from 0 to 1, times c + 1.

    The first map averages blocks of 4 x 4 pixels, the others of 8 x 8 and 16 x 16.
    """

    def __init__(self, channels: tuple[int, int, int] = (4, 16, 20)) -> None:
        self.architecture = Channels(channels)
        self.device = torch.device("cpu")

    def maps(self, pictures: Tensor, stages: int = 3) -> list[Tensor]:
        colours = pictures.permute(0, 3, 1, 2).double() / 255
        found = []
        for stage, count in enumerate(self.architecture.channels[:stages]):
            means = torch.nn.functional.avg_pool2d(colours, 4 * 2**stage)
            found.append(torch.stack([means[:, each % 3] * (each + 1) for each in range(count)], 1).float())
        return found
