"""`config.yaml`: what may be in it, and one clear line for each thing that is wrong.

Units end the names. `${NAME}` is replaced by the environment variable, so passwords stay out of the file.
"""

import math
import os
import re
from collections.abc import Hashable, Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar
from urllib.parse import urlsplit

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from streammon.errors import ConfigError

DURATION_S = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
STREAM_SCHEMES = ("rtsp", "rtsps", "http", "https")
NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
PREFIX = r"^[\x21-\x7e]{1,64}$"
DEVICE = r"^(auto|cpu|mps|cuda(:\d+)?)$"
PATTERN_RULES = {
    NAME: "it must be 1 to 64 letters, digits, - and _, and begin with a letter or digit",
    PREFIX: "it must be 1 to 64 printable ASCII characters without a space",
    DEVICE: "it must be auto, cpu, mps, cuda, or one of several as in cuda:1",
}
OPTIONS = "--"
"""Stands for the command line where a message says what it is about: each key is named as its option then."""

LONGEST_SHOWN = 40
Name = Annotated[str, Field(pattern=NAME)]


def seconds(duration: object) -> float:
    """How many seconds a duration such as `90s`, `10m`, `2h` or a bare number is.

    Raises:
        ValueError: It is not such a duration, or not above 0.

    >>> seconds("10m")
    600.0
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smhd]?)\s*", str(duration))
    if not match or float(match[1]) <= 0:
        raise ValueError("it must be a duration above 0 such as 90s, 10m or 2h")
    return float(match[1]) * DURATION_S[match[2] or "s"]


Duration = Annotated[float, BeforeValidator(seconds)]


def without_controls(text: str | Path) -> str | Path:
    """The same, unless a control character is in it, which no file system takes or shows well.

    Raises:
        ValueError: One is.
    """
    if re.search(r"[\x00-\x1f\x7f]", str(text)):
        raise ValueError("it must hold no control characters")
    return text


FilePath = Annotated[Path, AfterValidator(without_controls)]


def redacted(url: str) -> str:
    """The part of a camera's address that is safe to show: no user, password, path or query of a network URL.

    Some cameras take their password in the path or the query, so both are left out.

    >>> redacted("rtsp://admin:s3cret@10.0.0.7:554/user=admin&password=s3cret")
    'rtsp://10.0.0.7:554/…'
    >>> redacted("clips/lobby.mp4")
    'clips/lobby.mp4'
    """
    if "://" not in url:
        return url
    try:
        parts = urlsplit(url)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
        return f"{parts.scheme}://{host}{f':{parts.port}' if parts.port else ''}/…"
    except ValueError:
        return f"{url.split('://', 1)[0]}://…"


class Section(BaseModel):
    """Unknown keys are errors, and a value never changes after validation."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


SectionType = TypeVar("SectionType", bound=Section)


class CameraConfig(Section):
    """One camera: where its pictures come from and how they are scored.

    Attributes:
        url: `rtsp://`, `rtsps://`, `http://`, `https://`, a video file, a folder of images, or `/dev/video0`.
        scene: Whose bank scores it; the camera's own name where it is not given.
        score_fps: At most so many frames a second are scored.
        transport: RTSP over `tcp` or `udp`.
        open_timeout_s: How long a camera may take to answer.
        read_timeout_s: How long it may be silent before it counts as frozen.
        play: A file plays at its own pace (`realtime`) or as fast as it decodes (`fast`).
        loop: Start a file again when it ends.
        image_fps: Pace of a folder of images.
        learn_for: How long a scene without a bank is learned from the live picture, held-out part included.
    """

    url: SecretStr
    scene: Name | None = None
    score_fps: float = Field(5.0, ge=0.2, le=240)  # slower than one in 5 s, calibration has no time
    transport: Literal["tcp", "udp"] = "tcp"
    open_timeout_s: float = Field(5.0, gt=0, le=60)
    read_timeout_s: float = Field(4.0, gt=0, le=60)
    play: Literal["realtime", "fast"] = "realtime"
    loop: bool = False
    image_fps: float = Field(25.0, gt=0, le=240)
    learn_for: Duration = 600.0

    @field_validator("url")
    @classmethod
    def _url_names_a_source(cls, url: SecretStr) -> SecretStr:
        address = url.get_secret_value()
        if not address.strip():
            raise ValueError("it must not be empty")
        without_controls(address)
        if "://" in address:
            try:
                parts = urlsplit(address)
                host, _port = parts.hostname, parts.port
            except ValueError:
                raise ValueError("it must be a URL with a port from 0 to 65535, or a path") from None
            if parts.scheme not in STREAM_SCHEMES:
                raise ValueError(f"it must begin with {', '.join(STREAM_SCHEMES)}, or be a path")
            if not host:
                raise ValueError("it must name a host")
        return url

    @property
    def address(self) -> str:
        """The URL or path, password and all: only for opening it."""
        return self.url.get_secret_value()

    @property
    def is_live(self) -> bool:
        """Whether it is a stream or a device rather than footage on disk."""
        return "://" in self.address or self.address.startswith("/dev/")


