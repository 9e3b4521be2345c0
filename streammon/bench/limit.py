"""Stages of PaDiM against this machine's peaks, measured in turn in the same run.

A roofline (Williams, Waterman and Patterson, 2009) with one bound for each stage. The backbone multiplies: its limit
is its FLOP / (FLOP/s of a matrix product in its precision). The distances read a bank once a batch: their limit is
its bytes / (bytes/s of a read from memory). All else, such as decoding and blurring, has no limit: 0 in the sum.
"""

import copy
import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from itertools import cycle
from pathlib import Path

import torch
from rich.table import Table
from torch.utils.flop_counter import FlopCounterMode

from streammon.bench.machine import MeasuredOn, measured_on
from streammon.bench.stages import decoded, median_ms, pictures_of
from streammon.padim import INPUT_SIZE, Architecture, Backbone, Bank, allowed_precisions, torch_threads
from streammon.records import Frame

BACKBONE, DISTANCES = "backbone", "embedding and Mahalanobis"
FROM_PICTURE, FROM_FILE = "from picture to score", "from file to score, one step at a time"
MEMORY = "memory"
MATRIX_SIDE = 2048
READ_BYTES = 512_000_000  # beyond any cache
ROUNDS = 5
LEAST_CALLS = 2  # of each measurement in a round

Call = Callable[[], object]


@dataclass(frozen=True)
class Peak:
    """Peak of this machine with torch's number of threads.

    Attributes:
        name: Number format of a matrix product of 2048 x 2048, or `memory` for a read.
        per_s: FLOP or bytes a second; multiplications and additions count each.
        unit: `FLOP` or `bytes`.
    """

    name: str
    per_s: float
    unit: str


@dataclass(frozen=True)
class StageLimit:
    """Time of one stage and its limit, the time at the machine's peak.

    Attributes:
        stage: Name of the stage.
        batch: Batch size.
        ms_per_frame: Median over rounds, in milliseconds a frame.
        limit_ms: Milliseconds a frame at the peak.
        share: limit_ms / ms_per_frame; 1 at the peak.
        bound: Name of the peak; `sum` for the sum of the stages' limits.
    """

    stage: str
    batch: int
    ms_per_frame: float
    limit_ms: float
    share: float
    bound: str


@dataclass(frozen=True, kw_only=True)
class LimitReport(MeasuredOn):
    """Peaks of this machine, and each stage's share of its limit.

    Attributes:
        backbone_flop: FLOP of the backbone's three stages a frame.
        bank_bytes: Bytes of a bank, which each batch reads.
        peaks: Peaks of this machine.
        stages: Stages with a limit, then all stages up to the frame score.
    """

    backbone_flop: int
    bank_bytes: int
    peaks: list[Peak]
    stages: list[StageLimit]

    def tables(self) -> tuple[Table, Table]:
        """Tables of the peaks and of the stages."""
        peaks = Table(title=f"peaks of {self.device}, {self.machine}", title_justify="left")
        peaks.add_column("peak")
        peaks.add_column("a second", justify="right")
        for peak in self.peaks:
            if peak.unit == "bytes":
                peaks.add_row("read from memory", f"{peak.per_s / 1e9:.1f} GB")
            else:
                peaks.add_row(f"matrix product in {peak.name}", f"{peak.per_s / 1e9:.0f} GFLOP")
        work = f"{self.backbone_flop / 1e9:.2f} GFLOP a frame, bank of {self.bank_bytes / 1e6:.1f} MB"
        stages = Table(title=f"{self.backbone}, {self.engine} in {self.precision}: {work}", title_justify="left")
        for name in ("stage", "batch", "ms a frame", "at the limit", "share", "limit"):
            stages.add_column(name, justify="left" if name in ("stage", "limit") else "right")
        for each in self.stages:
            times = f"{each.ms_per_frame:.2f}", f"{each.limit_ms:.2f}"
            stages.add_row(each.stage, str(each.batch), *times, f"{each.share:.0%}", each.bound)
        return peaks, stages


def flop_per_frame(architecture: Architecture) -> int:
    """FLOP of a network's three stages for one frame, counted by torch on tensors without values."""
    with torch.device("meta"), torch.inference_mode(), FlopCounterMode(display=False) as counter:
        x = torch.empty(1, 3, INPUT_SIZE, INPUT_SIZE)
        for stage in architecture.stages(architecture.build().eval()):
            x = stage(x)
    return int(counter.get_total_flops())


