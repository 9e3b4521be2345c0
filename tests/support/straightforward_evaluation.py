"""STC evaluated the straightforward way: everything in memory, one frame after the other, in float64 where it counts.

The only thing shared with the package is the seeded choice of channels. Decoding by PyAV's own one-liners, ResNet18
from torchvision, `numpy.cov` and `numpy.linalg.inv`, scipy's blur, scikit-learn's metrics, a naive PRO.
"""

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import torch
import torch.nn.functional as F
import torchvision
from numpy.typing import NDArray
from safetensors.torch import load_file
from scipy.ndimage import gaussian_filter, label
from sklearn.metrics import average_precision_score, roc_auc_score

Array = NDArray[np.float64]
DIMENSIONS, EPSILON, SIGMA = 100, 0.01, 4


class StraightforwardEvaluation:
    """Fits and scores one tree in STC's layout with PaDiM, ResNet18, 100 random channels."""

    def __init__(self, weights: Path, seed: int = 0) -> None:
        self.network = torchvision.models.resnet18(weights=None).eval()
        self.network.load_state_dict(load_file(weights), strict=False)
        self.features: list[torch.Tensor] = []
        for layer in (self.network.layer1, self.network.layer2, self.network.layer3):
            layer.register_forward_hook(lambda _module, _input, output: self.features.append(output))
        self.network.layer4 = self.network.avgpool = self.network.fc = torch.nn.Identity()
        generator = torch.Generator().manual_seed(seed)
        self.channels = torch.randperm(448, generator=generator)[:DIMENSIONS].sort().values

    def evaluate(self, root: Path) -> dict[str, float]:
        """The figures by name."""
        masks = {file.stem: np.load(file) > 0 for file in sorted((root / "testing/test_pixel_mask").glob("*.npy"))}
        labels = {name: np.load(root / "testing/test_frame_mask" / f"{name}.npy") > 0 for name in masks}
        maps: dict[str, Array] = {}
        for scene in sorted({name[:2] for name in masks}):
            training = [
                self.embedding(picture)
                for clip in sorted((root / "training/videos").glob(f"{scene}_*.avi"))
                for picture in pictures(clip)
            ]
            gaussians = fitted(np.stack(training))
            for name in (name for name in masks if name.startswith(scene)):
                maps[name] = np.stack([self.map(picture, *gaussians) for picture in pictures(clip_of(root, name))])
        return figures(maps, masks, labels)

    @torch.inference_mode()
    def embedding(self, picture: NDArray[np.uint8]) -> Array:
        """(4096, 100) embedding of a (256, 256, 3) picture."""
        mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
        x = ((torch.from_numpy(picture).float() / 255 - mean) / std).permute(2, 0, 1)[None]
        self.features.clear()
        self.network(x)
        joined = torch.cat([F.interpolate(f, size=(64, 64), mode="nearest") for f in self.features], 1)
        return joined[0].flatten(1).T[:, self.channels].double().numpy()

    def map(self, picture: NDArray[np.uint8], mean: Array, inverse: Array) -> Array:
        """(256, 256) anomaly map of a picture."""
        delta = self.embedding(picture) - mean
        distances = np.sqrt(np.einsum("pd,pde,pe->p", delta, inverse, delta, optimize=True))
        grid = torch.from_numpy(distances).view(1, 1, 64, 64)
        upsampled = F.interpolate(grid, size=(256, 256), mode="bicubic", align_corners=False)[0, 0].numpy()
        return np.asarray(gaussian_filter(upsampled, sigma=SIGMA))


def pictures(clip: Path) -> Iterator[NDArray[np.uint8]]:
    """(256, 256, 3) frames of a video, or of a folder of images."""
    for file in sorted(clip.iterdir()) if clip.is_dir() else [clip]:
        with av.open(str(file)) as container:
            for frame in container.decode(video=0):
                scaled = frame.reformat(256, 256, "rgb24", interpolation="BICUBIC")
                yield scaled.to_ndarray().astype(np.uint8, copy=False)


def clip_of(root: Path, name: str) -> Path:
    folder = root / "testing/frames" / name
    return folder if folder.is_dir() else root / "testing/videos" / f"{name}.avi"


def fitted(training: Array) -> tuple[Array, Array]:
    """(P, D) mean and (P, D, D) inverse covariance of (T, P, D) embeddings."""
    inverses = [
        np.linalg.inv(np.cov(training[:, position], rowvar=False) + EPSILON * np.eye(DIMENSIONS))
        for position in range(training.shape[1])
    ]
    return training.mean(0), np.stack(inverses)


def figures(
    maps: dict[str, Array], masks: dict[str, NDArray[np.bool_]], labels: dict[str, NDArray[np.bool_]]
) -> dict[str, float]:
    """Frame and pixel level, from everything at once."""
    small = {name: np.stack([shrunk(mask) for mask in clip]) for name, clip in masks.items()}
    scores = {name: clip.max((1, 2)) for name, clip in maps.items()}
    every_label, every_score = np.concatenate(list(labels.values())), np.concatenate(list(scores.values()))
    pixels, truth = np.concatenate(list(maps.values())), np.concatenate(list(small.values()))
    return {
        "AUROC, micro": float(roc_auc_score(every_label, every_score)),
        "AUROC, macro, single-class clips left out": float(
            np.mean([roc_auc_score(labels[name], scores[name]) for name in maps])
        ),
        "average precision": float(average_precision_score(every_label, every_score)),
        "pixel AUROC": float(roc_auc_score(truth.ravel(), pixels.ravel())),
        "PRO": naive_pro(pixels, truth),
    }


def shrunk(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(256, 256) nearest pixels, at their centres."""
    rows, columns = (((np.arange(256) + 0.5) * side / 256).astype(int) for side in mask.shape)
    return mask[np.ix_(rows, columns)]


def naive_pro(maps: Array, masks: NDArray[np.bool_], limit: float = 0.3) -> float:
    """Per-region overlap at 4,000 thresholds, trapezoids up to the limit."""
    regions = []
    for index, mask in enumerate(masks):
        numbered, count = label(mask, structure=np.ones((3, 3)))
        regions += [np.sort(maps[index][numbered == number]) for number in range(1, count + 1)]
    normal = np.sort(maps[~masks])
    thresholds = np.quantile(maps, np.linspace(1, 0, 4000))
    x = 1 - np.searchsorted(normal, thresholds) / len(normal)
    y = np.mean([1 - np.searchsorted(region, thresholds) / len(region) for region in regions], axis=0)
    grid = np.linspace(0, limit, 4000)
    return float(np.trapezoid(np.interp(grid, x, y), grid) / limit)
