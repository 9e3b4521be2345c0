"""Moving objects: connected regions of motion, their crops from `Frame.detail`, and the backbone's features of them.

No detector is needed; with one, each of its boxes is an object, whether anything in it moves or not. A region whose
width is above `widest` times its height is usually several walkers side by side, so it is cut into windows about as
wide as high. A region whose height is above `highest` times its width is cut into windows about three times as high
as wide, as a standing person is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from streammon.motion.flow import GRID, Motion
from streammon.motion.settings import SETTINGS
from streammon.records import Picture

CROP_SIDE = SETTINGS.objects.crop_side_px

PixelBox = tuple[int, int, int, int]
"""x, y, width, height in pixels of the detail."""


@dataclass(frozen=True, eq=False)
class MovingObject:
    """Connected region of motion, a window of one, or a detector's box.

    Attributes:
        box: Bounding box of the region; the window or the detector's box.
        mask: (height, width) bool within the box.
        cells: (N,) flat indices of the cells of the motion grid that the object touches.
        place: Row and column of the box's centre, as shares (0 to 1) of the picture's height and width.
    """

    box: PixelBox
    mask: NDArray[np.bool_]
    cells: NDArray[np.int64]
    place: tuple[float, float]


def moving_objects(motion: Motion, boxes: Sequence[PixelBox] | None = None) -> list[MovingObject]:
    """Objects that cover at least `least_area` of the picture, the largest first, at most `most_objects`.

    Args:
        motion: Motion of the frame.
        boxes: A detector's boxes, in place of the connected regions; None for the regions.
    """
    size = height, width = motion.moving.shape
    least = SETTINGS.objects.least_area * height * width
    pieces = _regions(motion.moving, least) if boxes is None else _clipped_boxes(motion.moving, boxes)
    found = [(np.count_nonzero(mask), box, mask) for box, mask in pieces]
    found = sorted((each for each in found if each[0] >= least), key=lambda each: -each[0])
    return [_object(box, mask, size) for _, box, mask in found[: SETTINGS.objects.most_objects]]


def _regions(moving: NDArray[np.bool_], least: float) -> list[tuple[PixelBox, NDArray[np.bool_]]]:
    """Bounding boxes and masks of the connected regions; wide and high regions are cut into windows.

    Only the part of the picture that moves is searched.

    Args:
        moving: (H, W).
        least: Least area of a region, in pixels.
    """
    chosen = SETTINGS.objects
    first_x, first_y, wide, high = cv2.boundingRect(moving.view(np.uint8))
    if not wide:
        return []
    part = np.ascontiguousarray(moving[first_y : first_y + high, first_x : first_x + wide])
    _, labels, stats, _ = cv2.connectedComponentsWithStats(part.view(np.uint8), connectivity=chosen.connectivity)
    pieces = []
    for label in (1 + np.flatnonzero(stats[1:, cv2.CC_STAT_AREA] >= least)).tolist():
        x, y, width, height, _ = stats[label].tolist()
        columns = max(1, round(width / height)) if width > chosen.widest * height else 1
        rows = max(1, round(height / (chosen.window_height * width))) if height > chosen.highest * width else 1
        for row in range(rows):
            for column in range(columns):
                left, right = x + column * width // columns, x + (column + 1) * width // columns
                top, bottom = y + row * height // rows, y + (row + 1) * height // rows
                window = labels[top:bottom, left:right] == label
                pieces.append(((first_x + left, first_y + top, right - left, bottom - top), window))
    return pieces


def _clipped_boxes(moving: NDArray[np.bool_], boxes: Sequence[PixelBox]) -> list[tuple[PixelBox, NDArray[np.bool_]]]:
    """A detector's boxes, clipped to the picture, with full masks: the whole box is the object, moving or not."""
    height, width = moving.shape
    pieces = []
    for x, y, wide, high in boxes:
        left, top, right, bottom = max(0, x), max(0, y), min(width, x + wide), min(height, y + high)
        if right > left and bottom > top:
            mask = np.ones((bottom - top, right - left), bool)
            pieces.append(((left, top, right - left, bottom - top), mask))
    return pieces


