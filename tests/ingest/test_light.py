"""Changes of the light: noticed in real footage, and told from what comes in front of the lens."""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest

from streammon.ingest import Clip, clips, glance_at
from streammon.ingest.light import GAP_S, LONGEST_S, MOST_PER_HOUR_S, STEADY_S, LightWatch
from streammon.records import Picture
from support.courtyard import courtyard
from support.tampered import Variant, black, covered, dimmed, infrared, view

FPS = 5
CHANGE_S = 6


def watched(watch: LightWatch, pictures: Iterable[Picture], begin_s: float = 0.0) -> list[bool]:
    return [watch.watch(glance_at(each), begin_s + number / FPS) for number, each in enumerate(pictures)]


def normally(picture: Picture) -> Picture:
    return picture


@pytest.fixture(scope="module")
def corridor(shared_data: Path) -> list[Picture]:
    (clip,) = clips(shared_data / "normal" / "corridor1.mp4")
    return [frame.picture for frame in clip.frames(256, fps=FPS)][: 4 * CHANGE_S * FPS]


def changed(pictures: list[Picture], before: Variant, after: Variant, at_s: float = CHANGE_S) -> list[Picture]:
    return [(before if number < at_s * FPS else after)(each) for number, each in enumerate(pictures)]


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        (normally, dimmed, "the light went off"),
        (dimmed, normally, "the light came on"),
        (normally, infrared, "the camera switched to infrared"),
        (infrared, normally, "the camera switched from infrared to colour"),
    ],
)
def test_a_change_of_light_in_real_footage_begins_at_once_and_ends_when_it_is_steady(
    corridor: list[Picture], before: Variant, after: Variant, reason: str
) -> None:
    watch = LightWatch()
    changing = watched(watch, changed(corridor, before, after))
    first, last = changing.index(True), len(changing) - changing[::-1].index(True)
    assert (watch.changes, watch.reason, watch.changing) == (1, reason, False)
    assert CHANGE_S <= first / FPS <= CHANGE_S + 0.4
    assert STEADY_S <= (last - first) / FPS <= STEADY_S + 2.0
    assert all(changing[first:last])


@pytest.mark.slow
@pytest.mark.parametrize("after", [covered, lambda picture: view(picture, pan_deg=20)], ids=["covered", "turned"])
def test_a_covered_and_a_turned_camera_are_no_change_of_light(corridor: list[Picture], after: Variant) -> None:
    watch = LightWatch()
    assert not any(watched(watch, changed(corridor, view, after)))


@pytest.mark.slow
def test_people_and_vehicles_are_no_change_of_light(shared_data: Path) -> None:
    found = {}
    for name in ("pets2009", "cdnet_highway", "corridor2", "foliage_people"):
        clip: Clip
        (clip,) = clips(shared_data / "normal" / f"{name}.mp4")
        watch = LightWatch()
        for frame in clip.frames(256, fps=FPS):
            watch.watch(glance_at(frame.picture), frame.stream_time_s)
        found[name] = watch.changes
    assert found == dict.fromkeys(found, 0)


def test_a_slow_dusk_is_no_change_of_light() -> None:
    pictures = courtyard(60)[::2]
    dusk = [np.asarray(each * (1 - 0.8 * number / len(pictures)), np.uint8) for number, each in enumerate(pictures)]
    assert not any(watched(LightWatch(), dusk))


def test_lights_off_to_black_are_no_infrared() -> None:
    watch = LightWatch()
    watched(watch, changed(courtyard(20)[::2], normally, black))
    assert watch.reason in ("", "the light went off")


def flickering(seconds: float, dark: Callable[[int], bool]) -> list[Picture]:
    wall, off = courtyard(0.1)[0], dimmed(courtyard(0.1)[0])
    return [off if dark(number) else wall for number in range(round(seconds * FPS))]


@pytest.mark.slow
def test_a_flickering_lamp_keeps_alerts_off_for_a_bounded_time() -> None:
    watch = LightWatch()
    changing = watched(watch, flickering(1800, lambda number: number // FPS % 2 == 1))
    runs = "".join("x" if each else " " for each in changing).split()
    assert max(map(len, runs)) <= LONGEST_S * FPS + 1
    assert sum(changing) / FPS <= MOST_PER_HOUR_S + LONGEST_S


def test_over_a_long_gap_nothing_is_compared() -> None:
    wall = courtyard(2)
    watch = LightWatch()
    watched(watch, wall)
    length_s = len(wall) / FPS
    begin_s = length_s + GAP_S + 1.0
    assert not any(watched(watch, map(dimmed, wall), begin_s))
    assert watched(watch, wall, begin_s + length_s + GAP_S - 1.0)[0]


def test_a_connection_that_begins_anew_begins_with_steady_light() -> None:
    watch = LightWatch()
    assert watched(watch, changed(courtyard(8)[::2], normally, dimmed))[-1]
    assert not any(watched(watch, map(dimmed, courtyard(2))))
