"""Options of the commands, and how they combine with config.yaml."""

import datetime
import math
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from streammon.config import (
    NAME,
    OPTIONS,
    PATTERN_RULES,
    SCENES,
    CameraConfig,
    Config,
    ModelConfig,
    RedisConfig,
    expanded,
    parse_section,
    seconds,
)
from streammon.errors import ConfigError, StorageError

DEFAULT_CONFIG = Path("config.yaml")
MAX_PORT = 65535
PATH = click.Path(path_type=Path)
Command = TypeVar("Command", bound=Callable[..., Any])


class FiniteRange(click.FloatRange):
    """A range of numbers that refuses `nan`, which click's comparisons let pass."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Convert the option's text to a number in the range.

        Raises:
            click.BadParameter: The text is no number, or the number is out of range.
        """
        number = float(super().convert(value, param, ctx))
        if math.isnan(number):
            self.fail("nan is not a number", param, ctx)
        return number


def scene_name(_context: click.Context, _option: click.Parameter, scene: str | None) -> str | None:
    """Refuse a name that doesn't match `NAME`, since a scene is a folder of that name."""
    if scene is not None and not re.search(NAME, scene):
        raise ConfigError("--scene", f"it is {scene!r}", PATTERN_RULES[NAME])
    return scene


def require_json_path(_context: click.Context, _option: click.Parameter, file: str | None) -> str | None:
    """Refuse, before the work starts, a JSON file that is a folder or whose folder doesn't exist."""
    if file not in (None, "-"):
        if not Path(file).parent.is_dir():
            raise StorageError(file, "there is no such folder", "make it, or choose another --json FILE")
        if Path(file).is_dir():
            raise StorageError(file, "it is a folder", "choose another --json FILE")
    return file


