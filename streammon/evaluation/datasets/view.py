"""Resize, rotation and crop from pictures, and masks with them, to the model's input."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from streammon.evaluation.labelled import Mask
from streammon.ingest import Clip
from streammon.records import Frame, Picture

ROTATION_DEGREES = 10.0  # PaDiM, section IV-A: Rd-MVTec


@dataclass(frozen=True)
class View:
    """Resize, rotation and crop of pictures and masks.

    Without a seed a picture is resized to `size` x `size` as for live cameras and cropped to its centre of `crop` x
    `crop`.

    With a seed, as for Rd-MVTec (PaDiM, arXiv:2011.08785, section IV-A), a picture is rotated about its centre by a
    random angle within ±10°, with black corners, then resized, then cropped at a random position. Angle and position
    depend only on the seed and the names of clip and image: they are equal in every run, and for picture and mask.

    Attributes:
        size: Side of the resized picture, in pixels.
        crop: Side of the crop, in pixels; None for no crop.
        seed: Random seed of rotation and crop; None for no rotation and a centre crop.

    Raises:
        ValueError: `crop` is larger than `size`, or less than 1.
    """

    size: int = 256
    crop: int | None = None
    seed: int | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.side <= self.size:
            raise ValueError(f"a crop of {self.crop} from {self.size}")

    @property
    def side(self) -> int:
        """S, the side of the model's input."""
        return self.size if self.crop is None else self.crop

    def frames(self, clip: Clip, every: int = 1, detail: bool = False, fps: float | None = None) -> Iterator[Frame]:
        """Frames of a clip with (S, S, 3) pictures: the first of each `every`, and at most `fps` of them a second.

        Frame `seq` is frame `seq * every` of the clip. With `detail` each frame carries its `Detail`, if the view
        neither crops nor rotates: a detail shows the whole picture, so more than a cropped model's input.

        Raises:
            FootageError: A file can't be read as video or picture.
            ValueError: `every` is below 1.
        """
        if self.seed is None:
            margin = (self.size - self.side) // 2  # as in `padim.as_batch`
            for frame in clip.frames(self.size, every, detail and self.side == self.size, fps):
                yield replace(frame, picture=self._cut(frame.picture, margin, margin))
            return
        for frame in clip.frames(None, every, fps=fps):
            angle, top, left = self._draw(clip, frame.seq * every)
            resized = _resized(_rotated(frame.picture, angle, cv2.INTER_LINEAR), self.size)
            yield replace(frame, picture=self._cut(resized, top, left))

    def mask(self, clip: Clip, index: int, mask: Mask) -> Mask:
        """(S, S) mask of the model's input from the (H, W) mask of the clip's frame `index`, by nearest neighbour.

        Sampling is at pixel centres, so that mask and picture stay aligned.
        """
        pixels = mask.astype(np.uint8)
        top = left = (self.size - self.side) // 2
        if self.seed is not None:
            angle, top, left = self._draw(clip, index)
            pixels = _rotated(pixels, angle, cv2.INTER_NEAREST)
        resized = cv2.resize(pixels, (self.size, self.size), interpolation=cv2.INTER_NEAREST_EXACT)
        return cast(Mask, self._cut(cast(Picture, resized), top, left) != 0)

    def boxes(self, boxes: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.float64]:
        """Boxes in the model's input from (N, 4) boxes in a picture of `size` (width, height), without a seed."""
        assert self.seed is None
        width, height = size
        margin = (self.size - self.side) // 2
        return boxes * (self.size / np.array([width, height, width, height])) - margin

    def _draw(self, clip: Clip, index: int) -> tuple[float, int, int]:
        """Random angle in degrees, counter-clockwise, and random top and left of the crop."""
        image = clip.images[index].name if clip.images else str(index)
        key = hashlib.sha256(f"{clip.name}/{image}".encode()).digest()
        generator = np.random.default_rng([cast(int, self.seed), *key])
        angle = generator.uniform(-ROTATION_DEGREES, ROTATION_DEGREES)
        top, left = generator.integers(0, self.size - self.side, size=2, endpoint=True)
        return float(angle), int(top), int(left)

    def _cut(self, picture: Picture, top: int, left: int) -> Picture:
        return picture[top : top + self.side, left : left + self.side]


def _rotated(picture: Picture, angle: float, interpolation: int) -> Picture:
    """The picture rotated about its centre, at its own resolution; pixels from outside are 0."""
    height, width = picture.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), angle, 1.0)
    rotated = cv2.warpAffine(picture, matrix, (width, height), flags=interpolation)
    return cast(Picture, rotated)


def _resized(picture: Picture, size: int) -> Picture:
    """The picture resized by bicubic interpolation with antialiasing.

    On a photograph of 512x512 the result is within 2 of 255 of FFmpeg's bicubic scaler, which resizes all other
    pictures. OpenCV's bicubic interpolation has no antialiasing and differs by up to 7.
    """
    import torch  # here because it takes seconds to load and only random views need it
    from torch.nn import functional as F

    channels_first = torch.from_numpy(picture).permute(2, 0, 1)[None]  # (1, 3, H, W)
    resized = F.interpolate(channels_first, size=(size, size), mode="bicubic", antialias=True)
    return cast(Picture, resized[0].permute(1, 2, 0).contiguous().numpy())
