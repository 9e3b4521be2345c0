"""Limits of the stages: the work that is counted, and the order in which it is measured."""

from functools import partial

import torch

from streammon.bench.limit import LEAST_CALLS, ROUNDS, flop_per_frame, in_turn_ms
from streammon.padim import ARCHITECTURES, one_cpu_thread


def test_the_flop_of_resnet18_are_those_of_its_convolutions() -> None:
    """Each convolution takes 2 x outputs x kernel x input channels; its grids are 128, 64, 32 and 16 a side."""
    first = 128**2 * 64 * 7**2 * 3
    layer1 = 4 * 64**2 * 64 * 3**2 * 64
    layer2 = 32**2 * 128 * (3**2 * 64 + 3 * 3**2 * 128 + 64)  # the last is the 1x1 convolution of the shortcut
    layer3 = 16**2 * 256 * (3**2 * 128 + 3 * 3**2 * 256 + 128)
    assert flop_per_frame(ARCHITECTURES["resnet18"]) == 2 * (first + layer1 + layer2 + layer3)


def test_peaks_and_stages_are_measured_in_turn() -> None:
    """Every round calls each once uncounted, then counted; so a busy moment meets all of them.

    Stages have the threads that a scorer gives them.
    """
    calls: list[tuple[str, int]] = []

    def call(name: str) -> None:
        calls.append((name, torch.get_num_threads()))

    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        times = in_turn_ms([partial(call, "peak")], [partial(call, "stage")], one_cpu_thread, seconds=0.0)
    finally:
        torch.set_num_threads(threads)
    each = 1 + LEAST_CALLS
    assert calls == ROUNDS * (each * [("peak", 2)] + each * [("stage", 1)])
    assert min(times) > 0