class RedisConfig(Section):
    """Where alerts go.

    Attributes:
        url: `redis://…`, `rediss://…`, `unix://…`, or `embedded` for a Valkey that lives as long as the monitor.
        prefix: Beginning of every key and channel.
        log_length: About how many alert messages the stream keeps.
        heatmap_ttl_s: How long a heatmap key lives.
        port: Port of the embedded server; 0 picks a free one.
    """

    url: SecretStr = SecretStr("embedded")
    prefix: str = Field("streammon:v1:", pattern=PREFIX)
    log_length: int = Field(10_000, ge=100)
    heatmap_ttl_s: int = Field(30, ge=1)
    port: int = Field(0, ge=0, le=65535)

    @field_validator("url")
    @classmethod
    def _url_is_redis(cls, url: SecretStr) -> SecretStr:
        address = url.get_secret_value()
        try:
            known = address == "embedded" or (urlsplit(address).scheme in ("redis", "rediss", "unix"))
            _port = urlsplit(address).port
        except ValueError:
            known = False
        if not known:
            raise ValueError("it must be `embedded` or begin with redis://, rediss:// or unix://")
        return url

    @property
    def address(self) -> str:
        """The URL, password and all: only for connecting."""
        return self.url.get_secret_value()


class ModelConfig(Section):
    """The backbone and the bank's shape.

    Attributes:
        backbone: Which pretrained network.
        weights: File with its weights (`.pth` or `.safetensors`); None takes the packaged or torchvision's own.
        reduction: How channels are reduced: `random` (the paper's), `all`, `pca` or `orthogonal`.
        dimensions: D; None takes the backbone's own (100, or 550 for wide_resnet50_2).
        seed: Seed of the channel choice or projection.
        frame_score: `max` of the map (the paper's), or the mean of its `worst_percent`.
        device: `auto`, `cpu`, `cuda`, `cuda:1`, `mps`.
        precision: Of the backbone: `float32`, `bfloat16`, or `auto`: bfloat16 where the hardware computes in it.
        batch: At most so many frames go through the backbone at once.
        threads: CPU threads torch may use; None leaves it to torch.
    """

    backbone: Literal["efficientnet_lite0", "resnet18", "wide_resnet50_2", "efficientnet_b5"] = "efficientnet_lite0"
    weights: FilePath | None = None
    reduction: Literal["random", "all", "pca", "orthogonal"] = "random"
    dimensions: int | None = Field(None, ge=1)
    seed: int = Field(0, ge=0)
    frame_score: Literal["max", "worst_percent"] = "max"
    device: str = Field("auto", pattern=DEVICE)
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    batch: int = Field(8, ge=1, le=256)
    threads: int | None = Field(None, ge=1)


class AlertingConfig(Section):
    """When an alert opens and closes.

    Attributes:
        false_alarms_per_day: How many alerts a day each camera may raise on a normal day: the opening threshold.
        close_factor: The alert closes at this many times that rate, a lower threshold (hysteresis).
        min_duration_s: The picture must stay abnormal so long before an alert opens.
        close_after_s: The picture must stay below the closing threshold so long before it closes.
        cooldown_s: After an alert closes, its camera opens none for so long.
        update_every_s: While an alert is open, an update at most this often.
        spool: File that keeps alerts until Redis has them.
        spool_length: At most so many messages wait there.
    """

    false_alarms_per_day: float = Field(1.0, gt=0, le=86400)
    close_factor: float = Field(10.0, ge=1)
    min_duration_s: float = Field(0.5, ge=0)
    close_after_s: float = Field(2.0, ge=0)
    cooldown_s: float = Field(10.0, ge=0)
    update_every_s: float = Field(1.0, gt=0)
    spool: FilePath = Path("alerts.spool.sqlite")
    spool_length: int = Field(10_000, ge=10)

    @property
    def open_level(self) -> float:
        """Level at which an alert opens."""
        return -math.log10(self.false_alarms_per_day)

    @property
    def close_level(self) -> float:
        """Level below which it closes; never above `open_level`."""
        return self.open_level - math.log10(self.close_factor)


