"""Lists the clips and files of a folder, and detects the layout of a data set."""

from pathlib import Path

from streammon.errors import DatasetError
from streammon.evaluation.datasets.checking import COPY_AGAIN, Defects
from streammon.ingest import Clip
from streammon.ingest.faults import StreamFault, call_translated
from streammon.ingest.images import images_in, natural_key
from streammon.ingest.listing import VIDEO_SUFFIXES

STILLS_FPS = 1.0  # still images have no time: an image's time is its number
CHECK_ROOT = "give the folder of the unpacked data set"


def entries(folder: Path) -> list[Path]:
    """Entries of a folder in natural order, without hidden files.

    Raises:
        DatasetError: The folder doesn't exist or can't be read.
    """
    if folder.is_file():
        raise DatasetError(str(folder), "a file, not a folder", CHECK_ROOT)
    try:
        found = call_translated(lambda: list(folder.iterdir()))
    except StreamFault as fault:
        raise DatasetError(str(folder), f"it can't be read as a folder ({fault.reason})", CHECK_ROOT) from None
    return sorted((path for path in found if path.name[0] != "."), key=lambda path: natural_key(path.name))


def images_of(folder: Path) -> tuple[Path, ...]:
    """Images directly in a folder, in natural order.

    Raises:
        DatasetError: The folder has no images or can't be read.
    """
    try:
        images = images_in(folder)
    except StreamFault as fault:
        raise DatasetError(str(folder), f"it can't be read as a folder ({fault.reason})", COPY_AGAIN) from None
    if not images:
        raise DatasetError(str(folder), "no images in the folder", COPY_AGAIN)
    return images


def is_video(path: Path) -> bool:
    """True for a file with the suffix of a video."""
    return path.suffix.lower() in VIDEO_SUFFIXES and path.is_file()


def footage_in(folder: Path, fps: float, defects: Defects, prefix: str = "") -> dict[str, Clip]:
    """Clips directly in a folder, by name in natural order: videos, folders of images and folders of one video.

    Other files are ignored, and so are folders that end in `_gt`, which hold ground truth in UCSD's layout.

    Args:
        folder: Folder to list.
        fps: Frames a second of folders of images.
        defects: Receives folders without images as defects.
        prefix: Prefix of each clip name.

    Raises:
        DatasetError: There is no clip, two clips have the same name, or a folder is empty without `allow_partial`.
    """
    found: dict[str, Clip] = {}
    for entry in entries(folder):
        if not is_video(entry) and (not entry.is_dir() or entry.name.endswith("_gt")):
            continue
        name = prefix + (entry.name if entry.is_dir() else entry.stem)
        if name in found:
            raise DatasetError(str(entry), f"a second clip named '{name}'", f"keep it or {found[name].path}")
        with defects.leaving_out():
            found[name] = _clip(name, entry, fps)
    if not found:
        raise DatasetError(str(folder), "no videos and no folders of images in it", CHECK_ROOT)
    return found


def _clip(name: str, entry: Path, fps: float) -> Clip:
    if not entry.is_dir():
        return Clip(name, entry, (), fps)
    videos = [path for path in entries(entry) if is_video(path)]
    return Clip(name, videos[0], (), fps) if len(videos) == 1 else Clip(name, entry, images_of(entry), fps)


def files_in(folder: Path, *suffixes: str) -> dict[str, Path]:
    """Files with one of the suffixes directly in a folder, by name without the suffix, in natural order.

    Raises:
        DatasetError: The folder doesn't exist or can't be read, or two files have the same name.
    """
    found: dict[str, Path] = {}
    for entry in entries(folder):
        if entry.suffix.lower() in suffixes and entry.is_file():
            if entry.stem in found:
                raise DatasetError(str(entry), f"a second file named '{entry.stem}'", "keep one of them")
            found[entry.stem] = entry
    return found


def has_folder(root: Path, *paths: str) -> bool:
    """True if all folders exist in `root`."""
    return all((root / path).is_dir() for path in paths)


def layout_of(root: Path) -> str | None:
    """Name of the data set whose layout a folder seems to have; None if it is unknown."""
    if (root / "train" / "good").is_dir() or any(root.glob("*/train/good")):
        return "mvtec"
    if (root / "ground_truth_demo").is_dir() or has_folder(root, "training_videos", "testing_videos"):
        return "avenue"
    for name in ("ped1", "ped2"):
        official = has_folder(root, "Train", "Test") and (root / "Test" / f"UCSD{name}.m").exists()
        common = (root / f"{name}.mat").exists() and has_folder(root, "testing/frames")
        if official or common or (root / f"UCSD{name}").is_dir():
            return name
    if has_folder(root, "videos/Train", "videos/Test"):
        return "nwpu"
    if (root / "Train_IITB_Corridor").is_dir() or (root / "Test_IITB-Corridor").is_dir():
        return "corridor"
    if (root / "Scene1").is_dir():
        return "ubnormal"
    if has_folder(root, "Train", "Test") and any((root / "Test").glob("**/*_gt.txt")):
        return "street-scene"
    if has_folder(root, "Train", "Test") or has_folder(root, "testing/pixel_mask"):
        return "ped2"
    if has_folder(root, "testing/test_frame_mask") or has_folder(root, "training/videos", "testing"):
        return "stc"
    return "folder" if has_folder(root, "train", "labels") else None


def wrong_layout(root: Path, lacking: str, name: str) -> DatasetError:
    """Error for a folder that lacks a part of the data set `name`, with the layout that was detected instead."""
    found = f"no {lacking} in it"
    if (like := layout_of(root)) not in (None, name):
        return DatasetError(str(root), f"{found}; this looks like {like}", f"ask for --dataset {like}")
    for folder in entries(root):
        if folder.is_dir() and layout_of(folder) == name:
            return DatasetError(str(root), f"{found}; {folder} looks like {name}", "give that folder")
    return DatasetError(str(root), found, CHECK_ROOT)


def required(root: Path, name: str, *choices: str) -> Path:
    """The first of the folders that exists and is not empty, or, if all are empty, the first that exists.

    Raises:
        DatasetError: None of the folders exists.
    """
    there = [root / choice for choice in choices if (root / choice).is_dir()]
    if not there:
        raise wrong_layout(root, " and no ".join(choices), name)
    return next(filter(entries, there), there[0])
