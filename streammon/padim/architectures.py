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

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from streammon.padim.lite0 import Lite0

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
