"""The backbone: a pretrained network, with its weights, on a device and computed by an engine."""

import logging
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from streammon.config import SCENES, ModelConfig
from streammon.errors import ConfigError, bug_in_one_line
from streammon.padim.architectures import ARCHITECTURES, Architecture, fold_batch_norm
from streammon.padim.cuda_engine import CudaEngine
from streammon.padim.devices import (
    allowed_precisions,
    cpu_threads,
    multiplies_bfloat16,
    pick_device,
    processor_name,
    set_cpu_threads,
)
from streammon.padim.engine_trial import Trial, compare, fastest, kept_trials
from streammon.padim.engines import Engine, StagedNetwork, TorchEngine
from streammon.padim.openvino_engine import OpenVinoEngine, converted_network, openvino_module
from streammon.padim.probe import probe_pictures, probe_values
from streammon.padim.quantised import (
    ANOTHER_FOLDER,
    load_quantised,
    quantised,
    quantised_file,
    require_nncf,
    save_quantised,
)
from streammon.padim.weights import load_into, load_state, packaged_lite0, sha256, torchvision_weights_path
from streammon.records import Picture
from streammon.storage import cache_folder, require_writable

if TYPE_CHECKING:
    from openvino import Model

NETWORK_FILES = ("architectures.py", "engines.py", "lite0.py")
"""Modules that define the networks: one converted by other versions of them is not used."""

logger = logging.getLogger(__name__)


def as_batch(pictures: Sequence[Picture], crop: int | None = None) -> Tensor:
    """Batch (B, H, W, 3) uint8 of B pictures (H, W, 3), centre-cropped to `crop` pixels a side; None for no crop."""
    batch = torch.from_numpy(np.stack(pictures))
    if crop is None:
        return batch
    margin = (batch.shape[1] - crop) // 2
    return batch[:, margin : margin + crop, margin : margin + crop]


class Backbone:
    """Pretrained network that computes three feature maps of a picture.

    Args:
        name: Name of the backbone in the configuration.
        weights_sha256: SHA-256 of the weights file.
        device: Device of the feature maps.
        engine: Computes them.

    Attributes:
        name: Name of the backbone in the configuration.
        weights_sha256: SHA-256 of the weights file.
        architecture: Construction and stages of the network.
        device: Device of the feature maps.
        engine: Computes them.
    """

    def __init__(self, name: str, weights_sha256: str, device: torch.device, engine: Engine) -> None:
        self.name = name
        self.weights_sha256 = weights_sha256
        self.architecture: Architecture = ARCHITECTURES[name]
        self.device = device
        self.engine = engine

    @property
    def precision(self) -> str:
        """Number format that the network computes in: `float32`, `bfloat16`, `float16` or `int8`."""
        return self.engine.precision

    def maps(self, pictures: Tensor, stages: int = 3) -> list[Tensor]:
        """Feature maps: the outputs of the first `stages` stages.

        Args:
            pictures: (B, H, W, 3) uint8 RGB.
            stages: Number of stages, 1 to 3.

        Returns:
            (B, C, h, w) float32 maps, channels last in memory, from fine to coarse.
        """
        return self.engine.maps(pictures, stages)

    @cached_property
    def probe(self) -> tuple[float, ...]:
        """Some values of the maps of a made-up picture, by which a bank knows whether these maps are its own."""
        return probe_values(self.maps(probe_pictures(1)))


def load_backbone(model: ModelConfig, scenes: Path = SCENES) -> Backbone:
    """The configured backbone with its weights, ready on its device.

    Args:
        model: The backbone, and its engine, device and precision.
        scenes: Folder of all scenes, where the network in int8 is.

    Raises:
        WeightsError: The weights can't be read or downloaded, or don't fit the network.
        ConfigError: The device or the engine is not available on this machine, or there is no network in int8.
    """
    source = _Engines(model, scenes)
    return Backbone(model.backbone, source.weights_sha256, source.device, source.engine())


def quantise_backbone(model: ModelConfig, scenes: Path, pictures: Callable[[], Sequence[Tensor]]) -> None:
    """If int8 is configured, and a folder of scenes has no network in int8 yet, make it.

    Args:
        model: The backbone.
        scenes: Folder of all scenes.
        pictures: Reads (1, H, W, 3) uint8 pictures of normal footage; called only if the network is made.

    Raises:
        WeightsError: The weights can't be read or downloaded, or don't fit the network.
        ConfigError: int8 can't be computed on this machine, or NNCF is not installed.
        StorageError: The network can't be written.
    """
    if model.precision == "int8":
        _Engines(model, scenes).quantise(pictures)


def is_quantised(model: ModelConfig, scenes: Path) -> bool:
    """True if a folder of scenes has the configured backbone in int8.

    Raises:
        WeightsError: The weights can't be read or downloaded.
        ConfigError: The device is not available on this machine.
    """
    return _Engines(model, scenes).quantised_file.exists()


def engine_trials(model: ModelConfig, scenes: Path = SCENES) -> list[Trial]:
    """New trials of the engines that the configuration allows on this machine, and of int8 where its network exists.

    Args:
        model: The backbone, and its engine, device and precision.
        scenes: Folder of all scenes, where the network in int8 is.

    Raises:
        WeightsError: The weights can't be read or downloaded, or don't fit the network.
        ConfigError: The device or the engine is not available on this machine.
    """
    return _Engines(model, scenes).trials(int8=True)


