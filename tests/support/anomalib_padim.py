"""anomalib's PaDiM (ResNet18) compiled by OpenVINO, in an environment of its own, as its user's good script runs it.

    X/bin/python tests/support/anomalib_padim.py --weights resnet18.safetensors --pictures normal.npy --clip clip.mp4

`--weights` holds torchvision's tensors and `channel_indices`, the channels to keep. It is fitted on `--pictures`,
(N, 256, 256, 3) uint8. Then each line of standard input is a request and each line of standard output its answer:

    {"do": "rate", "precision": "bf16", "hint": "LATENCY", "batch": 8, "source": "file", "seconds": 3}
    {"do": "scores", "precision": "f32", "every": 5}

that is, frames a second, and the frame scores of every fifth frame of the clip.

Pictures are decoded and resized as streammon's are; OpenVINO normalises them. Decoding goes on while requests of
`AsyncInferQueue` are computed. Nothing here imports streammon.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from itertools import chain, cycle, islice, repeat
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

SIZE, FIT_BATCH = 256, 16
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

Pictures = NDArray[np.uint8]
"""(B, H, W, 3) RGB."""


def fitted_model(weights: Path, pictures: Pictures) -> Any:
    """anomalib's model in evaluation mode, fitted on (N, 256, 256, 3) pictures."""
    import torch
    from anomalib.models.image.padim.torch_model import PadimModel
    from safetensors.torch import load_file

    state = load_file(weights)
    channels = state.pop("channel_indices")
    model = PadimModel("resnet18", ["layer1", "layer2", "layer3"], pre_trained=False, n_features=len(channels))
    model.idx = channels
    missing, _ = model.feature_extractor.feature_extractor.load_state_dict(state, strict=False)
    assert all(name.endswith("num_batches_tracked") for name in missing), missing
    mean, std = (torch.tensor(each)[:, None, None] for each in (MEAN, STD))
    model.train()
    for first in range(0, len(pictures), FIT_BATCH):
        batch = torch.from_numpy(pictures[first : first + FIT_BATCH]).permute(0, 3, 1, 2) / 255
        model((batch - mean) / std)
    model.fit()
    return model.eval()


class Peer:
    """The fitted model, compiled for each precision, hint and batch size that is asked for.

    Args:
        model: anomalib's model.
        pictures: (N, 256, 256, 3) pictures, for rates without decoding.
        clip: Video file, for rates from a file.
    """

    def __init__(self, model: Any, pictures: Pictures, clip: Path) -> None:
        import openvino

        self._core = openvino.Core()
        self._model = model
        self._pictures = pictures
        self._clip = clip
        self._queues: dict[tuple[str, str, int], Any] = {}

    def precisions(self) -> list[str]:
        """Precisions that this processor computes in."""
        able = self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        return ["f32", "bf16"] if "BF16" in able else ["f32"]

    def rate(self, precision: str, hint: str, batch: int, source: str, seconds: float) -> float:
        """Frames scored a second, from the file or from decoded pictures."""
        queue = self._queue(precision, hint, batch)
        batches = batched(self._endless(source), batch)
        found: list[float] = []
        queue.set_callback(lambda request, _: found.extend(request.get_output_tensor(0).data.reshape(-1).tolist()))
        for _ in range(len(queue)):
            start(queue, next(batches))
        queue.wait_all()
        found.clear()
        began = time.perf_counter()
        while time.perf_counter() < began + seconds:
            start(queue, next(batches))
        queue.wait_all()
        return len(found) / (time.perf_counter() - began)

    def scores(self, precision: str, every: int) -> list[float]:
        """Frame scores of the first of each `every` frames of the clip."""
        request = self._queue(precision, "LATENCY", 1)[0]
        pictures = islice(decoded(self._clip), 0, None, every)
        return [float(request.infer({0: picture[None]})[0].reshape(-1)[0]) for picture in pictures]

    def _endless(self, source: str) -> Iterator[Pictures]:
        if source == "memory":
            return cycle(self._pictures)
        return chain.from_iterable(map(decoded, repeat(self._clip)))

    def _queue(self, precision: str, hint: str, batch: int) -> Any:
        key = precision, hint, batch
        if key not in self._queues:
            import openvino

            options = {"PERFORMANCE_HINT": hint, "INFERENCE_PRECISION_HINT": precision}
            self._queues[key] = openvino.AsyncInferQueue(
                self._core.compile_model(self._converted(batch), "CPU", options)
            )
        return self._queues[key]

    @cache  # noqa: B019 (one object, as long as the process)
    def _converted(self, batch: int) -> Any:
        """Network of (B, 256, 256, 3) uint8 pictures, to frame scores and anomaly maps."""
        import openvino
        import torch
        from openvino.preprocess import PrePostProcessor

        class Outputs(torch.nn.Module):
            """The outputs that are not None, as tracing requires."""

            def __init__(self, model: Any) -> None:
                super().__init__()
                self.model = model

            def forward(self, pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
                found = self.model(pictures)
                return found.pred_score, found.anomaly_map

        example = torch.zeros(batch, 3, SIZE, SIZE)
        network = openvino.convert_model(Outputs(self._model), example_input=example, input=[example.shape])
        steps = PrePostProcessor(network)
        steps.input().tensor().set_element_type(openvino.Type.u8).set_layout(openvino.Layout("NHWC"))
        steps.input().model().set_layout(openvino.Layout("NCHW"))
        steps.input().preprocess().convert_element_type(openvino.Type.f32)
        steps.input().preprocess().mean([255 * each for each in MEAN]).scale([255 * each for each in STD])
        return steps.build()


def start(queue: Any, pictures: Pictures) -> None:
    """Begin a request as soon as one is free; the pictures are not copied, so the request keeps them."""
    queue.start_async({0: pictures}, userdata=pictures, share_inputs=True)


def decoded(clip: Path) -> Iterator[Pictures]:
    """Pictures (256, 256, 3) of a file, decoded by as many threads as FFmpeg likes."""
    import av

    with av.open(str(clip)) as container:
        container.streams.video[0].thread_type = "AUTO"
        for picture in container.decode(video=0):
            yield cast(Pictures, picture.reformat(SIZE, SIZE, "rgb24", interpolation="BICUBIC").to_ndarray())


def batched(pictures: Iterator[Pictures], batch: int) -> Iterator[Pictures]:
    """Batches (B, 256, 256, 3), without what is left at the end."""
    return (np.stack(each) for each in zip(*[pictures] * batch, strict=False))


def main() -> None:
    """Answer requests until standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("weights", "pictures", "clip"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    args = parser.parse_args()
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print is no answer
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # it reports each use to Google Analytics
    pictures = np.load(args.pictures)
    peer = Peer(fitted_model(args.weights, pictures), pictures, args.clip)
    versions = {name: version(name) for name in ("anomalib", "openvino", "torch", "av")}
    print(json.dumps({"versions": versions, "precisions": peer.precisions()}), file=answers)
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps(getattr(peer, request.pop("do"))(**request)), file=answers)


if __name__ == "__main__":
    main()
