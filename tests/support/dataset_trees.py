"""Small labelled data sets in the layouts in which the real ones are handed out, with known events in them.

A picture is a textured wall with a pale figure walking by, or real footage; an event is a chequered block that drifts
through it. Each builder returns what it put where, so that a test knows the truth without reading the files.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import count
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.io import savemat

from streammon.records import Picture

Masks = NDArray[np.bool_]


@dataclass(frozen=True)
class Event:
    """What was injected into a test clip.

    Attributes:
        clip: The clip.
        first: Its first abnormal frame, from 0.
        boxes: Left, top, width and height of the block in that frame and the following ones.
    """

    clip: str
    first: int
    boxes: tuple[tuple[int, int, int, int], ...]


@dataclass(frozen=True)
class Tree:
    """A data set on disk.

    Attributes:
        root: Its folder.
        training: Number of frames of each training clip by its path.
        masks: (T, H, W) truth of each test clip by its name.
        events: One for each test clip with an event.
        boxes: Frame from 0, track, left, top, right and bottom of each published box, by the test clip's name.
    """

    root: Path
    training: dict[Path, int] = field(default_factory=dict)
    masks: dict[str, Masks] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    boxes: dict[str, list[tuple[int, int, int, int, int, int]]] = field(default_factory=dict)

    def labels(self, clip: str) -> NDArray[np.bool_]:
        """(T,) of a test clip."""
        return np.asarray(self.masks[clip].any(axis=(1, 2)))


def wall(seed: int, size: tuple[int, int] = (96, 64)) -> Iterator[Picture]:
    """Endless pictures (H, W, 3) of one camera: a blurred texture, a pale figure walking by, a little noise."""
    width, height = size
    generator = np.random.default_rng(seed)
    texture = cv2.resize(generator.integers(40, 150, (height // 8, width // 8, 3), dtype=np.uint8), size)
    for number in count():
        picture = texture.astype(np.int16) + generator.integers(-3, 4, texture.shape)
        left, wide = number * 2 % width, max(width // 16, 2)
        picture[height // 2 : height - height // 8, left : left + wide] = (190, 180, 170)
        yield picture.clip(0, 255).astype(np.uint8)


def block(width: int, height: int, seed: int = 0) -> Picture:
    """(H, W, 3) a chequered block in colours that no scene has."""
    generator = np.random.default_rng(seed)
    squares = (np.indices((height, width)) // max(min(width, height) // 4, 1)).sum(axis=0) % 2
    colours = np.array([[255, 30, 200], [20, 255, 60]], np.int16) - generator.integers(0, 20, (2, 3))
    picture: Picture = colours.clip(0, 255).astype(np.uint8)[squares]
    return picture


def inject(clip: str, pictures: list[Picture], first: int, frames: int, seed: int = 0) -> tuple[Event, Masks]:
    """Paste a drifting block into some of the pictures, in place.

    Returns:
        The event, and the truth (T, H, W).
    """
    height, width, _ = pictures[0].shape
    side, left, top = height // 4, width // 4, height // 4 + seed % (height // 4)
    masks, boxes = np.zeros((len(pictures), height, width), bool), []
    for index in range(first, first + frames):
        x = min(left + (index - first), width - side)
        pictures[index][top : top + side, x : x + side] = block(side, side, seed)
        masks[index, top : top + side, x : x + side] = True
        boxes.append((x, top, side, side))
    return Event(clip, first, tuple(boxes)), masks


def encode_video(path: Path, pictures: list[Picture], fps: int = 24, codec: str = "mpeg4") -> Path:
    """A video file; MPEG-4 bears the tag XVID, as the training clips of STC do."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps)
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.bit_rate = 4_000_000
        if codec == "mpeg4":
            stream.codec_context.codec_tag = "XVID"
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def write_images(folder: Path, pictures: list[Picture], name: str = "{:03}.jpg", first: int = 0) -> Path:
    """A folder of numbered images."""
    folder.mkdir(parents=True)
    for number, picture in enumerate(pictures, first):
        assert cv2.imwrite(str(folder / name.format(number)), picture[..., ::-1])
    return folder