def _object(box: PixelBox, mask: NDArray[np.bool_], size: tuple[int, int]) -> MovingObject:
    """Object of a box and its mask in a picture of `size` (rows, columns)."""
    (x, y, width, height), (rows, columns) = box, size
    cell_rows, tops = np.unique(np.arange(y, y + height) * GRID // rows, return_index=True)
    cell_columns, lefts = np.unique(np.arange(x, x + width) * GRID // columns, return_index=True)
    touched = np.logical_or.reduceat(np.logical_or.reduceat(mask, tops, axis=0), lefts, axis=1)
    inside_y, inside_x = np.nonzero(touched)
    cells = cell_rows[inside_y] * GRID + cell_columns[inside_x]
    return MovingObject(box, mask, cells, ((y + height / 2) / rows, (x + width / 2) / columns))


def crop_of(picture: Picture, found: MovingObject) -> tuple[Picture, NDArray[np.float32]]:
    """Square crop around an object's centre, scaled to the crop's side, and the object's mask in the crop.

    The crop's side in the picture is `crop_margin` * max(width, height, `least_crop_px`). Beyond the picture's edge
    its last pixels are repeated, and the mask is 0.

    Args:
        picture: (H, W, 3) uint8, of the detail.
        found: Object in the picture.

    Returns:
        (S, S, 3) uint8 and (S, S) float32, 0 to 1.
    """
    (x, y, width, height), (rows, columns) = found.box, picture.shape[:2]
    scale = CROP_SIDE / (max(width, height, SETTINGS.objects.least_crop_px) * SETTINGS.objects.crop_margin)
    middle_x, middle_y = x + width / 2, y + height / 2
    onto = np.array(
        [[scale, 0, CROP_SIDE / 2 - middle_x * scale], [0, scale, CROP_SIDE / 2 - middle_y * scale]], np.float32
    )
    square = (CROP_SIDE, CROP_SIDE)
    crop = cv2.warpAffine(picture, onto, square, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    whole = np.zeros((rows, columns), np.float32)
    whole[y : y + height, x : x + width] = found.mask
    return crop.astype(np.uint8, copy=False), cv2.warpAffine(whole, onto, square).astype(np.float32, copy=False)


def feature_dimensions(channels: tuple[int, int, int]) -> int:
    """D, the number of an object's features, from the channels of the backbone's three maps."""
    return min(channels[0], SETTINGS.objects.most_features)


class NetworkShape(Protocol):
    """Shape of a backbone's feature maps.

    Attributes:
        channels: Number of channels in each of the three maps.
    """

    @property
    def channels(self) -> tuple[int, int, int]:
        """Number of channels in each of the three maps."""


class FeatureNetwork(Protocol):
    """Interface of the backbone that motion needs; `padim.Backbone` implements it.

    Attributes:
        architecture: Shape of the feature maps.
        device: Device of the feature maps.
    """

    @property
    def architecture(self) -> NetworkShape:
        """Shape of the feature maps."""

    @property
    def device(self) -> torch.device:
        """Device of the feature maps."""

    def maps(self, pictures: Tensor, stages: int = 3) -> list[Tensor]:
        """Feature maps (B, C, h, w) of the first `stages` stages for pictures (B, H, W, 3) uint8."""


class ObjectFeatures:
    """Features of objects: the backbone's first stage on each crop, averaged over the object's mask.

    f = sqrt(max(0, sum(w a) / sum(w))) per channel, with activations a and weights w = mask + outside_weight. The
    square root compresses the few strong activations, so that a Gaussian fits. Later stages separate classes that are
    all normal (a man from a woman), which would be noise here.

    Args:
        backbone: Network that computes the activations.

    Attributes:
        dimensions: D, number of features.
    """

    def __init__(self, backbone: FeatureNetwork) -> None:
        self._backbone = backbone
        self.dimensions = feature_dimensions(backbone.architecture.channels)

    @torch.inference_mode()
    def features(self, crops: Sequence[tuple[Picture, NDArray[np.float32]]]) -> NDArray[np.float32]:
        """Features (N, D) of N crops with their masks."""
        if not crops:
            return np.zeros((0, self.dimensions), np.float32)
        pictures = torch.from_numpy(np.stack([crop for crop, _ in crops]))
        masks = torch.from_numpy(np.stack([mask for _, mask in crops]))[:, None].to(self._backbone.device)
        features: Tensor = self._backbone.maps(pictures, stages=1)[0][:, : self.dimensions]  # (N, D, h, w)
        weights = F.adaptive_avg_pool2d(
            masks + SETTINGS.objects.outside_weight, (features.shape[2], features.shape[3])
        )
        pooled = (features * weights).sum((2, 3)) / weights.sum((2, 3))
        result: NDArray[np.float32] = pooled.clamp(min=0).sqrt().float().cpu().numpy()
        return result
