"""Fusion of several kinds of evidence into one frame score, calibrated on held-out normal footage.

Each value becomes a surprise: -log10 of the probability that normal footage reaches it (`calibration.tails`).

    moving = max over moving cells of (speed + max(0, looks - 1) + max(0, change - 1))
    score  = max(0, max over channels c of (surprise of c's mean over 0.6 s + log10 SHARES[c]))

`moving` is the value of channel SPEED. The surprises of looks and change are measured against the largest cell of
each normal frame and count from 1 on, which one normal frame in ten exceeds: every new person looks new. The other
channels (patches where nothing moves, direction, place, shape, view) have one value a frame. A channel with a share
of 1/30 of the false alarms must be 30 times rarer to contribute, and one that is noisy in a scene has a wide tail
there, so it rarely contributes.
"""

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from streammon.calibration import SETTINGS as CALIBRATION
from streammon.calibration import RecentRecordings
from streammon.calibration.drift import DISTANCES, Guess
from streammon.calibration.tails import EXPONENTIAL, Tail
from streammon.motion.evidence import Evidence
from streammon.motion.flow import GRID
from streammon.motion.still import NOISE
from streammon.records import Channel
from streammon.scene.held_out import Arrays, Stretch
from streammon.scene.settings import SETTINGS, SHARES

CHOSEN = SETTINGS.fusion
TAILS = CALIBRATION.tails

GUESSES: Mapping[Channel, Guess] = {
    Channel.SPEED: Guess(spread=CHOSEN.moving_spread, relative=False),
    Channel.VIEW: Guess(spread=CHOSEN.view_spread, relative=False),
}
"""Priors of how much stretches of footage differ, for the channels whose values are no distances. SPEED is a sum of
surprises, whose spread does not scale with the scene."""

LEAST_SCALES: Mapping[Channel, float] = {Channel.LOOKS: NOISE, Channel.VIEW: CHOSEN.view_scale}
"""Least scales of tails: the size of a channel's own noise."""

PLAIN = (Channel.SPEED, Channel.LOOKS, Channel.DIRECTION, Channel.VIEW)
"""Channels with plain exponential tails (`calibration.tails` says why)."""

CELL_CHANNELS = (Channel.SPEED, Channel.OBJECT, Channel.CHANGE)
"""Channels that are added up in each moving cell."""


@dataclass(frozen=True)
class Parts:
    """Kinds of evidence in use: all of them, or fewer in an ablation.

    Attributes:
        speed: Speed of moving cells.
        objects: Looks of moving objects.
        change: Change of embeddings in moving cells.
        witnesses: The channels beside SPEED.
        window_s: Seconds over which values are averaged; 0 for no averaging.
    """

    speed: bool = True
    objects: bool = True
    change: bool = True
    witnesses: frozenset[Channel] = frozenset(SHARES) - {Channel.SPEED}
    window_s: float = CHOSEN.window_s


class CellTails:
    """Surprise of speed, looks and change in each moving cell; 0 for a kind that held-out footage hardly showed.

    Attributes:
        tails: Tails of speed, looks and change, in this order; None for one that is not in use.
    """

    def __init__(self, tails: Sequence[Tail | None]) -> None:
        self.tails = tuple(tails)

    @classmethod
    def of(cls, held_out: Sequence[Evidence], parts: Parts) -> Self:
        """The tails of held-out normal frames: speed of all cells, looks and change of each frame's largest."""
        speeds = [each.speed for each in held_out]
        looks = [_largest(each.looks) for each in held_out]
        changes = [_largest(each.change) for each in held_out]
        taken = (
            (parts.speed, speeds, EXPONENTIAL),
            (parts.objects, looks, TAILS.weight),
            (parts.change, changes, TAILS.weight),
        )
        return cls([_cell_tail(np.concatenate(values), weight) if take else None for take, values, weight in taken])

    def surprise(self, evidence: Evidence) -> NDArray[np.float64]:
        """(3, N) of the speed, the looks and the change in each moving cell."""
        nothing = np.zeros(len(evidence.cells))
        if not len(nothing):
            return np.zeros((len(self.tails), 0))
        each = zip(self.tails, (evidence.speed, evidence.looks, evidence.change), strict=True)
        kinds = np.stack([nothing if tail is None else tail.surprise(values) for tail, values in each])
        kinds[1:] = np.maximum(kinds[1:] - CHOSEN.unremarkable, 0)
        return kinds