def option_group(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Decorator that adds several options to a command, in the order of its help."""

    def add(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return add


scenes_option = click.option("--scenes", type=PATH, help="Folder of all scenes. Default: scenes.")
every_option = click.option(
    "--every", type=click.IntRange(1), default=1, show_default=True, help="Take the first of every N frames."
)
image_fps_option = click.option(
    "--image-fps",
    type=FiniteRange(0.1, 240),
    default=25.0,
    show_default=True,
    help="Frames a second of image folders without times.csv.",
)
reduction_options = option_group(
    click.option("--reduction", help="random (default), all, pca, orthogonal."),
    click.option("--dimensions", help="Channels kept. Default: 100; wide_resnet50_2 550, efficientnet_b5 200."),
)
model_options = option_group(
    click.option("--backbone", help="efficientnet_lite0 (default), resnet18, wide_resnet50_2, efficientnet_b5."),
    click.option("--weights", metavar="FILE", help="The backbone's weights, .safetensors or .pth."),
    click.option("--device", help="auto (default), cpu, cuda, cuda:1, mps."),
    click.option("--engine", help="auto (default), torch, openvino."),
    click.option("--precision", help="auto (default), float32, bfloat16, float16, int8."),
    click.option("--batch", help="Largest number of frames per forward pass."),
    click.option("--threads", help="CPU threads torch may use."),
    click.option("--frame-score", help="max (default) or worst_percent."),
)
"""Options of the backbone, which override the configuration."""

method_option = click.option("--method", help="motion (default): looks and movement; padim: looks alone.")
"""Method of learning and scoring a scene, an option of `fit` and `run`."""


def json_option(command: Command) -> Command:
    """`--json FILE`: write the results as JSON."""
    words = "Also write the facts as JSON; - is stdout."
    return click.option("--json", "json_file", metavar="FILE", callback=require_json_path, help=words)(command)


validation_options = option_group(
    click.option(
        "--validate",
        is_flag=True,
        help="Also estimate which anomalies would be detected, and check the false-alarm rate.",
    ),
    click.option(
        "--false-alarms-per-day",
        type=FiniteRange(1e-3, 86400),
        help="With --validate: false-alarm rate of the threshold. Default: that of config.yaml, else 1.",
    ),
    click.option("--folds", type=click.IntRange(2, 50), help="With --validate: parts of the footage. Default: 4."),
    click.option(
        "--staged", type=click.IntRange(1, 100), help="With --validate: staged anomalies of each kind. Default: 6."
    ),
)
"""Options of `fit` for validating the scene after the fit."""


def validation_of(
    config: Config | None, reading: dict[str, Any], validate: bool, asked: dict[str, Any]
) -> dict[str, Any] | None:
    """Fields of `ValidationOptions` for the validation after a fit; None without `--validate`.

    Raises:
        ConfigError: An option of the validation is given without `--validate`, or `--validate` with `--crop`.
    """
    given = {name: value for name, value in asked.items() if value is not None}
    if not validate:
        for name in given:
            raise ConfigError(f"--{name.replace('_', '-')}", "there is no --validate", "give both or neither")
        return None
    if reading["crop"] is not None:
        raise ConfigError("--validate", "it looks at whole pictures, and --crop is given", "leave one of them out")
    if config is not None:
        given.setdefault("false_alarms_per_day", config.alerting.false_alarms_per_day)
    return given | {name: reading[name] for name in ("hold_out", "score_fps", "every", "max_frames", "image_fps")}


refit_options = option_group(
    click.option(
        "--from-review",
        is_flag=True,
        help="Learn what was judged normal on the page since the last fit; tells first what would change.",
    ),
    click.option("--yes", is_flag=True, help="With --from-review: don't ask before the scene is replaced."),
    click.option("--dry-run", is_flag=True, help="With --from-review: only tell what would change."),
    click.option(
        "--undo", is_flag=True, help="Put the scene's files before its last fit back; twice changes nothing."
    ),
)
"""Options of `fit` that need no footage."""

MODEL_OPTIONS = (
    *("method", "backbone", "weights", "device", "engine"),
    *("precision", "batch", "threads", "frame_score"),
)
"""Parameters of `method_option` and `model_options`."""

ANY_FIT = frozenset(("scene", "scenes", "config_file", "json_file"))
FIT_OPTIONS = {
    "--undo": ANY_FIT | {"undo"},
    "--from-review": ANY_FIT | {"from_review", "yes", "dry_run", "image_fps", "jobs", *MODEL_OPTIONS},
}
"""Parameters of `fit` that go with its options without footage."""


def fit_without_footage(context: click.Context, *, from_review: bool, undo: bool, yes: bool, dry_run: bool) -> bool:
    """True if `fit` is to learn from the review or to undo a fit.

    Raises:
        ConfigError: An option is given that doesn't go with another one.
        click.UsageError: Footage or a scene is missing.
    """
    mode = "--undo" if undo else "--from-review" if from_review else ""
    if mode:
        require_only(context, mode, FIT_OPTIONS[mode])
    for name, value in (("--yes", yes), ("--dry-run", dry_run)):
        if value and not from_review:
            raise ConfigError(name, "there is no --from-review", "give both or neither")
    if yes and dry_run:
        raise ConfigError("--yes", "--dry-run is given too", "leave one of them out")
    if from_review and not (yes or dry_run or sys.stdin.isatty()):
        raise ConfigError("standard input", "it is no terminal to confirm on", "give --yes or --dry-run")
    if not mode and not context.params["footage"]:
        raise click.MissingParameter(ctx=context, param_hint="'FOOTAGE...'", param_type="argument")
    if mode != "--from-review" and context.params["scene"] is None:
        raise click.MissingParameter(ctx=context, param_hint="'--scene'", param_type="option")
    return bool(mode)


def require_only(context: click.Context, mode: str, allowed: frozenset[str]) -> None:
    """Require that the command line has no parameters but those that go with the option `mode`.

    Raises:
        ConfigError: It has another one.
    """
    for option in context.command.params:
        source = context.get_parameter_source(option.name or "")
        if source is click.core.ParameterSource.COMMANDLINE and option.name not in allowed:
            name = "FOOTAGE" if isinstance(option, click.Argument) else option.opts[-1]
            raise ConfigError(name, f"it doesn't go with {mode}", "leave one of them out")


config_option = click.option("--config", "config_file", type=PATH, help="Default: config.yaml.")


def model_of(config: ModelConfig | None, **options: Any) -> ModelConfig:
    """The model section of the configuration, overridden by the given options."""
    given = {name: value for name, value in options.items() if value is not None}
    return parse_section(ModelConfig, (config.model_dump(exclude_unset=True) if config else {}) | given, OPTIONS)


def load_config(config_file: Path | None) -> Config | None:
    """Load the named configuration, or ./config.yaml; None if none is named and ./config.yaml doesn't exist."""
    if config_file is None and not DEFAULT_CONFIG.exists():
        return None
    return Config.load(config_file or DEFAULT_CONFIG)


def required_config(config_file: Path | None) -> Config:
    """The named configuration, or that of ./config.yaml.

    Raises:
        ConfigError: None is named and ./config.yaml doesn't exist, or the file is invalid.
    """
    config = load_config(config_file)
    if config is None:
        raise ConfigError(str(DEFAULT_CONFIG), "there is no such file", "give --config FILE")
    return config


def scene_folder(scenes: Path | None, config: Config | None, scene: str) -> Path:
    """The folder of one scene."""
    return scenes_of(scenes, config) / scene


def scenes_of(scenes: Path | None, config: Config | None) -> Path:
    """The folder of all scenes: of `--scenes`, else of the configuration, else `scenes`."""
    return scenes or (config.scenes if config else SCENES)


def scored_rate(config: Config | None, scene: str) -> float:
    """Frames a second at which the scene's cameras will be scored; the default if no camera of it is configured."""
    cameras = [] if config is None else [c for name, c in config.cameras.items() if config.scene_of(name) == scene]
    return cameras[0].score_fps if cameras else float(CameraConfig.model_fields["score_fps"].default)


def run_config(urls: tuple[str, ...], options: dict[str, Any]) -> Config:
    """The configuration of `run`: the cameras given as URLs or those of the file, with values overridden by options.

    Raises:
        ConfigError: No camera is given, or a value is invalid.
    """
    scene, scenes, redis = options.pop("scene"), options.pop("scenes"), options.pop("redis")
    learn_for, rate = options.pop("learn_for"), options.pop("false_alarms_per_day")
    config_file, preview = options.pop("config_file"), options.pop("preview")
    config = None if urls and config_file is None else load_config(config_file)
    if not urls and config is None:
        raise ConfigError("config.yaml", "there is no such file", "give --config FILE, or a camera's URL")
    if scene and len(urls) != 1:
        raise ConfigError("--scene", f"it goes with one URL, not {len(urls)}", "name the others in a config.yaml")
    values: dict[str, Any] = config.dump_with_secrets() if config else {}
    if urls:
        names = [scene] if scene else [f"camera{number}" for number in range(1, len(urls) + 1)]
        cameras = {name: {"url": url} for name, url in zip(names, urls, strict=True)}
        values["cameras"] = expanded(cameras, "command line", "cameras")
    if learn_for:
        values["cameras"] = {name: camera | {"learn_for": learn_for} for name, camera in values["cameras"].items()}
    if scenes:
        values["scenes"] = scenes
    if redis:
        values["redis"] = {**values.get("redis", {}), "url": expanded(redis, "--redis", "it")}
    if preview:
        values["preview"] = {**(values.get("preview") or {}), **listening_place(preview)}
    if rate:
        values["alerting"] = {**values.get("alerting", {}), "false_alarms_per_day": rate}
    values["model"] = model_of(config.model if config else None, **options).model_dump()
    return parse_section(Config, values, "command line")  # the file's own values were validated before


def listening_place(place: str) -> dict[str, str]:
    """Host and port from `[HOST:]PORT`; without HOST the result has no host, so the configured one is kept.

    Raises:
        ConfigError: The text has another form, or the port is above 65535.

    >>> listening_place("8088"), listening_place("0.0.0.0:8088"), listening_place("[::1]:0")
    ({'port': '8088'}, {'host': '0.0.0.0', 'port': '8088'}, {'host': '::1', 'port': '0'})
    """
    match = re.fullmatch(r"(?:(\[[0-9A-Fa-f:.%]+\]|[^:\[\]]+):)?(\d{1,5})", place)
    if not match or int(match[2]) > MAX_PORT:
        raise ConfigError("--preview", f"it is {place!r}", "give a port, or host:port as in 127.0.0.1:8088")
    host = {"host": match[1].strip("[]")} if match[1] else {}
    return {**host, "port": match[2]}


def password_given() -> str:
    """Read a password: by two prompts on a terminal, else from the first line of standard input.

    Raises:
        ConfigError: The password is empty.
    """
    if sys.stdin.isatty():
        password = str(click.prompt("Password", hide_input=True, confirmation_prompt="Once more", err=True))
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        raise ConfigError("standard input", "it holds no password", "type one, or pipe a line in")
    return password


def kept_events(config_file: Path | None) -> Path:
    """The folder of the evidence that `events` lists.

    Raises:
        ConfigError: There is no configuration, or it has no `events` section.
    """
    config = load_config(config_file)
    if config is None:
        raise ConfigError("config.yaml", "there is no such file", "give --config FILE")
    if config.events is None:
        found = "it has no `events` section, so no evidence is kept"
        raise ConfigError(str(config_file or DEFAULT_CONFIG), found, "add one; `events: {}` has all defaults")
    return config.events.folder


def since_s(_context: click.Context, _option: click.Parameter, since: str | None) -> float | None:
    """Unix time of `--since`: a duration before now, or a date with or without a time, in local time."""
    if since is None:
        return None
    try:
        return time.time() - seconds(since)
    except ValueError:
        pass
    try:
        return datetime.datetime.fromisoformat(since).timestamp()
    except (ValueError, OverflowError, OSError):
        remedy = "give a duration such as 2h or 7d, or a date such as 2026-11-30 or 2026-11-30T14:00"
        raise ConfigError("--since", f"it is {since!r}", remedy) from None


def watched_redis(redis: str | None, config_file: Path | None) -> RedisConfig:
    """The Redis server that `watch` reads: of `--redis`, else of the configuration, else 127.0.0.1:6379.

    Raises:
        ConfigError: The URL is invalid, or the configured server is an embedded one on a free port.
    """
    config = load_config(config_file)
    if redis is not None:
        values = {**(config.redis.model_dump() if config else {}), "url": expanded(redis, "--redis", "it")}
        return parse_section(RedisConfig, values, "--redis")
    if config is None:
        return RedisConfig.model_validate({"url": "redis://127.0.0.1:6379"})
    if config.redis.address != "embedded":
        return config.redis
    if not config.redis.port:
        remedy = "set redis.port, or give the address the monitor printed with --redis"
        raise ConfigError("redis", "it is embedded on a port of its own choice", remedy)
    return config.redis.model_copy(
        update={"url": parse_section(RedisConfig, {"url": f"redis://127.0.0.1:{config.redis.port}"}, "redis").url}
    )
