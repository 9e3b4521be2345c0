"""Networks in int8: quantised once by NNCF on normal footage, then kept in a file beside the scenes that use them.

All scenes of a folder share one network, so that frames of several cameras form one batch. NNCF is needed to make the
file, not to use it. It is a safetensors file with OpenVINO's two files, which could not be replaced together.

Like OpenVINO, NNCF reports its use to Google Analytics by the package `openvino_telemetry`, which `openvino_module`
keeps from being loaded (written for NNCF 3.4).
"""

import contextlib
import io
import logging
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file, save
from torch import Tensor

from streammon import storage
from streammon.errors import ConfigError, WeightsError, system_reason
from streammon.padim.openvino_engine import openvino_module

if TYPE_CHECKING:
    from nncf import OverflowFix
    from openvino import Model

CALIBRATION_PICTURES = 100
"""Largest number of pictures that the ranges of activations are measured on.

NNCF's default of 300 takes three times the time and memory, and 50 differed no more from float32.
"""

ANOTHER_FOLDER = "free space or check permissions, or choose another folder with `scenes:` or --scenes"


def quantised_file(scenes: Path, backbone: str, weights_sha256: str) -> Path:
    """File of the quantised backbone with these weights in a folder of scenes."""
    return scenes / f"{backbone}-int8-{weights_sha256[:12]}.safetensors"


def require_nncf() -> None:
    """Require the package NNCF.

    Raises:
        ConfigError: It is not installed.
    """
    if find_spec("nncf") is None:
        found = "it is int8, and the package nncf, which quantises the backbone, is not installed"
        raise ConfigError("model.precision", found, "install `streammon[int8]`, or use auto")


def quantised(network: "Model", pictures: Sequence[Tensor]) -> "Model":
    """A network in int8: weights of convolutions per output channel, activations per tensor, biases corrected.

    NNCF's slow bias correction and the full range of the first convolution's weights halve what int8 changes in the
    maps of efficientnet_lite0: 0.10 instead of 0.23 of |map|.

    Args:
        network: The network in float32, as `converted_network` returns it.
        pictures: (1, H, W, 3) uint8 each, of normal footage, on which the ranges of the activations are measured.
    """
    openvino_module()  # without its telemetry, which is NNCF's too
    with contextlib.redirect_stdout(io.StringIO()):  # of NNCF's progress bars
        import nncf

        logging.getLogger("nncf").setLevel(logging.ERROR)  # `nncf.set_log_level` sets others' handlers too
        footage = nncf.Dataset([each.numpy() for each in pictures])
        advanced = nncf.AdvancedQuantizationParameters(overflow_fix=_overflow_fix())
        return nncf.quantize(
            network,
            footage,
            subset_size=len(pictures),
            fast_bias_correction=False,
            advanced_parameters=advanced,
        )


def _overflow_fix() -> "OverflowFix":
    """Half the range of weights for the first convolution, unless the processor sums int8 products in 32 bits."""
    import nncf

    sums_in_32_bits = getattr(torch.cpu, "_is_vnni_supported", lambda: False)()
    return nncf.OverflowFix.DISABLE if sums_in_32_bits else nncf.OverflowFix.FIRST_LAYER


def save_quantised(file: Path, network: "Model") -> None:
    """Write a quantised network.

    Raises:
        StorageError: The file can't be written.
    """
    with tempfile.TemporaryDirectory(prefix="streammon-int8-") as folder:
        xml = Path(folder) / "network.xml"
        openvino_module().save_model(network, xml, compress_to_fp16=False)
        parts = {kind: np.fromfile(xml.with_suffix(f".{kind}"), np.uint8) for kind in ("xml", "bin")}
    storage.write_atomically(file, lambda beside: beside.write_bytes(save(parts)), ANOTHER_FOLDER)


def load_quantised(file: Path) -> "Model":
    """Read a quantised network.

    Raises:
        WeightsError: The file can't be read.
    """
    remedy = "restore it, or delete it and fit all its scenes again"
    openvino = openvino_module()
    try:
        parts = load_file(file)
        return openvino.Core().read_model(parts["xml"].tobytes(), openvino.Tensor(parts["bin"]))
    except OSError as error:
        raise WeightsError(str(file), f"it can't be read ({system_reason(error)})", remedy) from None
    except (SafetensorError, KeyError, RuntimeError):
        raise WeightsError(str(file), "it holds no quantised network, or is cut short", remedy) from None
