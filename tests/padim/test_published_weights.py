"""WideResNet50-2 and EfficientNet-B5 load files with the names, shapes and format of torchvision's published ones.

The published files themselves need a network; theirs are random values.
"""

from pathlib import Path

import pytest
import torch
import torchvision
from torch import Tensor, nn

from streammon.config import ModelConfig
from streammon.errors import WeightsError
from streammon.padim.backbones import load_backbone
from support.published_weights import PUBLISHED, parameters, random_state

each_backbone = pytest.mark.parametrize("name", PUBLISHED)
ENDS = {
    "wide_resnet50_2": ("layer1", "layer2", "layer3"),
    "efficientnet_b5": ("features.2.3", "features.4.6", "features.5.5"),
}
"""Names in torchvision's network of the modules whose outputs are the maps."""


def model(name: str, weights: Path | None = None) -> ModelConfig:
    return ModelConfig(backbone=name, weights=weights, engine="torch", precision="float32")


def torchvision_network(name: str) -> nn.Module:
    network: nn.Module = getattr(torchvision.models, name)(weights=None)
    return network.eval()


def torchvision_maps(name: str, state: dict[str, Tensor], pictures: Tensor) -> list[Tensor]:
    """Outputs of the stages' last modules within torchvision's own network, which loads the state strictly."""
    network = torchvision_network(name)
    network.load_state_dict(state, strict=True)
    seen: list[Tensor] = []
    for end in ENDS[name]:
        network.get_submodule(end).register_forward_hook(lambda _module, _inputs, output: seen.append(output))
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    with torch.inference_mode():
        network(((pictures / 255 - mean) / std).permute(0, 3, 1, 2))
    return seen


def require_maps(ours: list[Tensor], theirs: list[Tensor]) -> None:
    """Require equality up to the rounding of folded batch norms."""
    for own, other in zip(ours, theirs, strict=True):
        assert own.shape == other.shape
        scale = other.abs().max()
        torch.testing.assert_close(own / scale, other / scale, atol=1e-5, rtol=0)


@each_backbone
def test_the_layout_is_that_of_torchvision_s_network_and_as_large_as_it_states(name: str) -> None:
    published = PUBLISHED[name]
    own = {each: tuple(tensor.shape) for each, tensor in torchvision_network(name).state_dict().items()}
    assert published.layout() == own
    weights = torchvision.models.get_model_weights(name).IMAGENET1K_V1
    assert weights.url.rsplit("/", 1)[-1] == published.file
    assert parameters(own) == published.parameters == weights.meta["num_params"]


@each_backbone
def test_a_published_file_in_torch_s_cache_is_found_and_gives_torchvision_s_maps(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """WideResNet50-2 was published in torch's format before 1.6, with parameters instead of tensors."""
    published = PUBLISHED[name]
    state = random_state(published.layout(), seed=1)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # no download: nothing listens on the discard port
    file = tmp_path / "hub" / "checkpoints" / published.file
    file.parent.mkdir(parents=True)
    old = name == "wide_resnet50_2"
    saved = {each: nn.Parameter(tensor) if old and tensor.ndim else tensor for each, tensor in state.items()}
    torch.save(saved, file, _use_new_zipfile_serialization=not old)
    backbone = load_backbone(model(name))
    pictures = torch.randint(0, 256, (1, 64, 64, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(2))
    maps = backbone.maps(pictures)
    require_maps(maps, torchvision_maps(name, state, pictures))
    assert tuple(each.shape[1] for each in maps) == backbone.architecture.channels
    assert maps[0].shape[2:] == (64 // backbone.architecture.stride,) * 2


def test_tensors_that_no_stage_uses_may_lack(tmp_path: Path) -> None:
    """Files from before torch 0.4.1 have no counters of batches; the last levels and the classifier are not read."""
    state = random_state(PUBLISHED["efficientnet_b5"].layout(), seed=3)
    unused = ("features.5.6", "features.6", "features.7", "features.8", "classifier")
    used = {
        name: tensor
        for name, tensor in state.items()
        if not name.startswith(unused) and not name.endswith("num_batches_tracked")
    }
    file = tmp_path / "efficientnet_b5.pth"
    torch.save(used, file)
    maps = load_backbone(model("efficientnet_b5", file)).maps(torch.zeros(1, 64, 64, 3, dtype=torch.uint8))
    assert [each.shape[1] for each in maps] == [40, 128, 176]


@pytest.mark.parametrize(
    ("name", "tensor"),
    [("wide_resnet50_2", "layer3.5.bn3.running_var"), ("efficientnet_b5", "features.5.5.block.2.fc2.bias")],
)
def test_a_tensor_that_lacks_in_the_last_stage_is_named(name: str, tensor: str, tmp_path: Path) -> None:
    state = {each: torch.zeros(shape) for each, shape in PUBLISHED[name].layout().items() if each != tensor}
    file = tmp_path / PUBLISHED[name].file
    torch.save(state, file)
    with pytest.raises(WeightsError) as refusal:
        load_backbone(model(name, file))
    assert str(refusal.value) == f"{file}: it lacks {tensor}; give weights of the configured backbone"
