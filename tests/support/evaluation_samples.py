"""A report as an evaluation of a small made-up data set would give it: 3 scenes, 12 clips, 5 seeds."""

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from streammon.evaluation.metrics import ClipScores
from streammon.evaluation.results import (
    ClipTimeline,
    Curve,
    EvaluationReport,
    FigureTable,
    PlainTable,
    ReportedFigure,
    WorstFrame,
)

FPS = 24
SIDE = 256
THRESHOLDS = {"1/day": 23.4, "10/day": 21.9, "100/day": 18.6}

FRAME_LEVEL = FigureTable(
    "Frame level",
    (
        ReportedFigure("AUROC, micro", 0.6119, 0.0204, 0.5412, 0.6893, 0.5, 0.4987, 0.6575),
        ReportedFigure("AUROC, macro over clips of both classes", 0.7348, 0.0153, 0.6921, 0.7822, 0.5, 0.5021, 0.5),
        ReportedFigure("AUROC, macro with padding", 0.7512, 0.0149, 0.7013, 0.7955, 0.5417, 0.5409, 0.5417),
        ReportedFigure("Average precision", 0.5873, 0.0188, 0.4711, 0.6902, 0.4247, 0.4251, 0.5538),
        ReportedFigure(
            "Equal error rate", 0.4211, 0.0131, 0.3712, 0.4755, 0.5, 0.5008, 0.3911, higher_is_better=False
        ),
        ReportedFigure(
            "False alarms at 80 % of events caught", 31.26, 4.138, 12.4, 118.9, None, 431.7, None, "per hour", False
        ),
        ReportedFigure(
            "False alarms at 95 % of events caught", 264.4, 21.9, 96.2, 391.5, None, 988.1, None, "per hour", False
        ),
        ReportedFigure("Detection delay, mean", 1.2417, 0.3081, 0.52, 2.944, None, 0.081, None, "s", False),
    ),
    "No normalisation per clip. Events are runs of abnormal frames.",
)
PIXEL_LEVEL = FigureTable(
    "Pixel level",
    (
        ReportedFigure("AUROC", 0.9514, 0.0021, 0.9388, 0.9617, 0.5, 0.5001),
        ReportedFigure("PRO to FPR 0.3", 0.8412, 0.0043, 0.8101, 0.8698, 0.15, 0.1502),
        ReportedFigure("AUPIMO", 0.2218, None, None, None, 0.0, 0.0),
        ReportedFigure("RBDC", None),
    ),
)
PER_SCENE = PlainTable(
    "Per scene",
    ("Scene", "Clips", "Frames", "Abnormal", "AUROC, micro", "Average precision", "Pixel AUROC", "PRO", "Notes"),
    (
        ("01", "5", "1,440", "34.1 %", "0.662", "0.541", "0.958", "0.851", ""),
        ("02", "4", "1,152", "41.6 %", "0.587", "0.566", "0.949", "0.837", "one clip is abnormal in every frame"),
        ("03 <gate & yard>", "3", "864", "52.0 %", "0.571", "0.603", "0.941", "0.828", ""),
    ),
    "Each scene has a bank of its own.",
)


def sample_report() -> EvaluationReport:
    """The whole of it, with a partial data set, warnings, curves, timelines and pictures."""
    return EvaluationReport(
        title="campus: PaDiM, resnet18, 100 random channels, mean of 5 seeds",
        command="streammon eval --dataset stc --root /srv/campus --seeds 5 --report out --allow-partial",
        facts=_facts(),
        missing=("testing/frames/02_0009: there is no such clip", "training/videos: 329 of 330 clips"),
        warnings=("Every 2nd frame was scored (--every 2); figures are not comparable with published ones.",),
        measures=(FRAME_LEVEL, PIXEL_LEVEL),
        tables=(PER_SCENE,),
        curves=_curves(),
        timelines=_timelines(),
        worst=_worst_frames(),
    )


def whole_report() -> EvaluationReport:
    """The same of a data set that lacks nothing."""
    return replace(sample_report(), missing=(), warnings=())


def long_report(clips: int = 107, frames: int = 381) -> EvaluationReport:
    """The same with as many timelines as ShanghaiTech Campus has."""
    return replace(
        sample_report(), timelines=tuple(_timeline(f"{1 + k % 12:02d}_{k:04d}", k, frames) for k in range(clips))
    )


def _facts() -> dict[str, str]:
    return {
        "Data set": "stc, /srv/campus",
        "Scenes": "3",
        "Test clips": "12 (3,456 frames, 1,429 abnormal)",
        "Fingerprint": "5f0c1f4e9a5b8e2d7c6a3b1f0e9d8c7b6a5f4e3d2c1b0a9f8e7d6c5b4a392817",
        "Method": "PaDiM, layers 1 to 3, 100 random channels, epsilon 0.01",
        "Backbone": "resnet18, weights 7d1c4a30fe52",
        "Seeds": "0, 1, 2, 3, 4",
        "Every": "2",
        "Versions": "streammon 0.3.0, torch 2.14.1, Python 3.11.7",
        "Hardware": "2 x86-64 cores",
        "Duration": "41 min 12 s",
    }


