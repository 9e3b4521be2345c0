"""The container's files against the product they package; no container engine runs here."""

import ast
import fnmatch
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from streammon.cli.commands import commands
from streammon.config import Config, PreviewConfig
from streammon.preview.operations.openapi import describe
from support.preview_site import site, site_config

ROOT = Path(__file__).resolve().parents[1]
DOCKER = ROOT / "docker"
STATE = "/var/lib/streammon"


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions in order, without comments and with their lines joined."""
    lines = (line for line in (DOCKER / "Dockerfile").read_text().splitlines() if not line.startswith("#"))
    joined = "\n".join(lines).replace("\\\n", " ")
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in joined.splitlines() if line)]


def of(kind: str) -> list[str]:
    return [rest for word, rest in instructions() if word == kind]


def environment() -> dict[str, str]:
    return dict(pair.split("=", 1) for rest in of("ENV") for pair in rest.split())


def services(file: str = "compose.yaml") -> dict[str, dict[str, Any]]:
    services: dict[str, dict[str, Any]] = yaml.safe_load((DOCKER / file).read_text())["services"]
    return services


def test_everything_that_is_copied_exists_and_is_let_into_the_build() -> None:
    copied = [rest.split()[:-1] for rest in of("COPY") if not rest.startswith("--from")]
    sources = {source.rstrip("/") for each in copied for source in each}
    assert sources == {"pyproject.toml", "README.md", "LICENSE", "streammon", "docker/config.yaml"}
    rules = [
        line for line in (DOCKER / "Dockerfile.dockerignore").read_text().splitlines() if line[:1] not in ("", "#")
    ]
    assert rules[0] == "*"
    for source in sources:
        assert (ROOT / source).exists()
        assert any(fnmatch.fnmatch(f"!{source}", rule) for rule in rules if rule.startswith("!"))


def test_the_build_installs_what_the_package_asks_for() -> None:
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    installed = re.findall(r'"((?:torch|torchvision)[><=][^"]*)"', " ".join(of("RUN")))
    assert {each.replace(" ", "") for each in installed} <= {each.replace(" ", "") for each in wanted}
    floor = next(each for each in wanted if each.startswith("opencv-python"))
    assert f'"opencv-python-headless{floor.removeprefix("opencv-python")},' in " ".join(of("RUN"))


def test_the_entry_point_is_a_command_of_ours_with_options_it_knows() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert json.loads(of("ENTRYPOINT")[0])[0] in scripts
    command, *options = json.loads(of("CMD")[0])
    known = {name for parameter in commands.commands[command].params for name in parameter.opts}
    assert {word for word in options if word.startswith("-")} <= known
    assert options[-1] in of("COPY")[-1]


def test_it_does_not_run_as_root_and_keeps_its_state_in_a_volume() -> None:
    assert of("USER")[-1] == "10001:10001"
    assert of("WORKDIR")[-1] == of("VOLUME")[0] == STATE


def test_the_health_check_passes_on_a_guarded_preview_and_fails_without_one(tmp_path: Path, closed_port: int) -> None:
    url = urlsplit(environment()["STREAMMON_HEALTH_URL"])
    assert describe()["paths"][url.path]["get"]["security"] == []
    assert of("EXPOSE") == [str(url.port)] == [str(PreviewConfig().port)]
    words = json.loads(of("HEALTHCHECK")[0].partition("CMD ")[2])

    def checked(port: int) -> int:
        address = {"STREAMMON_HEALTH_URL": f"http://127.0.0.1:{port}{url.path}"}
        command = [sys.executable, *words[1:]]
        return subprocess.run(command, env=os.environ | address, capture_output=True, check=False).returncode

    with site(site_config(tmp_path, token="a-token-of-many-letters")) as served:
        assert checked(served.port) == 0
    assert checked(closed_port) == 1


def test_the_configuration_is_valid_with_what_compose_puts_into_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = dict(services()["streammon"]["environment"])
    assert given["STREAMMON_TOKEN"].startswith("${STREAMMON_TOKEN:?")
    given["STREAMMON_TOKEN"] = "0123456789abcdef"
    for name in set(re.findall(r"\$\{(\w+)\}", (DOCKER / "config.yaml").read_text())):
        monkeypatch.setenv(name, given.pop(name))
    assert given == {}
    config = Config.load(DOCKER / "config.yaml")
    assert config.preview is not None
    assert (config.preview.host, config.preview.is_guarded) == ("0.0.0.0", True)
    assert config.preview.port == PreviewConfig().port
    assert str(config.scenes).startswith(STATE)
    assert str(config.alerting.spool).startswith(STATE)
    camera, redis = urlsplit(config.cameras["plaza"].address), urlsplit(config.redis.address)
    assert f"127.0.0.1:{camera.port}:{camera.port}" in services()["camera"]["ports"]
    assert f"127.0.0.1:{redis.port}:{redis.port}" in services()["redis"]["ports"]
    publishing = services()["camera"]["environment"]["MTX_PATHS_PLAZA_RUNONINIT"]
    assert config.cameras["plaza"].address in publishing


def test_compose_names_only_what_there_is() -> None:
    compose = yaml.safe_load((DOCKER / "compose.yaml").read_text())
    for name, service in services().items():
        assert set(service.get("depends_on", {})) <= set(services()), name
        for volume in service.get("volumes", []):
            assert volume.partition(":")[0] in compose["volumes"], name
        if "build" in service:
            assert (DOCKER / service["build"]["context"] / service["build"]["dockerfile"]).is_file()
    assert f"state:{STATE}" in services()["streammon"]["volumes"]
    arguments = {rest.partition("=")[0] for rest in of("ARG")}
    assert set(services("compose.cuda.yaml")["streammon"]["build"]["args"]) <= arguments
    assert set(services("compose.cuda.yaml")) <= set(services())


def test_the_film_of_the_test_camera_is_painted_by_functions_there_are(tmp_path: Path) -> None:
    (script,) = services()["film"]["command"]
    film = tmp_path / "plaza.mp4"
    script = script.replace("/film/plaza.mp4", str(film)).replace("=240", "=2").replace("=200", "=1")
    exec(compile(ast.parse(script), "compose.yaml", "exec"), {})
    assert film.stat().st_size > 10_000
