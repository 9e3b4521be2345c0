"""A detector's boxes instead of the regions of motion: torchvision's, with weights that the user gives.

Two people who walk side by side are one region of motion and two boxes, and who stands still for a moment has a box
all the same. It costs several times as much as all else, so it is off unless its weights are configured.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from streammon.config import ModelConfig
from streammon.errors import WeightsError
from streammon.motion import Observer, PixelBox
from streammon.padim import Backbone, cpu_threads, load_state, sha256
from streammon.records import Picture

NETWORKS = (
    "ssdlite320_mobilenet_v3_large",
    "fasterrcnn_mobilenet_v3_large_320_fpn",
    "fasterrcnn_resnet50_fpn",
    "fasterrcnn_resnet50_fpn_v2",
)
"""torchvision's networks, in the order in which a weights file is tried."""

LEAST_SCORE = 0.5
REMEDY = f"give torchvision's COCO weights of one of {', '.join(NETWORKS)}"


@dataclass(eq=False)
class TorchvisionDetector:
    """One of torchvision's detection networks, trained on COCO.

    Attributes:
        network: In evaluation mode, on `device`.
        device: Where it computes.
        fingerprint: SHA-256 of its weights file.
    """

    network: nn.Module
    device: torch.device
    fingerprint: str

    @torch.inference_mode()
    def __call__(self, picture: Picture) -> list[PixelBox]:
        """Boxes with a confidence of at least 0.5, of any class."""
        scaled = torch.from_numpy(picture).to(self.device).permute(2, 0, 1).float() / 255
        (found,) = self.network([scaled])
        sure = found["boxes"][found["scores"] >= LEAST_SCORE].round().int().tolist()
        return [(left, top, right - left, bottom - top) for left, top, right, bottom in sure]


def load_detector(path: Path, device: torch.device) -> TorchvisionDetector:
    """The network whose weights a file holds.

    Raises:
        WeightsError: It can't be read, or holds the weights of none of `NETWORKS`.
    """
    from torchvision.models import detection  # takes seconds, and few scenes have a detector

    state = load_state(path)
    for name in NETWORKS:
        build = getattr(detection, name)
        with torch.device("meta"):  # names and shapes, without memory
            expected = build(weights=None, weights_backbone=None).state_dict()
        needed = {key: each.shape for key, each in expected.items() if not key.endswith("num_batches_tracked")}
        if all(key in state and state[key].shape == shape for key, shape in needed.items()):
            network: nn.Module = build(weights=None, weights_backbone=None)
            network.load_state_dict(state, strict=False)
            return TorchvisionDetector(network.to(device).eval(), device, sha256(path))
    raise WeightsError(str(path), "it holds no detector that is known", REMEDY)


def detector_fingerprint(model: ModelConfig) -> str:
    """SHA-256 of the file `model.detector`; empty where objects are regions of motion.

    Raises:
        WeightsError: Its file can't be read.
    """
    if model.detector is None:
        return ""
    try:
        return sha256(model.detector)
    except OSError as error:
        reason = (error.strerror or "no reason given").lower()
        raise WeightsError(str(model.detector), f"its weights can't be read ({reason})", REMEDY) from None


def configured_detector(model: ModelConfig, backbone: Backbone) -> TorchvisionDetector | None:
    """Detector of `model.detector`, on the backbone's device; None where objects are regions of motion.

    Raises:
        WeightsError: Its file can't be read, or holds something else.
    """
    return None if model.detector is None else load_detector(model.detector, backbone.device)


def configured_observer(model: ModelConfig, backbone: Backbone) -> Observer | None:
    """Observer of motion as configured; None for PaDiM alone.

    Raises:
        WeightsError: The detector's weights can't be read, or are of something else.
    """
    if model.method != "motion":
        return None
    return Observer(backbone, configured_detector(model, backbone), cpu_threads())
