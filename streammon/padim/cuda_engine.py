"""The engine `torch` on CUDA: CUDA graphs, which launch all kernels of a network in one call.

One by one, the launches of a small network's kernels take longer than the kernels themselves.

Never run: no CUDA device was at hand when this was written (for torch 2.14).
"""

import logging
import threading
from collections import Counter
from typing import Any

import torch
from torch import Tensor

from streammon.errors import bug_in_one_line
from streammon.padim.engines import StagedNetwork, TorchEngine

WARM_UP_CALLS = 3
"""Calls of one shape before its graph: the first ones choose and load kernels, which can't be captured."""

MOST_GRAPHS = 16
"""Largest number of graphs, each of which keeps its pictures and maps in the device's memory."""

logger = logging.getLogger(__name__)


class CudaEngine(TorchEngine):
    """torch on a CUDA device, with one CUDA graph for each number of stages and shape of pictures.

    Shapes beyond `MOST_GRAPHS`, and all shapes if a graph can't be captured, are computed operation by operation.

    Args:
        network: The network; its stages compute in `precision`.
        device: CUDA device that it runs on.
        precision: `float32`, `bfloat16` or `float16`.
    """

    def __init__(self, network: StagedNetwork, device: torch.device, precision: str) -> None:
        super().__init__(network, device, precision)
        self._calls: Counter[tuple[int, torch.Size]] = Counter()
        self._graphs: dict[tuple[int, torch.Size], _Graph] = {}
        self._most_graphs = MOST_GRAPHS
        self._pool = torch.cuda.graph_pool_handle()
        self._turn = threading.Lock()  # a graph's pictures and maps stay where they are

    @torch.inference_mode()
    def maps(self, pictures: Tensor, stages: int) -> list[Tensor]:
        """See `Engine.maps`."""
        key, pinned = (stages, pictures.shape), pictures.pin_memory()  # pinned memory is copied without a wait
        with self._turn:
            if key not in self._graphs and len(self._graphs) < self._most_graphs:
                self._calls[key] += 1
                if self._calls[key] > WARM_UP_CALLS:
                    self._capture(pictures.shape, stages)
            graph = self._graphs.get(key)
            return super().maps(pinned, stages) if graph is None else graph.maps(pinned)

    def _capture(self, shape: torch.Size, stages: int) -> None:
        try:
            self._graphs[stages, shape] = _Graph(self._network, self._device, shape, stages, self._pool)
        except RuntimeError as error:  # CUDA's errors
            logger.warning("CUDA graphs can't be used: %s", bug_in_one_line(error))
            self._most_graphs = 0


class _Graph:
    """Captured computation of the maps of pictures of one shape.

    Args:
        network: The network on its device.
        device: The device.
        shape: Shape (B, H, W, 3) of the pictures.
        stages: Number of stages.
        pool: Handle of the memory that all graphs share, since one runs at a time and its maps are copied.
    """

    def __init__(
        self, network: StagedNetwork, device: torch.device, shape: torch.Size, stages: int, pool: Any
    ) -> None:
        self._pictures = torch.zeros(shape, dtype=torch.uint8, device=device)
        self._graph = torch.cuda.CUDAGraph()
        # thread_local: meanwhile another thread may score the batch before on the same device
        with torch.cuda.device(device), torch.cuda.graph(self._graph, pool, capture_error_mode="thread_local"):
            outputs = network(self._pictures, stages)
            self._maps = [output.float().permute(0, 3, 1, 2) for output in outputs]

    def maps(self, pinned: Tensor) -> list[Tensor]:
        """Maps of pictures in pinned memory, copied, since the next call overwrites those of the graph."""
        self._pictures.copy_(pinned, non_blocking=True)
        self._graph.replay()
        return [each.clone() for each in self._maps]
