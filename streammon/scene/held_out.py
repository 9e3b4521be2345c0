"""Held-out frames as arrays and back: what a scene's motion file and an interrupted evaluation keep of them."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streammon.motion.evidence import Evidence
from streammon.scene.fusion import HeldOut

NUMBERS = ("time_s", "clock_s", "patches")  # of a frame, beside its stream, its sample and its evidence

Arrays = dict[str, NDArray[Any]]


def held_out_arrays(frames: Sequence[HeldOut]) -> Arrays:
    """Frames as arrays by name; their evidence field by field, arrays of several lengths one behind the other."""
    if not frames:
        return {}
    streams = list(dict.fromkeys(frame.stream for frame in frames))
    number = {stream: index for index, stream in enumerate(streams)}
    arrays: Arrays = {
        "names": np.frombuffer("\n".join(streams).encode(), np.uint8).copy(),
        "streams": np.array([number[frame.stream] for frame in frames], np.int64),
        "samples": np.stack([frame.sample for frame in frames]),
    }
    for name in NUMBERS:
        arrays[name] = np.array([getattr(frame, name) for frame in frames], np.float64)
    for field in fields(Evidence):
        values = [getattr(frame.evidence, field.name) for frame in frames]
        if isinstance(values[0], np.ndarray):
            arrays[f"lengths.{field.name}"] = np.array([len(value) for value in values], np.int64)
            arrays[f"arrays.{field.name}"] = np.concatenate(values)
        else:
            arrays[f"numbers.{field.name}"] = np.array(values, np.float64)
    return arrays


def held_out_frames(arrays: Mapping[str, NDArray[Any]]) -> list[HeldOut]:
    """The frames that `held_out_arrays` made arrays of.

    Raises:
        KeyError: An array is missing.
        ValueError: Two don't fit one another.
        IndexError: A frame names a stream that there isn't.
    """
    if not arrays:
        return []
    names = bytes(arrays["names"].tolist()).decode().split("\n")
    evidence: dict[str, Sequence[Any]] = {}
    for field in fields(Evidence):
        if f"lengths.{field.name}" not in arrays:
            evidence[field.name] = arrays[f"numbers.{field.name}"].tolist()
            continue
        ends, joined = np.cumsum(arrays[f"lengths.{field.name}"]), arrays[f"arrays.{field.name}"]
        if len(ends) and ends[-1] != len(joined):
            raise ValueError(f"its {field.name} are {len(joined)} of {ends[-1]}")
        evidence[field.name] = np.split(joined, ends[:-1])
    shown = [Evidence(**dict(zip(evidence, values, strict=True))) for values in zip(*evidence.values(), strict=True)]
    columns = [arrays[name].tolist() for name in ("streams", *NUMBERS)]
    return [
        HeldOut(names[stream], time_s, clock_s, patches, sample, each)
        for stream, time_s, clock_s, patches, sample, each in zip(*columns, arrays["samples"], shown, strict=True)
    ]
