"""Anomaly maps of any method, `maps/<clip>.npy` of shape (T, H, W), beside the masks of the data set.

Maps may be of any size and any range. Masks are sampled to the size of the maps, by nearest neighbour at pixel
centres, and the lowest value of all maps is subtracted, which changes no figure.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from streammon.errors import DatasetError
from streammon.evaluation.datasets.arrays import npy_array
from streammon.evaluation.datasets.checking import COPY_AGAIN, Defects
from streammon.evaluation.labelled import ClipTruth, GroundTruth, Mask, TrackedBoxes
from streammon.evaluation.referee.files import MAPS, files_in_folder, matched
from streammon.records import AnomalyMap

if TYPE_CHECKING:  # its package loads torch
    from streammon.evaluation.methods import Progress

NOISE_CELL = 4  # pixels of a cell of the random maps, as of the grids of streammon's own methods
NOISE_SIGMA = 4.0  # pixels of their blur
MOST = float(np.finfo(np.float32).max)


@dataclass(frozen=True, eq=False)
class ScoreMaps:
    """Anomaly maps of one method.

    Attributes:
        clips: Clips with masks and maps, in the data set's order.
        is_still: True for a data set of still images.
        files: File of each clip's maps, by clip name.
        lowest: Lowest value of all maps.
    """

    clips: Sequence[ClipTruth]
    is_still: bool
    files: dict[str, Path]
    lowest: float

    @property
    def localises(self) -> bool:
        """True: there are maps."""
        return True

    def maps(self, clip: ClipTruth) -> Iterator[AnomalyMap]:
        """The (H, W) maps of a clip's frames, read one at a time."""
        array = npy_array(self.files[clip.name])
        for index in range(len(array)):
            yield (array[index].astype(np.float64) - self.lowest).astype(np.float32)

    def masks(self, clip: ClipTruth) -> Iterator[Mask]:
        """The (H, W) masks of a clip's frames at the size of its maps; all False for normal frames.

        Raises:
            DatasetError: A mask can't be read.
        """
        height, width = self.size(clip)
        empty = np.zeros((height, width), dtype=np.bool_)
        assert clip.masks is not None
        for index, abnormal in enumerate(clip.labels):
            yield _resized(clip.masks[index], width, height) if abnormal else empty

    def tracks(self, clip: ClipTruth) -> Iterator[TrackedBoxes]:
        """Boxes of the published tracks in the (H, W) maps of a clip's frames.

        Raises:
            DatasetError: The boxes of a frame can't be read.
        """
        assert clip.tracks is not None
        height, width = self.size(clip)
        scale = np.array([width, height, width, height]) / np.array(2 * clip.tracks.size)
        for index in range(len(clip.labels)):
            boxes, tracks = clip.tracks[index]
            yield boxes * scale, tracks

    def size(self, clip: ClipTruth) -> tuple[int, int]:
        """Height and width of a clip's maps."""
        _, height, width = npy_array(self.files[clip.name]).shape
        return height, width

    def null(self, constant: bool) -> "NullMaps":
        """Null control of the maps: constant or random ones."""
        return NullMaps(self, constant)


@dataclass(frozen=True, eq=False)
class NullMaps:
    """Null control: maps of ones, or seeded random maps of a quarter of the resolution, enlarged and blurred.

    Attributes:
        of: Maps whose sizes and masks the null control has.
        constant: Maps of ones instead of random maps.
    """

    of: ScoreMaps
    constant: bool

    def maps(self, clip: ClipTruth) -> Iterator[AnomalyMap]:
        """(H, W) maps, one for each frame of the clip."""
        height, width = self.of.size(clip)
        generator = np.random.default_rng(0)
        for _ in clip.labels:
            if self.constant:
                yield np.ones((height, width), dtype=np.float32)
                continue
            grid = generator.random((-(-height // NOISE_CELL), -(-width // NOISE_CELL)), dtype=np.float32)
            enlarged = cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
            blurred = cv2.GaussianBlur(enlarged, (0, 0), NOISE_SIGMA)
            yield cast(AnomalyMap, np.maximum(blurred, 0))  # cubic interpolation undershoots 0

    def masks(self, clip: ClipTruth) -> Iterator[Mask]:
        """The masks of the maps that the null control stands beside."""
        return self.of.masks(clip)

    def tracks(self, clip: ClipTruth) -> Iterator[TrackedBoxes]:
        """The published tracks, as of the maps that the null control stands beside."""
        return self.of.tracks(clip)


def load_maps(folder: Path, truth: GroundTruth, defects: Defects, progress: "Progress") -> ScoreMaps | None:
    """Read and check the maps of all clips that have masks; None if there is no folder `maps` or there are no masks.

    Args:
        folder: Folder of the scores.
        truth: Ground truth of the data set.
        defects: Receives missing and damaged maps.
        progress: Called after each clip.

    Raises:
        DatasetError: No maps can be read or, without `allow_partial`, some are missing or wrong.
    """
    place = folder / MAPS
    masked = [clip for clip in truth.clips if clip.masks is not None]
    if not place.is_dir() or not masked:
        return None
    names, needed = [clip.name for clip in truth.clips], {clip.name for clip in masked}
    named = files_in_folder(place, [".npy"], nested=any("/" in name for name in names))
    files = {clip: path for clip, (_, path) in matched(place, named, truth.name, names, defects, needed).of.items()}
    lowest, sound = np.inf, []
    for number, clip in enumerate(masked, 1):
        if clip.name in files:
            with defects.leaving_out("the file"):
                lowest = min(lowest, _lowest(files[clip.name], clip))
                sound.append(clip)
        progress("checking maps", number, len(masked))
    if not sound:
        raise DatasetError(str(place), "no maps that can be read", "repair: " + "; ".join(defects.messages[:3]))
    return ScoreMaps(tuple(sound), truth.is_still, files, float(lowest))


def _lowest(path: Path, clip: ClipTruth) -> float:
    """Lowest value of the maps of one file.

    Raises:
        DatasetError: The file has no finite (T, H, W) maps.
    """
    array = npy_array(path)
    if array.ndim != 3 or array.dtype.kind not in "buif" or 0 in array.shape:
        found = f"an array of shape {array.shape} of {array.dtype}; maps are (T, H, W) of numbers"
        raise DatasetError(str(path), found, COPY_AGAIN)
    if len(array) != len(clip.labels):
        found = f"{len(array)} maps for the {len(clip.labels)} frames of clip '{clip.name}'"
        raise DatasetError(str(path), found, "give each frame one map")
    lowest = np.inf
    for index in range(len(array)):
        values: NDArray[np.float64] = array[index].astype(np.float64)
        if not (np.abs(values) < MOST / 2).all():  # nan compares as False
            found = f"the map of frame {index} of clip '{clip.name}' has a value that is not finite"
            raise DatasetError(str(path), found, "give finite maps")
        lowest = min(lowest, float(values.min()))
    return lowest


def _resized(mask: Mask, width: int, height: int) -> Mask:
    if mask.shape == (height, width):
        return mask
    resized = cv2.resize(mask.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
    return cast(Mask, resized != 0)
