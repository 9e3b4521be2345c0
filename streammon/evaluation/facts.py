"""Facts needed to reproduce a figure: data set, backbone, versions and hardware."""

import platform
from collections.abc import Mapping, Sequence

import torch

from streammon.evaluation.harness import FrameSelection, plan_banks
from streammon.evaluation.labelled import Dataset
from streammon.evaluation.versions import versions_text
from streammon.padim import Backbone, processor_name
from streammon.threads import available_cores

LIBRARIES = ("torch", "torchvision", "av", "opencv-python", "numpy", "scipy", "scikit-learn")


def dataset_facts(dataset: Dataset, selection: FrameSelection) -> dict[str, str]:
    """Counts of clips, frames and banks, the frames taken, and the fingerprint of the data set."""
    plans = plan_banks(dataset, selection)
    frames = sum(len(clip.labels) for clip in dataset.clips)
    abnormal = sum(int(clip.labels.sum()) for clip in dataset.clips)
    masked = sum(clip.masks is not None for clip in dataset.clips)
    learned, there = sum(plan.kept for plan in plans), sum(plan.total for plan in plans)
    what = "images" if dataset.is_still else "frames"
    taken = "all" if selection.every == 1 else f"the first of every {selection.every}"
    if selection.score_fps is not None:
        taken += f", at most {selection.score_fps:g} a second scored; frames in between repeat the last score"
    rate = "" if dataset.is_still else f" ({dataset.fps / selection.every:g} frames a second)"
    return {
        "data set": f"{dataset.name} in {dataset.root}",
        "test": f"{len(dataset.clips)} clips, {frames:,} {what}, {abnormal:,} abnormal; masks for {masked} clips",
        "training": f"{sum(len(plan.training) for plan in plans)} clips, {there:,} {what}, {learned:,} learned",
        "frames taken": f"{taken}{rate}",
        "banks": f"{len(plans)}" + (" (one for all scenes)" if selection.global_bank else " (one a scene)"),
        "fingerprint": dataset.fingerprint,
    }


def backbone_facts(backbones: Sequence[Backbone]) -> dict[str, str]:
    """Name, precision, device and weights of each backbone."""
    networks = [f"{each.name}, {each.engine.name} in {each.precision}, on {each.device}" for each in backbones]
    weights = [f"SHA-256 {each.weights_sha256}" for each in backbones]
    return {"backbone": "; ".join(networks), "weights": "; ".join(weights)}


def machine_facts() -> dict[str, str]:
    """Versions of the software, and the hardware."""
    accelerator = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return {
        "versions": versions_text(LIBRARIES),
        "hardware": f"{processor_name()}, {available_cores()} cores, {torch.get_num_threads()} threads{accelerator}",
        "system": platform.platform(),
    }


def joined(parts: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Merge several groups of facts into one."""
    return {name: value for part in parts for name, value in part.items()}
