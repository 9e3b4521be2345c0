"""Health alerts of pictures on real footage: recall, false alerts, changes of light, and what they cost.

    python tests/benchmark_health.py

Each scene is learned from the first half of its footage in the window of `support.tampered.view`. The second half is
then played for a minute, again and again if it is shorter, as it is (whatever opens is false), in other light (the
same) and tampered with. The rule is the product's, with the product's times.

The constants of `ingest.glance`, `ingest.light`, `scene.pictures` and `alerting.health` were chosen on `CHOSEN_ON`
and on the first 8 s of `covered`; the other scenes check them. A change of light is staged in the middle of each 8 s
of footage.
"""

import os
import time
import timeit
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from streammon.alerting import HealthFinding, HealthRule
from streammon.ingest import Glance, clips, glance_at, likeness
from streammon.ingest.light import LightWatch
from streammon.live.health import OF_PICTURES
from streammon.records import AlertEvent, Condition, Picture
from streammon.scene import NormalPictures, PictureSums
from support import tampered
from support.tampered import Variant, view

DATA = Path(os.environ.get("STREAMMON_DATA", Path(__file__).resolve().parents[1].parent / "shared" / "data"))
FPS = 5
LEARN_EVERY = 5
LEAST_LEARNED = 15  # pictures: short clips are learned more than once a second
PLAYED_S = 60
CHANGE_EVERY_S = 8
LARGEST_SIDE = 384
MOST_CLIPS = 8
CHOSEN_ON = {"bottle-detection", "car-detection", "cdnet_highway", "corridor1", "highway1", "left_bag", "pets2009"}
CHOSEN_ON |= {"room", "ucsd_ped2"}

NORMAL: dict[str, Variant] = {
    "normal": view,
    "dim": lambda picture: tampered.dimmed(view(picture)),
    "infrared": lambda picture: tampered.infrared(view(picture)),
}
TAMPERED: dict[str, tuple[Variant, Condition]] = {
    "black": (lambda picture: tampered.black(view(picture)), Condition.BLACK),
    "over-exposed": (lambda picture: tampered.overexposed(view(picture)), Condition.OVEREXPOSED),
    "covered": (lambda picture: tampered.covered(view(picture)), Condition.COVERED),
    "blurred, 3 px": (lambda picture: tampered.blurred(view(picture)), Condition.BLURRED),
    "blurred, 2 px": (lambda picture: tampered.blurred(view(picture), 0.008), Condition.BLURRED),
    "turned 10°": (lambda picture: view(picture, pan_deg=10), Condition.VIEW),
    "turned 5°": (lambda picture: view(picture, pan_deg=5), Condition.VIEW),
    "rolled 10°": (lambda picture: view(picture, roll_deg=10), Condition.VIEW),
}
LIGHTS: dict[str, tuple[Variant, Variant]] = {
    "off": (view, lambda picture: tampered.dimmed(view(picture))),
    "on": (lambda picture: tampered.dimmed(view(picture)), view),
    "to infrared": (view, lambda picture: tampered.infrared(view(picture))),
    "from infrared": (lambda picture: tampered.infrared(view(picture)), view),
    "no light: covered": (view, lambda picture: tampered.covered(view(picture))),
    "no light: turned": (view, lambda picture: view(picture, pan_deg=10)),
}


@dataclass
class Scene:
    """Footage of a scene, at most 384 pixels wide, clip by clip.

    Attributes:
        name: Name of the scene.
        clips: Pictures of each clip, five a second.
    """

    name: str
    clips: list[list[Picture]] = field(default_factory=list)

    @property
    def halves(self) -> tuple[list[Picture], list[Picture]]:
        """First and second half of the pictures."""
        pictures = [picture for clip in self.clips for picture in clip]
        return pictures[: len(pictures) // 2], pictures[len(pictures) // 2 :]


def sources() -> dict[str, Path]:
    found = {path.stem: path for folder in ("normal", "clips") for path in sorted((DATA / folder).glob("*.mp4"))}
    found |= {
        "left_bag": DATA / "tampering" / "left_bag.mp4",
        "ucsd_ped2": DATA / "ucsd_ped2" / "training" / "frames",
    }
    found |= {"coffee_room": DATA / "coffee_room" / "train"}
    return found | {name: DATA / name for name in ("lane_day", "street_night")}


def scenes() -> Iterator[Scene]:
    for name, path in sources().items():
        scene = Scene(name)
        for clip in clips(path)[:MOST_CLIPS]:
            scene.clips.append([reduced(frame.picture) for frame in clip.frames(None, fps=FPS)])
        yield scene


def reduced(picture: Picture) -> Picture:
    height, width = picture.shape[:2]
    size = (LARGEST_SIDE, round(height * LARGEST_SIDE / width))
    return (
        np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8) if width > size[0] else picture
    )