def _largest(values: NDArray[np.float16]) -> NDArray[np.float16]:
    """The largest positive value as an array of its own; an empty one where there is none."""
    return values[values > 0].max(keepdims=True) if (values > 0).any() else values[:0]


def _cell_tail(values: NDArray[np.float16], weight: float) -> Tail | None:
    """Tail of the values; None for too few values."""
    return Tail.of(values, weight=weight) if len(values) >= TAILS.least_values else None


def heights(evidence: Evidence, patches: float, worst: NDArray[np.float64]) -> dict[Channel, float]:
    """Value of each channel in one frame.

    Args:
        evidence: Evidence of motion in the frame.
        patches: Height of the frame's patches where nothing moves.
        worst: (3,) surprise of speed, looks and change in the frame's worst moving cell.
    """
    return dict(zip(CELL_CHANNELS, worst.tolist(), strict=True)) | {
        Channel.LOOKS: patches,
        Channel.DIRECTION: evidence.direction,
        Channel.PLACE: evidence.place,
        Channel.SHAPE: evidence.shape,
        Channel.VIEW: evidence.likeness,
    }


class Averages:
    """Causal moving average of each channel over one recording; it begins anew after a gap.

    Args:
        window_s: Length of the average, but for the view, whose average is 5 s; 0 for the newest frame alone.
    """

    def __init__(self, window_s: float = CHOSEN.window_s) -> None:
        self._window_s = window_s
        self._past: deque[tuple[float, dict[Channel, float]]] = deque()

    def take(self, shown: dict[Channel, float], time_s: float) -> dict[Channel, float]:
        """Add the next frame's values and return the means."""
        if self._past and not 0 < time_s - self._past[-1][0] <= CHOSEN.gap_s:
            self._past.clear()
        self._past.append((time_s, shown))
        while time_s - self._past[0][0] >= max(self._window_s, CHOSEN.view_window_s) - 1e-6 and len(self._past) > 1:
            self._past.popleft()
        recent = [each for past_s, each in self._past if time_s - past_s < self._window_s - 1e-6] or [shown]
        windows = {Channel.VIEW: [each for _, each in self._past]}
        means = {}
        for channel in shown:
            values = [each[channel] for each in windows.get(channel, recent)]
            means[channel] = sum(values) / len(values)
        return means


