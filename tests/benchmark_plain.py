"""The scorer's speed and figures against a plain loop, on UCSD Ped2 with the paper's settings.

    python tests/benchmark_plain.py --data ucsd_ped2 --weights resnet18.safetensors --plain 3

Fits ResNet18 (100 random channels, seed 0, epsilon 0.01) on all training frames, scores all test frames
(sigma 4, maximum), and prints JSON. With --plain it also scores every Nth chunk by `plain_padim`, alternating with
streammon in one run. `streammon eval` measures the method itself; this measures how it is computed.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from streammon.config import ModelConfig
from streammon.evaluation.datasets import View
from streammon.evaluation.labelled import Mask
from streammon.evaluation.metrics import PixelLevel
from streammon.ingest import Clip, clips
from streammon.padim import BANK_FILE, INPUT_SIZE, Backbone, Bank, as_batch, load_backbone
from streammon.scene.fit import FitOptions, fit_scene
from support.plain_padim import PlainPadim

CHUNK = 32  # frames between switching from one to the other


def mask_of(data: Path, clip: Clip, index: int) -> Mask:
    image = clip.images[index]
    file = data / "testing" / "pixel_mask" / image.parent.name / f"{image.stem}.png"
    mask = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)
    assert mask is not None, file
    return View(INPUT_SIZE).mask(clip, index, np.asarray(mask > 0))


def score_clip(clip: Clip, backbone: Backbone, bank: Bank, batch: int) -> tuple[NDArray[np.float32], list[float]]:
    maps, scores = [], []
    frames = list(clip.frames(INPUT_SIZE))
    for start in range(0, len(frames), batch):
        pictures = as_batch([frame.picture for frame in frames[start : start + batch]])
        anomaly_maps, frame_scores = bank.score(backbone.maps(pictures))
        maps.append(anomaly_maps.numpy())
        scores += frame_scores.tolist()
    return np.concatenate(maps), scores


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--scene", type=Path, help="keep the bank here, and take it from here when it exists")
    parser.add_argument("--plain", type=int, metavar="N", help="also score every Nth chunk by the plain loop")
    parser.add_argument("--precision", default="auto", help="of the backbone while scoring: auto, float32, bfloat16")
    parser.add_argument("--clips", type=int, help="only the first so many test clips: a quick look")
    args = parser.parse_args()
    model = ModelConfig(method="padim", backbone="resnet18", weights=args.weights, precision=args.precision)
    folder = args.scene or Path(tempfile.mkdtemp()) / "ped2"
    if not (folder / BANK_FILE).exists():
        training = [args.data / "training" / "frames"]
        fit_scene("ped2", training, folder, model, FitOptions(score_fps=None, hold_out=0), lambda _done, _total: None)
    backbone = load_backbone(model)
    bank = Bank.load(folder).prepare(backbone.device)
    plain = PlainPadim(args.weights, folder / BANK_FILE) if args.plain else None
    whole = PlainPadim(args.weights, folder / BANK_FILE, whole_network=True) if args.plain else None

    pixels, scores, labels = PixelLevel(), [], []
    ours_s, plain_s, whole_s = [], [], []  # seconds a frame, of each chunk
    both: dict[str, list[float]] = {"ours": [], "plain": []}
    pixels_both = {"ours": PixelLevel(), "plain": PixelLevel()}
    truth_both = []
    chunk_number = 0
    for clip in clips(args.data / "testing" / "frames")[: args.clips]:
        masks = [mask_of(args.data, clip, index) for index in range(len(clip.images))]
        labels += [bool(mask.any()) for mask in masks]
        for start in range(0, len(clip.images), CHUNK):
            images = clip.images[start : start + CHUNK]
            began = time.perf_counter()
            maps, frame_scores = score_clip(Clip(clip.name, clip.path, images), backbone, bank, model.batch)
            ours_s.append((time.perf_counter() - began) / len(images))
            scores += frame_scores
            for anomaly_map, mask in zip(maps, masks[start:], strict=False):
                pixels.update(anomaly_map, mask)
            if plain and whole and chunk_number % args.plain == 0:
                began = time.perf_counter()
                results = [plain.score(image) for image in images]
                plain_s.append((time.perf_counter() - began) / len(images))
                began = time.perf_counter()
                for image in images:
                    whole.score(image)
                whole_s.append((time.perf_counter() - began) / len(images))
                both["ours"] += frame_scores
                both["plain"] += [score for _, score in results]
                for index, mask in enumerate(masks[start : start + CHUNK]):
                    truth_both.append(bool(mask.any()))
                    pixels_both["ours"].update(maps[index], mask)
                    pixels_both["plain"].update(results[index][0], mask)
            chunk_number += 1
    report: dict[str, object] = {
        "precision": backbone.precision,
        "frames": len(labels),
        "abnormal": sum(labels),
        "pixel_auroc": round(pixels.figures().auroc() or 0.0, 4),
        "frame_auroc_micro": round(float(roc_auc_score(labels, scores)), 4),
        "frames_per_s": round(1 / statistics.median(ours_s), 2),
    }
    if plain:
        report["plain"] = {
            "frames_compared": len(truth_both),
            "frames_per_s": round(1 / statistics.median(plain_s), 2),
            "speed_ratio_of_medians": round(statistics.median(plain_s) / statistics.median(ours_s), 2),
            "speed_ratio_to_whole_network": round(statistics.median(whole_s) / statistics.median(ours_s), 2),
            "pixel_auroc": {name: round(pixel.figures().auroc() or 0.0, 4) for name, pixel in pixels_both.items()},
            "frame_auroc_micro": {name: round(float(roc_auc_score(truth_both, s)), 4) for name, s in both.items()},
        }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
