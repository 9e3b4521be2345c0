"""streammon against anomalib's PaDiM exported to OpenVINO, in turn in one run.

    python3.11 -m venv peer && peer/bin/pip install anomalib==2.7.0 openvino av
    python tests/benchmark_peer.py --peer-python peer/bin/python --clip lobby.mp4 --weights resnet18.safetensors

Both have the same ResNet18 weights, layers 1 to 3, channels, 256x256 pictures and normal frames (the clip's first, 5
a second), and read the same file. The peer is measured in each precision of the processor with OpenVINO's hints
LATENCY and THROUGHPUT, of which the faster counts (`tests/support/anomalib_padim.py`). Ratios are to the fastest peer
of the same batch size and source, `memory` being pictures decoded already. Medians of five rounds. Spearman's
correlation of the frame scores with streammon's in float32 says whether all do the same job: it is near 1. streammon
in int8, calibrated on the frames that are learned, is measured beside them; it is never chosen by itself.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice, product
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from safetensors.torch import save_file
from scipy.stats import spearmanr

from streammon.bench.loads import camera_load
from streammon.bench.stages import file_fps, pictures_of, spread_frames
from streammon.config import ModelConfig
from streammon.ingest import clips
from streammon.padim import INPUT_SIZE, Backbone, Bank, load_backbone, load_state, processor_name
from streammon.scene import SceneScorer, configured_observer, load_scene
from streammon.scene.fit import FitOptions, fit_scene

ROUNDS = 5
BATCHES = (1, 8)
PRECISIONS = {"f32": "float32", "bf16": "bfloat16"}  # OpenVINO's names
HINTS = ("LATENCY", "THROUGHPUT")
SCORE_FPS = 5.0
SCORED_EVERY = 5  # frames of the clip, to compare scores
INT8 = "padim in int8"
NEEDED = ("anomalib", "openvino", "av")
PEER = Path(__file__).parent / "support" / "anomalib_padim.py"


@dataclass(frozen=True)
class Rate:
    """Speed of one program.

    Attributes:
        program: Name of the program and its method.
        network: Backbone, engine and precision.
        source: `file`, or `memory` for pictures decoded already.
        batch: Batch size.
        frames_per_s: Frames scored a second, median of the rounds.
        ratio: frames_per_s to that of the fastest peer of the same source and batch size.
    """

    program: str
    network: str
    source: str
    batch: int
    frames_per_s: float
    ratio: float


Key = tuple[str, str, str, int]
"""Program, network, source and batch size of a rate."""


class Peer:
    """The peer's process, which answers a request at a time.

    Attributes:
        versions: Its versions of the packages.
        precisions: Precisions that it can compute in.
    """

    def __init__(self, python: Path, weights: Path, pictures: Path, clip: Path) -> None:
        files = {"--weights": weights, "--pictures": pictures, "--clip": clip}
        self._process = subprocess.Popen(
            [python, "-W", "ignore", PEER, *(word for pair in files.items() for word in pair)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        hello = self._answer()
        self.versions, self.precisions = hello["versions"], hello["precisions"]

    def __enter__(self) -> "Peer":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def ask(self, do: str, **request: object) -> Any:
        """Answer to a request."""
        assert self._process.stdin
        print(json.dumps({"do": do, **request}), file=self._process.stdin)
        return self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            sys.exit(f"benchmark_peer: the peer ended with exit code {self._process.wait()}; its errors are above")
        return json.loads(line)


def require_peer(python: Path) -> None:
    """End with one line unless that Python has the peer's packages."""
    ask = f"from importlib.util import find_spec; print(*(each for each in {NEEDED} if find_spec(each) is None))"
    try:
        ended = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"benchmark_peer: --peer-python {python} doesn't run ({error})")
    if missing := ended.stdout.split():
        sys.exit(f"benchmark_peer: --peer-python {python} lacks {' and '.join(missing)}; make it as --help says")


