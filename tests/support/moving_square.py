"""Frames, flow and observations of a textured street with one textured square that moves."""

import cv2
import numpy as np

from streammon.motion.change import CHANGE_CHANNELS, CHANGE_GRID
from streammon.motion.flow import FlowEstimator, Motion
from streammon.motion.objects import moving_objects
from streammon.motion.observe import Observation
from streammon.records import Detail

STREET_WIDTH, STREET_HEIGHT = 240, 160
STREET_DIMENSIONS = 4


def texture(seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).uniform(0, 255, (STREET_HEIGHT, STREET_WIDTH, 3)).astype(np.float32)
    return cv2.GaussianBlur(noise, (0, 0), 2.0)


def street(left: float, top: float = 60, side: int = 40, seed: int = 0) -> np.ndarray:
    """A textured street with one textured square on it, placed to a fraction of a pixel."""
    ground = texture(seed)
    onto = np.array([[1, 0, left], [0, 1, top]], np.float32)
    thing = cv2.warpAffine(texture(seed + 1)[:side, :side], onto, (STREET_WIDTH, STREET_HEIGHT))
    matte = cv2.warpAffine(np.ones((side, side), np.float32), onto, (STREET_WIDTH, STREET_HEIGHT))[..., None]
    stretched = 128 + 2.5 * (ground * (1 - matte) + thing * matte - 128)
    return stretched.clip(0, 255).astype(np.uint8)


def detail_of(before: np.ndarray, after: np.ndarray, step_s: float) -> Detail:
    return Detail(after, cv2.cvtColor(before, cv2.COLOR_RGB2GRAY).astype(np.uint8), step_s)


def moving(rightwards: float, step_s: float = 0.1, left: float = 100, top: float = 60) -> Motion:
    """What is read of a square that moves by so many pixels a second."""
    pair = detail_of(street(left, top), street(left + rightwards * step_s, top), step_s)
    motion = FlowEstimator().motion(pair)
    assert motion is not None
    return motion


def even_embeddings(number: float) -> np.ndarray:
    return np.full((CHANGE_GRID, CHANGE_GRID, CHANGE_CHANNELS), number, np.float32)


def observed(motion: Motion, time_s: float) -> Observation:
    objects = moving_objects(motion)
    features = np.ones((len(objects), STREET_DIMENSIONS), np.float32)
    return Observation("street", time_s, motion, objects, features, even_embeddings(0.0))
