"""Settings: documented, hashed, read by the modules of their room; and motion imports no other room that computes."""

import ast
import csv
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streammon import calibration, evaluation, motion, scene
from streammon.calibration.settings import SETTINGS as CALIBRATION
from streammon.motion import SETTINGS as MOTION
from streammon.scene.settings import SETTINGS as SCENE
from streammon.scene.settings import SETTINGS_HASH
from streammon.settings import NOT_RECORDED, Effect, all_settings, settings_hash, settings_table

ROOMS: dict[str, tuple[ModuleType, Any]] = {
    "motion": (motion, MOTION),
    "calibration": (calibration, CALIBRATION),
    "scene": (scene, SCENE),
}
each_room = pytest.mark.parametrize("room", ROOMS)

BOUNDS = {
    "motion": {"MOST_THREADS"},
    "calibration": {"LARGEST_EXPONENT", "MOST_RECORDINGS", "RECALIBRATE_S", "SECONDS_PER_DAY"},
    "scene": {
        "DRAW_BYTES",
        "LEAST_CONTRAST",
        "LEAST_LEARNED",
        "LEAST_SCORE",
        "LEAST_SHARE_READ",
        "LOCK_POLL_S",
        "LOCK_WAIT_S",
        "MOTION_FORMAT",
        "PCA_FRAMES",
    },
}
"""Numbers that are no settings: bounds that change no score, units, formats, and what a detector or pca is given."""


def folder(room: str) -> Path:
    """Where its modules are."""
    return Path(str(ROOMS[room][0].__file__)).parent


def another(value: object) -> object:
    """A value of the same type that is not the same."""
    return value[1:] if isinstance(value, tuple) else value * 2 + 2  # type: ignore[operator]


def changed(room: str) -> Iterator[tuple[str, object]]:
    """The room's settings with one of them changed, for each."""
    settings = ROOMS[room][1]
    for each in all_settings(settings):
        group, name = each.name.split(".")
        members = getattr(settings, group)
        if each.name not in ("flow.grid", "change.grid"):
            yield each.name, replace(settings, **{group: replace(members, **{name: another(each.value)})})
    if room == "motion":
        for grid in (128, 32):
            yield "flow.grid", replace(MOTION, flow=replace(MOTION.flow, grid=grid))
        for grid in (32, 8):
            yield "change.grid", replace(MOTION, change=replace(MOTION.change, grid=grid))


def run(code: str, **environment: str) -> str:
    """What a fresh interpreter prints."""
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ | environment
    )
    return ran.stdout.strip()


@each_room
def test_the_readme_lists_every_setting_as_the_code_has_it(room: str) -> None:
    text = (folder(room) / "README.md").read_text()
    table = "\n".join(line for line in text.splitlines() if line.startswith("|"))
    assert table == settings_table(ROOMS[room][1])


@each_room
def test_every_look_that_a_setting_names_is_in_the_list_of_looks(room: str) -> None:
    with (Path(evaluation.__file__).parent / "looks.csv").open(newline="", encoding="utf-8") as file:
        looks = [row["number"] for row in csv.DictReader(file)]
    assert looks == [str(number) for number in range(1, len(looks) + 1)]
    chosen_on = " ".join(each.chosen_on for each in all_settings(ROOMS[room][1]))
    named = {number for words in re.findall(r"looks? ([^)]*)", chosen_on) for number in re.findall(r"\d+", words)}
    assert named <= set(looks)
    assert bool(named) == (room == "motion")


@each_room
def test_every_setting_has_its_facts(room: str) -> None:
    for each in all_settings(ROOMS[room][1]):
        assert each.unit, each.name
        assert each.reason, each.name
        footage = "clip|walkers|scenes|cameras|plaza"
        assert each.chosen_on == NOT_RECORDED or re.search(footage, each.chosen_on), each.name
        assert not re.search(r"[|\n]", f"{each.unit}{each.reason}{each.chosen_on}"), each.name


def test_every_effect_occurs() -> None:
    assert {each.effect for _, settings in ROOMS.values() for each in all_settings(settings)} == set(Effect)


def test_no_two_groups_share_a_name() -> None:
    names = [each.name for _, settings in ROOMS.values() for each in all_settings(settings)]
    assert len(names) == len(set(names))


