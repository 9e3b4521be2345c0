"""Engines: the programs that compute a network's feature maps. Their maps agree within rounding, their speeds don't.

| engine | computes in | devices |
|---|---|---|
| `torch` | float32, bfloat16; float16 on CUDA | all |
| `openvino` | float32, bfloat16, int8 | CPUs |
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

import torch
from torch import Tensor, nn

from streammon.padim.devices import one_cpu_thread


class Engine(Protocol):
    """Computes the feature maps of one network; several threads may call it.

    Attributes:
        name: Name of the engine in the configuration.
        precision: `float32`, `bfloat16`, `float16` or `int8`.
    """

    name: str
    precision: str

    @property
    def weights_bytes(self) -> int:
        """Memory of the network's weights, in bytes."""

    def maps(self, pictures: Tensor, stages: int) -> list[Tensor]:
        """Feature maps: the outputs of the first `stages` stages.

        Args:
            pictures: (B, H, W, 3) uint8 RGB, on the CPU.
            stages: Number of stages, 1 to 3.

        Returns:
            (B, C, h, w) float32 maps, channels last in memory, from fine to coarse.
        """


def torch_threads(engine: Engine) -> AbstractContextManager[None]:
    """Restrict torch to one thread where it isn't torch that computes the network.

    Many small operations are left, after each of which two threads on busy cores would wait for each other.
    """
    return nullcontext() if engine.name == "torch" else one_cpu_thread()


class StagedNetwork(nn.Module):
    """A backbone's three stages, with the normalisation of pictures before them.

    Args:
        stages: The stages, in evaluation mode.
        mean: Mean per channel, subtracted from RGB in 0..255.
        std: Standard deviation per channel, by which the difference is divided.
        dtype: Number format in which the stages compute.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, stages: Sequence[nn.Module], mean: Sequence[float], std: Sequence[float], dtype: torch.dtype
    ) -> None:
        super().__init__()
        # pictures arrive as NHWC, and NHWC is up to twice as fast on CPUs
        self.stages = nn.ModuleList(stages).to(dtype=dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.register_buffer("mean", torch.tensor(mean), persistent=False)
        self.register_buffer("std", torch.tensor(std), persistent=False)
        self._dtype = dtype

    def forward(self, pictures: Tensor, stages: int = 3) -> tuple[Tensor, ...]:
        """Outputs (B, h, w, C) of the first `stages` stages, in the stages' number format, of (B, H, W, 3) uint8."""
        x = (pictures.float() - self.mean) / self.std
        x = x.permute(0, 3, 1, 2).to(self._dtype)  # (B, 3, H, W), channels last without a copy
        outputs = []
        for stage in self.stages[:stages]:
            x = stage(x)
            outputs.append(x.permute(0, 2, 3, 1))
        return tuple(outputs)


class TorchEngine:
    """torch, operation by operation: the reference of the other engines.

    Args:
        network: The network; its stages compute in `precision`.
        device: Device that it runs on.
        precision: `float32`, `bfloat16` or `float16`.
    """

    name = "torch"

    def __init__(self, network: StagedNetwork, device: torch.device, precision: str) -> None:
        self.precision = precision
        self._device = device
        self._network = network.to(device)

    @property
    def weights_bytes(self) -> int:
        """Memory of the network's parameters and buffers, in bytes."""
        return sum(tensor.nbytes for tensor in self._network.state_dict().values())

    @torch.inference_mode()
    def maps(self, pictures: Tensor, stages: int) -> list[Tensor]:
        """See `Engine.maps`."""
        outputs = self._network(pictures.to(self._device, non_blocking=True), stages)
        return [output.float().permute(0, 3, 1, 2) for output in outputs]
