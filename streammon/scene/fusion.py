"""From kinds of evidence to one score: calibrated on held-out normal footage, none louder than its share.

What moves is judged cell by cell: how fast it is, how its object looks and how the features there change are each a
tail probability, and their logarithms add up, since a thing that is abnormal in one is rarely quite normal in the
others. Looks and change are held against the worst cell of each normal frame, and count beyond what one normal frame
in ten shows: new people look new each time, and that must not drown the speed. The frame takes its worst cell.

Beside that stand other witnesses: the patches where nothing moves, direction, place, size, the view as a whole. Each
gives one number a frame. All are averaged over the last moments, and each becomes the rate at which held-out normal
frames reach its number. The score is the largest of them after each has paid for its share: a witness that may cause
a thirtieth of the false alarms must be thirty times more surprising to speak. So one that is noisy on this scene,
which has a wide tail there, is quiet by itself.
"""

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from streammon.calibration import RecentRecordings
from streammon.calibration.drift import DISTANCES, Guess
from streammon.calibration.tails import CHOSEN as TAILS
from streammon.calibration.tails import EXPONENTIAL, Tail
from streammon.motion.evidence import Evidence
from streammon.motion.flow import GRID
from streammon.motion.still import NOISE
from streammon.records import Channel
from streammon.scene.held_out import Arrays, Stretch
from streammon.scene.settings import SETTINGS, SHARES

CHOSEN = SETTINGS.fusion

GUESSES: Mapping[Channel, Guess] = {
    Channel.SPEED: Guess(spread=CHOSEN.moving_spread, relative=False),
    Channel.VIEW: Guess(spread=CHOSEN.view_spread, relative=False),
}
"""By how much stretches of footage differ; the other witnesses give distances. What moves is in decades, surprise
already, which doesn't scale with the scene."""

LEAST_SCALES: Mapping[Channel, float] = {Channel.LOOKS: NOISE, Channel.VIEW: CHOSEN.view_scale}
"""Of tails: by so much a witness wanders by itself."""

PLAIN = (Channel.SPEED, Channel.LOOKS, Channel.DIRECTION, Channel.VIEW)
"""Witnesses whose tails are taken as they are (`calibration.tails` says why)."""

CELL_CHANNELS = (Channel.SPEED, Channel.OBJECT, Channel.CHANGE)
"""What is added up in each moving cell."""


@dataclass(frozen=True)
class Parts:
    """What takes part; all, but for an ablation.

    Attributes:
        speed: How fast things move.
        objects: How they look.
        change: How the features change where they are.
        witnesses: The channels beside what moves.
        window_s: Of the averaging over time; 0 for none.
    """

    speed: bool = True
    objects: bool = True
    change: bool = True
    witnesses: frozenset[Channel] = frozenset(SHARES) - {Channel.SPEED}
    window_s: float = CHOSEN.window_s


class CellTails:
    """Surprise of speed, looks and change in each moving cell; 0 for a kind that held-out footage hardly showed.

    Attributes:
        tails: Of the three, in this order; None for one that takes no part.
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
        each = zip(self.tails, (evidence.speed, evidence.looks, evidence.change), strict=True)
        kinds = np.stack([nothing if tail is None else tail.surprise(values) for tail, values in each])
        kinds[1:] = np.maximum(kinds[1:] - CHOSEN.unremarkable, 0)
        return kinds


def _largest(values: NDArray[np.float16]) -> NDArray[np.float16]:
    """The largest positive value as an array of its own; an empty one where there is none."""
    return values[values > 0].max(keepdims=True) if (values > 0).any() else values[:0]


def _cell_tail(values: NDArray[np.float16], weight: float) -> Tail | None:
    """Their tail; None where they are too few."""
    return Tail.of(values, weight=weight) if len(values) >= TAILS.least_values else None


def heights(evidence: Evidence, patches: float, worst: NDArray[np.float64]) -> dict[Channel, float]:
    """What each channel shows in one frame.

    Args:
        evidence: Of the frame.
        patches: What its patches show where nothing moves.
        worst: (3,) surprise of the worst moving cell: of its speed, its looks, its change.
    """
    return dict(zip(CELL_CHANNELS, worst.tolist(), strict=True)) | {
        Channel.LOOKS: patches,
        Channel.DIRECTION: evidence.direction,
        Channel.PLACE: evidence.place,
        Channel.SHAPE: evidence.shape,
        Channel.VIEW: evidence.likeness,
    }


class Averages:
    """Each channel's mean over the last moments of one stream: causal, by time, afresh after a gap.

    Args:
        window_s: Of all channels but the view, whose window is 5 s; 0 for the newest frame alone.
    """

    def __init__(self, window_s: float = CHOSEN.window_s) -> None:
        self._window_s = window_s
        self._past: deque[tuple[float, dict[Channel, float]]] = deque()

    def take(self, shown: dict[Channel, float], time_s: float) -> dict[Channel, float]:
        """The means with the next frame's numbers included."""
        if self._past and not 0 < time_s - self._past[-1][0] <= CHOSEN.gap_s:
            self._past.clear()
        self._past.append((time_s, shown))
        while time_s - self._past[0][0] >= max(self._window_s, CHOSEN.view_window_s) - 1e-6 and len(self._past) > 1:
            self._past.popleft()
        recent = [each for past_s, each in self._past if time_s - past_s < self._window_s - 1e-6] or [shown]
        windows = {Channel.VIEW: [each for _, each in self._past]}
        return {
            channel: float(np.mean([each[channel] for each in windows.get(channel, recent)])) for channel in shown
        }


