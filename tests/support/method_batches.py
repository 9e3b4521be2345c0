"""Small batches for the methods of an evaluation, and how a harness gives them."""

from collections.abc import Sequence
from dataclasses import replace

import torch

from streammon.evaluation.harness import Calibrated
from streammon.evaluation.methods import Batch, Model
from streammon.evaluation.methods.scenes import frames_of
from streammon.padim import Backbone

SIDE = 64  # an 8x8 grid for efficientnet_lite0: small and quick
CHANNELS = (6, 8, 5)
GRIDS = (8, 4, 2)


def untold(what: str, done: int, total: int) -> None:
    """Nobody watches the progress."""


def pictures(frames: int, seed: int = 0) -> torch.Tensor:
    """(B, S, S, 3) uint8: a fixed texture with noise and drifting light."""
    generator = torch.Generator().manual_seed(99)
    texture = torch.randint(60, 190, (SIDE, SIDE, 3), generator=generator)
    generator.manual_seed(seed)
    noise = torch.randint(-15, 16, (frames, SIDE, SIDE, 3), generator=generator)
    light = torch.randint(-10, 11, (frames, 1, 1, 1), generator=generator)
    return (texture + noise + light).to(torch.uint8)


def batches(backbone: Backbone, frames: torch.Tensor, size: int = 8) -> list[Batch]:
    """Consecutive batches of one clip at 5 frames a second."""
    times = [number / 5 for number in range(len(frames))]
    starts = range(0, len(frames), size)
    return [
        Batch(frames[start : start + size], backbone.maps(frames[start : start + size]), times[start : start + size])
        for start in starts
    ]


def random_batch(frames: int, seed: int = 0) -> Batch:
    """Maps of random numbers, (B, 6, 8, 8), (B, 8, 4, 4) and (B, 5, 2, 2), of black pictures."""
    generator = torch.Generator().manual_seed(seed)
    maps = [
        torch.randn(frames, channels, side, side, generator=generator)
        for channels, side in zip(CHANNELS, GRIDS, strict=True)
    ]
    return Batch(torch.zeros(frames, SIDE, SIDE, 3, dtype=torch.uint8), maps, [i / 5 for i in range(frames)])


def give(model: Model, footage: Sequence[Batch], expected_s: float | None = None) -> None:
    """All passes over some batches, then `finish`; calibrated on the second half of the expected seconds."""
    if expected_s is not None:
        assert isinstance(model, Calibrated)
        model.expect(expected_s, 5.0)
    for _ in range(model.passes):
        for batch in footage:
            model.learn(batch)
        model.end_pass()
    model.finish(untold)


def as_clips(footage: Sequence[Batch]) -> list[Batch]:
    """The same batches, each a clip of its own."""
    named = []
    for number, batch in enumerate(footage):
        times_s = [time_s - batch.times_s[0] for time_s in batch.times_s]
        clip = Batch(batch.pictures, batch.maps, times_s)
        frames = tuple(replace(frame, camera=f"clip {number}") for frame in frames_of(clip))
        named.append(replace(clip, frames=frames))
    return named
