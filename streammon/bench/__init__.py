"""`streammon bench`: time of each stage on this machine, and throughput by number of cameras."""

import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import cycle, islice
from pathlib import Path

import psutil
from rich.table import Table

from streammon.bench.limit import LimitReport, measure_limits
from streammon.bench.loads import CameraLoad, PeakMemory, camera_load
from streammon.bench.machine import MeasuredOn, measured_on
from streammon.bench.stages import (
    STAGE_FRAMES,
    Comparison,
    StageTime,
    method_times,
    motion_stages,
    padim_stages,
    spread_frames,
)
from streammon.bench.sustain import SustainReport, search_sustained
from streammon.config import SCENES, ModelConfig
from streammon.demo.plaza import render_plaza
from streammon.errors import ConfigError
from streammon.ingest import Clip, Pace, clips, default_jobs, frames_ahead
from streammon.padim import (
    BANK_FILE,
    INPUT_SIZE,
    Backbone,
    Trial,
    engine_trials,
    fastest,
    is_quantised,
    load_backbone,
    torch_threads,
)
from streammon.scene import (
    MOTION_FILE,
    SceneLearner,
    SceneScorer,
    configured_detector,
    configured_observer,
    load_scene,
    save_scene,
)
from streammon.scene.fit import FitOptions, learn_frames, quantise_on_footage

__all__ = ["bench_report"]

METHODS = ("padim", "motion")
LEARNED_FPS = 5.0
LEARNED_PER_S = 100  # frames learned for each second of a measurement: solving the scene is then a small part
SCENES_HELD = 16


@dataclass(frozen=True, kw_only=True)
class BenchReport(MeasuredOn):
    """All measurements, with the versions and the machine.

    Attributes:
        methods: Time of each method as a whole.
        stages: Time of each stage.
        loads: Throughput for each method and number of cameras.
        end_to_end_fps: Frames a second of one file, decoded, resized and scored with motion.
        fit_fps: Frames learned a second by a fit with motion at 5 frames a second of footage, decoding included.
        bank_load_s: Seconds to load and prepare one scene's bank and motion.
        bank_mb: Size of the scene's bank and motion files.
        scene_mb: Resident memory that each further scene takes.
        peak_memory_mb: Largest resident memory of the process.
        imports_memory_mb: Resident memory before the first measurement.
    """

    methods: Comparison
    stages: list[StageTime] = field(default_factory=list)
    loads: list[CameraLoad] = field(default_factory=list)
    end_to_end_fps: float = 0.0
    fit_fps: float = 0.0
    bank_load_s: float = 0.0
    bank_mb: float = 0.0
    scene_mb: float = 0.0
    peak_memory_mb: float = 0.0
    imports_memory_mb: float = 0.0

    def tables(self) -> tuple[Table, Table, Table]:
        """Tables of the stages, the cameras, and all other figures."""
        stages = Table(
            title=f"{self.backbone}, {self.device}, {self.engine} in {self.precision}", title_justify="left"
        )
        for name in ("stage", "ms a frame", "batch"):
            stages.add_column(name, justify="left" if name == "stage" else "right")
        for stage in self.stages:
            stages.add_row(stage.stage, f"{stage.ms_per_frame:.2f}", str(stage.batch))
        loads = Table(title="cameras", title_justify="left")
        for name in ("method", "cameras", "frames/s", "frames/s each"):
            loads.add_column(name, justify="left" if name == "method" else "right")
        for load in self.loads:
            loads.add_row(load.method, str(load.cameras), f"{load.frames_per_s:.1f}", f"{load.frames_per_s_each:.2f}")
        rest = Table(show_header=False)
        whole = self.methods
        rest.add_row("padim, from file to score", f"{whole.padim_ms:.1f} ms a frame")
        rest.add_row(
            "motion, from file to score", f"{whole.motion_ms:.1f} ms a frame, {whole.ratio:.2f} times padim's"
        )
        rest.add_row("fit", f"{self.fit_fps:.1f} frames/s")
        bank = f"{self.bank_mb:.1f} MB, loads in {self.bank_load_s:.2f} s, takes {self.scene_mb:.1f} MB of memory"
        rest.add_row("scene", bank)
        before = f"{self.imports_memory_mb:.0f} MB before the first measurement"
        rest.add_row("memory", f"peak {self.peak_memory_mb:.0f} MB, of which {before}")
        rest.add_row("machine", f"{self.machine}, torch {self.torch}, streammon {self.version}")
        return stages, loads, rest


