"""MVTec AD (Bergmann et al., CVPR 2019): still images of 15 categories of products and textures.

```
<category>/train/good/NNN.png
<category>/test/good/NNN.png
<category>/test/<defect>/NNN.png
<category>/ground_truth/<defect>/NNN_mask.png    or NNN.png
```

The root is the folder of the categories, or the folder of one category, whose name is then the category's. A folder
of categories must contain all 15, with 3,629 training and 1,725 test images, unless `DatasetOptions.categories` is
given. Further categories are accepted; the numbers of images are then not checked. Each category is a scene, and
each folder of test images a clip `<category>/<defect>`. Good images have empty masks; where they are not on disk,
their number is the official one, `GOOD_IMAGES`.
"""

from pathlib import Path

import numpy as np

from streammon.errors import DatasetError
from streammon.evaluation import paper_figures
from streammon.evaluation.datasets.assembly import assembled, assembled_truth, by_scene
from streammon.evaluation.datasets.checking import (
    COPY_AGAIN,
    INCOMPLETE,
    Defects,
    Extent,
    require_footage,
    require_mask_size,
)
from streammon.evaluation.datasets.listing import STILLS_FPS, entries, files_in, images_of, wrong_layout
from streammon.evaluation.datasets.masks import UNKNOWN_SIZE, EmptyMasks, ImageMasks, image_size
from streammon.evaluation.datasets.options import DatasetOptions
from streammon.evaluation.labelled import ClipTruth, Dataset, GroundTruth, LabelledClip
from streammon.ingest import Clip
from streammon.ingest.images import IMAGE_SUFFIXES, natural_key

CROP = 224  # of 256: PaDiM, section IV-B
CATEGORIES = sorted(paper_figures.CATEGORIES)
IMAGES = (3_629, 1_725)  # training and test images of all 15 categories
GOOD_IMAGES = {
    "bottle": 20,
    "cable": 58,
    "capsule": 23,
    "carpet": 28,
    "grid": 21,
    "hazelnut": 40,
    "leather": 32,
    "metal_nut": 22,
    "pill": 26,
    "screw": 41,
    "tile": 33,
    "toothbrush": 12,
    "transistor": 60,
    "wood": 19,
    "zipper": 32,
}
"""Good test images of each category: 467 of the 1,725."""


def load_mvtec(name: str, root: Path, options: DatasetOptions) -> Dataset:
    """Read and check MVTec AD.

    Args:
        name: `mvtec`, or `rd-mvtec` for the same images in random views.
        root: Folder of the categories, or of one category.
        options: Categories to load, and tolerance of defects.

    Raises:
        DatasetError: The data set is broken, has another layout, or is incomplete without `allow_partial`.
    """
    defects = Defects(options.allow_partial)
    training: list[tuple[str, Clip]] = []
    clips: list[LabelledClip] = []
    folders = _category_folders(root, options.categories, defects)
    for category, folder in folders.items():
        with defects.leaving_out("the category"):
            images = _stills(f"{category}/train/good", folder / "train" / "good")
            require_footage(images)
            clips += _test_clips(category, folder, defects)
            training.append((category, images))
    official = _official(folders, options, len(clips))
    return assembled(name, root, by_scene(training), clips, 0.0, defects, crop=CROP, official=official)


def load_mvtec_truth(name: str, root: Path, options: DatasetOptions) -> GroundTruth:
    """Read and check the masks of MVTec AD; no image need be there.

    Args:
        name: `mvtec` or `rd-mvtec`, whose labels and masks are the same.
        root: Folder of the categories, or of one category.
        options: Categories to load, and tolerance of defects.

    Raises:
        DatasetError: They are broken, of another layout, or incomplete without `allow_partial`.
    """
    defects = Defects(options.allow_partial)
    clips: list[ClipTruth] = []
    folders = _category_folders(root, options.categories, defects, "ground_truth")
    for category, folder in folders.items():
        with defects.leaving_out("the category"):
            clips += _truths(category, folder)
    return assembled_truth(name, root, clips, 0.0, defects, _official(folders, options, len(clips)))


def _official(folders: dict[str, Path], options: DatasetOptions, clips: int) -> Extent | None:
    """Official size of the whole data set with its `clips` folders of test images; None for a selection of it."""
    whole = set(folders) == set(CATEGORIES) and not options.categories
    return Extent(len(CATEGORIES), IMAGES[0], clips, IMAGES[1]) if whole else None


