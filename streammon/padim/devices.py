"""The device, the precision and the number of CPU threads that torch computes with, and the processor's name."""

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from streammon.errors import ConfigError

_cpu_threads = torch.get_num_threads()

TENSOR_CORES = (7, 0)
"""First CUDA compute capability with tensor cores, which multiply in float16 (Volta)."""


def pick_device(wanted: str) -> torch.device:
    """Configured device; `auto` picks CUDA, else MPS, else the CPU.

    Raises:
        ConfigError: The device is not available on this machine.
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


def allowed_precisions(wanted: str, device: torch.device) -> tuple[str, ...]:
    """Precisions to compute in; two for `auto` on a CPU that multiplies in bfloat16, where a trial shows the faster.

    Such a CPU isn't always faster in it: an Intel Xeon with AVX-512 whose AMX is not there multiplies matrices at
    258 GFLOP/s in float32 and at 149 in bfloat16. Emulated bfloat16 never is: on a CPU with AVX2 alone it takes
    eight times as long (ResNet18, 256x256).

    Raises:
        ConfigError: float16 on another device than CUDA.
    """
    if wanted == "float16" and device.type != "cuda":
        found = f"it is float16, and the backbone is computed on {device.type}"
        raise ConfigError("model.precision", found, "use auto; float16 is for CUDA")
    if wanted != "auto":
        return (wanted,)
    if device.type == "cuda":
        return (cuda_precision(torch.cuda.get_device_capability(device)),)
    return ("float32", "bfloat16") if device.type == "cpu" and multiplies_bfloat16() else ("float32",)


def multiplies_bfloat16() -> bool:
    """True if the CPU has instructions that multiply in bfloat16."""
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, check, lambda: False)() for check in checks)


def cuda_precision(capability: tuple[int, int]) -> str:
    """Fastest precision of a CUDA device, by its compute capability.

    float16, as is usual for inference of image networks: tensor cores are as fast in it as in bfloat16, have it in
    more devices, and round to 11 bits instead of 8.

    >>> cuda_precision((6, 1)), cuda_precision((7, 5)), cuda_precision((8, 6))
    ('float32', 'float16', 'float16')
    """
    return "float16" if capability >= TENSOR_CORES else "float32"


def set_cpu_threads(count: int) -> None:
    """Set the number of CPU threads of torch and of all that is computed beside it."""
    global _cpu_threads
    _cpu_threads = count
    torch.set_num_threads(count)


def cpu_threads() -> int:
    """Number of CPU threads to compute with, also where torch is restricted to one: one for each core unless set."""
    return _cpu_threads


@contextmanager
def one_cpu_thread() -> Iterator[None]:
    """Restrict torch to one CPU thread.

    For thousands of small factorisations: two threads that synchronise after each factorisation gain a third on an
    idle machine, but on a busy machine wait for each other for seconds, in which no frame is scored.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def processor_name() -> str:
    """Name of the CPU: Linux's model name, elsewhere as Python's `platform` has it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def device_memory_bytes(device: torch.device) -> int | None:
    """Accelerator memory that torch has reserved, in bytes; None for the CPU, which uses the process's memory."""
    if device.type == "cuda":
        return torch.cuda.memory_reserved(device)
    if device.type == "mps":
        return torch.mps.driver_allocated_memory()
    return None
