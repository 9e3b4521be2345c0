"""Foreign textures: patches of other pictures, and synthetic textures."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from streammon.records import Picture
from streammon.validation.staging.paths import PlacedCutout

LEAST_DIFFERENCE = 30.0
"""Minimum mean difference between a texture and the picture below it, in grey levels: the texture must be visible."""

ATTEMPTS = 6


def foreign_texture(
    size: tuple[int, int],
    covered: Picture,
    sources: Sequence[Picture],
    rng: np.random.Generator,
) -> Picture:
    """A texture that stands out from the part of the picture that it will cover.

    Args:
        size: Height and width.
        covered: (height, width, 3) uint8 RGB, the part of the picture to be covered.
        sources: Pictures to take patches from; without a patch that stands out the texture is synthetic.
        rng: Only source of randomness.

    Returns:
        (height, width, 3) uint8 RGB, grey if `covered` is grey.
    """
    grey = bool((np.ptp(covered.astype(np.int16), axis=2) <= 2).all())
    for _ in range(ATTEMPTS if sources else 0):
        patch = _patch(size, sources[int(rng.integers(len(sources)))], rng)
        patch = np.repeat(patch.mean(axis=2, keepdims=True), 3, axis=2).astype(np.uint8) if grey else patch
        if _difference(patch, covered) >= LEAST_DIFFERENCE:
            return patch
    return synthetic_texture(size, covered, grey, rng)


def _difference(patch: Picture, covered: Picture) -> float:
    return float(np.abs(patch.astype(np.float32) - covered).mean())


def _patch(size: tuple[int, int], source: Picture, rng: np.random.Generator) -> Picture:
    """A random crop of the source; a source that is too small is enlarged."""
    height, width = size
    enlarge = max(height / source.shape[0], width / source.shape[1], 1.0)
    if enlarge > 1:
        wide = int(np.ceil(source.shape[1] * enlarge)), int(np.ceil(source.shape[0] * enlarge))
        source = np.asarray(cv2.resize(source, wide, interpolation=cv2.INTER_LINEAR), np.uint8)
    y = int(rng.integers(source.shape[0] - height + 1))
    x = int(rng.integers(source.shape[1] - width + 1))
    return source[y : y + height, x : x + width].copy()


def synthetic_texture(size: tuple[int, int], covered: Picture, grey: bool, rng: np.random.Generator) -> Picture:
    """Synthetic blotches or stripes of two colours, one of them far in brightness from the covered picture."""
    height, width = size
    lightness = float(covered.mean())
    far = (20.0 if lightness > 128 else 235.0) + rng.uniform(-15, 15, 3)
    other = rng.uniform(60, 195, 3)
    if grey:
        far, other = np.full(3, far.mean()), np.full(3, other.mean())
    if rng.random() < 0.5:
        field = cv2.GaussianBlur(rng.standard_normal((height, width)), (0, 0), max(1.5, min(size) / 8))
        share = (field > np.quantile(field, 0.35)).astype(np.float32)
    else:
        period, angle = rng.uniform(4, max(6.0, min(size) / 2)), rng.uniform(0, np.pi)
        rows, columns = np.mgrid[:height, :width]
        share = (np.sin((rows * np.sin(angle) + columns * np.cos(angle)) * 2 * np.pi / period) > -0.4).astype(
            np.float32
        )
    share = np.asarray(cv2.GaussianBlur(share, (0, 0), 0.7), np.float32)[..., None]
    return np.asarray(np.clip(share * far + (1 - share) * other, 0, 255).round(), np.uint8)


def textured(pose: PlacedCutout, texture: Picture) -> PlacedCutout:
    """The pose with the texture as its picture, aligned at the bottom centre, so that the texture doesn't slide."""
    h, w = pose.matte.shape
    top, left = texture.shape[0] - h, (texture.shape[1] - w) // 2
    return PlacedCutout(texture[top : top + h, left : left + w], pose.matte, pose.corner)


def oval(size: tuple[int, int]) -> NDArray[np.float32]:
    """A matte of this height and width: an oval with a soft rim."""
    height, width = size
    matte = np.zeros(size, np.float32)
    axes = max(1, width // 2 - 2), max(1, height // 2 - 2)
    cv2.ellipse(matte, (width // 2, height // 2), axes, 0, 0, 360, 1.0, -1)
    return np.asarray(cv2.GaussianBlur(matte, (0, 0), 1.0), np.float32)


def texture_size(mattes: Sequence[NDArray[np.float32]]) -> tuple[int, int]:
    """The height and width that cover every matte."""
    return max(matte.shape[0] for matte in mattes), max(matte.shape[1] for matte in mattes)
