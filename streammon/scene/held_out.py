"""Normal frames measured before they were learned: a scene's tails and false-alarm rates are fitted on them.

Their number is bounded by a random sample of all footage, in stretches of ten seconds: the draw of a stretch is a
hash of its recording's id and its first time, and the stretches with the smallest draws are kept. So two fits that
are merged keep the same frames as one fit of all their footage.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streammon.calibration import RecentRecordings
from streammon.motion import Evidence
from streammon.scene.settings import SETTINGS

MOST_FRAMES = SETTINGS.held_out.most_frames

STRETCH_S = SETTINGS.held_out.stretch_s

PATCH_SAMPLE = SETTINGS.held_out.patch_sample

NO_SAMPLE = np.zeros(0, np.float16)
NO_EVIDENCE = Evidence(np.zeros(0, np.int16), NO_SAMPLE, NO_SAMPLE, NO_SAMPLE)

DRAW_BYTES = 7
"""Size of a draw, which a file keeps as a signed integer of 8 bytes."""

SEPARATOR = "\0"
"""Separates the recordings' names in a file; no file name contains it."""

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Measurements of one normal frame against the scene as learned before that frame.

    Attributes:
        recording: Id of its recording.
        time_s: Time of the frame in its recording.
        looks: PaDiM's frame score.
        still: Height of its patches where nothing moves (`motion.StillPatches`); 0 without motion.
        sample: (64,) float16 distances of patches; empty without motion.
        evidence: Evidence of motion; empty without motion.
    """

    recording: str
    time_s: float
    looks: float
    still: float = 0.0
    sample: NDArray[np.float16] = field(default_factory=lambda: NO_SAMPLE)
    evidence: Evidence = NO_EVIDENCE


@dataclass(eq=False)
class Stretch:
    """Up to ten seconds of one recording.

    Attributes:
        recording: Id of the recording.
        frames: Frames in their order.
        kept: False once the stretch was dropped: its later frames are dropped too.
    """

    recording: str
    frames: list[HeldOut]
    kept: bool = True

    @cached_property
    def draw(self) -> int:
        """Pseudo-random number, the same in every run."""
        name = f"{self.recording}\n{self.frames[0].time_s:.3f}"
        digest = hashlib.blake2b(name.encode(errors="surrogateescape"), digest_size=DRAW_BYTES).digest()
        return int.from_bytes(digest)


@dataclass(slots=True)
class _Open:
    """The stretch that the next frame of a recording may belong to."""

    stretch: Stretch | None = None


class HeldOutFrames:
    """Held-out frames of all footage, at most 20,000.

    Args:
        most: Frames kept.
    """

    def __init__(self, most: int = MOST_FRAMES) -> None:
        self._most = most
        self._stretches: list[Stretch] = []
        self._open = RecentRecordings(_Open)
        self._count = 0
        self._limit = 1 << 8 * DRAW_BYTES  # smallest draw that was dropped

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[HeldOut]:
        """All frames, stretch by stretch, the stretches of a recording in their order."""
        return (frame for stretch in self.stretches for frame in stretch.frames)

    @property
    def stretches(self) -> list[Stretch]:
        """All stretches, those of each recording together and in their order."""
        first: dict[str, int] = {}
        for stretch in self._stretches:
            first.setdefault(stretch.recording, len(first))
        return sorted(self._stretches, key=lambda stretch: first[stretch.recording])

    def add(self, frame: HeldOut) -> None:
        """Take in the next frame of its recording."""
        opened = self._open[frame.recording]
        stretch = opened.stretch
        if stretch is None or not 0 <= frame.time_s - stretch.frames[0].time_s < STRETCH_S:
            stretch = opened.stretch = Stretch(frame.recording, [frame])
            stretch.kept = stretch.draw < self._limit
            self._stretches += [stretch] if stretch.kept else []
        elif stretch.kept:
            stretch.frames.append(frame)
        self._count += stretch.kept
        self._drop_excess()

    def merge(self, other: "HeldOutFrames") -> None:
        """Add the held-out frames of another fit."""
        self._limit = min(self._limit, other._limit)
        joint = self._stretches + other._stretches
        self._stretches = [stretch for stretch in joint if stretch.draw < self._limit]
        self._count = sum(len(stretch.frames) for stretch in self._stretches)
        self._drop_excess()

    def without_motion(self) -> "HeldOutFrames":
        """The same frames with PaDiM's measurements alone."""
        found = HeldOutFrames(self._most)
        found._count, found._limit = self._count, self._limit
        found._stretches = [
            Stretch(each.recording, [HeldOut(frame.recording, frame.time_s, frame.looks) for frame in each.frames])
            for each in self._stretches
        ]
        return found

    def _drop_excess(self) -> None:
        while self._count > self._most:
            largest = max(self._stretches, key=lambda stretch: stretch.draw)
            self._limit = largest.draw
            self._stretches.remove(largest)
            self._count -= len(largest.frames)
            largest.kept = False
            del largest.frames[1:]

    def arrays(self) -> Arrays:
        """All frames as arrays by name; evidence of varying length is concatenated."""
        frames, stretches = list(self), self.stretches
        if not frames:
            return {}
        recordings = list(dict.fromkeys(stretch.recording for stretch in stretches))
        number = {recording: index for index, recording in enumerate(recordings)}
        arrays: Arrays = {
            "names": np.frombuffer(SEPARATOR.join(recordings).encode(errors="surrogateescape"), np.uint8).copy(),
            "recordings": np.array([number[stretch.recording] for stretch in stretches], np.int64),
            "lengths": np.array([len(stretch.frames) for stretch in stretches], np.int64),
            "samples": np.stack([frame.sample for frame in frames]),
            "limit": np.array([self._limit], np.int64),
        }
        for name in ("time_s", "looks", "still"):
            arrays[name] = np.array([getattr(frame, name) for frame in frames], np.float64)
        for each in fields(Evidence):
            values = [getattr(frame.evidence, each.name) for frame in frames]
            if isinstance(values[0], np.ndarray):
                arrays[f"lengths.{each.name}"] = np.array([len(value) for value in values], np.int64)
                arrays[f"arrays.{each.name}"] = np.concatenate(values)
            else:
                arrays[f"numbers.{each.name}"] = np.array(values, np.float64)
        return arrays

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, NDArray[Any]], most: int = MOST_FRAMES) -> "HeldOutFrames":
        """Inverse of `arrays`; at most `most` frames will be kept.

        Raises:
            KeyError: An array is missing.
            ValueError: Two don't fit one another.
            IndexError: A stretch names a recording that there isn't.
        """
        kept = cls(most)
        if not arrays:
            return kept
        names = bytes(arrays["names"].tolist()).decode(errors="surrogateescape").split(SEPARATOR)
        evidence = _evidence(arrays)
        times_s, looks, still = (arrays[name].tolist() for name in ("time_s", "looks", "still"))
        rows = zip(times_s, looks, still, arrays["samples"], evidence, strict=True)
        for recording, length in zip(arrays["recordings"].tolist(), arrays["lengths"].tolist(), strict=True):
            frames = [HeldOut(names[recording], *row) for row in islice(rows, length)]
            kept._stretches.append(Stretch(names[recording], frames))
        kept._count, kept._limit = len(times_s), int(arrays["limit"][0])
        if sum(len(stretch.frames) for stretch in kept._stretches) != kept._count:
            raise ValueError(f"its stretches don't add up to {kept._count} frames")
        return kept


def _evidence(arrays: Mapping[str, NDArray[Any]]) -> Iterable[Evidence]:
    columns: dict[str, Sequence[Any]] = {}
    for each in fields(Evidence):
        if f"lengths.{each.name}" not in arrays:
            columns[each.name] = arrays[f"numbers.{each.name}"].tolist()
            continue
        ends, joined = np.cumsum(arrays[f"lengths.{each.name}"]), arrays[f"arrays.{each.name}"]
        if len(ends) and ends[-1] != len(joined):
            raise ValueError(f"its {each.name} are {len(joined)} of {ends[-1]}")
        columns[each.name] = np.split(joined, ends[:-1])
    return [Evidence(**dict(zip(columns, values, strict=True))) for values in zip(*columns.values(), strict=True)]
