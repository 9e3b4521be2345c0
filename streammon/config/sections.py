"""Every key of `config.yaml`, its default and its limits."""

import math
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationInfo, field_validator, model_validator

from streammon.config.reading import expanded, yaml_mapping
from streammon.config.values import (
    DEVICE,
    HOST,
    PREFIX,
    STREAM_SCHEMES,
    Duration,
    FilePath,
    Name,
    Origin,
    PasswordHash,
    Section,
    is_loopback,
    without_controls,
)
from streammon.config.wording import parse_section


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
        learn_for: How long a scene without a bank is learned from the live picture, with the part that calibrates.
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
        url: `redis://…`, `rediss://…`, `unix://…`, or `embedded` for a Valkey that the monitor starts.
        prefix: Beginning of every key and channel.
        log_length: About how many alert messages the stream keeps.
        heatmap_ttl_s: How long a heatmap key lives.
        port: Port of the embedded server; 0 picks a free one.
        folder: Where the embedded server keeps its data; one monitor at a time.
    """

    url: SecretStr = SecretStr("embedded")
    prefix: str = Field("streammon:v1:", pattern=PREFIX)
    log_length: int = Field(10_000, ge=100)
    heatmap_ttl_s: int = Field(30, ge=1)
    port: int = Field(0, ge=0, le=65535)
    folder: FilePath = Path("alerts.valkey")

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
    """The method, the backbone and the bank's shape.

    Attributes:
        method: `motion` judges how a scene looks and what moves in it; `padim` how it looks alone, as published.
        backbone: Which pretrained network.
        weights: File with its weights (`.pth` or `.safetensors`); None takes the packaged or torchvision's own.
        detector: File with the weights of a torchvision detector, whose boxes replace the regions of motion; None
            for those.
        reduction: How channels are reduced: `random` (the paper's), `all`, `pca` or `orthogonal`.
        dimensions: D; None takes the backbone's own (100, or 550 for wide_resnet50_2).
        seed: Seed of the channel choice or projection.
        frame_score: `max` of the map (the paper's), or the mean of its `worst_percent`.
        device: `auto`, `cpu`, `cuda`, `cuda:1`, `mps`.
        precision: Of the backbone: `float32`, `bfloat16`, or `auto`: bfloat16 where the hardware computes in it.
        batch: At most so many frames go through the backbone at once.
        threads: CPU threads torch may use; None leaves it to torch.
    """

    method: Literal["motion", "padim"] = "motion"
    backbone: Literal["efficientnet_lite0", "resnet18", "wide_resnet50_2", "efficientnet_b5"] = "efficientnet_lite0"
    weights: FilePath | None = None
    detector: FilePath | None = None
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
        adapt: Calibrate on what is watched, too: levels then rest on more and more footage, and the threshold follows
            the asked rate.
    """

    false_alarms_per_day: float = Field(1.0, gt=0, le=86400)
    close_factor: float = Field(10.0, ge=1)
    min_duration_s: float = Field(0.5, ge=0)
    close_after_s: float = Field(2.0, ge=0)
    cooldown_s: float = Field(10.0, ge=0)
    update_every_s: float = Field(1.0, gt=0)
    spool: FilePath = Path("alerts.spool.sqlite")
    spool_length: int = Field(10_000, ge=10)
    adapt: bool = True

    @property
    def open_level(self) -> float:
        """Level at which an alert opens."""
        return -math.log10(self.false_alarms_per_day)

    @property
    def close_level(self) -> float:
        """Level below which it closes; never above `open_level`."""
        return self.open_level - math.log10(self.close_factor)


class PreviewConfig(Section):
    """The page and the live pictures.

    Attributes:
        host: Address it listens on; beyond loopback it wants a token or users.
        port: TCP port; 0 picks a free one.
        width: Pictures wider than this are scaled down to it.
        fps: At most so many pictures a second are shown.
        bitrate_kbps: Of each H.264 stream, at most; a calm scene takes less.
        ice_servers: STUN and TURN servers; none is asked unless named here.
        token: Bearer token that opens everything.
        users: Argon2 hashes of passwords, by user.
        tls_certificate: PEM file of the certificate and its chain.
        tls_key: PEM file of its key.
        insecure: Listen beyond loopback without a token or users.
        allow_origins: Other origins whose pages may play the streams.
        history_s: How much of each camera's scores the page shows.
    """

    host: str = Field("127.0.0.1", pattern=HOST)
    port: int = Field(8088, ge=0, le=65535)
    width: int = Field(960, ge=160, le=3840)
    fps: float = Field(25.0, ge=1, le=60)
    bitrate_kbps: int = Field(2000, ge=100, le=50_000)
    ice_servers: list[str] = Field(default_factory=list)
    token: SecretStr | None = Field(None, min_length=16)
    users: dict[Name, PasswordHash] = Field(default_factory=dict, max_length=1000)
    tls_certificate: FilePath | None = None
    tls_key: FilePath | None = Field(None, validate_default=True)
    insecure: bool = Field(False, validate_default=True)
    allow_origins: list[Origin] = Field(default_factory=list)
    history_s: Duration = 600.0

    @field_validator("tls_key")
    @classmethod
    def _key_goes_with_certificate(cls, key: Path | None, others: ValidationInfo) -> Path | None:
        if "tls_certificate" in others.data and (others.data["tls_certificate"] is None) != (key is None):
            raise ValueError("preview.tls_certificate and preview.tls_key go together: give both or neither")
        return key

    @field_validator("insecure")
    @classmethod
    def _beyond_loopback_is_guarded(cls, insecure: bool, others: ValidationInfo) -> bool:
        known = others.data
        if insecure or not {"host", "token", "users"} <= known.keys():  # what is wrong there is told there
            return insecure
        if not is_loopback(known["host"]) and known["token"] is None and not known["users"]:
            raise ValueError(
                f"set preview.token or preview.users to listen on {known['host']}, which others can reach,"
                " or make this true and let everyone in"
            )
        return insecure

    @property
    def is_guarded(self) -> bool:
        """Whether a token or a password is asked for."""
        return self.token is not None or bool(self.users)


class Config(Section):
    """The whole file.

    Attributes:
        cameras: By name.
        redis: Where alerts go.
        model: The backbone and the bank's shape.
        alerting: When alerts open and close.
        preview: The page and the live pictures; None for none.
        scenes: Folder with one folder per scene.
    """

    cameras: dict[Name, CameraConfig] = Field(min_length=1)
    redis: RedisConfig = RedisConfig()
    model: ModelConfig = ModelConfig()
    alerting: AlertingConfig = AlertingConfig()
    preview: PreviewConfig | None = None
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
        return cls.parse(yaml_mapping(path), where=str(path))

    @classmethod
    def parse(cls, values: dict[str, Any], where: str) -> Self:
        """Validate a mapping as a configuration; `where` begins each message.

        Raises:
            ConfigError: One problem a line.
        """
        return parse_section(cls, expanded(values, where), where)