class Fusion:
    """Fuses evidence of one frame into one score, by tails of held-out normal footage.

    score = max over channels of (surprise of the channel's mean over the last moments + log10 of its share), >= 0.

    Attributes:
        parts: Kinds of evidence in use.
        cells: Tails of the values in each moving cell.
        tails: Tail of each channel.
    """

    def __init__(self, parts: Parts, cells: CellTails, tails: Mapping[Channel, Tail]) -> None:
        self.parts = parts
        self.cells = cells
        self.tails = dict(tails)
        self._averages = RecentRecordings(lambda: Averages(parts.window_s))

    @classmethod
    def of(cls, held_out: Sequence[Stretch], parts: Parts | None = None) -> Self:
        """Fit the tails on held-out footage.

        Raises:
            ValueError: Fewer than 10 frames.
        """
        parts = parts or Parts()
        cells = CellTails.of([frame.evidence for stretch in held_out for frame in stretch.frames], parts)
        means = _means(held_out, cells, parts.window_s)
        numbers = np.repeat(np.arange(len(held_out)), [len(stretch.frames) for stretch in held_out])
        tails = {
            channel: Tail.of(
                np.array([_height(each, channel) for each in means]),
                numbers,
                least_scale=LEAST_SCALES.get(channel, TAILS.least_decade),
                weight=EXPONENTIAL if channel in PLAIN else TAILS.weight,
                guess=GUESSES.get(channel, DISTANCES),
            )
            for channel in SHARES
            if channel is Channel.SPEED or channel in parts.witnesses
        }
        return cls(parts, cells, tails)

    def scores(self, held_out: Sequence[Stretch]) -> NDArray[np.float64]:
        """(N,) scores of frames measured before, stretch by stretch."""
        means = _means(held_out, self.cells, self.parts.window_s)
        return np.array([self._fused(each)[0] for each in means], np.float64)

    def fuse(
        self, evidence: Evidence, still: float, recording: str, time_s: float
    ) -> tuple[float, Channel, NDArray[np.float32]]:
        """Fuse one frame's evidence, the frames of each recording in their order.

        Args:
            evidence: Evidence of motion in the frame.
            still: Height of the frame's patches where nothing moves.
            recording: Id of the frame's recording.
            time_s: Time of the frame in its recording.

        Returns:
            The frame score, the channel that contributes most, and (GRID, GRID) surprise of moving cells, 0 in all
            others.
        """
        surprise = self.cells.surprise(evidence)
        moving = np.zeros(GRID * GRID, np.float32)
        moving[evidence.cells] = surprise.sum(0)
        averages = self._averages[recording]
        score, channel = self._fused(averages.take(heights(evidence, still, _worst(surprise)), time_s))
        return score, channel, moving.reshape(GRID, GRID)

    def arrays(self) -> Arrays:
        """All tails by name, for a file."""
        named = {f"cells.{channel}": tail for channel, tail in zip(CELL_CHANNELS, self.cells.tails, strict=True)}
        named |= {f"frames.{channel}": tail for channel, tail in self.tails.items()}
        return {name: tail.array() for name, tail in named.items() if tail is not None}

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Inverse of `arrays`, with all kinds of evidence in use.

        Raises:
            KeyError: A channel has no tail.
        """
        cells = [_tail_of(arrays.get(f"cells.{channel}")) for channel in CELL_CHANNELS]
        tails = {channel: Tail.of_array(arrays[f"frames.{channel}"]) for channel in SHARES}
        return cls(Parts(), CellTails(cells), tails)

    def _fused(self, means: dict[Channel, float]) -> tuple[float, Channel]:
        """The score, and the channel that contributes most."""
        paid = {
            channel: tail.surprise_of(_height(means, channel)) + math.log10(SHARES[channel])
            for channel, tail in self.tails.items()
        }
        loudest = max(paid, key=lambda each: paid[each])
        score = max(paid[loudest], 0.0)
        if paid.get(Channel.VIEW, 0.0) >= CHOSEN.another_view:  # what else is seen there was never learned
            return score, Channel.VIEW
        return score, _named(means) if loudest is Channel.SPEED else loudest


def _means(held_out: Sequence[Stretch], cells: CellTails, window_s: float) -> list[dict[Channel, float]]:
    """Moving averages of each frame's channels."""
    averages = RecentRecordings(lambda: Averages(window_s))
    means = []
    for stretch in held_out:
        own = averages[stretch.recording]
        for frame in stretch.frames:
            shown = heights(frame.evidence, frame.still, _worst(cells.surprise(frame.evidence)))
            means.append(own.take(shown, frame.time_s))
    return means


def _tail_of(array: NDArray[np.float64] | None) -> Tail | None:
    return None if array is None else Tail.of_array(array)


def _worst(surprise: NDArray[np.float64]) -> NDArray[np.float64]:
    """(3,) surprises of the cell with the largest sum, from (3, N); zeros where nothing moves."""
    if not surprise.shape[1]:
        return np.zeros(len(surprise))
    worst: NDArray[np.float64] = surprise[:, int(surprise.sum(0).argmax())]
    return worst


def _named(means: dict[Channel, float]) -> Channel:
    """Channel that names an alert of a moving cell: SPEED or OBJECT if its own surprise is above 2, else the largest.

    Embeddings change more with any kind of anomaly, so CHANGE is the least informative name.
    """
    telling = max((Channel.SPEED, Channel.OBJECT), key=lambda each: means[each])
    return telling if means[telling] >= CHOSEN.remarkable else max(CELL_CHANNELS, key=lambda each: means[each])


def _height(shown: dict[Channel, float], witness: Channel) -> float:
    """Value of a channel that grows with its surprise: a sum for SPEED, -log of the likeness for VIEW."""
    if witness is Channel.SPEED:
        return sum(shown[channel] for channel in CELL_CHANNELS)
    return -math.log(max(shown[witness], CHOSEN.least_likeness)) if witness is Channel.VIEW else shown[witness]
