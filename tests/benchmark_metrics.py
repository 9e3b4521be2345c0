"""Pixel level, regions and the frame table over as many maps as STC has: peak memory, speed, and what is exact.

    python tests/benchmark_metrics.py                     # 40,791 maps of 256x256
    python tests/benchmark_metrics.py --maps 2000 --regions --compare 100

Maps are made on the way, from a few smooth ones that are shifted, scaled and raised in rectangles, so nothing but the
figures takes memory. The last 170 of every 400 maps are abnormal. Prints JSON. With --regions every map is made and
measured a second time, at 50 thresholds; with --compare N the figures of N maps are set against scikit-learn's AUROC
and average precision and a plain PRO at every value there is.
"""

import argparse
import json
import resource
import sys
import time
from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from streammon.evaluation.metrics import (
    ClipScores,
    PixelLevel,
    PostProcessing,
    RegionLevel,
    frame_table,
)
from streammon.evaluation.results import FigureTable

SIDE = 256
CLIP = 400  # maps, as long as STC's clips are on average
ABNORMAL = 170  # of a clip's maps, as many as in STC
SCENES = 12
FPS = 24.0
BASES = 16

Image = tuple[NDArray[np.float32], NDArray[np.bool_]]


def bases() -> list[NDArray[np.float32]]:
    """Smooth maps with a long upper tail, as Mahalanobis distances have it."""
    generator = np.random.default_rng(0)
    rough = (generator.gamma(2.0, 1.0, (SIDE, SIDE)).astype(np.float32) for _ in range(BASES))
    return [(cv2.GaussianBlur(one, (0, 0), 4.0) * 5 + 5).astype(np.float32) for one in rough]


def images(count: int) -> Iterator[Image]:
    """Maps and masks, the same ones every time."""
    generator = np.random.default_rng(1)
    drawn = bases()
    for number in range(count):
        shift = int(generator.integers(SIDE))
        anomaly_map = np.roll(drawn[number % BASES], shift, axis=number % 2) * np.float32(generator.uniform(0.9, 1.1))
        mask = np.zeros((SIDE, SIDE), dtype=np.bool_)
        if number % CLIP >= CLIP - ABNORMAL:
            for _ in range(1 + number % 3):
                top, left = generator.integers(0, SIDE - 60, 2)
                height, width = generator.integers(8, 60, 2)
                mask[top : top + height, left : left + width] = True
            anomaly_map[mask] += np.float32(generator.uniform(0, 4))
        yield anomaly_map, mask


def peak_mb() -> float:
    """Largest resident memory of this process so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def shown(figures: dict[str, float | None]) -> dict[str, float | None]:
    return {name: None if value is None else round(value, 5) for name, value in figures.items()}


def region_level(count: int, thresholds: NDArray[np.float32]) -> RegionLevel:
    level = RegionLevel(thresholds)
    stream = images(count)
    for start in range(0, count, CLIP):
        clip = [next(stream) for _ in range(min(CLIP, count - start))]
        level.update_clip([anomaly_map for anomaly_map, _ in clip], [mask for _, mask in clip])
    return level


def frame_level(peaks: NDArray[np.float64], labels: NDArray[np.bool_]) -> FigureTable:
    borders = range(CLIP, len(peaks), CLIP)
    clips = [
        ClipScores(str(number), str(number % SCENES), scores, its, FPS)
        for number, (scores, its) in enumerate(zip(np.split(peaks, borders), np.split(labels, borders), strict=True))
    ]
    return frame_table([clips], PostProcessing(), seed=0)


def plain_pro(some: list[Image]) -> float:
    """The share of each region above every value, averaged, over FPR to 0.3: all pixels in memory."""
    values = np.concatenate([anomaly_map.ravel() for anomaly_map, _ in some])
    labels = np.concatenate([mask.ravel() for _, mask in some])
    thresholds = np.unique(values)[::-1]
    overlap, regions = np.zeros(len(thresholds)), 0
    for anomaly_map, mask in some:
        count, numbers = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
        for number in range(1, count):
            region = np.sort(anomaly_map[numbers == number])
            overlap += 1 - np.searchsorted(region, thresholds) / len(region)
            regions += 1
    normal = np.sort(values[~labels])
    x = np.append(0, 1 - np.searchsorted(normal, thresholds) / len(normal))
    y = np.append(0, overlap / regions)
    inside = x <= 0.3
    end = np.interp(0.3, x, y)
    return float(np.trapezoid(np.append(y[inside], end), np.append(x[inside], 0.3))) / 0.3


def compared(count: int) -> dict[str, float]:
    """Largest differences to what scikit-learn and the plain PRO say of the same maps."""
    some = list(images(CLIP))[CLIP - ABNORMAL - count // 2 :][:count]  # half normal, half abnormal
    pixels = PixelLevel()
    for anomaly_map, mask in some:
        pixels.update(anomaly_map, mask)
    level = pixels.figures()
    values = np.concatenate([anomaly_map.ravel() for anomaly_map, _ in some])
    labels = np.concatenate([mask.ravel() for _, mask in some])
    pairs = {
        "pixel AUROC": (level.auroc(), roc_auc_score(labels, values)),
        "pixel average precision": (level.average_precision(), average_precision_score(labels, values)),
        "PRO": (level.pro(), plain_pro(some)),
    }
    differences = {name: abs((ours or 0.0) - float(exact)) for name, (ours, exact) in pairs.items()}
    return {"maps": count, **differences, "bound of the AUROC's": level.tied()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--maps", type=int, default=40_791)
    parser.add_argument("--regions", action="store_true", help="RBDC and TBDC too: a second pass")
    parser.add_argument(
        "--compare", type=int, metavar="N", help="with scikit-learn and a plain PRO, on N maps <= 300"
    )
    args = parser.parse_args()

    pixels = PixelLevel()
    peaks, labels = np.zeros(args.maps), np.zeros(args.maps, dtype=np.bool_)
    measuring_s = 0.0
    for number, (anomaly_map, mask) in enumerate(images(args.maps)):
        began = time.perf_counter()
        pixels.update(anomaly_map, mask)
        measuring_s += time.perf_counter() - began
        peaks[number], labels[number] = anomaly_map.max(), mask.any()
    began = time.perf_counter()
    measured = pixels.figures()
    figures = {
        "AUROC": measured.auroc(),
        "average precision": measured.average_precision(),
        "PRO": measured.pro(),
        "AUPIMO": measured.aupimo(),
    }
    report: dict[str, object] = {
        "maps": args.maps,
        "abnormal": int(labels.sum()),
        "pixel level": {
            **shown(figures),
            "AUROC's bound": measured.tied(),
            "seconds": round(measuring_s, 1),
            "maps a second": round(args.maps / measuring_s, 1),
            "seconds for the figures": round(time.perf_counter() - began, 2),
            "peak MB": round(peak_mb()),
        },
    }
    began = time.perf_counter()
    report["frame level"] = {
        **shown({measure.name: measure.value for measure in frame_level(peaks, labels).measures}),
        "seconds": round(time.perf_counter() - began, 1),
        "peak MB": round(peak_mb()),
    }
    if args.regions:
        began = time.perf_counter()
        level = region_level(args.maps, measured.thresholds())
        seconds = time.perf_counter() - began
        report["regions"] = {
            **shown({"RBDC": level.rbdc(), "TBDC": level.tbdc()}),
            "seconds": round(seconds, 1),
            "maps a second": round(args.maps / seconds, 1),
            "peak MB": round(peak_mb()),
        }
    if args.compare:
        report["largest difference to the exact"] = compared(args.compare)
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
