"""The backbones compute what their references compute, and refuse weights that don't fit."""

from pathlib import Path

import cv2
import efficientnet_lite_pytorch
import pytest
import skimage
import torch
import torchvision
from safetensors.torch import save_file

from streammon.config import ModelConfig
from streammon.errors import WeightsError
from streammon.padim.backbones import Backbone, load_backbone
from streammon.padim.lite0 import Lite0, SameConv2d
from streammon.padim.weights import load_state, packaged_lite0


def photo(name: str) -> torch.Tensor:
    """(256, 256, 3) uint8 of a photo that scikit-image ships."""
    picture = skimage.io.imread(Path(skimage.__file__).parent / "data" / name)
    return torch.from_numpy(cv2.resize(picture, (256, 256), interpolation=cv2.INTER_AREA))


def reference_lite0() -> torch.nn.Module:
    net: torch.nn.Module = efficientnet_lite_pytorch.EfficientNet.from_name("efficientnet-lite0")
    net.load_state_dict(torch.load(packaged_lite0(), weights_only=True))
    return net.eval()


def reference_maps(net: torch.nn.Module, x: torch.Tensor) -> list[torch.Tensor]:
    """Outputs of the reference's levels 3, 4 and 5: its blocks 4, 7 and 10."""
    x = net._swish(net._bn0(net._conv_stem(x)))  # type: ignore[operator]
    outputs = []
    for block in net._blocks:  # type: ignore[union-attr]
        x = block(x)
        outputs.append(x)
    return [outputs[i] for i in (4, 7, 10)]


@pytest.fixture(scope="module")
def lite0() -> Backbone:
    return load_backbone(ModelConfig(engine="torch", precision="float32"))


def two_photos() -> tuple[torch.Tensor, torch.Tensor]:
    """(2, 256, 256, 3) uint8, and the same as the reference wants it."""
    pictures = torch.stack([photo("coffee.png"), photo("astronaut.png")])
    return pictures, ((pictures.float() - 127) / 128).permute(0, 3, 1, 2)


def test_lite0_computes_the_reference_implementations_maps() -> None:
    """Before batch norms are folded: the same operations on the same numbers, so equal to 1e-4 and closer."""
    _, normalised = two_photos()
    network = Lite0().eval()
    network.load_state_dict(
        {name: each for name, each in load_state(packaged_lite0()).items() if name in network.state_dict()}
    )
    with torch.inference_mode():
        x = normalised
        for stage, theirs in zip(network.stages(), reference_maps(reference_lite0(), x), strict=True):
            x = stage(x)
            torch.testing.assert_close(x, theirs, atol=1e-4, rtol=0)


def test_lite0_backbone_is_the_reference_to_float_rounding(lite0: Backbone) -> None:
    """Folded norms round differently; against the reference in float64, still 1e-5 of the largest activation."""
    pictures, normalised = two_photos()
    with torch.inference_mode():
        expected = reference_maps(reference_lite0().double(), normalised.double())
    for ours, theirs in zip(lite0.maps(pictures), expected, strict=True):
        largest = theirs.abs().max()
        torch.testing.assert_close(ours.double() / largest, theirs / largest, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("side", "kernel", "stride"), [(64, 3, 2), (65, 3, 2), (64, 5, 2), (7, 5, 3), (4, 3, 4)])
def test_padding_is_tensorflows(side: int, kernel: int, stride: int) -> None:
    """A kernel of ones counts the pixels it covers: one output a stride, the odd pixel of padding at the end."""
    convolution = SameConv2d(1, 1, kernel, stride, bias=False)
    torch.nn.init.ones_(convolution.weight)
    with torch.inference_mode():
        covered = convolution(torch.ones(1, 1, side, side))[0, 0]
    outputs = -(-side // stride)
    before = max((outputs - 1) * stride + kernel - side, 0) // 2
    begins = [number * stride - before for number in range(outputs)]
    along = torch.tensor([min(begin + kernel, side) - max(begin, 0) for begin in begins]).float()
    torch.testing.assert_close(covered, torch.outer(along, along))


def test_torchvision_stages_equal_the_uncut_network(tmp_path: Path) -> None:
    """Random weights and running statistics: cutting and folding batch norms changes nothing.

    The other backbones of torchvision: `test_published_weights.py`.
    """
    torch.manual_seed(0)
    whole = torchvision.models.resnet18(weights=None).eval()
    for module in whole.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.1, 0.1)  # type: ignore[union-attr]
            module.running_var.uniform_(0.5, 1.5)  # type: ignore[union-attr]
    file = tmp_path / "weights.pth"
    torch.save(whole.state_dict(), file)
    backbone = load_backbone(ModelConfig(backbone="resnet18", weights=file, engine="torch", precision="float32"))
    pictures = torch.randint(0, 256, (1, 64, 64, 3), dtype=torch.uint8)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    seen: list[torch.Tensor] = []
    for end in (whole.layer1, whole.layer2, whole.layer3):
        end.register_forward_hook(lambda _m, _i, output: seen.append(output))
    with torch.inference_mode():
        whole(((pictures / 255 - mean) / std).permute(0, 3, 1, 2))
    for ours, theirs, channels in zip(backbone.maps(pictures), seen, backbone.architecture.channels, strict=True):
        assert ours.shape[1] == channels
        scale = theirs.abs().max()
        torch.testing.assert_close(ours / scale, theirs / scale, atol=1e-5, rtol=0)
    assert seen[0].shape[2] == 64 // backbone.architecture.stride


def test_weights_are_known_by_the_hash_of_their_file(tmp_path: Path) -> None:
    file = tmp_path / "lite0.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in load_state(packaged_lite0()).items()}, file)
    from_file = load_backbone(ModelConfig(weights=file, engine="torch", precision="float32"))
    packaged = load_backbone(ModelConfig(engine="torch", precision="float32"))
    assert packaged.weights_sha256.startswith("57934424")  # the prefix in the packaged file's own name
    assert from_file.weights_sha256 != packaged.weights_sha256
    picture = photo("coffee.png")[None]
    for ours, theirs in zip(from_file.maps(picture), packaged.maps(picture), strict=True):
        torch.testing.assert_close(ours, theirs, atol=0, rtol=0)


def test_weights_of_another_network_are_refused_with_the_tensor_named(tmp_path: Path) -> None:
    file = tmp_path / "wide.pth"
    torch.save(torchvision.models.wide_resnet50_2(weights=None).state_dict(), file)
    with pytest.raises(WeightsError) as caught:
        load_backbone(ModelConfig(backbone="resnet18", weights=file))
    assert str(caught.value) == (
        f"{file}: layer1.0.bn1.bias is 128 instead of 64; give weights of the configured backbone"
    )


@pytest.mark.parametrize("content", [b"", b"not weights", b"\x80\x04\x95evil"])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_files_that_hold_no_weights_are_one_clear_line(tmp_path: Path, content: bytes, suffix: str) -> None:
    file = tmp_path / f"weights{suffix}"
    file.write_bytes(content)
    with pytest.raises(WeightsError, match=r"its weights can't be read \(.*\); give a \.safetensors file") as caught:
        load_state(file)
    assert "\n" not in str(caught.value)


def test_missing_weights_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"there is no such weights file"):
        load_backbone(ModelConfig(backbone="resnet18", weights=tmp_path / "none.pth"))


def test_without_a_network_the_download_says_where_to_put_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nothing listens on the discard port
    with pytest.raises(WeightsError, match=r"give a file with --weights, or put torchvision's at .*resnet18-"):
        load_backbone(ModelConfig(backbone="resnet18"))