class Config(Section):
    """The whole file.

    Attributes:
        cameras: By name.
        redis: Where alerts go.
        model: The backbone and the bank's shape.
        alerting: When alerts open and close.
        scenes: Folder with one folder per scene.
    """

    cameras: dict[Name, CameraConfig] = Field(min_length=1)
    redis: RedisConfig = RedisConfig()
    model: ModelConfig = ModelConfig()
    alerting: AlertingConfig = AlertingConfig()
    scenes: FilePath = Path("scenes")

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, values: Any) -> Any:
        """`redis: embedded` and `redis: redis://…` stand for `redis: {url: …}`."""
        if isinstance(values, dict) and isinstance(values.get("redis"), str):
            return {**values, "redis": {"url": values["redis"]}}
        return values

    def scene_of(self, camera: str) -> str:
        """The scene whose bank scores this camera."""
        return self.cameras[camera].scene or camera

    def secrets_dump(self) -> dict[str, Any]:
        """All values as plain Python, the URLs with their passwords: only to be parsed again."""
        values = self.model_dump()
        values["redis"]["url"] = self.redis.address
        for name, camera in self.cameras.items():
            values["cameras"][name]["url"] = camera.address
        return values

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read and validate a configuration file.

        Raises:
            ConfigError: The first thing that is wrong; `problems` lists a line for each.
        """
        return cls.parse(_yaml_mapping(path), where=str(path))

    @classmethod
    def parse(cls, values: dict[str, Any], where: str) -> Self:
        """Validate a mapping as a configuration; `where` begins each message.

        Raises:
            ConfigError: One problem a line.
        """
        return parse_section(cls, expanded(values, where), where)


def parse_section(section: type[SectionType], values: dict[str, Any], where: str) -> SectionType:
    """Validate one section's values; `where` begins each message, `OPTIONS` names the key's option there.

    Raises:
        ConfigError: One problem a line.
    """
    try:
        return section.model_validate(values)
    except ValidationError as error:
        raise _config_error(error, where) from None


class MultipleConfigError(ConfigError):
    """Several things are wrong in one file.

    Attributes:
        problems: A `ConfigError` for each.
    """

    def __init__(self, problems: list[ConfigError]) -> None:
        Exception.__init__(self, "\n".join(str(problem) for problem in problems))
        self.problems = problems


class _Loader(yaml.SafeLoader):
    """YAML without repeated keys, of which PyYAML takes the last, and without structures that hold themselves."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """A mapping of one value a key."""
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, Hashable) and key in seen:
                raise yaml.constructor.ConstructorError(problem=f"repeats {key!r}", problem_mark=key_node.start_mark)
            seen.add(key if isinstance(key, Hashable) else None)
        return super().construct_mapping(node, deep=True)


# Not the base class's generator, whose later steps let a structure hold itself.
_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _Loader.construct_mapping)


def _yaml_mapping(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(str(path), "there is no such file", "name your configuration with --config FILE") from None
    except UnicodeDecodeError as error:
        raise ConfigError(str(path), f"byte {error.start} is not UTF-8", "save the file as UTF-8") from None
    except OSError as error:
        reason = (error.strerror or "no reason given").lower()
        raise ConfigError(str(path), f"it can't be read ({reason})", "name a readable file with --config") from None
    try:
        values = yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "it"
        problem = str(getattr(error, "problem", ""))
        if problem.startswith("repeats "):
            raise ConfigError(str(path), f"{place} {problem}", "a key may stand there once") from None
        raise ConfigError(str(path), f"{place} is not YAML", "mend it; indentation counts") from None
    except (ValueError, LookupError, AttributeError, RecursionError):  # PyYAML lets them out, as for 2026-13-45
        raise ConfigError(str(path), "a value in it is not YAML", "put it in quotes") from None
    if not isinstance(values, dict):
        found = "it is empty" if values is None else f"it holds {_kind(values)}"
        raise ConfigError(str(path), found, "it must be a mapping with `cameras:` in it")
    return values


def expanded(value: Any, where: str, key: str = "") -> Any:
    """`${NAME}` replaced by the environment variable, in every string below `value`.

    Raises:
        ConfigError: There is no such variable; `where` and `key` say where it is named.
    """
    if isinstance(value, dict):
        return {k: expanded(v, where, _joined((key, k))) for k, v in value.items()}
    if isinstance(value, list):
        return [expanded(v, where, _joined((key, i))) for i, v in enumerate(value)]
    if not isinstance(value, str):
        return value

    def variable(match: re.Match[str]) -> str:
        if match[1] not in os.environ:
            raise ConfigError(where, f"{key} names ${{{match[1]}}}, which is not set", "set it in the environment")
        return os.environ[match[1]]

    return re.sub(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}", variable, value)


def _config_error(error: ValidationError, where: str) -> ConfigError:
    problems = list(_problems(error, where))
    return problems[0] if len(problems) == 1 else MultipleConfigError(problems)


def _problems(error: ValidationError, where: str) -> Iterator[ConfigError]:
    for problem in error.errors(include_url=False, include_context=True):
        key = _joined(problem["loc"])
        kind, context = problem["type"], problem.get("ctx", {})
        if kind == "extra_forbidden":
            yield ConfigError(where, f"{key} is no known key", "see the configuration reference in the README")
        elif kind == "missing":
            yield ConfigError(where, f"{key} is missing", "add it")
        elif "url" in problem["loc"]:  # may hold a password: never show it
            yield ConfigError(*_named(where, key, "can't be used"), str(context.get("error", "it must be text")))
        elif problem["loc"][-1:] == ("[key]",):
            found = f"{_joined(problem['loc'][:-2])} has the key {_shown(problem['input'])}"
            yield ConfigError(where, found, _rule(kind, context, problem["msg"]))
        else:
            found = f"is {_shown(problem['input'])}"
            yield ConfigError(*_named(where, key, found), _rule(kind, context, problem["msg"]))


def _named(where: str, key: str, found: str) -> tuple[str, str]:
    """Where something is and what was found there: in a file by its key, on the command line by its option."""
    return (f"--{key.replace('_', '-')}", f"it {found}") if where == OPTIONS else (where, f"{key or 'it'} {found}")


def _joined(path: Iterable[object]) -> str:
    """A key's path as in `cameras.lobby.url`; a URL that stands where a key should is not shown whole."""
    return ".".join(redacted(str(part)) for part in path if part not in ("", "[key]"))


