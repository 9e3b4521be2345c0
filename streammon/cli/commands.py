"""The commands: each parses its options, calls another package and prints the result.

Packages that load slowly (torch takes seconds) are imported inside the command that needs them, so that `--help` is
quick.
"""

import asyncio
import json
import signal
import sys
import time
from collections.abc import Coroutine
from contextlib import nullcontext
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from rich.console import Console
from rich.live import Live

from streammon import __version__
from streammon.cli.evaluating import evaluate_method, evaluate_scores, evaluation_options, scores_given
from streammon.cli.options import (
    PATH,
    FiniteRange,
    config_option,
    every_option,
    fit_without_footage,
    image_fps_option,
    json_option,
    kept_events,
    load_config,
    method_option,
    model_of,
    model_options,
    password_given,
    reduction_options,
    refit_options,
    required_config,
    run_config,
    scene_folder,
    scene_name,
    scenes_option,
    scored_rate,
    since_s,
    validation_of,
    validation_options,
    watched_redis,
)
from streammon.cli.output import EXIT_INPUT_WRONG, EXIT_WORK_FAILED, complain, console_of, write_json
from streammon.cli.refitting import fit_from_review, undo_fit
from streammon.config import AlertingConfig
from streammon.errors import ConfigError, StreammonError

if TYPE_CHECKING:
    from streammon.records import CameraFigures