def measure_limits(
    footage: Path, frames: list[Frame], backbone: Backbone, bank: Bank, batch: int, seconds: float
) -> LimitReport:
    """Measure the peaks of the backbone's device and the stages of PaDiM, in turn.

    Args:
        footage: Footage that is decoded.
        frames: Frames of the footage, for the stages after decoding.
        backbone: Backbone to measure.
        bank: Prepared bank; copies of it are scored in turn, so that each is read from memory.
        batch: Largest batch size; a batch of 1 is measured too.
        seconds: Seconds of each measurement.
    """
    bank_bytes = bank.scoring_bytes()
    banks = cycle([bank, *(copy.deepcopy(bank) for _ in range(READ_BYTES // bank_bytes))])
    of_peaks = peak_calls(backbone)
    of_stages: dict[tuple[str, int], Call] = {}
    for size in dict.fromkeys((1, min(batch, len(frames)))):
        of_stages |= stage_calls(footage, frames[:size], backbone, banks)
    ms = in_turn_ms([*of_peaks.values()], [*of_stages.values()], partial(torch_threads, backbone.engine), seconds)
    peaks = [_peak(name, each) for name, each in zip(of_peaks, ms, strict=False)]
    flop = flop_per_frame(backbone.architecture)
    limits = _Limits({peak.name: peak.per_s for peak in peaks}, backbone.precision, flop, bank_bytes)
    return LimitReport(
        **measured_on(backbone),
        backbone_flop=flop,
        bank_bytes=bank_bytes,
        peaks=peaks,
        stages=[limits.of(*key, each) for key, each in zip(of_stages, ms[len(of_peaks) :], strict=True)],
    )


def peak_calls(backbone: Backbone) -> dict[str, Call]:
    """Calls that reach the peaks: a product in each number format that the device multiplies fast, and a read."""
    device = backbone.device
    numbers = torch.rand(MATRIX_SIDE, MATRIX_SIDE, device=device)
    calls: dict[str, Call] = {}
    for precision in dict.fromkeys(("float32", *allowed_precisions("auto", device), backbone.precision)):
        if precision == "int8":
            continue
        matrix = numbers.to(getattr(torch, precision))
        calls[precision] = partial(torch.mm, matrix, matrix)
    if multiplies_int8(device) or backbone.precision == "int8":
        matrix = (100 * numbers).to(torch.int8)
        calls["int8"] = partial(torch._int_mm, matrix, matrix)
    return calls | {MEMORY: torch.ones(READ_BYTES // 4, device=device).sum}


def multiplies_int8(device: torch.device) -> bool:
    """True if torch multiplies int8 matrices by the device's own instructions, and not number by number."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (7, 5)
    return device.type == "cpu" and bool(getattr(torch.cpu, "_is_vnni_supported", lambda: False)())


def stage_calls(
    footage: Path, frames: list[Frame], backbone: Backbone, banks: Iterator[Bank]
) -> dict[tuple[str, int], Call]:
    """Calls of the stages and of all of them together, by name and batch size.

    Args:
        footage: Footage that is decoded.
        frames: One batch, for the stages after decoding.
        backbone: Backbone to measure.
        banks: Prepared banks, the next one for each batch.
    """
    size, pictures = len(frames), pictures_of(frames)
    maps, reader = backbone.maps(pictures), decoded(footage, size, detail=False)
    return {
        (BACKBONE, size): partial(backbone.maps, pictures),
        (DISTANCES, size): lambda: next(banks).distances(maps),
        (FROM_PICTURE, size): lambda: next(banks).score(backbone.maps(pictures)),
        (FROM_FILE, size): lambda: next(banks).score(backbone.maps(pictures_of(next(reader)))),
    }


def in_turn_ms(
    peaks: Sequence[Call], stages: Sequence[Call], threads: Callable[[], AbstractContextManager[None]], seconds: float
) -> list[float]:
    """Median milliseconds of each call over rounds of all calls, so that a busy moment meets all of them alike.

    Args:
        peaks: Calls that reach the peaks, in as many threads as torch has.
        stages: Calls of the stages.
        threads: Context manager that gives torch the threads that it has in a scorer, for the stages.
        seconds: Seconds of each call over all rounds.
    """

    def once(calls: Sequence[Call]) -> list[float]:
        return [median_ms(call, seconds / ROUNDS, LEAST_CALLS) for call in calls]

    rounds = []
    for _ in range(ROUNDS):
        of_peaks = once(peaks)
        with threads():
            rounds.append(of_peaks + once(stages))
    return [statistics.median(times) for times in zip(*rounds, strict=True)]


def _peak(name: str, ms: float) -> Peak:
    if name == MEMORY:
        return Peak(name, 1000 * READ_BYTES / ms, "bytes")
    return Peak(name, 1000 * 2 * MATRIX_SIDE**3 / ms, "FLOP")


@dataclass(frozen=True)
class _Limits:
    """Work of the stages and the peaks that bound them."""

    peaks_per_s: dict[str, float]
    precision: str
    flop: int
    bank_bytes: int

    def of(self, stage: str, batch: int, ms: float) -> StageLimit:
        """A stage that took so many milliseconds a batch."""
        computing_ms = 1000 * self.flop / self.peaks_per_s[self.precision]
        reading_ms = 1000 * self.bank_bytes / self.peaks_per_s[MEMORY] / batch
        limit_ms, bound = {BACKBONE: (computing_ms, self.precision), DISTANCES: (reading_ms, MEMORY)}.get(
            stage, (computing_ms + reading_ms, "sum")
        )
        return StageLimit(stage, batch, ms / batch, limit_ms, limit_ms * batch / ms, bound)