@each_room
def test_the_hash_changes_with_each_setting_that_a_fitted_scene_depends_on(room: str) -> None:
    settings = ROOMS[room][1]
    effects = {each.name: each.effect for each in all_settings(settings)}
    variants = list(changed(room))
    assert {name for name, _ in variants} == set(effects)
    hashes = [settings_hash(other) for name, other in variants if effects[name] is not Effect.WATCHING]
    assert len({*hashes, settings_hash(settings)}) == len(hashes) + 1
    assert {settings_hash(other) for name, other in variants if effects[name] is Effect.WATCHING} <= {
        settings_hash(settings)
    }


@pytest.mark.parametrize("seed", ["0", "1"])
def test_the_hash_is_that_of_all_rooms_and_the_same_in_another_process(seed: str) -> None:
    assert settings_hash(MOTION, CALIBRATION, SCENE) == SETTINGS_HASH
    assert re.fullmatch("[0-9a-f]{12}", SETTINGS_HASH)
    code = "from streammon.scene.settings import SETTINGS_HASH; print(SETTINGS_HASH)"
    assert run(code, PYTHONHASHSEED=seed) == SETTINGS_HASH


@given(st.floats(0, 1, allow_subnormal=False), st.floats(0, 1, allow_subnormal=False))
def test_the_hash_tells_any_two_values_apart(one: float, other: float) -> None:
    hashes = {settings_hash(replace(MOTION, flow=replace(MOTION.flow, blur=value))) for value in (one, other)}
    assert len(hashes) == len({repr(one), repr(other)})


def test_settings_that_dont_fit_together_are_refused() -> None:
    with pytest.raises(ValueError, match=r"flow\.grid is 60; it must be a multiple of change\.grid, 16"):
        replace(MOTION, flow=replace(MOTION.flow, grid=60))
    with pytest.raises(ValueError, match=r"gaussians\.widths is \(3\.0, 1\.5\); it must ascend"):
        replace(MOTION, gaussians=replace(MOTION.gaussians, widths=(3.0, 1.5)))


def test_the_shares_of_the_witnesses_add_up_to_all_false_alarms() -> None:
    assert sum(scene.SHARES.values()) == pytest.approx(1)


def test_the_preset_s_number_is_opencv_s_medium() -> None:
    assert MOTION.flow.dis_preset == cv2.DISOPTICAL_FLOW_PRESET_MEDIUM


@each_room
def test_no_module_has_a_number_of_its_own(room: str) -> None:
    named = {
        target.id
        for path in folder(room).glob("*.py")
        for each in ast.parse(path.read_text()).body
        if isinstance(each, ast.Assign) and re.fullmatch(r"[-+\d.e*_/ ]+", ast.unparse(each.value))
        for target in each.targets
        if isinstance(target, ast.Name)
    }
    assert named == BOUNDS[room]


@each_room
def test_every_setting_is_read_by_some_module(room: str) -> None:
    sources = [path.read_text() for path in folder(room).glob("*.py") if path.stem != "settings"]
    read = {f"tracker.{name}" for text in sources for name in re.findall(r"_settings\.(\w+)", text)}
    read |= {f"rates.{name}" for text in sources for name in re.findall(r"\b(?:form|FORM)\.(\w+)", text)}
    read |= {f"shares.{name}" for name in scene.SHARES}
    for text in sources:
        read |= set(re.findall(r"SETTINGS\.(\w+\.\w+)", text))
        groups = re.findall(r"\b(?:chosen|CHOSEN|chosen, turns) = SETTINGS\.(\w+)", text)
        read |= {f"{group}.{name}" for group in groups for name in re.findall(r"\b(?:chosen|CHOSEN)\.(\w+)", text)}
    assert {each.name for each in all_settings(ROOMS[room][1])} <= read


def test_motion_imports_no_room_that_computes() -> None:
    """Torch itself, but neither padim nor scene, nor what they load: backbones come through `FeatureNetwork`."""
    loaded = run("import sys, streammon.motion; print(*sys.modules)").split()
    rooms = {name.split(".")[1] for name in loaded if name.startswith("streammon.")}
    assert rooms == {"calibration", "conditions", "motion", "records", "settings"}
    assert not {"torchvision", "av", "redis", "aiohttp"} & set(loaded)
