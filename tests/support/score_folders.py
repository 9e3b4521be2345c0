"""Folders of score files, as other methods leave them."""

import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streammon.evaluation.labelled import ClipTruth, GroundTruth

Scores = NDArray[np.float64]


def write_scores(folder: Path, scores: Mapping[str, Scores], suffix: str = ".npy") -> Path:
    """One file for each clip; names with `/` make folders."""
    for name, its in scores.items():
        path = folder / f"{name}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_one(path, its)
    return folder


def write_one(path: Path, scores: Scores) -> None:
    """A file of the kind that its suffix says."""
    if path.suffix == ".npy":
        np.save(path, scores)
    elif path.suffix == ".npz":
        np.savez(path, scores=scores)
    elif path.suffix == ".txt":
        np.savetxt(path, scores, fmt="%.17g")
    else:
        assert path.suffix == ".csv"
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([("frame", "score"), *enumerate(map(repr, scores.tolist()))])


def noisy(labels: Mapping[str, NDArray[np.bool_]], amount: float, seed: int = 0) -> dict[str, Scores]:
    """Labels with uniform noise of some amount, by clip."""
    generator = np.random.default_rng(seed)
    return {name: its + amount * generator.random(len(its)) for name, its in labels.items()}


def truth_of(labels: Mapping[str, NDArray[np.bool_]], fps: float = 5.0) -> GroundTruth:
    """Ground truth of made-up clips without masks; the scene of `01_1` is `01`."""
    clips = tuple(ClipTruth(name, name.partition("_")[0], its, None) for name, its in labels.items())
    return GroundTruth("made", Path("made"), clips, fps, (), "")