def _truths(category: str, folder: Path) -> list[ClipTruth]:
    """Truth of each defect from its masks, and of the good images from their number."""
    found = []
    for path in entries(folder / "ground_truth"):
        if path.is_dir():
            files = images_of(path)
            masks = ImageMasks(files, [image_size(file) for file in files])
            found.append(ClipTruth(f"{category}/{path.name}", category, np.ones(len(files), bool), masks))
    good = folder / "test" / "good"
    if not good.is_dir() and category not in GOOD_IMAGES:
        raise DatasetError(str(good), "no such folder, so the number of good images is unknown", COPY_AGAIN)
    count = len(images_of(good)) if good.is_dir() else GOOD_IMAGES[category]
    empty = EmptyMasks([UNKNOWN_SIZE] * count)
    return [*found, ClipTruth(f"{category}/good", category, np.zeros(count, bool), empty)]


def _category_folders(
    root: Path, wanted: tuple[str, ...], defects: Defects, part: str = "train/good"
) -> dict[str, Path]:
    """Folders of the categories to load, by name; each has the folder `part`."""
    if (root / part).is_dir():
        here = {root.resolve().name: root}
    else:
        here = {path.name: path for path in entries(root) if path.name in CATEGORIES or (path / part).is_dir()}
    if not here:
        raise wrong_layout(root, f"{part} and no <category>/{part}", "mvtec")
    if absent := [category for category in wanted if category not in here]:
        found = f"no category '{absent[0]}' in it, only {', '.join(here)}"
        raise DatasetError(str(root), found, "choose among those")
    if root in here.values() or wanted:
        return {category: here[category] for category in wanted or here}
    if absent := [category for category in CATEGORIES if category not in here]:
        found = f"{len(CATEGORIES) - len(absent)} of {len(CATEGORIES)} categories; without {', '.join(absent)}"
        defects.record(DatasetError(str(root), found, f"{INCOMPLETE}, or name the categories you want"))
    return here


def _test_clips(category: str, folder: Path, defects: Defects) -> list[LabelledClip]:
    kinds = [path.name for path in entries(folder / "test") if path.is_dir()]
    if "good" not in kinds:
        defects.record(DatasetError(str(folder / "test"), "no good images in it", COPY_AGAIN))
    truth = folder / "ground_truth"
    for path in entries(truth):
        if path.is_dir() and path.name not in kinds:
            defects.record(DatasetError(str(path), f"masks of missing images (test/{path.name})", COPY_AGAIN))
    found: list[LabelledClip] = []
    for defect in kinds:
        with defects.leaving_out():
            found.append(_labelled_clip(category, folder, defect))
    return found


def _labelled_clip(category: str, folder: Path, defect: str) -> LabelledClip:
    clip = _stills(f"{category}/{defect}", folder / "test" / defect)
    require_footage(clip)
    sizes = [image_size(image) for image in clip.images]
    masks = EmptyMasks(sizes) if defect == "good" else _masks(clip, folder / "ground_truth" / defect, sizes)
    return LabelledClip(clip.name, category, clip, np.full(len(sizes), defect != "good"), masks)


def _stills(name: str, folder: Path) -> Clip:
    return Clip(name, folder, images_of(folder), STILLS_FPS)


def _masks(clip: Clip, folder: Path, sizes: list[tuple[int, int]]) -> ImageMasks:
    """Masks of the images of one kind of defect, checked to have the images' sizes."""
    files = {stem.removesuffix("_mask"): path for stem, path in files_in(folder, *IMAGE_SUFFIXES).items()}
    for image, size in zip(clip.images, sizes, strict=True):
        if image.stem not in files:
            raise DatasetError(str(image), f"no mask for it ({folder / image.stem}_mask.png)", COPY_AGAIN)
        require_mask_size(files[image.stem], image_size(files[image.stem]), size)
    if strays := files.keys() - {image.stem for image in clip.images}:
        stray = min(strays, key=natural_key)
        raise DatasetError(str(files[stray]), f"the mask of a missing image ({clip.path / stray})", COPY_AGAIN)
    return ImageMasks(tuple(files[image.stem] for image in clip.images), sizes)
