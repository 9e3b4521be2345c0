"""PaDiM scored the plain way, frame by frame: what a straightforward script does, to be measured against.

OpenCV decodes, torchvision resizes and runs ResNet18 in float32, the bank holds `torch.linalg.inv` of each
covariance, scipy blurs. Nothing here is shared with the package but the bank's file.
"""

from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
import torchvision
from numpy.typing import NDArray
from safetensors.torch import load_file
from scipy.ndimage import gaussian_filter
from torchvision.transforms.v2 import functional as tv

from streammon.padim.gaussian import unpack_lower


class PlainPadim:
    """ResNet18 PaDiM on a bank that streammon fitted."""

    def __init__(self, weights: Path, bank: Path, whole_network: bool = False) -> None:
        """`whole_network` also computes layer4 and the classifier in vain, as scripts with forward hooks do."""
        self.network = torchvision.models.resnet18(weights=None).eval()
        self.network.load_state_dict(load_file(weights), strict=False)
        tensors = load_file(bank)
        self.mean = tensors["mean"]
        self.channels = tensors["channel_indices"]
        cholesky = unpack_lower(tensors["cholesky"], self.mean.shape[1])
        self.inverse = torch.linalg.inv(cholesky @ cholesky.mT)
        self.maps: list[torch.Tensor] = []
        for layer in (self.network.layer1, self.network.layer2, self.network.layer3):
            layer.register_forward_hook(lambda _module, _input, output: self.maps.append(output))
        if not whole_network:
            self.network.layer4 = self.network.avgpool = self.network.fc = torch.nn.Identity()

    @torch.inference_mode()
    def score(self, image: Path) -> tuple[NDArray[np.float32], float]:
        """(256, 256) anomaly map and frame score of one image file."""
        decoded = cv2.cvtColor(cv2.imread(str(image)), cv2.COLOR_BGR2RGB)  # type: ignore[arg-type]
        picture = torch.from_numpy(decoded).permute(2, 0, 1)
        resized = tv.resize(picture, [256, 256], tv.InterpolationMode.BICUBIC, antialias=True).float() / 255
        x = tv.normalize(resized, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])[None]
        self.maps.clear()
        self.network(x)
        grid = self.maps[0].shape[2:]
        embedding = torch.cat([F.interpolate(m, size=grid, mode="nearest") for m in self.maps], 1)
        delta = embedding.flatten(2)[0].T[:, self.channels] - self.mean  # (P, D)
        squared = torch.einsum("pd,pde,pe->p", delta, self.inverse, delta)
        distances = squared.clamp_min(0).sqrt().view(1, 1, *grid)
        upsampled = F.interpolate(distances, size=(256, 256), mode="bicubic", align_corners=False)[0, 0]
        anomaly_map = gaussian_filter(upsampled.numpy(), sigma=4)
        return anomaly_map, float(anomaly_map.max())
