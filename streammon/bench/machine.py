"""Versions, machine and backbone of a measurement: the beginning of every report."""

import platform
from dataclasses import dataclass
from typing import Any

import torch

from streammon import __version__
from streammon.padim import Backbone


@dataclass(frozen=True, kw_only=True)
class MeasuredOn:
    """Versions, machine and backbone of a measurement.

    Attributes:
        version: Version of streammon.
        torch: Version of torch.
        machine: Processor architecture and number of torch threads.
        device: Device of the backbone.
        engine: Engine of the backbone.
        precision: Precision of the backbone.
        backbone: Name of the backbone.
    """

    version: str
    torch: str
    machine: str
    device: str
    engine: str
    precision: str
    backbone: str


def measured_on(backbone: Backbone) -> dict[str, Any]:
    """Fields of `MeasuredOn` for a backbone on this machine."""
    return {
        "version": __version__,
        "torch": torch.__version__,
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads",
        "device": str(backbone.device),
        "engine": backbone.engine.name,
        "precision": backbone.precision,
        "backbone": backbone.name,
    }
