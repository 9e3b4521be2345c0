"""Colour and opacity of the heatmap for each grey of `streammon.heatmap`, the same on every camera.

Below the opening threshold a map is dark and blue, from the threshold on orange to yellow, with a clear step between
them. Lightness increases with the score, so the order stays readable in print and for colour-blind people.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from streammon.heatmap import THRESHOLD_GREY

GREYS = 256

CIELAB_STOPS = (
    (0, (6.0, 2.0, -8.0)),  # nearly black
    (THRESHOLD_GREY - 1, (42.0, 4.0, -34.0)),  # slate blue
    (THRESHOLD_GREY, (62.0, 46.0, 58.0)),  # orange: an alert opens
    (GREYS - 1, (93.0, -6.0, 72.0)),  # yellow: twice the threshold and more
)
"""(grey, CIELAB colour under D65), interpolated linearly: equal steps in CIELAB look equal."""

OPACITY_STOPS = (
    (0, 0.0),
    (THRESHOLD_GREY // 2, 0.0),  # up to half the threshold, the picture is unchanged
    (THRESHOLD_GREY - 1, 0.25),
    (THRESHOLD_GREY, 0.45),
    (GREYS - 1, 0.8),
)
"""(grey, opacity of its colour over the picture), interpolated linearly."""

KR_KB = {601: (0.299, 0.114), 709: (0.2126, 0.0722)}
"""Luma coefficients of red and blue (ITU-R BT.601 and BT.709)."""


def _interpolated(stops: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.stack([np.interp(np.arange(GREYS), stops, channel) for channel in values.T], axis=1)


@cache
def heat_rgb() -> NDArray[np.uint8]:
    """(256, 3) the sRGB colour of each grey.

    >>> heat_rgb()[[0, 127, 128, 255]].tolist()
    [[16, 19, 30], [62, 100, 155], [241, 112, 45], [255, 235, 88]]
    """
    greys, lab = zip(*CIELAB_STOPS, strict=True)
    lightness, green_red, blue_yellow = _interpolated(np.array(greys, float), np.array(lab)).T
    y = (lightness + 16) / 116
    cubes = np.stack([y + green_red / 500, y, y - blue_yellow / 200], axis=1)
    xyz = np.where(cubes > 6 / 29, cubes**3, 3 * (6 / 29) ** 2 * (cubes - 4 / 29)) * (0.95047, 1.0, 1.08883)
    linear = xyz @ np.array([[3.2406, -0.9689, 0.0557], [-1.5372, 1.8758, -0.2040], [-0.4986, 0.0415, 1.0570]])
    linear = linear.clip(0, 1)
    srgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    rgb: NDArray[np.uint8] = np.rint(srgb * 255).astype(np.uint8)
    return rgb


@cache
def heat_opacity() -> NDArray[np.uint16]:
    """(256,) the opacity of each grey's colour, in 256ths.

    >>> heat_opacity()[[0, 64, 127, 128, 255]].tolist()
    [0, 0, 64, 115, 205]
    """
    greys, shares = zip(*OPACITY_STOPS, strict=True)
    opacity: NDArray[np.uint16] = np.rint(np.interp(np.arange(GREYS), greys, shares) * 256).astype(np.uint16)
    return opacity


@cache
def heat_yuv(matrix: int) -> NDArray[np.uint8]:
    """(256, 3) the Y, Cb and Cr of each grey's colour, in video range.

    Args:
        matrix: Colour matrix of the picture, 601 or 709.
    """
    red_share, blue_share = KR_KB[matrix]
    red, green, blue = (heat_rgb() / 255.0).T
    luma = red_share * red + (1 - red_share - blue_share) * green + blue_share * blue
    cb, cr = (blue - luma) / (2 - 2 * blue_share), (red - luma) / (2 - 2 * red_share)
    yuv: NDArray[np.uint8] = np.rint(np.stack([16 + 219 * luma, 128 + 224 * cb, 128 + 224 * cr], axis=1)).astype(
        np.uint8
    )
    return yuv
