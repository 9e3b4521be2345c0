"""Every key of `config.yaml`, its default and its limits."""

import math
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, SecretStr, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from streammon.conditions import Condition
from streammon.config.addresses import camera_url, redis_url
from streammon.config.notify import SinkConfig
from streammon.config.reading import expanded, yaml_mapping
from streammon.config.values import (
    DEVICE,
    HOST,
    PREFIX,
    Duration,
    FilePath,
    Name,
    Origin,
    PasswordHash,
    Section,
    is_loopback,
    without_controls,
)
from streammon.config.wording import ELSEWHERE, parse_section

SCENES = Path("scenes")
"""Default folder of all scenes."""


class CameraConfig(Section):
    """One camera: its source and how its frames are scored.

    Attributes:
        url: URL (`rtsp://`, `rtsps://`, `http://`, `https://`), video file, folder of images, or device
            (`/dev/video0`).
        score_url: The same for the camera's low-resolution sub-stream, which is then the one that is scored; `url` is
            its main stream, opened only while somebody watches it. Default: `url` is scored and watched.
        scene: Name of the scene whose bank scores the camera; default: the camera's own name.
        score_fps: Largest number of frames scored a second; fewer while the machine is overloaded.
        transport: Transport of RTSP, `tcp` or `udp`.
        open_timeout_s: Seconds within which the camera must answer.
        read_timeout_s: Seconds without a picture after which the camera counts as frozen, and a fifth of the time for
            which it may repeat one and the same picture.
        still: Accept a camera that repeats one and the same picture, such as a test card.
        play: Playback of a file: at its own pace (`realtime`), or as fast as it is scored, without dropping frames
            (`fast`).
        loop: Start a file again when it ends.
        image_fps: Frames a second of a folder of images without recorded times.
        learn_for: Duration of learning a scene without a bank from the live picture, including the part that
            calibrates.
    """

    url: SecretStr
    score_url: SecretStr | None = None
    scene: Name | None = None
    score_fps: float = Field(5.0, ge=0.2, le=240)  # at most 5 s apart: calibration doesn't count steps above 10 s
    transport: Literal["tcp", "udp"] = "tcp"
    open_timeout_s: float = Field(5.0, gt=0, le=60)
    read_timeout_s: float = Field(4.0, gt=0, le=60)
    still: bool = False
    play: Literal["realtime", "fast"] = "realtime"
    loop: bool = False
    image_fps: float = Field(25.0, gt=0, le=240)
    learn_for: Duration = 600.0

    @field_validator("url", "score_url")
    @classmethod
    def _url_names_a_source(cls, url: SecretStr | None) -> SecretStr | None:
        if url is None:
            return None
        address = url.get_secret_value()
        if not address.strip():
            raise ValueError("it must not be empty")
        without_controls(address)
        return SecretStr(camera_url(address))

    @property
    def address(self) -> str:
        """URL or path including the password, only for opening the source."""
        return self.url.get_secret_value()

    @property
    def is_live(self) -> bool:
        """True for a network stream or device, False for footage on disk."""
        return "://" in self.address or self.address.startswith("/dev/")

    @property
    def scored(self) -> "CameraConfig":
        """The camera as it is scored: with `score_url`, if there is one, in the place of `url`."""
        if self.score_url is None:
            return self
        return self.model_copy(update={"url": self.score_url, "score_url": None})

    @property
    def waits(self) -> bool:
        """True for footage that plays as fast as it is scored: it waits for the scorer, and no frame is left out."""
        return self.play == "fast" and not self.is_live

    def streams(self) -> dict[str, "CameraConfig"]:
        """The camera's streams by the setting that names them, each as a camera of its own."""
        return {"url": self} if self.score_url is None else {"url": self, "score_url": self.scored}


