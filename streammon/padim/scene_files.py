"""Files of a scene: safetensors, never pickle, with the facts as JSON in the header.

This module translates safetensors' errors into streammon's.
"""

import json
import os
import re
from dataclasses import asdict, replace
from pathlib import Path

from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from streammon import storage
from streammon.errors import BankError, system_reason
from streammon.padim.facts import FORMAT, FORMATS_READ, BankFacts
from streammon.padim.reduction import Reduction

BANK_FILE = "bank.safetensors"
STATISTICS_FILE = "statistics.safetensors"
FIT_AGAIN = "fit it again with `streammon fit`"
FREE_SPACE = "free space or check permissions, or choose --scenes DIR"


def write_tensors(path: Path, tensors: dict[str, Tensor], facts: BankFacts) -> None:
    """Write a safetensors file of a scene.

    Raises:
        StorageError: The file can't be written.
    """
    metadata = {"streammon": json.dumps(asdict(facts))}
    on_cpu = {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}
    storage.write_atomically(path, lambda beside: save_tensors(beside, on_cpu, metadata), FREE_SPACE)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file atomically.

    Raises:
        StorageError: The file can't be written.
    """
    storage.write_atomically(path, lambda beside: beside.write_text(text, encoding="utf-8"), FREE_SPACE)


def require_writable(folder: Path) -> None:
    """Require, before a long fit and not after it, that a scene's folder can be written.

    Raises:
        StorageError: The folder can't be created or written.
    """
    storage.require_writable(folder, "choose another folder with `scenes:` or --scenes")


def save_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """Write a safetensors file.

    Raises:
        OSError: The file can't be written; safetensors gives the system's error as text alone.
    """
    try:
        save_file(tensors, path, metadata)
    except SafetensorError as error:
        code = re.search(r"(?:code:|os error) (\d+)", str(error))
        raise (OSError(int(code[1]), os.strerror(int(code[1]))) if code else OSError()) from None


def read_facts(path: Path) -> BankFacts:
    """Facts of a safetensors file of a scene, without its tensors.

    Raises:
        BankError: The file is missing, broken, or of another format.
    """
    return _read(path, tensors=False)[0]


def read_tensors(path: Path) -> tuple[BankFacts, dict[str, Tensor]]:
    """Facts and tensors of a safetensors file of a scene; the facts of an older format get the current one.

    Raises:
        BankError: The file is missing, broken, or of another format.
    """
    return _read(path, tensors=True)


def _read(path: Path, *, tensors: bool) -> tuple[BankFacts, dict[str, Tensor]]:
    where = f"scene {path.parent.name!r}"
    what = "bank" if path.name == BANK_FILE else "running statistics"
    try:
        with safe_open(path, framework="pt") as file:
            raw = json.loads((file.metadata() or {})["streammon"])
            if raw.get("format") not in FORMATS_READ:
                read = " and ".join(map(str, FORMATS_READ))
                found = f"{path} is of format {raw.get('format')}, this streammon reads {read}"
                raise BankError(where, found, FIT_AGAIN)
            facts = replace(TypeAdapter(BankFacts).validate_python(raw), format=FORMAT)
            names = file.keys() if tensors else ()
            return facts, {name: file.get_tensor(name) for name in names}
    except FileNotFoundError:
        raise BankError(where, f"it has no {what} ({path})", "learn it with `streammon fit`") from None
    except KeyError:
        raise BankError(where, f"{path} is a safetensors file, but was not written by streammon", FIT_AGAIN) from None
    except SafetensorError:
        reason = "a pickle" if _looks_pickled(path) else "no safetensors file, or cut short"
        raise BankError(where, f"{path} is {reason}", FIT_AGAIN) from None
    except (ValidationError, ValueError, AttributeError):
        raise BankError(where, f"the header of {path} is not valid", FIT_AGAIN) from None
    except OSError as error:
        raise BankError(where, f"{path} can't be read ({system_reason(error)})", "check the file") from None


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
