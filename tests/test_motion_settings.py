"""Motion's settings: documented, hashed, read by the modules; and the room imports no other room that computes."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path

import cv2
import pytest
from hypothesis import given
from hypothesis import strategies as st

import streammon.motion
from streammon.motion import SETTINGS, MotionSettings, settings_hash
from streammon.motion.settings import NOT_RECORDED, Kind, all_settings, settings_table

ROOM = Path(streammon.motion.__file__).parent
GROUPS = [group.name for group in fields(MotionSettings)]


def another(value: object) -> object:
    """A value of the same type that is not the same."""
    return value[1:] if isinstance(value, tuple) else value * 2 + 2  # type: ignore[operator]


def changed() -> Iterator[tuple[str, MotionSettings]]:
    """The settings with one of them changed, for each."""
    for each in all_settings():
        group, name = each.name.split(".")
        members = getattr(SETTINGS, group)
        if each.name not in ("flow.grid", "change.grid"):
            yield each.name, replace(SETTINGS, **{group: replace(members, **{name: another(each.value)})})
    for grid in (128, 32):
        yield "flow.grid", replace(SETTINGS, flow=replace(SETTINGS.flow, grid=grid))
    for grid in (32, 8):
        yield "change.grid", replace(SETTINGS, change=replace(SETTINGS.change, grid=grid))


def run(code: str, **environment: str) -> str:
    """What a fresh interpreter prints."""
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ | environment
    )
    return ran.stdout.strip()


def test_the_readme_lists_every_setting_as_the_code_has_it() -> None:
    text = (ROOM / "README.md").read_text()
    table = "\n".join(line for line in text.splitlines() if line.startswith("|"))
    assert table == settings_table()


def test_every_setting_has_its_facts() -> None:
    for each in all_settings():
        assert each.unit, each.name
        assert each.reason, each.name
        assert each.chosen_on == NOT_RECORDED or re.search("clip|walkers", each.chosen_on), each.name
        assert not re.search(r"[|\n]", f"{each.unit}{each.reason}{each.chosen_on}"), each.name
    assert {each.kind for each in all_settings()} == set(Kind)


def test_the_hash_changes_with_each_setting_and_with_nothing_else() -> None:
    hashes = [settings_hash(settings) for _, settings in changed()]
    assert len({*hashes, settings_hash()}) == len(hashes) + 1
    assert {name for name, _ in changed()} == {each.name for each in all_settings()}
    assert settings_hash(MotionSettings()) == settings_hash()
    assert re.fullmatch("[0-9a-f]{12}", settings_hash())


@pytest.mark.parametrize("seed", ["0", "1"])
def test_the_hash_is_the_same_in_another_process(seed: str) -> None:
    code = "from streammon.motion.settings import settings_hash; print(settings_hash())"
    assert run(code, PYTHONHASHSEED=seed) == settings_hash()


@given(st.floats(0, 1, allow_subnormal=False), st.floats(0, 1, allow_subnormal=False))
def test_the_hash_tells_any_two_values_apart(one: float, other: float) -> None:
    hashes = {settings_hash(replace(SETTINGS, flow=replace(SETTINGS.flow, blur=value))) for value in (one, other)}
    assert len(hashes) == len({repr(one), repr(other)})


def test_settings_that_dont_fit_together_are_refused() -> None:
    with pytest.raises(ValueError, match=r"flow\.grid is 60; it must be a multiple of change\.grid, 16"):
        replace(SETTINGS, flow=replace(SETTINGS.flow, grid=60))
    with pytest.raises(ValueError, match=r"gaussians\.widths is \(3\.0, 1\.5\); it must ascend"):
        replace(SETTINGS, gaussians=replace(SETTINGS.gaussians, widths=(3.0, 1.5)))


def test_the_preset_s_number_is_opencv_s_medium() -> None:
    assert SETTINGS.flow.dis_preset == cv2.DISOPTICAL_FLOW_PRESET_MEDIUM


def test_no_module_has_a_number_of_its_own() -> None:
    """But for a bound on threads, which changes no figure."""
    named = {
        target.id
        for path in ROOM.glob("*.py")
        for each in ast.parse(path.read_text()).body
        if isinstance(each, ast.Assign) and re.fullmatch(r"[-+\d.e*/ ]+", ast.unparse(each.value))
        for target in each.targets
        if isinstance(target, ast.Name)
    }
    assert named == {"MOST_THREADS"}


def test_every_setting_is_read_by_some_module() -> None:
    sources = {path.stem: path.read_text() for path in ROOM.glob("*.py") if path.stem != "settings"}
    aliases = re.compile(r"\bchosen = SETTINGS\.(\w+)|\bchosen, turns = SETTINGS\.(\w+)")
    read = set()
    for text in sources.values():
        read |= set(re.findall(r"SETTINGS\.(\w+\.\w+)", text))
        groups = {one or other for one, other in aliases.findall(text)}
        read |= {f"{group}.{name}" for group in groups for name in re.findall(r"\bchosen\.(\w+)", text)}
    assert {each.name for each in all_settings()} <= read


def test_motion_imports_no_room_that_computes() -> None:
    """Torch itself, but neither padim nor scene, nor what they load: backbones come through `FeatureNetwork`."""
    loaded = run("import sys, streammon.motion; print(*sys.modules)").split()
    rooms = {name.split(".")[1] for name in loaded if name.startswith("streammon.")}
    assert rooms == {"calibration", "motion", "records"}
    assert not {"torchvision", "timm", "av", "redis", "aiohttp"} & set(loaded)