REFRESH_PER_S = 4


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, invoke_without_command=True)
@click.version_option(__version__, prog_name="streammon")
@click.pass_context
def commands(context: click.Context) -> None:
    """Watches surveillance cameras and says when, where and why the picture stops being normal."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


@commands.command()
@click.argument("footage", nargs=-1, type=PATH)
@click.option("--scene", callback=scene_name, help="Name of the scene. Default: all scenes, with --from-review.")
@scenes_option
@refit_options
@reduction_options
@click.option("--seed", help="Random seed of the channel choice. Default: 0.")
@click.option(
    "--hold-out",
    type=FiniteRange(0, 0.9),
    default=0.5,
    show_default=True,
    help="Share of the footage, at its end, held out for calibration.",
)
@click.option("--score-fps", type=FiniteRange(0.2, 240), help="Frames learned a second. Default: its camera's, or 5.")
@every_option
@click.option("--max-frames", type=click.IntRange(2), help="Take no more frames than this.")
@click.option("--crop", type=click.IntRange(32, 256), help="Centre crop of the 256x256 input, with --method padim.")
@click.option("--jobs", type=click.IntRange(1, 64), help="Clips decoded at once. Default: the cores, at most 4.")
@click.option("--add", is_flag=True, help="Continue from the scene's saved statistics, with the same channels.")
@click.option("--no-statistics", is_flag=True, help="Don't keep the running statistics that --add and merge need.")
@image_fps_option
@validation_options
@method_option
@config_option
@model_options
@json_option
@click.pass_context
def fit(
    context: click.Context,
    /,
    footage: tuple[Path, ...],
    scene: str,
    json_file: str | None,
    from_review: bool,
    undo: bool,
    yes: bool,
    dry_run: bool,
    **options: Any,
) -> int:
    """Learn a scene from normal footage.

    Example: streammon fit recordings/lobby/ --scene lobby
    """
    without_footage = fit_without_footage(context, from_review=from_review, undo=undo, yes=yes, dry_run=dry_run)
    config = load_config(options.pop("config_file"))
    if undo:
        return undo_fit(scene_folder(options["scenes"], config, scene), json_file)
    if without_footage:
        return fit_from_review(scene, config, options, json_file, confirmed=None if not yes and not dry_run else yes)
    folder = scene_folder(options.pop("scenes"), config, scene)
    reading = {name: options.pop(name) for name in ("hold_out", "every", "max_frames", "crop", "add", "image_fps")}
    reading["score_fps"] = options.pop("score_fps") or scored_rate(config, scene)
    asked = {name: options.pop(name) for name in ("false_alarms_per_day", "folds", "staged")}
    validation = validation_of(config, reading, options.pop("validate"), asked)
    reading["keep_statistics"] = not options.pop("no_statistics")
    if (jobs := options.pop("jobs")) is not None:
        reading["jobs"] = jobs
    model = model_of(config.model if config else None, **options)
    from streammon.calibration import first_false_alarms
    from streammon.cli.display import WorkBar, expectation, print_report
    from streammon.scene.fit import FitOptions, fit_scene

    if validation is not None:
        from streammon.validation import ValidationOptions, print_validation, require_usable, validate_scene

        checks = ValidationOptions(**validation)
        require_usable(footage, model, checks)
    console = console_of(json_file)
    with WorkBar(console) as bar:
        progress = partial(bar, f"learning {scene}")
        report = fit_scene(scene, list(footage), folder, model, FitOptions(**reading), progress)
    print_report(report, f"scene {scene}", console)
    alerting = config.alerting if config else AlertingConfig()
    basis_s, per_day = report.calibration_s, alerting.false_alarms_per_day
    first = first_false_alarms(basis_s, per_day) if alerting.adapt and basis_s else None
    expected = expectation(basis_s, per_day, first)
    console.print(f"[bold]expect[/] {expected}")
    facts = asdict(report) | {"expect": expected}
    if validation is not None:
        with WorkBar(console) as bar:
            found = validate_scene(scene, footage, folder, model, checks, partial(bar, f"validating {scene}"))
        print_validation(found, console)
        facts["validation"] = asdict(found)
    write_json(json_file, facts)
    return 0


@commands.command()
@click.argument("footage", nargs=-1, required=True, type=PATH)
@click.option("--scene", required=True, callback=scene_name, help="Name of the scene.")
@scenes_option
@click.option(
    "--out",
    type=PATH,
    metavar="FILE",
    help="Write .parquet, .csv or .jsonl, or CLIP.parquet of each clip to an existing folder. Default: JSON Lines to "
    "standard output.",
)
@click.option("--maps", type=PATH, metavar="DIR", help="Also write CLIP.npy there: anomaly maps, float32 (T, H, W).")
@image_fps_option
@click.option(
    "--false-alarms-per-day",
    type=FiniteRange(1e-3, 86400),
    help="False-alarm rate from which a frame has boxes. Default: that of config.yaml, else 1.",
)
@click.option("--method", help="motion, or padim: looks alone. Default: as the scene was learned.")
@config_option
@model_options
def score(
    footage: tuple[Path, ...],
    scene: str,
    scenes: Path | None,
    out: Path | None,
    maps: Path | None,
    image_fps: float,
    false_alarms_per_day: float | None,
    config_file: Path | None,
    **options: Any,
) -> int:
    """Score footage by a learned scene: one row a frame, with the false alarms a day that its score stands for.

    Example: streammon score yesterday.mp4 --scene lobby --out scores.parquet
    """
    config = load_config(config_file)
    model = model_of(config.model if config else None, **options)
    per_day = false_alarms_per_day or (config.alerting if config else AlertingConfig()).false_alarms_per_day
    from streammon.cli.scoring import score_footage

    return score_footage(footage, scene_folder(scenes, config, scene), model, out, maps, image_fps, per_day)


@commands.command()
@click.argument("parts", nargs=-1, required=True, type=PATH)
@click.option("--scene", required=True, callback=scene_name, help="Name of the merged scene.")
@scenes_option
@json_option
def merge(parts: tuple[Path, ...], scene: str, scenes: Path | None, json_file: str | None) -> None:
    """Merge several fits of one scene, made on different days or machines, into one.

    Example: streammon merge monday/lobby tuesday/lobby --scene lobby
    """
    folder = scene_folder(scenes, load_config(None), scene)
    from streammon import merge_scenes
    from streammon.cli.display import print_report

    report = merge_scenes(parts, folder)
    print_report(report, f"scene {scene}", console_of(json_file))
    write_json(json_file, asdict(report))


@commands.command()
@click.argument("urls", nargs=-1)
@click.option("--scene", callback=scene_name, help="The scene of a camera given as URL. Default: camera1, camera2, …")
@scenes_option
@click.option("--redis", help="redis://… or embedded (default).")
@click.option("--learn-for", help="How long a scene without a bank is learned, such as 10m.")
@click.option("--false-alarms-per-day", help="How many alerts a day a normal camera may raise. Default: 1.")
@click.option("--preview", metavar="[HOST:]PORT", help="Show the live page there; 0 picks a free port.")
@click.option("--log-json", is_flag=True, help="One JSON object per event instead of a table or lines.")
@method_option
@config_option
@model_options
def run(urls: tuple[str, ...], log_json: bool, **options: Any) -> None:
    """Watch the cameras of config.yaml, or those given as URLs, until Ctrl-C.

    Example: streammon run rtsp://user:${PASSWORD}@10.0.0.7/stream1 --scene lobby
    """
    config = run_config(urls, options)
    from streammon.cli.display import JsonDisplay, LineDisplay, TableDisplay
    from streammon.live.monitor import Monitor

    if log_json or not sys.stdout.isatty():
        lines = JsonDisplay() if log_json else LineDisplay()
        monitor = Monitor(config, lines.show)
        _until_signal(monitor.run())
    else:
        monitor = Monitor(config, lambda event: table.show(event))
        table = TableDisplay(monitor.figures)
        with Live(table, refresh_per_second=REFRESH_PER_S, console=Console()):
            _until_signal(monitor.run())


@commands.command()
@click.option("--redis", help="redis://… Default: that of config.yaml, else redis://127.0.0.1:6379.")
@click.option("--camera", "cameras", multiple=True, help="Only this camera; may be repeated.")
@click.option("--json", "as_json", is_flag=True, help="Print every message as it is published.")
@config_option
def watch(redis: str | None, cameras: tuple[str, ...], as_json: bool, config_file: Path | None) -> None:
    """Show the cameras and alerts of a running monitor live, from any machine that can reach its Redis.

    Example: streammon watch --redis redis://10.0.0.5
    """
    address = watched_redis(redis, config_file)
    from streammon.cli.display import LineDisplay, TableDisplay
    from streammon.live.watch import update_figures, watch_messages

    if as_json:
        _until_signal(watch_messages(address, cameras or None, _print_compact))
        return
    figures: dict[str, CameraFigures] = {}
    display = TableDisplay(figures) if sys.stdout.isatty() else LineDisplay()

    def show(message: dict[str, Any]) -> None:
        event = update_figures(figures, message)
        if event is not None:
            display.show(event)

    with Live(display, refresh_per_second=REFRESH_PER_S) if isinstance(display, TableDisplay) else nullcontext():
        _until_signal(watch_messages(address, cameras or None, show))


def _print_compact(message: dict[str, Any]) -> None:
    print(json.dumps(message, separators=(",", ":")), flush=True)


@commands.command()
@click.option("--since", callback=since_s, help="Only alerts since then: 2h, 7d, 2026-11-30 or 2026-11-30T14:00.")
@click.option("--camera", help="Only alerts of this camera.")
@click.option("--export", type=PATH, metavar="DIR", help="Also copy their clips, pictures and side-cars there.")
@config_option
@json_option
def events(
    since: float | None, camera: str | None, export: Path | None, config_file: Path | None, json_file: str | None
) -> None:
    """List the alerts whose evidence is kept, the newest last, also while a monitor runs.

    Example: streammon events --since 24h --camera lobby --export evidence/
    """
    folder = kept_events(config_file)
    from streammon.cli.display import events_table
    from streammon.events import export_events, read_index

    rows = read_index(folder, since, camera)
    console = console_of(json_file)
    console.print(events_table(rows))
    if export is not None:
        console.print(f"{export_events(rows, folder, export)} files copied to {export}")
    write_json(json_file, [asdict(row) for row in rows])


@commands.command("hash-password")
def hash_password() -> None:
    """Print the hash of a password for `preview.users`; prompts twice, or reads one line of standard input.

    Example: streammon hash-password
    """
    password = password_given()
    from streammon.preview import hash_password as hashed

    print(hashed(password))


@commands.command()
@config_option
@json_option
def check(config_file: Path | None, json_file: str | None) -> int:
    """Check the configuration, every camera, every bank and Redis, and report what is wrong.

    Example: streammon check --config config.yaml
    """
    config = required_config(config_file)
    from streammon.live.check import check_all, findings_table

    findings = check_all(config)
    console_of(json_file).print(findings_table(findings))
    write_json(json_file, [asdict(finding) for finding in findings])
    return max((complain(finding.detail, EXIT_INPUT_WRONG) for finding in findings if not finding.ok), default=0)


@commands.group(invoke_without_command=True)
@click.pass_context
def notify(context: click.Context) -> None:
    """Deliver alerts to the sinks of `notify:` in config.yaml.

    Example: streammon notify test
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