def _shown(value: object) -> str:
    """A wrong value as a message may show it: long ones, and what may hold a password, by their kind alone."""
    if value is None:
        return "empty"
    text = repr(str(value) if isinstance(value, Path) else value)
    is_plain = isinstance(value, str | int | float | Path) and len(text) <= LONGEST_SHOWN
    return text if is_plain and not re.search("://|@", text) else _kind(value)


def _kind(value: object) -> str:
    kinds = {dict: "a mapping", list: "a list", str: "text", bool: "true or false"}
    return kinds.get(type(value), f"a {type(value).__name__}")


def _rule(kind: str, context: dict[str, Any], message: str) -> str:
    """pydantic's rule in our words: what the value must be."""
    if kind == "string_pattern_mismatch":
        return PATTERN_RULES[context["pattern"]]
    rules = {
        "greater_than": "it must be above {gt:g}",
        "greater_than_equal": "it must be at least {ge:g}",
        "less_than_equal": "it must be at most {le:g}",
        "literal_error": "it must be {expected}",
        "float_parsing": "it must be a number",
        "float_type": "it must be a number",
        "finite_number": "it must be a finite number",
        "int_parsing": "it must be a whole number",
        "int_type": "it must be a whole number",
        "int_from_float": "it must be a whole number",
        "bool_parsing": "it must be true or false",
        "bool_type": "it must be true or false",
        "string_type": "it must be text",
        "path_type": "it must be a path",
        "dict_type": "it must be a mapping",
        "model_type": "it must be a mapping",
        "too_short": "it must not be empty",
        "value_error": "{error}",
    }
    rule = rules.get(kind)
    return rule.format(**context) if rule else message[:1].lower() + message[1:]
