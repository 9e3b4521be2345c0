"""Frames as `data:` URLs for the page: the model's input, and the same with its anomaly map over it."""

import base64

import cv2
import numpy as np
from numpy.typing import NDArray

from streammon.evaluation.results import WorstFrame
from streammon.records import AnomalyMap, Picture

SCALE = 2  # the outline is drawn at twice the model's resolution, which keeps it thin
JPEG_QUALITY = 80
HEAT = 0.5  # opacity of the heatmap over the picture in grey
LEGEND_STEPS = 64
WHITE, BLACK = (255, 255, 255), (0, 0, 0)


def picture_url(frame: WorstFrame) -> str:
    """The model's input as a `data:` URL, with the ground truth outlined."""
    return _jpeg_url(_outlined(_enlarged(frame.picture), frame.mask))


def heatmap_url(frame: WorstFrame) -> str | None:
    """The anomaly map in colour over the picture in grey, as a `data:` URL; None where there is no map.

    Values outside of `map_range` get its lowest or highest colour.
    """
    if frame.anomaly_map is None:
        return None
    grey = cv2.cvtColor(cv2.cvtColor(frame.picture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    blend = HEAT * heat_colours(frame.anomaly_map, frame.map_range) + (1 - HEAT) * grey
    return _jpeg_url(_outlined(_enlarged(np.asarray(blend, np.uint8)), frame.mask))


def legend_colours() -> list[str]:
    """CSS colours of the heatmap from lowest to highest, over a middle grey."""
    ramp = np.linspace(0, 1, LEGEND_STEPS, dtype=np.float32)[None]
    colours = HEAT * heat_colours(ramp, (0.0, 1.0)) + (1 - HEAT) * 128
    return [f"rgb({red:.0f},{green:.0f},{blue:.0f})" for red, green, blue in colours[0].tolist()]


def heat_colours(anomaly_map: AnomalyMap, map_range: tuple[float, float]) -> Picture:
    """(H, W, 3) RGB colours of a map, from dark violet to pale yellow; lightness grows too, for the colour-blind."""
    low, high = map_range
    share = (np.nan_to_num(anomaly_map, posinf=high, neginf=low) - low) / max(high - low, 1e-12)
    levels = np.asarray(np.round(255 * share.clip(0, 1)), np.uint8)
    return np.asarray(cv2.cvtColor(cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB))


def _enlarged(picture: Picture) -> Picture:
    return np.asarray(cv2.resize(picture, None, fx=SCALE, fy=SCALE, interpolation=cv2.INTER_CUBIC))


def _outlined(picture: Picture, mask: NDArray[np.bool_] | None) -> Picture:
    """The picture with a white line, edged black, just outside the mask: visible on any background."""
    if mask is None or not mask.any():
        return picture
    size = (picture.shape[1], picture.shape[0])
    whole = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    rings = [cv2.dilate(whole, np.ones((side, side), np.uint8)) for side in (3, 7, 9)]
    picture = picture.copy()
    picture[(rings[2] > 0) & (whole == 0)] = BLACK
    picture[(rings[1] > 0) & (rings[0] == 0)] = WHITE
    return picture


def _jpeg_url(picture: Picture) -> str:
    options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    done, encoded = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), options)
    assert done, "cv2 encodes every (H, W, 3) uint8 picture"
    return "data:image/jpeg;base64," + base64.b64encode(encoded.tobytes()).decode("ascii")