@notify.command("test")
@click.argument("sink", required=False)
@config_option
@json_option
def notify_test(sink: str | None, config_file: Path | None, json_file: str | None) -> int:
    """Send a made-up alert to each sink, or to one, and say whether it was taken.

    Example: streammon notify test desk
    """
    config = required_config(config_file)
    from streammon.alerting.sinks import try_sinks

    results = asyncio.run(try_sinks(config, sink))
    console = console_of(json_file)
    for result in results:
        outcome = "taken" if result.taken else f"not taken ({result.reason})"
        console.print(f"{result.sink}: {outcome}, {result.place}", markup=False, highlight=False, soft_wrap=True)
    write_json(json_file, [asdict(result) for result in results])
    return 0 if all(result.taken for result in results) else EXIT_WORK_FAILED


@commands.command()
@click.option("--json", "json_file", metavar="-", help="With -, print one JSON object per event.")
def demo(json_file: str | None) -> int:
    """Learn a synthetic plaza from a local RTSP camera and alert when a van crosses it; takes about a minute.

    Example: streammon demo
    """
    started_s = time.time()
    if json_file not in (None, "-"):
        raise ConfigError("--json", f"it is {json_file!r}", "the demo writes its events to - (standard output) only")
    from streammon.cli.display import JsonDisplay, LineDisplay, print_report
    from streammon.demo.run import run_demo

    display = JsonDisplay() if json_file else LineDisplay()
    report = _until_signal(run_demo(display.show, started_s))
    if report is None:
        return EXIT_WORK_FAILED
    if isinstance(display, JsonDisplay):
        display.write("result", asdict(report))
    else:
        print_report(report, "demo", Console())
    return 0 if report.alert_id else EXIT_WORK_FAILED


