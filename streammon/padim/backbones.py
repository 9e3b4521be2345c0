"""Pretrained networks, cut into the three stages whose feature maps PaDiM uses.

Layers (PaDiM, arXiv:2011.08785, section IV-B):

| backbone | ends of the stages | channels | grid at 256x256 |
|---|---|---|---|
| resnet18 | layer1, layer2, layer3 | 64 + 128 + 256 | 64x64 |
| wide_resnet50_2 | layer1, layer2, layer3 | 256 + 512 + 1024 | 64x64 |
| efficientnet_b5 | MBConv blocks 7, 20, 26 | 40 + 128 + 176 | 64x64 |
| efficientnet_lite0 | levels 3, 4, 5 | 40 + 80 + 112 | 32x32 |

The paper names EfficientNet-B5's "layers 7 (level 2), 20 (level 4) and 26 (level 5)" without defining how layers are
counted. B5 has 3, 5, 5, 7, 7, 9 and 3 blocks a level. Counted from 1, block 7 lies in level 2, block 20 is the
last of level 4 and block 26 lies in level 5: all three agree with the paper's levels. Counted from 0, block 20
would be the first of level 5. So blocks are counted from 1 here.

EfficientNet-Lite0 isn't in the paper. Levels 2, 4 and 5 would give a 64x64 grid, with 24 channels of level 2.
Levels 3, 4 and 5 give a 32x32 grid, at a quarter of the bank's memory and time.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from streammon.config import ModelConfig
from streammon.padim.devices import pick_device, pick_precision
from streammon.padim.lite0 import Lite0
from streammon.padim.weights import load_into, load_state, packaged_lite0, sha256, torchvision_weights_path
from streammon.records import Picture

IMAGENET_MEAN = (0.485 * 255, 0.456 * 255, 0.406 * 255)
IMAGENET_STD = (0.229 * 255, 0.224 * 255, 0.225 * 255)
LITE_MEAN = (127.0, 127.0, 127.0)
LITE_STD = (128.0, 128.0, 128.0)


@dataclass(frozen=True)
class Architecture:
    """Construction of one backbone, and its division into stages.

    Attributes:
        build: Builds the whole network, without weights.
        stages: Cuts the network into three stages, whose outputs are the feature maps.
        layers: Names of the stages' last layers, for the bank's metadata.
        channels: Number of channels of each stage's output.
        stride: Stride of the first stage's output, in pixels of the model's input; also the patch grid's stride.
        dimensions: Number of channels kept by default (the paper's number, where the paper has one).
        mean: Mean per channel, subtracted from RGB in 0..255.
        std: Standard deviation per channel, by which the difference is divided.
    """

    build: Callable[[], nn.Module]
    stages: Callable[[nn.Module], list[nn.Module]]
    layers: tuple[str, str, str]
    channels: tuple[int, int, int]
    stride: int
    dimensions: int
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD


def _resnet_stages(net: nn.Module) -> list[nn.Module]:
    stem = nn.Sequential(*(net.get_submodule(name) for name in ("conv1", "bn1", "relu", "maxpool", "layer1")))
    return [stem, net.get_submodule("layer2"), net.get_submodule("layer3")]


def _b5_stages(net: nn.Module) -> list[nn.Module]:
    # level 0 is the stem; levels 1 to 7 have 3, 5, 5, 7, 7, 9 and 3 blocks
    level = [list(level.children()) for level in net.get_submodule("features").children()]
    return [
        nn.Sequential(*level[0], *level[1], *level[2][:4]),  # block 7: the 4th of level 2
        nn.Sequential(*level[2][4:], *level[3], *level[4]),  # block 20: the last of level 4
        nn.Sequential(*level[5][:6]),  # block 26: the 6th of level 5
    ]


def _lite0_stages(net: nn.Module) -> list[nn.Module]:
    assert isinstance(net, Lite0)
    return net.stages()


def _from_torchvision(name: str) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        from torchvision import models  # takes seconds; the default backbone doesn't need it

        network: nn.Module = getattr(models, name)(weights=None)
        return network

    return build


LAYER_1_TO_3 = ("layer1", "layer2", "layer3")
ARCHITECTURES = {
    "resnet18": Architecture(_from_torchvision("resnet18"), _resnet_stages, LAYER_1_TO_3, (64, 128, 256), 4, 100),
    "wide_resnet50_2": Architecture(
        _from_torchvision("wide_resnet50_2"), _resnet_stages, LAYER_1_TO_3, (256, 512, 1024), 4, 550
    ),
    "efficientnet_b5": Architecture(
        _from_torchvision("efficientnet_b5"), _b5_stages, ("block7", "block20", "block26"), (40, 128, 176), 4, 200
    ),
    "efficientnet_lite0": Architecture(
        Lite0, _lite0_stages, ("level3", "level4", "level5"), (40, 80, 112), 8, 100, LITE_MEAN, LITE_STD
    ),
}


def fold_batch_norm(network: nn.Module) -> None:
    """Fold each batch norm into the convolution before it, in place: same outputs in evaluation mode, but faster."""
    for parent in list(network.modules()):
        for (conv_name, conv), (norm_name, norm) in pairwise(list(parent.named_children())):
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(parent, conv_name, fuse_conv_bn_eval(conv, norm))
                setattr(parent, norm_name, nn.Identity())


def as_batch(pictures: Sequence[Picture], crop: int | None = None) -> Tensor:
    """Batch (B, H, W, 3) uint8 of B pictures (H, W, 3), centre-cropped to `crop` pixels a side; None for no crop."""
    batch = torch.from_numpy(np.stack(pictures))
    if crop is None:
        return batch
    margin = (batch.shape[1] - crop) // 2
    return batch[:, margin : margin + crop, margin : margin + crop]


class Backbone:
    """Pretrained network that computes three feature maps of a picture.

    Attributes:
        name: Name of the backbone in the configuration.
        weights_sha256: SHA-256 of the weights file.
        architecture: Construction and stages of the network.
        device: Device that the network runs on.
        precision: `float32` or `bfloat16`.
    """

    def __init__(
        self, name: str, stages: Iterable[nn.Module], weights_sha256: str, device: torch.device, precision: str
    ) -> None:
        self.name = name
        self.weights_sha256 = weights_sha256
        self.architecture = ARCHITECTURES[name]
        self.device = device
        self.precision = precision
        self._dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
        # pictures arrive as NHWC, and NHWC is up to twice as fast on CPUs
        self._stages = [
            stage.to(device=device, dtype=self._dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
            for stage in stages
        ]
        self._mean = torch.tensor(self.architecture.mean, device=device)
        self._std = torch.tensor(self.architecture.std, device=device)

    @property
    def weights_bytes(self) -> int:
        """Memory of the stages' parameters and buffers, in bytes."""
        tensors = (tensor for stage in self._stages for tensor in stage.state_dict().values())
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors)

    @torch.inference_mode()
    def maps(self, pictures: Tensor, stages: int = 3) -> list[Tensor]:
        """Feature maps: the outputs of the first `stages` stages.

        Args:
            pictures: (B, H, W, 3) uint8 RGB.
            stages: Number of stages, 1 to 3.

        Returns:
            (B, C, h, w) float32 maps, channels last in memory, from fine to coarse.
        """
        x = (pictures.to(self.device, non_blocking=True).float() - self._mean) / self._std  # (B, H, W, 3)
        x = x.permute(0, 3, 1, 2).to(self._dtype)  # (B, 3, H, W), channels last without a copy
        maps = []
        for stage in self._stages[:stages]:
            x = stage(x)
            maps.append(x.float())
        return maps


