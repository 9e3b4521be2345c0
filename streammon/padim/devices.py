"""Which device computes, and in which precision."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from streammon.errors import ConfigError


def pick_device(wanted: str) -> torch.device:
    """The configured device, or for `auto` the best one there is.

    Raises:
        ConfigError: It isn't there.
    """
    if wanted == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    device = torch.device(wanted)
    there = {
        "cpu": True,
        "mps": torch.backends.mps.is_available(),
        "cuda": torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count(),
    }
    if not there[device.type]:
        raise ConfigError("model.device", f"there is no {wanted} on this machine", "use auto or cpu")
    return device


def pick_precision(wanted: str, device: torch.device) -> str:
    """`float32` or `bfloat16`; `auto` takes bfloat16 only where the hardware multiplies in it.

    Emulated bfloat16 is slower than float32: eight times on a CPU with AVX2 alone (ResNet18, 256x256).
    """
    if wanted != "auto":
        return wanted
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.get_device_capability(device) >= (8, 0) else "float32"
    if device.type == "cpu":
        checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
        if any(getattr(torch.cpu, check, lambda: False)() for check in checks):
            return "bfloat16"
    return "float32"


@contextmanager
def one_cpu_thread() -> Iterator[None]:
    """Let torch compute in the calling thread alone.

    For thousands of small factorisations: two threads that meet after each gain a third on an idle machine, and
    on a busy one wait for each other for seconds, in which nothing is scored.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def device_memory_bytes(device: torch.device) -> int | None:
    """What torch holds of an accelerator's memory; None for the CPU, whose memory is the process' own."""
    if device.type == "cuda":
        return torch.cuda.memory_reserved(device)
    if device.type == "mps":
        return torch.mps.driver_allocated_memory()
    return None