def _curves() -> tuple[Curve, ...]:
    x = np.linspace(0, 1, 2_001)
    curves = [
        Curve(
            "ROC, frame level",
            f"seed {seed}",
            x,
            x ** (0.62 + 0.04 * seed),
            "false-positive rate",
            "true-positive rate",
        )
        for seed in range(5)
    ]
    curves.append(Curve("ROC, pixel level", "PaDiM", x, x**0.05, "false-positive rate", "true-positive rate"))
    x = np.linspace(0, 0.3, 1_001)
    pro = 1 - np.exp(-x * 22)
    return (*curves, Curve("PRO", "PaDiM", x, pro, "false-positive rate", "per-region overlap", x_limit=0.3))


def _timelines() -> tuple[ClipTimeline, ...]:
    scenes = ("01",) * 5 + ("02",) * 4 + ("03 <gate & yard>",) * 3
    clips = [_timeline(f"{scene[:2]}_{k:04d}", k, 288) for k, scene in enumerate(scenes)]
    clips = [replace(clip, scene=scene) for clip, scene in zip(clips, scenes, strict=True)]
    clips[-1] = replace(clips[-1], clip="03_<b>last</b>")
    return tuple(clips)


def _timeline(name: str, number: int, frames: int) -> ClipTimeline:
    rng = np.random.default_rng(number)
    labels = np.zeros(frames, bool)
    start = int(rng.integers(20, frames // 2))
    labels[start : start + int(rng.integers(40, frames // 2))] = True
    if number == 6:
        labels[:] = True
    walk = np.convolve(rng.normal(0, 2.2, frames + 8), np.ones(9) / 9, "valid") + rng.normal(0, 0.35, frames)
    scores = 16 + walk + labels * rng.uniform(0.5, 7) * np.convolve(labels, np.ones(15) / 15, "same")
    return ClipTimeline(name, name.split("_")[0], np.arange(frames) * 2 / FPS, scores, labels, THRESHOLDS)


def _worst_frames() -> tuple[WorstFrame, ...]:
    misses = [_worst("miss", f"02_{k:04d}", 40 + 31 * k, 0.03 * (k + 1), 12.4 + k, k) for k in range(4)]
    alarms = [_worst("false alarm", f"01_{k:04d}", 99 + k, 0.9996 - 0.006 * k, 31.2 - k, 9 + k) for k in range(4)]
    alarms[1] = replace(alarms[1], clip="01_<i>&", anomaly_map=None, mask=None)
    return (*misses, *alarms)


def _worst(kind: str, clip: str, index: int, rank: float, score: float, seed: int) -> WorstFrame:
    picture, where = street(seed)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    centre = where if kind == "false alarm" or seed % 2 else (200 - 10 * seed, 60)
    peak = 26 * np.exp(-((rows - centre[0]) ** 2 + (columns - centre[1]) ** 2) / (2 * 18**2))
    rng = np.random.default_rng(seed)
    floor = cv2.GaussianBlur(rng.uniform(2, 15, (SIDE, SIDE)), (0, 0), 9)
    mask = ((rows - where[0]) / 26) ** 2 + ((columns - where[1]) / 12) ** 2 < 1
    truth = mask if kind == "miss" else np.zeros_like(mask)
    return WorstFrame(kind, clip, index, rank, score, picture, (floor + peak).astype(np.float32), (4.0, 30.0), truth)


def street(seed: int) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    """A (256, 256, 3) picture of a pavement with somebody on it, and the row and column where."""
    rng = np.random.default_rng(seed)
    picture = np.full((SIDE, SIDE, 3), (120, 124, 128), np.uint8)
    picture[:90] = (96, 112, 90)
    cv2.rectangle(picture, (0, 84), (SIDE, 96), (168, 164, 150), -1)
    for column in range(-60, SIDE, 48):
        cv2.line(picture, (column, SIDE), (column + 80, 96), (104, 108, 112), 1)
    row, column = int(rng.integers(130, 210)), int(rng.integers(60, 200))
    cv2.ellipse(picture, (column, row), (10, 24), 0, 0, 360, (58, 52, 70), -1)
    cv2.circle(picture, (column, row - 30), 8, (196, 160, 136), -1)
    noisy = picture + rng.normal(0, 5, picture.shape)
    return np.asarray(noisy.clip(0, 255), np.uint8), (row, column)


def scored_clips(seed: int, clips: int = 5, fps: float = 5.0) -> list[ClipScores]:
    """Clips of two scenes with runs of abnormal frames and tied scores; the first is normal."""
    generator = np.random.default_rng(seed)
    made = []
    for number in range(clips):
        frames = int(generator.integers(20, 60))
        labels = np.zeros(frames, dtype=np.bool_)
        if number:
            labels[5:12] = labels[15 : 15 + number] = True
        scores = np.round(generator.random(frames) + np.where(labels, 0.3, 0.0), 1)
        made.append(ClipScores(f"{number % 2:02}_{number}", f"{number % 2:02}", scores, labels, fps))
    return made
