"""`streammon check`: tests everything that `run` will need."""

import asyncio
import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from rich.table import Table
from rich.text import Text

from streammon.alerting import Spool, check_redis, redis_for
from streammon.alerting.sinks import new_sink, require_reachable
from streammon.config import CameraConfig, Config, redacted
from streammon.durations import in_words
from streammon.errors import StreammonError
from streammon.events import require_events
from streammon.ingest import VideoFormat, probe
from streammon.live.main_streams import other_proportions
from streammon.live.scenes import LiveScene
from streammon.live.startup import require_banks_writable
from streammon.padim import Backbone, load_backbone
from streammon.scene import configured_observer

AT_ONCE = 16  # cameras opened at the same time


@dataclass(frozen=True)
class Finding:
    """Result of one check.

    Attributes:
        what: Name of the checked thing, such as `camera lobby`.
        ok: True if `run` can use it.
        detail: What was found, or the error in one line.
    """

    what: str
    ok: bool
    detail: str


def check_all(config: Config) -> list[Finding]:
    """Check the backbone, the banks, the cameras, Redis and the folders; every failure is a finding."""
    findings = []
    try:
        backbone = load_backbone(config.model, config.scenes)
    except StreammonError as error:
        findings.append(Finding("backbone", False, str(error)))
    else:
        findings.append(Finding("backbone", True, _backbone_words(backbone)))
        findings += _scenes(config, backbone)
    findings.append(_checked("scenes folder", lambda: _scenes_folder(config)))
    findings.append(_checked("alert spool", lambda: _spool(config)))
    if config.events is not None:
        findings.append(_checked("events folder", lambda: _events_folder(config)))
    findings.append(_checked("redis", lambda: asyncio.run(_redis(config))))
    findings += [_checked(f"sink {name}", partial(_sink, name, config)) for name in config.notify]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for found in pool.map(lambda name: _camera(config, name), config.cameras):
            findings += found
    return findings


def findings_table(findings: list[Finding]) -> Table:
    """Table of the findings, without the error texts, which are printed on standard error."""
    table = Table(title="streammon check", title_justify="left")
    table.add_column("what", no_wrap=True)
    table.add_column("")
    table.add_column("found", overflow="fold")
    for finding in findings:
        mark = Text("ok", style="green") if finding.ok else Text("wrong", style="bold red")
        table.add_row(finding.what, mark, finding.detail if finding.ok else "")
    return table


def _checked(what: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(what, True, look())
    except StreammonError as error:
        return Finding(what, False, str(error))


def _backbone_words(backbone: Backbone) -> str:
    computed = f"{backbone.device}, {backbone.engine.name} in {backbone.precision}"
    return f"{backbone.name}, weights {backbone.weights_sha256[:12]}, {computed}"


def _scenes(config: Config, backbone: Backbone) -> Iterator[Finding]:
    for scene in dict.fromkeys(config.scene_of(name) for name in config.cameras):
        yield _checked(f"scene {scene}", partial(_scene_words, scene, config, backbone))


def _scene_words(scene: str, config: Config, backbone: Backbone) -> str:
    camera = next(camera for name, camera in config.cameras.items() if config.scene_of(name) == scene)
    loaded = LiveScene(scene, config, backbone, configured_observer(config.model, backbone))
    if loaded.learning:
        return f"no bank yet; it will be learned live for {camera.learn_for:.0f} s"
    basis = f"levels rest on {in_words(loaded.basis_s, math.floor)} of normal footage"
    return f"bank fits; alerts open at score {loaded.threshold:.1f}; {basis}"


def _scenes_folder(config: Config) -> str:
    require_banks_writable(config)
    return f"{config.scenes} takes banks"


def _spool(config: Config) -> str:
    with Spool(config.alerting.spool, config.alerting.spool_length) as spool:
        return f"{config.alerting.spool} can be written; {len(spool)} alert messages wait"


def _events_folder(config: Config) -> str:
    assert config.events is not None
    require_events(config.events)
    return f"{config.events.folder} takes evidence; {config.events.keep_gb:g} GB are kept"


async def _redis(config: Config) -> str:
    async with redis_for(config.redis) as redis:
        found = await check_redis(redis, config.cameras, reads_log=config.preview is not None)
    return f"the embedded server at {found}" if config.redis.address == "embedded" else found


def _sink(name: str, config: Config) -> str:
    sink = new_sink(name, config)
    asyncio.run(require_reachable(name, sink))
    return f"{sink.place}; `streammon notify test {name}` sends an alert there"


def _camera(config: Config, name: str) -> list[Finding]:
    """A finding for each stream of a camera: its sub-stream first, if it has one, then its main stream."""
    camera = config.cameras[name]
    motion = config.model.method == "motion"
    if camera.score_url is None:
        return [_checked(f"camera {name}", lambda: _stream_words(camera, probe(camera, name, detail=motion)))]
    sizes: dict[str, tuple[int, int]] = {}

    def words(key: str, detail: bool) -> str:
        stream = camera.streams()[key]
        found = probe(stream, name, key=key, detail=detail)
        sizes[key] = found.width, found.height
        differ = other_proportions(sizes["url"], sizes["score_url"]) if len(sizes) == 2 else ""
        return _stream_words(stream, found) + (f"; {differ}" if differ else "")

    scored = _checked(f"camera {name}, scored", lambda: words("score_url", motion))
    return [scored, _checked(f"camera {name}, main", lambda: words("url", False))]


def _stream_words(stream: CameraConfig, found: VideoFormat) -> str:
    rate = f" at {found.fps:g} frames/s" if found.fps else ""
    return f"{redacted(stream.address)}: {found.codec} {found.width}x{found.height}{rate}"