@dataclass(frozen=True)
class EngineReport:
    """Comparison of the engines that can compute the backbone on this machine.

    Attributes:
        backbone: Name of the backbone.
        engines: Result of each engine.
    """

    backbone: str
    engines: list[Trial]

    def tables(self) -> tuple[Table]:
        """Table of the engines, which marks the one that `auto` takes."""
        table = Table(title=f"{self.backbone}, ms a frame", title_justify="left")
        for name in ("engine", "alone", "in a batch", "difference from torch in float32", ""):
            table.add_column(name, justify="left" if name in ("engine", "") else "right")
        chosen = fastest(self.engines)
        for each in self.engines:
            times = f"{each.ms_single:.2f}", f"{each.ms_batch:.2f}", f"{each.difference:.5f}"
            remark = "chosen" if each == chosen else "" if each.agrees else "its maps differ too much"
            if each.precision == "int8":
                remark = "not by auto"
            table.add_row(f"{each.engine} in {each.precision}", *times, remark)
        return (table,)


def bench_report(
    clip: Path | None, model: ModelConfig, seconds: float, counts: list[int], only: str = ""
) -> BenchReport | EngineReport | LimitReport | SustainReport:
    """Report of the stages, the methods and the number of cameras, or one of the other reports alone.

    Args:
        clip: Footage; None renders the demo's plaza.
        model: Method, backbone and reduction.
        seconds: Seconds of each measurement.
        counts: Numbers of cameras.
        only: `engines`, `limit` or `sustain` for that report alone.

    Raises:
        InputError: The clip, the weights or the engine are wrong.
    """
    match only:
        case "engines":
            return compare_engines(clip, model)
        case "limit":
            return compare_with_limits(clip, model, seconds)
        case "sustain":
            return measure_sustained(clip, model, seconds)
        case _:
            return measure(clip, model, seconds, counts)


def compare_engines(clip: Path | None, model: ModelConfig) -> EngineReport:
    """Compare the engines that can compute the backbone on this machine.

    int8 is among them if the default folder of scenes has its network, or if NNCF is installed, which makes one.

    Args:
        clip: Footage on which the network in int8 is made; None renders the demo's plaza.
        model: Backbone, engine and precision.

    Raises:
        InputError: The clip, the weights or the engine are wrong.
    """
    with tempfile.TemporaryDirectory(prefix="streammon-bench-") as folder:
        int8, scenes = model.model_copy(update={"precision": "int8"}), Path(folder)
        try:
            scenes = _int8_folder(clip or _plaza(scenes), int8, scenes)
        except ConfigError:  # int8 can't be computed, or its network not be made, on this machine
            if model.precision == "int8":
                raise
        return EngineReport(model.backbone, engine_trials(model, scenes))


def measure_sustained(clip: Path | None, model: ModelConfig, seconds: float) -> SustainReport:
    """Search the largest number of cameras that this machine scores without falling behind.

    Args:
        clip: Footage that every camera plays; None renders the demo's plaza.
        model: Method and backbone.
        seconds: Seconds of each measurement.

    Raises:
        InputError: The clip or the weights are wrong.
    """
    with tempfile.TemporaryDirectory(prefix="streammon-bench-") as folder:
        footage = clip or _plaza(Path(folder))
        backbone = _backbone(footage, model, Path(folder))
        return search_sustained(footage, model, backbone, partial(_fit, clips(footage), backbone, model), seconds)


def measure(clip: Path | None, model: ModelConfig, seconds: float, counts: list[int]) -> BenchReport:
    """Measure the stages and both methods, and the live scorer with each number of cameras.

    Args:
        clip: Footage; None renders the demo's plaza.
        model: Backbone and reduction.
        seconds: Seconds of each measurement; the stages of one method and batch size share them.
        counts: Numbers of cameras.

    Raises:
        InputError: The clip or the weights are wrong.
    """
    imports_mb = psutil.Process().memory_info().rss / 1e6
    with tempfile.TemporaryDirectory(prefix="streammon-bench-") as folder, PeakMemory() as peak:
        footage = clip or _plaza(Path(folder))
        pieces = clips(footage)
        scenes = Path(folder) / "scenes"
        backbone = _backbone(footage, model, scenes)
        scene = scenes / "camera0"
        detector = configured_detector(model, backbone)
        fit_fps = _fit(pieces, backbone, model, scene, LEARNED_FPS, round(LEARNED_PER_S * seconds))
        began = time.perf_counter()
        motion = _scorer(scene, backbone, model)
        bank_load_s = time.perf_counter() - began
        scene_mb = _memory_mb(lambda: _scorer(scene, backbone, model))
        padim = _scorer(scene, backbone, model.model_copy(update={"method": "padim"}))
        frames = spread_frames(pieces[0])
        with torch_threads(backbone.engine):
            stages = padim_stages(pieces[0].path, frames, backbone, padim.measure.bank, model.batch, seconds)
            stages += motion_stages(frames, backbone, motion, model.batch, seconds, detector)
        methods = method_times(footage, backbone, (padim, motion), model.batch, seconds)
        loads = []
        for method in METHODS:
            of_method = model.model_copy(update={"method": method})
            loads += [camera_load(count, frames, backbone, of_method, scenes, seconds) for count in counts]
        bank_mb = sum((scene / name).stat().st_size for name in (BANK_FILE, MOTION_FILE)) / 1e6
    return BenchReport(
        **measured_on(backbone),
        stages=stages,
        methods=methods,
        loads=loads,
        end_to_end_fps=round(1000 / methods.motion_ms, 2),
        fit_fps=round(fit_fps, 2),
        bank_load_s=round(bank_load_s, 3),
        bank_mb=round(bank_mb, 1),
        scene_mb=round(scene_mb, 1),
        peak_memory_mb=round(peak.mb, 1),
        imports_memory_mb=round(imports_mb, 1),
    )