class RedisConfig(Section):
    """The Redis server that alerts, scores and statuses are published to.

    Attributes:
        url: `redis://…`, `rediss://…`, `unix://…`, or `embedded` for a Valkey server that the monitor starts.
        prefix: Prefix of every key and channel.
        log_length: Approximate number of alert messages kept in the alert log (a Redis stream).
        heatmap_ttl_s: Seconds after which a heatmap key expires.
        port: Port of the embedded server; 0 picks a free one.
        folder: Data folder of the embedded server; used by one monitor at a time.
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
        without_controls(address)
        return SecretStr(redis_url(address))

    @property
    def address(self) -> str:
        """URL including the password, only for connecting."""
        return self.url.get_secret_value()


class ModelConfig(Section):
    """The scoring method, the backbone, and the device they run on.

    Attributes:
        method: `motion` scores the look of a scene and what moves in it; `padim` scores the look alone, as published
            (arXiv:2011.08785).
        backbone: Pretrained network that computes the feature maps.
        weights: File with the backbone's weights (`.pth` or `.safetensors`); default: the packaged weights, or
            torchvision's.
        detector: File with the weights of a torchvision detector, whose boxes then define the objects; default: none,
            objects are regions of motion.
        reduction: Reduction of the channels: `random` (the paper's), `all`, `pca` or `orthogonal`.
        dimensions: Number of channels kept, D; default: 100, for wide_resnet50_2 550, for efficientnet_b5 200.
        seed: Random seed of the channel choice or projection.
        frame_score: Frame score of the method `padim`: maximum of the anomaly map (`max`, the paper's), or mean of
            its highest 1 % (`worst_percent`).
        device: `auto`, `cpu`, `cuda`, `cuda:1`, `mps`.
        engine: Program that computes the backbone: `torch`, `openvino` (on CPUs), or `auto` for the faster one on
            this machine, by a trial of seconds whose result is kept.
        precision: Number format of the backbone: `float32`, `bfloat16`, `float16` (on CUDA), `int8` (on CPUs, by
            OpenVINO; see `streammon/padim/README.md`), or `auto`: on CPUs float32 or bfloat16, whichever the same
            trial finds faster; float16 on CUDA devices with tensor cores.
        batch: Largest number of frames in one forward pass of the backbone.
        threads: CPU threads for torch; default: torch's own choice.
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
    engine: Literal["auto", "torch", "openvino"] = "auto"
    precision: Literal["auto", "float32", "bfloat16", "float16", "int8"] = "auto"
    batch: int = Field(8, ge=1, le=256)
    threads: int | None = Field(None, ge=1)


class AlertingConfig(Section):
    """Thresholds, timing and spooling of alerts.

    Attributes:
        false_alarms_per_day: Accepted rate of false alarms per camera, which sets the opening threshold.
        close_factor: Ratio of the false-alarm rates at the closing and at the opening threshold (hysteresis); the
            larger it is, the lower is the closing threshold.
        min_duration_s: Seconds that the level must stay at or above the opening level before an alert opens.
        close_after_s: Seconds that the level must stay below the closing level before an alert closes.
        cooldown_s: Seconds after the close of an alert in which its camera opens no other.
        update_every_s: Shortest interval in seconds between two updates of an open alert.
        spool: File that keeps alert messages until Redis and every sink have accepted them.
        spool_length: Largest number of messages that wait for Redis, and for each sink.
        adapt: Continue the calibration on watched footage: levels then rest on more and more footage, and the
            threshold follows the configured rate of false alarms.
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
        """Level at which an alert opens, -log10(`false_alarms_per_day`)."""
        return -math.log10(self.false_alarms_per_day)

    @property
    def close_level(self) -> float:
        """Level below which an alert closes, `open_level` - log10(`close_factor`); never above `open_level`."""
        return self.open_level - math.log10(self.close_factor)


class HealthConfig(Section):
    """Health alerts.

    Attributes:
        grace_s: Seconds that a camera must be gone or frozen, or Redis or a sink away, until a health alert opens.
        ignore: Conditions that are not reported, such as `view` where people turn cameras. With `light`, alerts open
            while the light changes too.
    """

    grace_s: float = Field(60.0, ge=1, le=86400)
    ignore: list[Condition] = Field(default_factory=list)


class PreviewConfig(Section):
    """The web page with the live pictures.

    Attributes:
        host: Address to listen on; an address beyond loopback requires `token`, `users` or `insecure`.
        port: TCP port; 0 picks a free one.
        width: Largest width of the pictures in pixels; wider ones are scaled down.
        fps: Largest number of pictures a second in a stream.
        bitrate_kbps: Largest bitrate of each H.264 stream in kbit/s; a static scene needs less.
        ice_servers: URLs of the STUN and TURN servers to use, as `stun:host:port` or `turn:user:password@host:port`.
        token: Bearer token that gives full access, at least 16 characters.
        users: Argon2 hash of each user's password, as printed by `streammon hash-password`.
        tls_certificate: PEM file with the certificate and its chain; requires `tls_key`.
        tls_key: PEM file with the private key of the certificate.
        insecure: Allow listening beyond loopback without a token or users.
        allow_origins: Other origins whose pages may play the streams, such as `https://wall.example`; also the names
            under which a proxy serves the page.
        history_s: Duration of the score history that the page shows of each camera.
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
        if insecure or not {"host", "token", "users"} <= known.keys():  # their own validators report the error
            return insecure
        if not is_loopback(known["host"]) and known["token"] is None and not known["users"]:
            raise ValueError(
                f"set preview.token or preview.users to listen on {known['host']}, which others can reach,"
                " or make this true and let everyone in"
            )
        return insecure

    @property
    def is_guarded(self) -> bool:
        """True if access requires a token or a password."""
        return self.token is not None or bool(self.users)


class EventsConfig(Section):
    """Evidence of alerts that is kept on disk.

    Attributes:
        folder: Folder of the clips, the pictures and their index; used by one monitor at a time.
        before_s: Seconds of video before an alert; the clip begins at the keyframe before them.
        after_s: Seconds of video after an alert has closed.
        keep_days: Days after which the evidence of an alert is removed.
        keep_gb: Gigabytes (10^9 bytes) of evidence kept; beyond, alerts judged normal go first, then the oldest.
    """

    folder: FilePath = Path("events")
    before_s: float = Field(5.0, ge=0, le=60)  # the packets of this time are kept in memory
    after_s: float = Field(5.0, ge=0, le=600)
    keep_days: float = Field(30.0, gt=0)
    keep_gb: float = Field(20.0, gt=0)


class Config(Section):
    """The whole configuration file.

    Attributes:
        cameras: Cameras by name.
        redis: Redis server that alerts, scores and statuses are published to.
        model: Scoring method, backbone and device.
        alerting: Thresholds, timing and spooling of alerts.
        notify: Sinks that alerts are delivered to beside Redis, by name.
        health: Health alerts.
        preview: Web page with the live pictures; None for no page.
        events: Evidence of alerts that is kept on disk; None for none.
        scenes: Folder with one folder per scene.
    """

    cameras: dict[Name, CameraConfig] = Field(min_length=1)
    redis: RedisConfig = RedisConfig()
    model: ModelConfig = ModelConfig()
    alerting: AlertingConfig = AlertingConfig()
    notify: dict[Name, SinkConfig] = Field(default_factory=dict, max_length=50)
    health: HealthConfig = HealthConfig()
    preview: PreviewConfig | None = None
    events: EventsConfig | None = None
    scenes: FilePath = SCENES

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, values: Any) -> Any:
        """Expand the short forms `redis: embedded` and `redis: redis://…` to `redis: {url: …}`."""
        if isinstance(values, dict) and isinstance(values.get("redis"), str):
            return {**values, "redis": {"url": values["redis"]}}
        return values

    @model_validator(mode="after")
    def _sinks_name_cameras(self) -> Self:
        for name, sink in self.notify.items():
            for camera in sink.cameras:
                if camera not in self.cameras:
                    found = f"notify.{name}.cameras names {camera!r}, which is no camera"
                    remedy = f"name some of {', '.join(self.cameras)}"
                    raise PydanticCustomError(ELSEWHERE, "{found}; {remedy}", {"found": found, "remedy": remedy})
        return self

    def scene_of(self, camera: str) -> str:
        """Name of the scene whose bank scores the camera."""
        return self.cameras[camera].scene or camera

    def dump_with_secrets(self) -> dict[str, Any]:
        """All values as plain Python, with the passwords in the URLs, only for parsing them again."""
        values = self.model_dump(by_alias=True)
        values["redis"]["url"] = self.redis.address
        for name, camera in self.cameras.items():
            values["cameras"][name]["url"] = camera.address
            if camera.score_url is not None:
                values["cameras"][name]["score_url"] = camera.score_url.get_secret_value()
        return values

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read and validate a configuration file.

        Raises:
            ConfigError: The file is missing or invalid; with several errors a `MultipleConfigError`.
        """
        return cls.parse(yaml_mapping(path), where=str(path))

    @classmethod
    def parse(cls, values: dict[str, Any], where: str) -> Self:
        """Validate a mapping as a configuration; `where` begins each message.

        Raises:
            ConfigError: Values are invalid; the message has one line for each.
        """
        return parse_section(cls, expanded(values, where), where)
