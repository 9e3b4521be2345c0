"""`streammon bench`: where the time goes on this machine, and how many cameras it watches."""

import platform
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import av
import psutil
import torch
from rich.table import Table

from streammon import __version__
from streammon.config import Config, ModelConfig
from streammon.demo.plaza import render_plaza
from streammon.ingest import LatestFrames, clips
from streammon.padim import INPUT_SIZE, Backbone, Bank, SceneLearner, as_batch, load_backbone
from streammon.padim.anomaly_map import MapSmoother, frame_scores
from streammon.records import Frame, FrameScore
from streammon.scoring import Outcome, ScorerThread

FRAMES_HELD = 64  # decoded frames that the stages are measured on
LEAST_ROUNDS = 5
CALIBRATION_FRAMES = 12
STEP_S = 0.2


@dataclass(frozen=True)
class StageTime:
    """One stage of a frame's way.

    Attributes:
        stage: Its name.
        ms_per_frame: Median over rounds, in milliseconds a frame.
        batch: Frames at once.
    """

    stage: str
    ms_per_frame: float
    batch: int


@dataclass(frozen=True)
class CameraLoad:
    """The scorer fed by as many cameras as fast as it takes frames, each camera with a scene of its own.

    Attributes:
        cameras: How many.
        frames_per_s: Scored over all cameras, from decoded frame to frame score.
        frames_per_s_each: Scored for each camera.
    """

    cameras: int
    frames_per_s: float
    frames_per_s_each: float


@dataclass(frozen=True)
class BenchReport:
    """Everything measured, and on what.

    Attributes:
        version: Of streammon.
        torch: Its version.
        machine: Processor architecture and cores torch uses.
        device: Where the backbone ran.
        precision: In which it ran.
        backbone: Its name.
        stages: Time of each stage.
        loads: Throughput for each number of cameras.
        end_to_end_fps: One file decoded, resized and scored, in frames a second.
        fit_fps: Frames a second of a fit, decoding included.
        bank_load_s: Seconds to load and prepare one bank.
        bank_mb: Size of its file.
        peak_memory_mb: Largest resident memory of the process.
        imports_memory_mb: Resident memory before the first measurement.
    """

    version: str
    torch: str
    machine: str
    device: str
    precision: str
    backbone: str
    stages: list[StageTime] = field(default_factory=list)
    loads: list[CameraLoad] = field(default_factory=list)
    end_to_end_fps: float = 0.0
    fit_fps: float = 0.0
    bank_load_s: float = 0.0
    bank_mb: float = 0.0
    peak_memory_mb: float = 0.0
    imports_memory_mb: float = 0.0


def measure(clip: Path | None, model: ModelConfig, seconds: float, counts: list[int]) -> BenchReport:
    """Measure every stage for `seconds`, and the scorer with each number of cameras.

    Args:
        clip: Footage; None paints the demo's plaza.
        model: Backbone and reduction.
        seconds: For each measurement.
        counts: Numbers of cameras.

    Raises:
        InputError: The clip or the weights are wrong.
    """
    imports_mb = psutil.Process().memory_info().rss / 1e6
    with tempfile.TemporaryDirectory(prefix="streammon-bench-") as folder, _PeakMemory() as peak:
        footage = clip or _plaza(Path(folder))
        pieces = clips(footage)
        backbone = load_backbone(model)
        scenes = Path(folder) / "scenes"
        fit_fps = _fit(footage, scenes / "camera0", backbone, model)
        began = time.perf_counter()
        bank = Bank.load(scenes / "camera0").prepare(backbone.device)
        bank_load_s = time.perf_counter() - began
        frames = [frame for _, frame in zip(range(FRAMES_HELD), pieces[0].frames(INPUT_SIZE), strict=False)]
        stages = _stages(pieces[0].path, frames, backbone, bank, model.batch, seconds)
        end_to_end = _end_to_end(footage, backbone, bank, model.batch, seconds)
        loads = [_load(count, frames, backbone, model, scenes, seconds) for count in counts]
        bank_mb = (scenes / "camera0" / "bank.safetensors").stat().st_size / 1e6
    return BenchReport(
        version=__version__,
        torch=torch.__version__,
        machine=f"{platform.machine()}, {torch.get_num_threads()} threads",
        device=str(backbone.device),
        precision=backbone.precision,
        backbone=backbone.name,
        stages=stages,
        loads=loads,
        end_to_end_fps=round(end_to_end, 2),
        fit_fps=round(fit_fps, 2),
        bank_load_s=round(bank_load_s, 3),
        bank_mb=round(bank_mb, 1),
        peak_memory_mb=round(peak.mb, 1),
        imports_memory_mb=round(imports_mb, 1),
    )