def load_backbone(model: ModelConfig) -> Backbone:
    """Build the configured backbone with its weights, ready on its device.

    Raises:
        WeightsError: The weights can't be read or downloaded, or don't fit the network.
        ConfigError: The device is not available on this machine.
    """
    architecture = ARCHITECTURES[model.backbone]
    network = architecture.build().eval().requires_grad_(False)
    path = model.weights or default_weights(model.backbone)
    state = load_state(path)
    stages = architecture.stages(network)
    load_into(network, state, _names_within(network, stages), str(path))
    for stage in stages:
        fold_batch_norm(stage.double())  # folded in float64, so that only the result is rounded
        stage.float()
    if model.threads:
        torch.set_num_threads(model.threads)
    device = pick_device(model.device)
    return Backbone(model.backbone, stages, sha256(path), device, pick_precision(model.precision, device))


def default_weights(backbone: str) -> Path:
    """Weights file of a backbone when none is configured: packaged, in torch's cache, or downloaded.

    Raises:
        WeightsError: The file is not in the cache and can't be downloaded.
    """
    if backbone == "efficientnet_lite0":
        return packaged_lite0()
    from torchvision import models

    weights = models.get_model_weights(backbone).IMAGENET1K_V1
    return torchvision_weights_path(weights.url, backbone)


def _names_within(network: nn.Module, stages: list[nn.Module]) -> set[str]:
    """Names, in the whole network, of the tensors that the stages use."""
    used = {id(tensor) for stage in stages for tensor in stage.state_dict(keep_vars=True).values()}
    return {
        name
        for name, tensor in network.state_dict(keep_vars=True).items()
        if id(tensor) in used and not name.endswith("num_batches_tracked")
    }
