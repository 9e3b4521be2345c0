"""Real pictures as a camera shows them that is covered, blinded, out of focus or turned, or whose light changes."""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from streammon.records import Picture

WINDOW = 0.72
"""Share of the picture, each way, that counts as the camera's view: what is outside comes into view when it turns."""

FIELD_OF_VIEW_DEG = 70.0
"""Horizontal field of view that the whole picture is assumed to have."""

Variant = Callable[[Picture], Picture]


def view(picture: Picture, pan_deg: float = 0.0, roll_deg: float = 0.0) -> Picture:
    """The camera's view within a picture: a window at its left, panned to the right, or rolled in the middle."""
    height, width = picture.shape[:2]
    size = (round(width * WINDOW), round(height * WINDOW))
    if roll_deg:
        about = cv2.getRotationMatrix2D((size[0] / 2, height / 2), roll_deg, 1.0)
        picture = np.asarray(cv2.warpAffine(picture, about, (width, height), borderMode=cv2.BORDER_REFLECT), np.uint8)
    left = round(width * pan_deg / FIELD_OF_VIEW_DEG)
    top = (height - size[1]) // 2
    return np.ascontiguousarray(picture[top : top + size[1], left : left + size[0]])


def noisy(picture: NDArray[Any], sigma: float) -> Picture:
    """With the noise of a sensor, the same in every run."""
    noise = np.random.default_rng(round(float(picture.mean()) * 1000)).normal(0, sigma, picture.shape)
    return np.asarray((picture + noise).clip(0, 255), np.uint8)


def black(picture: Picture) -> Picture:
    return noisy(0.03 * picture.astype(np.float32) + 2, 2.0)


def overexposed(picture: Picture) -> Picture:
    return noisy(3.0 * picture.astype(np.float32) + 120, 2.0)


def covered(picture: Picture) -> Picture:
    """Something near and out of focus in front of the lens."""
    light = cv2.GaussianBlur(picture, (0, 0), 0.15 * picture.shape[1]).astype(np.float32)
    return noisy(light * np.array([0.5, 0.35, 0.3], np.float32) + 5, 2.0)


def blurred(picture: Picture, share: float = 0.012) -> Picture:
    """Out of focus: blurred with a standard deviation of a share of the width (3 of 256 pixels)."""
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), share * picture.shape[1]), np.uint8)


def dimmed(picture: Picture, gain: float = 0.35) -> Picture:
    """Some of the lamps off; the sensor's noise grows."""
    return noisy(gain * picture.astype(np.float32), 3.0)


def lit(picture: Picture, gain: float = 1.8) -> Picture:
    return noisy(gain * picture.astype(np.float32) + 10, 1.0)


def infrared(picture: Picture) -> Picture:
    """Grey, lit from the camera: bright in the middle, dark at the border."""
    height, width = picture.shape[:2]
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    lamp = (1.25 - 0.45 * (x**2 + y**2)).astype(np.float32)
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return noisy(np.repeat((grey * lamp)[..., None], 3, 2), 2.0)
