"""The engine `openvino`: a network compiled for this processor.

Networks are converted by way of `torch.export`. That takes seconds, so the result is kept in the user's cache.

OpenVINO reports its use, and each import, to Google Analytics by the package `openvino_telemetry`. A program that
watches cameras must not do that, so that package is kept from being loaded (written for OpenVINO 2026.4).
"""

import contextlib
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from streammon.padim.engines import StagedNetwork

if TYPE_CHECKING:
    from openvino import InferRequest, Model

PRECISIONS = {"float32": "f32", "bfloat16": "bf16", "int8": "f32"}
"""OpenVINO's names of the precisions; in int8, of what is not quantised."""

ANY = -1
"""Any batch size."""

OWN_SIZE_BYTES = 64_000_000
"""Memory for networks that are compiled for one batch size, about a sixth faster than one for any batch size."""

OWN_SIZE_CROPS = 12
"""Largest batch of crops, of which the first stage alone is computed, with a network compiled for its size.

So many moving objects a frame has at most. A crop costs little beside the work of a network for any batch size.
"""

EXAMPLE = (2, 256, 192)
"""Batch size, height and width while a network is converted; all different, since all may be others later."""


def openvino_module() -> Any:
    """The package `openvino`, without its telemetry.

    Raises:
        ImportError: It is not installed.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # its import then fails
    import openvino

    return openvino


def converted_network(folder: Path, name: str, load: Callable[[], StagedNetwork]) -> "Model":
    """A network in OpenVINO's format, for pictures of any number and size, kept in a folder.

    Args:
        folder: Folder of the kept networks; may be shared by processes.
        name: Name of the network, another one if its weights are others.
        load: Builds the network in float32; called only if it isn't kept.
    """
    openvino = openvino_module()
    version = openvino.get_version().split("-")[0]
    kept = folder / f"{name}-openvino-{version}" / "network.xml"
    if kept.exists():
        try:
            return openvino.Core().read_model(kept)
        except RuntimeError:  # cut short, by a full disk for one
            shutil.rmtree(kept.parent, ignore_errors=True)
    with _converting:
        model = _convert(load())
    with contextlib.suppress(OSError, RuntimeError):  # a network that can't be kept is converted again next time
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as beside:
            openvino.save_model(model, Path(beside) / "new" / kept.name, compress_to_fp16=False)
            (Path(beside) / "new").rename(kept.parent)
    return model


_converting = threading.Lock()  # torch.export changes global state


def _convert(network: StagedNetwork) -> "Model":
    """Export a network and convert it by the steps of `openvino.convert_model`.

    That function sets the root logger to errors alone while it converts, and for good when it fails, so the program's
    warnings would be lost. Some of the steps are not in OpenVINO's documentation (written for OpenVINO 2026.4).
    """
    from openvino._offline_transformations import apply_moc_transformations
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.fx_decoder import TorchFXPythonDecoder
    from openvino.frontend.pytorch.torchdynamo.export_decompositions import ops_to_not_decompose

    for module in network.modules():
        if isinstance(module, nn.ReLU | nn.ReLU6 | nn.SiLU):  # exported in place, they take five times as long
            module.inplace = False
    free = dict.fromkeys(range(3), torch.export.Dim.AUTO)
    pictures = torch.zeros(*EXAMPLE, 3, dtype=torch.uint8)
    exported = torch.export.export(network, (pictures,), dynamic_shapes={"pictures": free})
    rules = dict(torch.export.default_decompositions())
    for operation in ops_to_not_decompose():
        rules.pop(operation, None)
    decoder = TorchFXPythonDecoder(exported.run_decompositions(rules).module(), dynamic_shapes=True)
    frontend = FrontEndManager().load_by_framework("pytorch")
    model = frontend.convert(frontend.load(decoder))  # which asks the decoder
    apply_moc_transformations(model, cf=False, smart_reshape=True)
    return model


class OpenVinoEngine:
    """OpenVINO on the CPU.

    Args:
        network: The network, as `converted_network` or, for int8, `load_quantised` returns it.
        precision: `float32`, `bfloat16` or `int8`.
        threads: Number of CPU threads.

    Attributes:
        precision: `float32`, `bfloat16` or `int8`.
        weights_bytes: Memory of the network's weights, in bytes; some batch sizes have a copy of their own.
    """

    name = "openvino"

    def __init__(self, network: "Model", precision: str, threads: int) -> None:
        self.precision = precision
        self.weights_bytes = _constant_bytes(network)
        self._network = network
        self._compiled_bytes = 0
        self._core = openvino_module().Core()
        self._options = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": PRECISIONS[precision],
            "INFERENCE_NUM_THREADS": threads,
        }
        # by stages, batch size, height and width; one call of each at a time, since its input and output are its own
        self._requests: dict[tuple[int, int, int, int], tuple[InferRequest, threading.Lock]] = {}
        self._compiling = threading.RLock()

    def maps(self, pictures: Tensor, stages: int) -> list[Tensor]:
        """See `Engine.maps`."""
        request, turn = self._request(stages, *pictures.shape[:3])
        with turn:
            outputs = request.infer({0: pictures.numpy()}, share_inputs=True)
        return [torch.from_numpy(output).permute(0, 3, 1, 2) for output in outputs.values()]

    def _request(self, stages: int, batch: int, height: int, width: int) -> "tuple[InferRequest, threading.Lock]":
        key = stages, batch, height, width
        if key not in self._requests:
            with self._compiling:
                if key not in self._requests:
                    self._requests[key] = self._compiled(*key)
        return self._requests[key]

    def _compiled(self, stages: int, batch: int, height: int, width: int) -> "tuple[InferRequest, threading.Lock]":
        """Network for one batch size; for any batch size beyond `OWN_SIZE_BYTES` or, of crops, `OWN_SIZE_CROPS`."""
        if stages == len(self._network.outputs):
            own = self._compiled_bytes + self.weights_bytes <= OWN_SIZE_BYTES
        else:
            own = batch <= OWN_SIZE_CROPS
        if batch != ANY and not own:
            return self._request(stages, ANY, height, width)
        copied = self._network.clone()
        cut = openvino_module().Model(copied.outputs[:stages], copied.get_parameters())
        cut.reshape([batch, height, width, 3])
        self._compiled_bytes += _constant_bytes(cut)
        request = self._core.compile_model(cut, "CPU", self._options).create_infer_request()
        return request, threading.Lock()


def _constant_bytes(model: "Model") -> int:
    constants = (each for each in model.get_ordered_ops() if each.get_type_name() == "Constant")
    return sum(each.get_byte_size() for each in constants)