class _Engines:
    """Engines that compute the configured network.

    Args:
        model: The network, and the wanted engine, device and precision.
        scenes: Folder of all scenes, where the network in int8 is.

    Attributes:
        device: Device of the feature maps.
        weights_sha256: SHA-256 of the weights file.
        quantised_file: File of the network in int8, whether it exists or not.
    """

    def __init__(self, model: ModelConfig, scenes: Path) -> None:
        if model.threads:
            set_cpu_threads(model.threads)
        self._model = model
        self.device = pick_device(model.device)
        self._precisions = allowed_precisions(model.precision, self.device)
        self._is_int8 = model.precision == "int8"
        self._weights = model.weights or default_weights(model.backbone)
        self._state = load_state(self._weights)
        self.weights_sha256 = sha256(self._weights)
        self.quantised_file = quantised_file(scenes, model.backbone, self.weights_sha256)

    def engine(self) -> Engine:
        """The configured engine in the configured precision; where there is a choice, the fastest of a trial."""
        choices = self._choices()
        if len(choices) == 1:
            return self._built(*choices[0])
        best = fastest(kept_trials(cache_folder() / "engine_trials.json", self._key(), self.trials))
        return self._built(*((best.engine, best.precision) if best else choices[0]))

    def quantise(self, pictures: Callable[[], Sequence[Tensor]]) -> None:
        """Make the network in int8, unless it exists."""
        if self.quantised_file.exists():
            return
        self._names()
        require_nncf()
        require_writable(self.quantised_file.parent, ANOTHER_FOLDER)
        network = quantised(self._converted(), pictures())
        if not self.quantised_file.exists():  # another fit may have written one meanwhile
            save_quantised(self.quantised_file, network)

    def trials(self, *, int8: bool = False) -> list[Trial]:
        """New trials of all that may be chosen, and of int8, if wanted and there is such a network."""
        reference = TorchEngine(self._network("float32"), self.device, "float32")
        engines = []
        for name, precision in self._choices():
            try:
                engines.append(self._built(name, precision))
            except (RuntimeError, ImportError, AttributeError, TypeError) as error:  # as other versions may raise
                if self._model.engine != "auto":
                    raise
                logger.warning("the engine %s can't be used: %s", name, bug_in_one_line(error))
        if int8 and "openvino" in self._names() and not self._is_int8 and self.quantised_file.exists():
            engines.append(self._in_int8())
        return compare(engines, reference, self._model.batch)

    def _choices(self) -> list[tuple[str, str]]:
        """Engines and precisions that may be chosen.

        Raises:
            ConfigError: The configured engine can't be used.
        """
        return [(name, precision) for name in self._names() for precision in self._precisions]

    def _names(self) -> list[str]:
        """Names of the engines that may be chosen.

        Raises:
            ConfigError: The configured engine can't be used.
        """
        wanted, obstacle = self._model.engine, self._obstacle()
        if self._is_int8 and obstacle:
            raise ConfigError("model.precision", f"it is int8, and {obstacle}", "use auto")
        if self._is_int8:
            if wanted == "torch":
                raise ConfigError("model.engine", "it is torch, and only openvino computes in int8", "use auto")
            return ["openvino"]
        if wanted == "openvino" and obstacle:
            raise ConfigError("model.engine", obstacle, "use auto or torch")
        if wanted == "auto":
            return ["torch"] if obstacle else ["torch", "openvino"]
        return [wanted]

    def _obstacle(self) -> str:
        """Reason against OpenVINO; empty if it can be used."""
        if find_spec("openvino") is None:
            return "the package openvino is not installed"
        if self.device.type != "cpu":
            return f"openvino doesn't compute on {self.device.type}"
        if "bfloat16" in self._precisions and not multiplies_bfloat16():
            return "openvino computes in bfloat16 only where the processor does"
        return ""

    def _key(self) -> str:
        """Key of the kept trials: processor, versions, network, precisions and batch size, which they hold for."""
        processor = f"{processor_name()} with {torch.backends.cpu.get_cpu_capability()}"
        versions = f"torch {torch.__version__}, openvino {openvino_module().get_version()}"
        network = f"{self._model.backbone} {self.weights_sha256[:12]} in {' or '.join(self._precisions)}"
        sizes = f"batches of {self._model.batch}, {cpu_threads()} threads"
        return f"{processor}, {versions}, {network}, {sizes}"

    def _built(self, engine: str, precision: str) -> Engine:
        if engine == "torch":
            kind = CudaEngine if self.device.type == "cuda" else TorchEngine
            return kind(self._network(precision), self.device, precision)
        if precision == "int8":
            return self._in_int8()
        return OpenVinoEngine(self._converted(), precision, cpu_threads())

    def _in_int8(self) -> Engine:
        file = self.quantised_file
        if not file.exists():
            found = f"it is int8, and {file.parent} has no {file.name}"
            raise ConfigError("model.precision", found, "make it with `streammon fit --precision int8`, or use auto")
        return OpenVinoEngine(load_quantised(file), "int8", cpu_threads())

    def _converted(self) -> "Model":
        written = "-".join(sha256(Path(__file__).with_name(name))[:6] for name in NETWORK_FILES)
        name = f"{self._model.backbone}-{self.weights_sha256[:16]}-{written}"
        return converted_network(cache_folder() / "networks", name, partial(self._network, "float32"))

    def _network(self, precision: str) -> StagedNetwork:
        architecture = ARCHITECTURES[self._model.backbone]
        network = architecture.build().eval().requires_grad_(False)
        stages = architecture.stages(network)
        load_into(network, self._state, _names_within(network, stages), str(self._weights))
        for stage in stages:
            fold_batch_norm(stage.double())  # folded in float64, so that only the result is rounded
            stage.float()
        return StagedNetwork(stages, architecture.mean, architecture.std, getattr(torch, precision)).eval()


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
