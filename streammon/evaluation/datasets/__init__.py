"""Loaders of the known data sets: each checks the layout and returns a `Dataset`."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from streammon.errors import DatasetError
from streammon.evaluation.datasets.avenue import load_avenue
from streammon.evaluation.datasets.checking import require_frame_count
from streammon.evaluation.datasets.corridor import load_corridor
from streammon.evaluation.datasets.folder import load_folder
from streammon.evaluation.datasets.listing import entries
from streammon.evaluation.datasets.mvtec import load_mvtec
from streammon.evaluation.datasets.nwpu import load_nwpu
from streammon.evaluation.datasets.options import DatasetOptions
from streammon.evaluation.datasets.stc import load_stc
from streammon.evaluation.datasets.stc_weakly import load_stc_weakly
from streammon.evaluation.datasets.street_scene import load_complexvad, load_street_scene
from streammon.evaluation.datasets.ubnormal import load_ubnormal
from streammon.evaluation.datasets.ucsd import load_ped1, load_ped2
from streammon.evaluation.datasets.view import View
from streammon.evaluation.labelled import Dataset

__all__ = [
    "DATASETS",
    "DatasetOptions",
    "View",
    "load_dataset",
    "require_frame_count",
]

_LOADERS: dict[str, Callable[[Path, DatasetOptions], Dataset]] = {
    "stc": load_stc,
    "stc-weakly": load_stc_weakly,
    "ped1": load_ped1,
    "ped2": load_ped2,
    "avenue": load_avenue,
    "nwpu": load_nwpu,
    "street-scene": load_street_scene,
    "complexvad": load_complexvad,
    "corridor": load_corridor,
    "ubnormal": load_ubnormal,
    "mvtec": partial(load_mvtec, "mvtec"),
    "rd-mvtec": partial(load_mvtec, "rd-mvtec"),
    "folder": load_folder,
}

DATASETS = tuple(_LOADERS)


def load_dataset(name: str, root: Path, options: DatasetOptions) -> Dataset:
    """Read and check a labelled data set.

    Loading counts the frames and decodes at most the first frame of each clip. The number of decoded frames is
    checked when a clip is scored (`require_frame_count`).

    Args:
        name: One of `DATASETS`.
        root: Folder of the data set.
        options: Tolerance of defects, and the categories to load.

    Raises:
        DatasetError: The data set is broken, has another layout, or is incomplete without `allow_partial`.
    """
    if name not in _LOADERS:
        raise DatasetError(name, "no such data set", f"choose one of {', '.join(DATASETS)}")
    if options.categories and not name.endswith("mvtec"):
        raise DatasetError(name, "it has no categories", "choose categories of mvtec or rd-mvtec only")
    if not entries(root):
        raise DatasetError(str(root), "an empty folder", "give the folder that holds the data set")
    return _LOADERS[name](root, options)
