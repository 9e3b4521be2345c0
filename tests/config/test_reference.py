"""The reference of `config.yaml` in `streammon/config/README.md` has every setting as the code has it."""

from pathlib import Path

import pytest

from streammon.config import Section
from streammon.config import reference as reference_module
from streammon.config.reference import reference_table, setting_entries

README = Path(reference_module.__file__).parent / "README.md"
ENTRIES = {each.key: each for each in setting_entries()}


def test_the_readme_has_the_table_that_the_code_makes() -> None:
    text = README.read_text(encoding="utf-8")
    table = "\n".join(line for line in text.splitlines() if line.startswith("|"))
    assert table == reference_table()


def test_every_section_s_settings_are_in_it() -> None:
    sections = {key.rpartition(".")[0] for key in ENTRIES}
    sinks = {f"notify.<name>{kind}" for kind in ("", ".webhook", ".mqtt", ".apprise", ".hours")}
    assert sections == {"", "cameras.<name>", "redis", "model", "alerting", "health", "preview", "events"} | sinks


def test_every_setting_is_a_row_of_four_cells() -> None:
    for line in reference_table().splitlines():
        cells = line.removeprefix("| ").removesuffix(" |").split(" | ")
        assert len(cells) == 4, line
        assert all(cells), line


@pytest.mark.parametrize(
    ("key", "allowed", "default"),
    [
        ("cameras.<name>.url", "text", "required"),
        ("cameras.<name>.score_fps", "number, 0.2 to 240", "`5`"),
        ("cameras.<name>.open_timeout_s", "number above 0, at most 60", "`5`"),
        ("cameras.<name>.learn_for", "duration", "`10m`"),
        ("redis.url", "text", "`embedded`"),
        ("redis.log_length", "whole number, at least 100", "`10000`"),
        ("model.weights", "path", "none"),
        ("model.precision", "`auto`, `float32`, `bfloat16`, `float16`, `int8`", "`auto`"),
        ("alerting.adapt", "`true`, `false`", "`true`"),
        (
            "notify.<name>.channels",
            "list; each: `looks`, `change`, `speed`, `direction`, `place`, `shape`, `object`, `view`",
            "none",
        ),
        ("notify.<name>.hours.from", "text", "required"),
        ("preview.token", "text of at least 16 characters", "none"),
        (
            "preview.users",
            "mapping; each value: what `streammon hash-password` prints, never the password",
            "none",
        ),
        (
            "preview.allow_origins",
            "list; each: scheme, host and port as in https://wall.example:8443",
            "none",
        ),
        ("scenes", "path", "`scenes`"),
    ],
)
def test_allowed_values_and_defaults_are_told_as_one_writes_them(key: str, allowed: str, default: str) -> None:
    assert (ENTRIES[key].allowed, ENTRIES[key].default) == (allowed, default)


def test_a_description_may_go_on_in_a_second_line() -> None:
    assert ENTRIES["model.detector"].description.endswith("objects are regions of motion.")


def test_a_setting_without_a_description_is_refused() -> None:
    class Undescribed(Section):
        """A section.

        Attributes:
            one: The first.
        """

        one: int = 1
        two: int = 2

    with pytest.raises(KeyError, match="two"):
        list(setting_entries(Undescribed))