def compare_with_limits(clip: Path | None, model: ModelConfig, seconds: float) -> LimitReport:
    """Measure PaDiM's stages and this machine's peaks, which limit them.

    Args:
        clip: Footage; None renders the demo's plaza.
        model: Backbone and reduction.
        seconds: Seconds of each measurement.

    Raises:
        InputError: The clip or the weights are wrong.
    """
    padim = model.model_copy(update={"method": "padim"})
    with tempfile.TemporaryDirectory(prefix="streammon-bench-") as folder:
        footage = clip or _plaza(Path(folder))
        frames = spread_frames(clips(footage)[0])
        backbone, scene = _backbone(footage, model, Path(folder)), Path(folder) / "scene"
        _fit(clips(footage), backbone, padim, scene, LEARNED_FPS)
        bank = _scorer(scene, backbone, padim).measure.bank
        return measure_limits(footage, frames, backbone, bank, model.batch, seconds)


def _plaza(folder: Path) -> Path:
    film = folder / "plaza.mp4"
    render_plaza(film, seconds=20, anomaly_at_s=None)
    return film


def _backbone(footage: Path, model: ModelConfig, scenes: Path) -> Backbone:
    return load_backbone(model, _int8_folder(footage, model, scenes))


def _int8_folder(footage: Path, model: ModelConfig, scenes: Path) -> Path:
    """Folder with the network in int8, if that is the precision: the user's own, else `scenes`, where it is made."""
    if is_quantised(model, SCENES):
        return SCENES
    quantise_on_footage(model, scenes, clips(footage), FitOptions(score_fps=LEARNED_FPS))
    return scenes


def _scorer(folder: Path, backbone: Backbone, model: ModelConfig) -> SceneScorer:
    observer = configured_observer(model, backbone)
    detector = None if observer is None else observer.detector
    return SceneScorer(load_scene(folder, backbone, model, detector), backbone, observer)


def _memory_mb(load: Callable[[], object]) -> float:
    """Resident memory that a loaded scene takes, in megabytes: mean over several that are held at once."""
    held = [load() for _ in range(SCENES_HELD)]  # these take what was freed before
    before = psutil.Process().memory_info().rss
    held += [load() for _ in range(SCENES_HELD)]
    return (psutil.Process().memory_info().rss - before) / 1e6 / (len(held) - SCENES_HELD)


def _fit(
    pieces: list[Clip], backbone: Backbone, model: ModelConfig, folder: Path, score_fps: float, least: int = 0
) -> float:
    """Learn at least 128 frames as `fit` does, half of them held out, save the scene, and return frames a second.

    The clips are repeated, at `score_fps` frames a second, as one long recording.
    """
    count, observer = max(2 * STAGE_FRAMES, least), configured_observer(model, backbone)
    learner = SceneLearner(folder.name, backbone, model, observer, total_s=count / score_fps, score_fps=score_fps)
    pace, detail = Pace(fps=score_fps), observer is not None
    began = time.perf_counter()
    with closing(frames_ahead(cycle(pieces), default_jobs(), INPUT_SIZE, pace, detail=detail)) as frames:
        timed = (
            replace(frame, camera=folder.name, stream_time_s=number / score_fps)
            for number, frame in enumerate(islice(frames, count))
        )
        *_, done = learn_frames(learner, timed, backbone, observer, model.batch)
    fps = done / (time.perf_counter() - began)
    save_scene(folder, learner.finish(), ["the benchmark"])
    return fps