class Fusion:
    """Fuses evidence of one frame into one score, by tails of held-out normal footage.

    score = max over channels of (surprise of the channel's mean over the last moments + log10 of its share), >= 0.

    Attributes:
        parts: What takes part.
        cells: Tails of what is measured in each moving cell.
        tails: Tail of each channel.
    """

    def __init__(self, parts: Parts, cells: CellTails, tails: Mapping[Channel, Tail]) -> None:
        self.parts = parts
        self.cells = cells
        self.tails = dict(tails)
        self._averages = RecentRecordings(lambda: Averages(parts.window_s))

    @classmethod
    def of(cls, held_out: Sequence[Stretch], parts: Parts | None = None) -> Self:
        """The tails of held-out footage.

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
            evidence: Of what moves.
            still: Of its patches where nothing moves.
            recording: Which it is of.
            time_s: Its time there.

        Returns:
            Its score, the channel that contributes most, and (GRID, GRID) surprise of what moves, 0 where nothing
            does.
        """
        surprise = self.cells.surprise(evidence)
        moving = np.zeros(GRID * GRID, np.float32)
        moving[evidence.cells] = surprise.sum(0)
        averages = self._averages[recording]
        score, channel = self._fused(averages.take(heights(evidence, still, _worst(surprise)), time_s))
        return score, channel, moving.reshape(GRID, GRID)

    def arrays(self) -> Arrays:
        """Its tails by name, for a file."""
        named = {f"cells.{channel}": tail for channel, tail in zip(CELL_CHANNELS, self.cells.tails, strict=True)}
        named |= {f"frames.{channel}": tail for channel, tail in self.tails.items()}
        return {name: tail.array() for name, tail in named.items() if tail is not None}

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """The fusion, with all parts, that `arrays` were made of.

        Raises:
            KeyError: A channel has no tail.
        """
        cells = [_tail_of(arrays.get(f"cells.{channel}")) for channel in CELL_CHANNELS]
        tails = {channel: Tail.of_array(arrays[f"frames.{channel}"]) for channel in SHARES}
        return cls(Parts(), CellTails(cells), tails)

    def _fused(self, means: dict[Channel, float]) -> tuple[float, Channel]:
        """The score, and the channel that contributes most."""
        paid = {
            channel: float(tail.surprise(np.array(_height(means, channel)))) + float(np.log10(SHARES[channel]))
            for channel, tail in self.tails.items()
        }
        loudest = max(paid, key=lambda each: paid[each])
        score = max(paid[loudest], 0.0)
        if paid.get(Channel.VIEW, 0.0) >= CHOSEN.another_view:  # what else is seen there was never learned
            return score, Channel.VIEW
        return score, _named(means) if loudest is Channel.SPEED else loudest


def _means(held_out: Sequence[Stretch], cells: CellTails, window_s: float) -> list[dict[Channel, float]]:
    """What each frame's channels show, averaged over the last moments of its recording."""
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
    """(3,) of (3, N) surprise in cells: that of the cell where the three add up to most; 0 where nothing moves."""
    if not surprise.shape[1]:
        return np.zeros(len(surprise))
    worst: NDArray[np.float64] = surprise[:, int(surprise.sum(0).argmax())]
    return worst


def _named(means: dict[Channel, float]) -> Channel:
    """What a moving spot's alert is called: too fast or strange where that alone is remarkable, else what did most.

    The embeddings change more for whatever is wrong, so a change alone says the least.
    """
    telling = max((Channel.SPEED, Channel.OBJECT), key=lambda each: means[each])
    return telling if means[telling] >= CHOSEN.remarkable else max(CELL_CHANNELS, key=lambda each: means[each])


def _height(shown: dict[Channel, float], witness: Channel) -> float:
    """A witness's number, that grows with the surprise; that of what moves is what its cell's channels add up to."""
    if witness is Channel.SPEED:
        return sum(shown[channel] for channel in CELL_CHANNELS)
    return -math.log(max(shown[witness], CHOSEN.least_likeness)) if witness is Channel.VIEW else shown[witness]
