"""Loaders of the known data sets: each checks the layout and returns a `Dataset`, or its `GroundTruth` alone."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from streammon.errors import DatasetError
from streammon.evaluation.datasets.avenue import load_avenue, load_avenue_truth
from streammon.evaluation.datasets.checking import require_frame_count
from streammon.evaluation.datasets.corridor import load_corridor, load_corridor_truth
from streammon.evaluation.datasets.folder import load_folder, load_folder_truth
from streammon.evaluation.datasets.listing import entries
from streammon.evaluation.datasets.mvtec import load_mvtec, load_mvtec_truth
from streammon.evaluation.datasets.nwpu import load_nwpu, load_nwpu_truth
from streammon.evaluation.datasets.options import DatasetOptions
from streammon.evaluation.datasets.stc import load_stc, load_stc_truth
from streammon.evaluation.datasets.stc_weakly import load_stc_weakly, load_stc_weakly_truth
from streammon.evaluation.datasets.street_scene import COMPLEXVAD, STREET_SCENE, load_tracked, load_tracked_truth
from streammon.evaluation.datasets.ubnormal import load_ubnormal, load_ubnormal_truth
from streammon.evaluation.datasets.ucsd import PED1, PED2, load_ucsd, load_ucsd_truth
from streammon.evaluation.datasets.view import View
from streammon.evaluation.labelled import Dataset, GroundTruth

__all__ = [
    "DATASETS",
    "DatasetOptions",
    "View",
    "load_dataset",
    "load_truth",
    "require_frame_count",
]

Loaded = TypeVar("Loaded")
Loader = Callable[[Path, DatasetOptions], Loaded]

_LOADERS: dict[str, tuple[Loader[Dataset], Loader[GroundTruth]]] = {
    "stc": (load_stc, load_stc_truth),
    "stc-weakly": (load_stc_weakly, load_stc_weakly_truth),
    "ped1": (partial(load_ucsd, PED1), partial(load_ucsd_truth, PED1)),
    "ped2": (partial(load_ucsd, PED2), partial(load_ucsd_truth, PED2)),
    "avenue": (load_avenue, load_avenue_truth),
    "nwpu": (load_nwpu, load_nwpu_truth),
    "street-scene": (partial(load_tracked, STREET_SCENE), partial(load_tracked_truth, STREET_SCENE)),
    "complexvad": (partial(load_tracked, COMPLEXVAD), partial(load_tracked_truth, COMPLEXVAD)),
    "corridor": (load_corridor, load_corridor_truth),
    "ubnormal": (load_ubnormal, load_ubnormal_truth),
    "mvtec": (partial(load_mvtec, "mvtec"), partial(load_mvtec_truth, "mvtec")),
    "rd-mvtec": (partial(load_mvtec, "rd-mvtec"), partial(load_mvtec_truth, "rd-mvtec")),
    "folder": (load_folder, load_folder_truth),
}
"""Loaders of each data set, and of its ground truth alone."""

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
    _require_known(name, root, options)
    return _LOADERS[name][0](root, options)


def load_truth(name: str, root: Path, options: DatasetOptions) -> GroundTruth:
    """Read and check the labels and masks of a data set, whose footage need not be there.

    Args:
        name: One of `DATASETS`.
        root: Folder of the data set.
        options: Tolerance of defects, and the categories to load.

    Raises:
        DatasetError: The ground truth is broken, of another layout, or incomplete without `allow_partial`.
    """
    _require_known(name, root, options)
    return _LOADERS[name][1](root, options)


def _require_known(name: str, root: Path, options: DatasetOptions) -> None:
    """Require a data set's name, a folder that isn't empty, and categories only where there are any."""
    if name not in _LOADERS:
        raise DatasetError(name, "no such data set", f"choose one of {', '.join(DATASETS)}")
    if options.categories and not name.endswith("mvtec"):
        raise DatasetError(name, "it has no categories", "choose categories of mvtec or rd-mvtec only")
    if not entries(root):
        raise DatasetError(str(root), "an empty folder", "give the folder that holds the data set")