class Ours:
    """streammon's side: three fitted scenes, the published method with ResNet18, the same in int8, and the default.

    Args:
        clip: Video file.
        weights: ResNet18's weights.
        folder: Folder of the scenes.
        frames: Frames that are learned, at most.
    """

    def __init__(self, clip: Path, weights: Path, folder: Path, frames: int) -> None:
        self._clip, self._weights, self._learned = clip, weights, frames
        padim = ModelConfig(method="padim", backbone="resnet18", weights=weights)
        self.models = {"padim": padim, INT8: padim.model_copy(update={"precision": "int8"}), "default": ModelConfig()}
        self._scenes = {name: folder / name for name in self.models}
        options = FitOptions(score_fps=SCORE_FPS, max_frames=frames, keep_statistics=False)
        for name, model in self.models.items():
            fit_scene("camera0", [clip], self._scenes[name] / "camera0", model, options, lambda *_: None)
        self.backbones = {name: load_backbone(model, self._scenes[name]) for name, model in self.models.items()}
        self._banks = {
            name: Bank.load(self._scenes[name] / "camera0").prepare(self.backbones[name].device)
            for name in ("padim", INT8)
        }
        self._spread = spread_frames(clips(clip)[0])

    def rates(self, seconds: float) -> dict[Key, Callable[[], float]]:
        """Measurements of each rate."""
        found: dict[Key, Callable[[], float]] = {}
        for name, batch in (*product(("padim", INT8), BATCHES), ("default", 8)):
            found[f"streammon {self.models[name].method}", self._network(name), "file", batch] = self._from_file(
                name, batch, seconds
            )
        backbone, model = self.backbones["padim"], self.models["padim"]

        def live() -> float:
            return camera_load(1, self._spread, backbone, model, self._scenes["padim"], seconds).frames_per_s

        found["streammon padim, one live camera", self._network("padim"), "memory", 1] = live
        return found

    def files_for_peer(self, folder: Path) -> tuple[Path, Path]:
        """Files of the weights with the channels kept, and of the pictures learned, written into a folder."""
        weights, pictures = folder / "weights.safetensors", folder / "normal.npy"
        indices = self._banks["padim"].reduction.indices
        assert indices is not None
        save_file(load_state(self._weights) | {"channel_indices": indices}, weights)
        learned = clips(self._clip)[0].frames(INPUT_SIZE, fps=SCORE_FPS)
        np.save(pictures, [frame.picture for frame in islice(learned, self._learned)])
        return weights, pictures

    def scores(self, name: str, backbone: Backbone | None = None) -> list[float]:
        """Frame scores of every fifth frame of the clip by a scene's bank, with its own backbone or another."""
        scores: list[float] = []
        backbone = backbone or self.backbones[name]
        for frame in clips(self._clip)[0].frames(INPUT_SIZE, SCORED_EVERY):
            scores += self._banks[name].score(backbone.maps(pictures_of([frame])))[1].tolist()
        return scores

    def _network(self, name: str) -> str:
        backbone = self.backbones[name]
        return f"{backbone.name}, {backbone.engine.name} {backbone.precision}"

    def _from_file(self, name: str, batch: int, seconds: float) -> Callable[[], float]:
        backbone, model = self.backbones[name], self.models[name]
        observer = configured_observer(model, backbone)
        detector = None if observer is None else observer.detector
        scene = load_scene(self._scenes[name] / "camera0", backbone, model, detector)
        scorer = SceneScorer(scene, backbone, observer)
        return partial(file_fps, self._clip, backbone, scorer, batch, seconds)


def correlations(peer: Peer, ours: Ours) -> dict[str, float]:
    """Spearman's correlation of each program's frame scores with streammon's in float32."""
    found = {
        f"anomalib in {PRECISIONS[each]}": peer.ask("scores", precision=each, every=SCORED_EVERY)
        for each in peer.precisions
    }
    for name in ("padim", INT8):
        found[f"streammon in {ours.backbones[name].precision}"] = ours.scores(name)
    wanted = ours.scores("padim", load_backbone(ours.models["padim"].model_copy(update={"precision": "float32"})))
    return {name: round(float(spearmanr(scores, wanted).statistic), 4) for name, scores in found.items()}


def peer_rates(peer: Peer, seconds: float) -> dict[Key, list[Callable[[], float]]]:
    """Measurements of each rate, one for each hint."""
    found: dict[Key, list[Callable[[], float]]] = {}
    places = [("file", batch) for batch in BATCHES] + [("memory", 1)]
    for precision, (source, batch), hint in product(peer.precisions, places, HINTS):

        def rate(precision: str = precision, source: str = source, batch: int = batch, hint: str = hint) -> float:
            asked = {"precision": precision, "source": source, "batch": batch, "hint": hint}
            return float(peer.ask("rate", seconds=seconds, **asked))

        found.setdefault(("anomalib padim", f"resnet18, openvino {PRECISIONS[precision]}", source, batch), []).append(
            rate
        )
    return found


def compared(peer: Peer, ours: Ours, seconds: float) -> list[Rate]:
    """All rates, measured in turn."""
    of_peer, of_ours = peer_rates(peer, seconds), ours.rates(seconds)
    calls = {key: [call] for key, call in of_ours.items()} | of_peer
    rounds = [{key: [call() for call in each] for key, each in calls.items()} for _ in range(ROUNDS)]
    medians = {key: max(map(statistics.median, zip(*(each[key] for each in rounds), strict=True))) for key in calls}
    fastest = {key[2:]: max(medians[each] for each in of_peer if each[2:] == key[2:]) for key in of_peer}
    return [
        Rate(*key, round(medians[key], 2), round(medians[key] / fastest[key[2:]], 2)) for key in (*of_peer, *of_ours)
    ]


def table_of(rates: list[Rate]) -> Table:
    """Table of the rates."""
    title = f"{processor_name()}; ratio to the fastest peer of the same source and batch size"
    table = Table(title=title, title_justify="left")
    for name in ("program", "network", "source", "batch", "frames/s", "ratio"):
        table.add_column(name, justify="left" if name in ("program", "network", "source") else "right")
    for rate in rates:
        table.add_row(
            rate.program, rate.network, rate.source, str(rate.batch), f"{rate.frames_per_s:.1f}", f"{rate.ratio:.2f}"
        )
    return table


def _listed(facts: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in facts.items())


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer-python", type=Path, required=True)
    parser.add_argument("--clip", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True, help="ResNet18's")
    parser.add_argument("--seconds", type=float, default=3, help="of each measurement in each round")
    parser.add_argument("--frames", type=int, default=300, help="normal frames that are learned, at most")
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args()
    require_peer(args.peer_python)
    with tempfile.TemporaryDirectory(prefix="streammon-peer-") as temporary:
        folder = Path(temporary)
        ours = Ours(args.clip, args.weights, folder, args.frames)
        with Peer(args.peer_python, *ours.files_for_peer(folder), args.clip) as peer:
            spearman = correlations(peer, ours)
            rates = compared(peer, ours, args.seconds)
            versions = peer.versions
    console = Console()
    console.print(table_of(rates))
    console.print("Spearman's correlation with streammon's frame scores in float32: " + _listed(spearman))
    console.print("peer: " + _listed(versions))
    if args.json:
        report = {"peer": versions, "spearman": spearman, "rates": [asdict(rate) for rate in rates]}
        args.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