def write_masks(folder: Path, masks: Masks, name: str, first: int = 0) -> Path:
    """A folder of numbered mask images, 0 and 255."""
    folder.mkdir(parents=True)
    for number, mask in enumerate(masks, first):
        assert cv2.imwrite(str(folder / name.format(number)), mask.astype(np.uint8) * 255)
    return folder


def _take(footage: Iterator[Picture], frames: int, size: tuple[int, int]) -> list[Picture]:
    resized = (cv2.resize(next(footage), size, interpolation=cv2.INTER_AREA) for _ in range(frames))
    return [np.ascontiguousarray(picture).astype(np.uint8) for picture in resized]


def stc_tree(
    root: Path,
    footage: Mapping[str, Iterator[Picture]] | None = None,
    *,
    training_clips: int = 2,
    training_frames: int = 12,
    test_clips: int = 2,
    test_frames: int = 9,
    size: tuple[int, int] = (96, 64),
    pixel_masks: bool = True,
) -> Tree:
    """ShanghaiTech Campus: XVID training videos, test clips as folders of frames and the last one as a video.

    Args:
        root: Where it goes.
        footage: Pictures (H, W, 3) of each scene, named `01`, `02`, …; two painted scenes without it.
        training_clips: Clips of each scene, taken from the footage one after the other.
        training_frames: Frames of each.
        test_clips: Clips of each scene, taken after those. The middle third of each is abnormal.
        test_frames: Frames of each.
        size: Width and height of the pictures, both even.
        pixel_masks: Whether there are masks.
    """
    footage = footage or {"01": wall(1, size), "02": wall(2, size)}
    tree = Tree(root)
    for scene, pictures in footage.items():
        for number in range(1, training_clips + 1):
            path = root / "training" / "videos" / f"{scene}_{number:03}.avi"
            tree.training[encode_video(path, _take(pictures, training_frames, size))] = training_frames
    names = [f"{scene}_{number:04}" for scene in footage for number in range(1, test_clips + 1)]
    for folder in ("test_frame_mask", "test_pixel_mask")[: 1 + pixel_masks]:
        (root / "testing" / folder).mkdir(parents=True)
    for seed, name in enumerate(names):
        clip = _take(footage[name[:2]], test_frames, size)
        event, tree.masks[name] = inject(name, clip, test_frames // 3, max(test_frames // 3, 1), seed)
        tree.events.append(event)
        if name == names[-1]:
            encode_video(root / "testing" / "videos" / f"{name}.avi", clip)
        else:
            write_images(root / "testing" / "frames" / name, clip)
        np.save(root / "testing" / "test_frame_mask" / f"{name}.npy", tree.labels(name).astype(np.uint8))
        if pixel_masks:
            np.save(root / "testing" / "test_pixel_mask" / f"{name}.npy", tree.masks[name].astype(np.uint8))
    return tree


def ucsd_tree(root: Path, name: str = "ped2", *, official: bool = True, clips: int = 2, frames: int = 9) -> Tree:
    """UCSD Ped1 or Ped2, in the official layout or the common one; of Ped1, only the second clip has masks."""
    tree, pictures = Tree(root), wall(3, (72, 48))
    for number in range(1, clips + 1):
        training = _take(pictures, frames, (72, 48))
        folder = root / (f"Train/Train{number:03}" if official else f"training/frames/{number:02}")
        tree.training[write_images(folder, training, *(("{:03}.tif", 1) if official else ()))] = frames
    spans = []
    for number in range(1, clips + 1):
        clip, test = f"Test{number:03}" if official else f"{number:02}", _take(pictures, frames, (72, 48))
        event, masks = inject(clip, test, number, 3, number)
        tree.events.append(event)
        tree.masks[clip] = masks
        spans.append((event.first + 1, event.first + 3))
        if official:
            write_images(root / "Test" / clip, test, "{:03}.tif", 1)
        else:
            write_images(root / "testing" / "frames" / clip, test)
        if name == "ped2" or number == 2:
            folder = root / (f"Test/{clip}_gt" if official else f"testing/pixel_mask/{clip}")
            write_masks(folder, masks, *(("{:03}.bmp", 1) if official else ("{:03}.png",)))
    if official:
        lines = [f"TestVideoFile{{end+1}}.gt_frame = [{first}:{last}];" for first, last in spans]
        (root / "Test" / f"UCSD{name}.m").write_text("\n".join(["TestVideoFile = {};", *lines]) + "\n")
    else:
        savemat(root / f"{name}.mat", {"gt": cell_array([np.array(span, np.uint8)[:, None] for span in spans])})
    return tree


def cell_array(cells: list[NDArray[np.uint8]]) -> NDArray[np.object_]:
    """(1, N) as MATLAB keeps a cell array."""
    array = np.empty((1, len(cells)), object)
    for index, cell in enumerate(cells):
        array[0, index] = cell
    return array


def avenue_tree(root: Path, *, videos: bool = True, clips: int = 2, frames: int = 9) -> Tree:
    """CUHK Avenue, with videos or with folders of frames."""
    tree, pictures, size = Tree(root), wall(4, (80, 48)), (80, 48)

    def write(side: str, name: str, clip: list[Picture]) -> Path:
        if videos:
            return encode_video(root / f"{side}_videos" / f"{name}.avi", clip, 25)
        return write_images(root / side / "frames" / name, clip, "{:04}.jpg")

    truth = root / "ground_truth_demo" / "testing_label_mask"
    truth.mkdir(parents=True)
    for number in range(1, clips + 1):
        tree.training[write("training", f"{number:02}", _take(pictures, frames, size))] = frames
        clip, test = f"{number:02}", _take(pictures, frames, size)
        event, masks = inject(clip, test, number, 4, number)
        tree.events.append(event)
        tree.masks[clip] = masks
        write("testing", clip, test)
        savemat(truth / f"{number}_label.mat", {"volLabel": cell_array(list(masks.astype(np.uint8)))})
    return tree


def mvtec_category(root: Path, *, training: int = 3, good: int = 2, defective: int = 2, seed: int = 5) -> Tree:
    """One category of MVTec AD: `root` is its folder, `block` the only defect; one training image is larger."""
    tree, pictures, size = Tree(root), wall(seed, (64, 64)), (64, 64)
    stills = _take(pictures, training, size)
    stills[-1] = cv2.resize(stills[-1], (64, 70)).astype(np.uint8)
    tree.training[write_images(root / "train" / "good", stills, "{:03}.png")] = training
    write_images(root / "test" / "good", _take(pictures, good, size), "{:03}.png")
    tree.masks[f"{root.name}/good"] = np.zeros((good, 64, 64), bool)
    broken = _take(pictures, defective, size)
    _, masks = inject("block", broken, 0, defective, seed)
    tree.masks[f"{root.name}/block"] = masks
    write_images(root / "test" / "block", broken, "{:03}.png")
    write_masks(root / "ground_truth" / "block", masks, "{:03}_mask.png")
    return tree


def folder_tree(root: Path, *, scenes: tuple[str, ...] = (), frames: int = 9) -> Tree:
    """The layout for anything: a clip as a video with `.npy` truth, another as images with text and mask images."""
    tree, size = Tree(root), (64, 48)
    for number, scene in enumerate(scenes or ("",)):
        pictures = wall(6 + number, size)
        encode_video(root / "train" / scene / "day.mp4", _take(pictures, frames, size), 25, "libx264")
        tree.training[root / "train" / scene / "day.mp4"] = frames
        for folder in ("labels", "masks"):
            (root / folder / scene).mkdir(parents=True)
        for clip in ("noon", "night"):
            name = f"{scene}/{clip}".lstrip("/")
            test = _take(pictures, frames, size)
            event, tree.masks[name] = inject(name, test, 2, 3)
            tree.events.append(event)
            labels = tree.labels(name)
            if clip == "noon":
                encode_video(root / "test" / f"{name}.mp4", test, 25, "libx264")
                np.save(root / "labels" / f"{name}.npy", labels)
                np.save(root / "masks" / f"{name}.npy", tree.masks[name])
            else:
                write_images(root / "test" / name, test, "{}.png")
                (root / "labels" / f"{name}.txt").write_text("".join(f"{label:d}\n" for label in labels))
                write_masks(root / "masks" / name, tree.masks[name], "{}.png")
    return tree