def bench_tables(report: BenchReport) -> tuple[Table, Table, Table]:
    """The report for people: stages, cameras, and the rest."""
    stages = Table(title=f"{report.backbone}, {report.device}, {report.precision}", title_justify="left")
    for name in ("stage", "ms a frame", "batch"):
        stages.add_column(name, justify="left" if name == "stage" else "right")
    for stage in report.stages:
        stages.add_row(stage.stage, f"{stage.ms_per_frame:.2f}", str(stage.batch))
    loads = Table(title="cameras", title_justify="left")
    for name in ("cameras", "frames/s", "frames/s each"):
        loads.add_column(name, justify="right")
    for load in report.loads:
        loads.add_row(str(load.cameras), f"{load.frames_per_s:.1f}", f"{load.frames_per_s_each:.2f}")
    rest = Table(show_header=False)
    rest.add_row("end to end, one file", f"{report.end_to_end_fps:.1f} frames/s")
    rest.add_row("fit", f"{report.fit_fps:.1f} frames/s")
    rest.add_row("bank", f"{report.bank_mb:.1f} MB, loads in {report.bank_load_s:.2f} s")
    rest.add_row("memory", f"{report.peak_memory_mb:.0f} MB at most, {report.imports_memory_mb:.0f} MB of it imports")
    rest.add_row("machine", f"{report.machine}, torch {report.torch}, streammon {report.version}")
    return stages, loads, rest


def _plaza(folder: Path) -> Path:
    film = folder / "plaza.mp4"
    render_plaza(film, seconds=20, anomaly_at_s=None)
    return film


def _decoded(footage: Path, batch: int) -> Iterator[list[Frame]]:
    """Batches of frames, from the beginning again and again, across it where the footage is shorter than a batch."""
    frames: list[Frame] = []
    while True:
        for clip in clips(footage):
            for frame in clip.frames(INPUT_SIZE):
                frames.append(frame)
                if len(frames) == batch:
                    yield frames
                    frames = []


def _tensor(frames: list[Frame]) -> torch.Tensor:
    return as_batch([frame.picture for frame in frames])


def _fit(footage: Path, folder: Path, backbone: Backbone, model: ModelConfig) -> float:
    """Fit on at most 128 frames and save; frames a second, decoding included, saving not."""
    learner = SceneLearner(folder.name, backbone, model, INPUT_SIZE)
    batches = _decoded(footage, model.batch)
    began, done = time.perf_counter(), 0
    while done < 2 * FRAMES_HELD:
        frames = next(batches)
        learner.learn(backbone.maps(_tensor(frames)), [0.0] * len(frames))
        done += len(frames)
    fps = done / (time.perf_counter() - began)
    learner.begin_calibration()
    held_out = 0
    while held_out < CALIBRATION_FRAMES:
        frames = next(batches)
        times_s = [STEP_S * (held_out + i) for i in range(len(frames))]
        learner.learn(backbone.maps(_tensor(frames)), times_s)
        held_out += len(frames)
    learner.bank().save(folder)
    return fps


