"""Files of a scene: safetensors, never pickle, with the facts as JSON in the header.

A file is written under a temporary name and then renamed, so that a crash or a full disk never leaves half a bank.
This module translates safetensors' errors into streammon's.
"""

import json
import os
import re
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from streammon import storage
from streammon.errors import BankError, StorageError
from streammon.padim.facts import FORMAT, BankFacts
from streammon.padim.reduction import Reduction

BANK_FILE = "bank.safetensors"
STATISTICS_FILE = "statistics.safetensors"
FIT_AGAIN = "fit it again with `streammon fit`"


def write_tensors(path: Path, tensors: dict[str, Tensor], facts: BankFacts, **more: dict[str, Any]) -> None:
    """Write a safetensors file of a scene; `more` are further entries of the header, stored as JSON.

    Raises:
        StorageError: The file can't be written.
    """
    metadata = {"streammon": json.dumps(asdict(facts))} | {name: json.dumps(value) for name, value in more.items()}
    on_cpu = {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}
    write_atomically(path, lambda beside: save_file(on_cpu, beside, metadata))


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file atomically.

    Raises:
        StorageError: The file can't be written.
    """
    write_atomically(path, lambda beside: beside.write_text(text, encoding="utf-8"))


def require_writable(folder: Path) -> None:
    """Require, before a long fit and not after it, that a scene's folder can be written.

    Raises:
        StorageError: The folder can't be created or written.
    """
    storage.require_writable(folder, "choose another folder with `scenes:` or --scenes")


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Replace `path` atomically by a file that `write` writes under a temporary name.

    Raises:
        StorageError: The file can't be written; `path` is then unchanged.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            write(beside)
            with beside.open("rb+") as file:
                os.fsync(file.fileno())
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
    except (OSError, SafetensorError) as error:
        reason = _os_reason(error)
        raise StorageError(
            str(path), f"it can't be written ({reason})", "free space or check permissions, or choose --scenes DIR"
        ) from None


def _os_reason(error: OSError | SafetensorError) -> str:
    if isinstance(error, OSError):
        return (error.strerror or "no reason given").lower()
    code = re.search(r"(?:code:|os error) (\d+)", str(error))  # safetensors gives the system's error as text alone
    return os.strerror(int(code[1])).lower() if code else "no reason given"


def read_tensors(path: Path) -> tuple[BankFacts, dict[str, Tensor], dict[str, Any]]:
    """Facts, tensors and further header entries of a safetensors file of a scene.

    Raises:
        BankError: The file is missing, broken, or of another format.
    """
    where = f"scene {path.parent.name!r}"
    what = "bank" if path.name == BANK_FILE else "running statistics"
    try:
        with safe_open(path, framework="pt") as file:
            header = {name: json.loads(text) for name, text in (file.metadata() or {}).items() if text[:1] == "{"}
            raw = header.pop("streammon")
            if raw.get("format") != FORMAT:
                found = f"{path} is of format {raw.get('format')}, this streammon reads {FORMAT}"
                raise BankError(where, found, FIT_AGAIN)
            facts = TypeAdapter(BankFacts).validate_python(raw)
            return facts, {name: file.get_tensor(name) for name in file.keys()}, header  # noqa: SIM118 (not a dict)
    except FileNotFoundError:
        raise BankError(where, f"it has no {what} ({path})", "learn it with `streammon fit`") from None
    except KeyError:
        raise BankError(where, f"{path} is a safetensors file, but was not written by streammon", FIT_AGAIN) from None
    except SafetensorError:
        reason = "a pickle" if _looks_pickled(path) else "no safetensors file, or cut short"
        raise BankError(where, f"{path} is {reason}", FIT_AGAIN) from None
    except (ValidationError, ValueError, TypeError):
        raise BankError(where, f"the header of {path} is not valid", FIT_AGAIN) from None
    except OSError as error:
        raise BankError(where, f"{path} can't be read ({_os_reason(error)})", "check the file") from None


def _looks_pickled(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(2)
    return head[:1] == b"\x80" or head == b"PK"  # a pickle's protocol mark, or torch.save's zip


def require_shapes(path: Path, tensors: dict[str, Tensor], wanted: dict[str, tuple[int, ...]]) -> None:
    """Require that a file's tensors have the shapes that follow from its header.

    Raises:
        BankError: A tensor is missing or has another shape.
    """
    for name, shape in wanted.items():
        if name not in tensors or tensors[name].shape != shape:
            found = f"its {name} is {tuple(tensors[name].shape)}" if name in tensors else f"it has no {name}"
            raise BankError(str(path), f"{found} where the header says {shape}", FIT_AGAIN)


def reduction_tensors(reduction: Reduction) -> dict[str, Tensor]:
    """Tensors of a reduction by their names in a file."""
    named = {"channel_indices": reduction.indices, "channel_projection": reduction.projection}
    return {name: tensor for name, tensor in named.items() if tensor is not None}


def stored_reduction(path: Path, facts: BankFacts, tensors: dict[str, Tensor]) -> Reduction:
    """Reduction stored in a file.

    Raises:
        BankError: The file has no reduction, or one with another number of channels than its header.
    """
    indices, projection = tensors.get("channel_indices"), tensors.get("channel_projection")
    if (indices is None) == (projection is None):
        raise BankError(str(path), "it must have exactly one of channel_indices and channel_projection", FIT_AGAIN)
    # copies: a view would keep the whole mapped file in memory
    copies = [None if tensor is None else tensor.clone() for tensor in (indices, projection)]
    reduction = Reduction(facts.reduction, *copies)
    if reduction.dimensions != facts.dimensions:
        raise BankError(
            str(path), f"it has {reduction.dimensions} channels, its header says {facts.dimensions}", FIT_AGAIN
        )
    return reduction