@commands.command("eval")
@evaluation_options
@config_option
@model_options
@json_option
@click.pass_context
def evaluate(
    context: click.Context,
    /,
    json_file: str | None,
    page: Path | None,
    tables: tuple[int, ...],
    scores: Path | None,
    against: Path | None,
    published: bool,
    **options: Any,
) -> None:
    """Evaluate a method on a labelled data set; each figure has a null control and a confidence interval.

    Example: streammon eval --dataset stc --root shanghaitech --report page
    """
    if scores_given(context, scores, against):
        evaluate_scores({**options, "scores": scores, "against": against}, json_file, page)
    else:
        evaluate_method(options, tables, json_file, page, published=published)


@commands.command()
@click.option("--clip", type=PATH, help="Footage to measure on. Default: the demo's plaza.")
@click.option(
    "--seconds", type=FiniteRange(1, 3600), default=10.0, show_default=True, help="Duration of each measurement."
)
@click.option("--cameras", default="1,4,16", show_default=True, help="Camera counts to measure, with commas.")
@click.option("--engines", is_flag=True, help="Only compare the engines that can compute the backbone here.")
@click.option("--limit", is_flag=True, help="Only compare PaDiM's stages with this machine's peaks.")
@click.option(
    "--sustain", is_flag=True, help="Only search the largest number of cameras at 1, 5 and 25 scored frames a second."
)
@model_options
@json_option
def bench(
    clip: Path | None,
    seconds: float,
    cameras: str,
    engines: bool,
    limit: bool,
    sustain: bool,
    json_file: str | None,
    **options: Any,
) -> None:
    """Measure the time of each processing stage on this machine, and its throughput by number of cameras.

    Example: streammon bench --clip lobby.mp4 --json bench.json
    """
    only = [name for name, given in (("engines", engines), ("limit", limit), ("sustain", sustain)) if given]
    if len(only) > 1:
        raise ConfigError(f"--{only[1]}", f"--{only[0]} is given too", "give one of them")
    counts = cameras.split(",")
    if not all(count.isdecimal() and 0 < int(count) <= 256 for count in counts):
        raise ConfigError("--cameras", f"it is {cameras!r}", "give counts from 1 to 256 with commas, as 1,4,16")
    model = model_of(None, **options)
    from streammon.bench import bench_report

    console = console_of(json_file)
    with console.status("measuring …"):
        report = bench_report(clip, model, seconds, [int(each) for each in counts], *only)
    console.print(*report.tables(), sep="\n")
    write_json(json_file, asdict(report))


Result = TypeVar("Result")


def _until_signal(work: Coroutine[Any, Any, Result]) -> Result | None:
    """Run a coroutine to its end; None if SIGINT or SIGTERM cancelled it."""

    async def cancellable() -> Result | None:
        task = asyncio.create_task(work)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, task.cancel)
        try:
            return await task
        except asyncio.CancelledError:
            return None

    try:
        return asyncio.run(cancellable())
    except BaseExceptionGroup as group:
        ours = group.subgroup((StreammonError, OSError))  # an OSError: standard output can't be written
        while isinstance(ours, BaseExceptionGroup):
            ours = ours.exceptions[0]  # type: ignore[assignment]
        raise ours or group from None