def glance(picture: Picture) -> Glance:
    return glance_at(np.asarray(cv2.resize(picture, (256, 256), interpolation=cv2.INTER_AREA), np.uint8))


def opened(normal: NormalPictures, pictures: list[Picture], variant: Variant) -> Counter[Condition]:
    """Conditions of the alerts that open within a minute of these pictures."""
    rule = HealthRule(60.0, {"camera": ""})
    faults = [normal.fault(glance(variant(picture))) for picture in pictures[::LEARN_EVERY]]
    told: Counter[Condition] = Counter()
    for second in range(PLAYED_S):
        fault = faults[second % len(faults)]
        findings = [
            HealthFinding(each, "camera", fault[1] if fault is not None and fault[0] is each else "")
            for each in OF_PICTURES
        ]
        told.update(each.condition for each in rule.step(findings, float(second)) if each.event is AlertEvent.OPEN)
    return told


def words(told: Counter[Condition], right: Condition | None) -> str:
    named = ", ".join(f"{condition} {count}" if count > 1 else str(condition) for condition, count in told.items())
    return "yes" if right is not None and told == Counter([right]) else named or "-"


def light_of(scene: Scene, before: Variant, after: Variant) -> tuple[int, int]:
    """Changes noticed within 2 s, and changes staged."""
    noticed = staged = 0
    for clip in scene.clips:
        for first in range(0, len(clip) - CHANGE_EVERY_S * FPS + 1, CHANGE_EVERY_S * FPS):
            part, watch = clip[first : first + CHANGE_EVERY_S * FPS], LightWatch()
            middle = len(part) // 2
            for number in range(middle + 2 * FPS):
                variant = before if number < middle else after
                watch.watch(glance(variant(part[number])), number / FPS)
            noticed, staged = noticed + bool(watch.changes), staged + 1
    return noticed, staged


def false_light(scene: Scene) -> tuple[int, float, float]:
    """Changes of light in footage as it is, the seconds without openings by them, and the seconds of the footage."""
    changes, changing, frames = 0, 0, 0
    for clip in scene.clips:
        watch = LightWatch()
        changing += sum(watch.watch(glance(picture), number / FPS) for number, picture in enumerate(clip))
        changes, frames = changes + watch.changes, frames + len(clip)
    return changes, changing / FPS, frames / FPS


def main() -> None:
    console = Console(width=180)
    by_picture = Table("scene", "s", *NORMAL, *TAMPERED, title="alerts within a minute (yes: the right one alone)")
    by_light = Table("scene", "false", "s without openings", "of s", *LIGHTS, title="changes of light noticed")
    for scene in scenes():
        name = scene.name + (" *" if scene.name in CHOSEN_ON else "")
        learn, watch = scene.halves
        sums = PictureSums()
        for picture in learn[:: min(LEARN_EVERY, max(1, len(learn) // LEAST_LEARNED))]:
            sums.add(glance(view(picture)))
        normal = sums.normal()
        if normal is None:
            by_picture.add_row(name, f"{len(learn) / FPS:.0f}", "too short")
        else:
            cells = [words(opened(normal, watch, variant), None) for variant in NORMAL.values()]
            cells += [words(opened(normal, watch, variant), right) for variant, right in TAMPERED.values()]
            by_picture.add_row(name, f"{len(learn) / FPS:.0f}", *cells)
        changes, without_s, of_s = false_light(scene)
        noticed = ("{} of {}".format(*light_of(scene, *each)) for each in LIGHTS.values())
        by_light.add_row(name, str(changes), f"{without_s:.1f}", f"{of_s:.0f}", *noticed)
        console.print(f"{name} done", style="dim")
    console.print(by_picture, by_light)
    picture = np.random.default_rng(0).integers(0, 255, (256, 256, 3), np.uint8)
    seen = glance_at(picture)
    for what, call in (
        ("glance", lambda: glance_at(picture)),
        ("likeness", lambda: likeness(seen.edges, seen.edges)),
    ):
        cost_s = min(timeit.repeat(call, timer=time.thread_time, number=200, repeat=5)) / 200
        console.print(f"{what}: {1000 * cost_s:.3f} ms of one thread")


if __name__ == "__main__":
    main()
