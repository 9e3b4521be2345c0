"""What moves, looked at more closely: connected regions of motion, cut out of the larger picture for the backbone.

No detector is needed. A region wider than half as much again as it is high is more than one walker side by side, so
it is cut into windows about as wide as high, and one much higher than wide likewise.
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
from streammon.records import Picture

CROP_SIDE = 64  # pixels of a crop: a quarter of the model's input, a sixteenth of its cost
CROP_MARGIN = 1.15
LEAST_AREA = 0.0005  # of the picture
LEAST_CROP = 16  # pixels of the picture; a smaller crop would be all interpolation
WIDEST = 1.5  # width over height, above which a region is cut
HIGHEST = 3.5  # height over width
MOST_OBJECTS = 12  # looked at in one frame, the largest; bounds the cost
LEAST_WEIGHT = 1e-3  # weight of pixels beside the object, so that no crop is without any

Box = tuple[int, int, int, int]
"""x, y, width, height in pixels of the detail."""


@dataclass(frozen=True, eq=False)
class MovingObject:
    """One connected region of motion.

    Attributes:
        box: Its bounding box.
        mask: (height, width) bool within the box.
        cells: (N,) flat indices of the motion grid's cells that it touches.
        place: Row and column of its middle, from 0 to 1.
    """

    box: Box
    mask: NDArray[np.bool_]
    cells: NDArray[np.int64]
    place: tuple[float, float]


def moving_objects(motion: Motion, boxes: Sequence[Box] | None = None) -> list[MovingObject]:
    """The objects in a frame, the largest first, at most twelve.

    Args:
        motion: What moves.
        boxes: Of a detector, in place of the connected regions; None for those.
    """
    height, width = motion.moving.shape
    least = LEAST_AREA * height * width
    found = []
    for box, mask in _regions(motion.moving) if boxes is None else _boxed(motion.moving, boxes):
        if mask.sum() >= least:
            found.append(_object(box, mask, (height, width)))
    found.sort(key=lambda each: -int(each.mask.sum()))
    return found[:MOST_OBJECTS]


def _regions(moving: NDArray[np.bool_]) -> list[tuple[Box, NDArray[np.bool_]]]:
    count, labels, stats, _ = cv2.connectedComponentsWithStats(moving.view(np.uint8), connectivity=8)
    pieces = []
    for label in range(1, count):
        x, y, width, height, _ = (int(number) for number in stats[label])
        columns = max(1, round(width / height)) if width > WIDEST * height else 1
        rows = max(1, round(height / (3 * width))) if height > HIGHEST * width else 1
        for row in range(rows):
            for column in range(columns):
                left, right = x + column * width // columns, x + (column + 1) * width // columns
                top, bottom = y + row * height // rows, y + (row + 1) * height // rows
                window = labels[top:bottom, left:right] == label
                pieces.append(((left, top, right - left, bottom - top), window))
    return pieces


def _boxed(moving: NDArray[np.bool_], boxes: Sequence[Box]) -> list[tuple[Box, NDArray[np.bool_]]]:
    """A detector's boxes; all of a box belongs to its object, moving or not."""
    height, width = moving.shape
    pieces = []
    for x, y, wide, high in boxes:
        left, top, right, bottom = max(0, x), max(0, y), min(width, x + wide), min(height, y + high)
        if right > left and bottom > top:
            mask = np.ones((bottom - top, right - left), bool)
            pieces.append(((left, top, right - left, bottom - top), mask))
    return pieces


def _object(box: Box, mask: NDArray[np.bool_], size: tuple[int, int]) -> MovingObject:
    (x, y, width, height), (rows, columns) = box, size
    inside_y, inside_x = np.nonzero(mask)
    cells = np.unique((inside_y + y) * GRID // rows * GRID + (inside_x + x) * GRID // columns)
    return MovingObject(box, mask, cells, ((y + height / 2) / rows, (x + width / 2) / columns))


def crop_of(picture: Picture, each: MovingObject) -> tuple[Picture, NDArray[np.float32]]:
    """A square around an object, scaled to the crop's side, and the object's mask in it.

    Args:
        picture: (H, W, 3) uint8, of the detail.
        each: One of its objects.

    Returns:
        (S, S, 3) uint8 and (S, S) float32, 0 to 1.
    """
    (x, y, width, height), (rows, columns) = each.box, picture.shape[:2]
    scale = CROP_SIDE / (max(width, height, LEAST_CROP) * CROP_MARGIN)
    middle_x, middle_y = x + width / 2, y + height / 2
    onto = np.array(
        [[scale, 0, CROP_SIDE / 2 - middle_x * scale], [0, scale, CROP_SIDE / 2 - middle_y * scale]], np.float32
    )
    square = (CROP_SIDE, CROP_SIDE)
    crop = cv2.warpAffine(picture, onto, square, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    whole = np.zeros((rows, columns), np.float32)
    whole[y : y + height, x : x + width] = each.mask
    return crop.astype(np.uint8, copy=False), cv2.warpAffine(whole, onto, square).astype(np.float32, copy=False)


def feature_dimensions(channels: tuple[int, int, int]) -> int:
    """D: how many features an object has, given the channels of the backbone's maps."""
    return min(channels[0], 64)


class Architecture(Protocol):
    """The shape of a backbone's feature maps.

    Attributes:
        channels: Of each of its three maps.
    """

    @property
    def channels(self) -> tuple[int, int, int]:
        """Of each of its three maps."""


class FeatureNetwork(Protocol):
    """What motion needs of a backbone: `padim.Backbone` is one.

    Attributes:
        architecture: The shape of its maps.
        device: Where it computes.
    """

    @property
    def architecture(self) -> Architecture:
        """The shape of its maps."""

    @property
    def device(self) -> torch.device:
        """Where it computes."""

    def maps(self, pictures: Tensor, stages: int = 3) -> list[Tensor]:
        """Feature maps (B, C, h, w) of (B, H, W, 3) uint8 pictures, of the first `stages` stages."""


class ObjectFeatures:
    """The backbone's first stage, averaged over each object: texture and parts at a finer scale than the frame's.

    The square root tames the few strong activations, so that a Gaussian fits. Later stages tell kinds of things
    apart that all are normal (a man from a woman), which on normal footage is noise.

    Args:
        backbone: Which network.
    """

    def __init__(self, backbone: FeatureNetwork) -> None:
        self._backbone = backbone
        self.dimensions = feature_dimensions(backbone.architecture.channels)

    @torch.inference_mode()
    def of(self, crops: Sequence[tuple[Picture, NDArray[np.float32]]]) -> NDArray[np.float32]:
        """(N, D) features of N crops with their masks."""
        if not crops:
            return np.zeros((0, self.dimensions), np.float32)
        pictures = torch.from_numpy(np.stack([crop for crop, _ in crops]))
        masks = torch.from_numpy(np.stack([mask for _, mask in crops]))[:, None].to(self._backbone.device)
        features: Tensor = self._backbone.maps(pictures, stages=1)[0][:, : self.dimensions]  # (N, D, h, w)
        weights = F.adaptive_avg_pool2d(masks + LEAST_WEIGHT, (features.shape[2], features.shape[3]))
        pooled = (features * weights).sum((2, 3)) / weights.sum((2, 3))
        result: NDArray[np.float32] = pooled.clamp(min=0).sqrt().float().cpu().numpy()
        return result