def _stages(
    path: Path, frames: list[Frame], backbone: Backbone, bank: Bank, batch: int, seconds: float
) -> list[StageTime]:
    found = []
    if path.is_file():
        found += _decode_and_resize(path, seconds)
    for size in dict.fromkeys((1, min(batch, len(frames)))):
        pictures = _tensor(frames[:size])
        maps = backbone.maps(pictures)
        distances = bank.distances(maps)
        side = bank.facts.crop
        smoother = MapSmoother(bank.facts.grid, (side, side), backbone.device)
        anomaly_maps = smoother(distances)
        work: dict[str, Callable[[], object]] = {
            "backbone": partial(backbone.maps, pictures),
            "embedding": partial(bank.reduction.embed, maps),
            "embedding and Mahalanobis": partial(bank.distances, maps),
            "upsampling and blur": partial(smoother, distances),
            "frame score": partial(frame_scores, anomaly_maps, bank.facts.frame_score),
        }
        found += [StageTime(name, _median_ms(call, seconds / 5) / size, size) for name, call in work.items()]
    return found


def _median_ms(call: Callable[[], object], seconds: float) -> float:
    """Median milliseconds of a call, repeated for so long."""
    call()
    times: list[float] = []
    end = time.perf_counter() + seconds
    while len(times) < LEAST_ROUNDS or time.perf_counter() < end:
        began = time.perf_counter()
        call()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        times.append(time.perf_counter() - began)
    return 1000 * statistics.median(times)


def _decode_and_resize(path: Path, seconds: float) -> list[StageTime]:
    decode: list[float] = []
    resize: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        with av.open(str(path)) as container:
            container.streams.video[0].thread_type = "SLICE"
            began = time.perf_counter()
            for picture in container.decode(video=0):
                decoded = time.perf_counter()
                picture.reformat(INPUT_SIZE, INPUT_SIZE, "rgb24", interpolation="BICUBIC").to_ndarray()
                decode.append(decoded - began)
                began = time.perf_counter()
                resize.append(began - decoded)
                if began > end:
                    break
    names = ("decode", "resize")
    return [StageTime(n, 1000 * statistics.median(t), 1) for n, t in zip(names, (decode, resize), strict=True)]


def _end_to_end(footage: Path, backbone: Backbone, bank: Bank, batch: int, seconds: float) -> float:
    batches = _decoded(footage, batch)
    began, done = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        frames = next(batches)
        bank.score(backbone.maps(_tensor(frames)))
        done += len(frames)
    return done / (time.perf_counter() - began)


def _load(
    count: int, frames: list[Frame], backbone: Backbone, model: ModelConfig, scenes: Path, seconds: float
) -> CameraLoad:
    """The live scorer, fed from memory: its own thread, batches and banks, each camera with its own."""
    names = [f"camera{number}" for number in range(count)]
    for name in names[1:]:
        if not (scenes / name).exists():
            (scenes / name).symlink_to(scenes / names[0])
    values = {"cameras": {name: {"url": "-"} for name in names}, "scenes": scenes, "model": model.model_dump()}
    latest, ended = LatestFrames(), threading.Event()
    errors: list[BaseException] = []
    scored = 0

    def deliver(outcomes: list[Outcome]) -> None:
        nonlocal scored
        scored += len(outcomes)
        for outcome in outcomes:
            if isinstance(outcome, FrameScore):  # each scene has its bank, so every outcome is one
                put(outcome.camera, scored)

    def put(name: str, number: int) -> None:
        frame = frames[number % len(frames)]
        latest.put_nowait(Frame(name, number, frame.picture, frame.source_size, number / 25, time.time()))

    def failed(error: BaseException) -> None:
        errors.append(error)
        ended.set()

    scorer = ScorerThread(Config.parse(values, "bench"), backbone, latest, deliver, failed)
    for number, name in enumerate(names):
        put(name, number)
    began = time.perf_counter()
    scorer.start()
    ended.wait(seconds)
    fps = scored / (time.perf_counter() - began)
    scorer.stop()
    scorer.join(10.0)
    if errors:
        raise errors[0]
    return CameraLoad(count, round(fps, 2), round(fps / count, 3))


class _PeakMemory:
    """Largest resident memory while it is open, sampled."""

    def __enter__(self) -> "_PeakMemory":
        self.mb = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, name="peak-memory", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _sample(self) -> None:
        process = psutil.Process()
        while not self._stop.wait(0.02):
            self.mb = max(self.mb, process.memory_info().rss / 1e6)
