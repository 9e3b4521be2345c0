"""The reference of `config.yaml`: a Markdown table of all settings, made of the sections themselves.

`README.md` of this folder holds the table. Print it anew after a change:

    python -c "from streammon.config.reference import reference_table; print(reference_table())"
"""

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BeforeValidator, SecretStr
from pydantic.fields import FieldInfo

from streammon.config.sections import Config
from streammon.config.values import DURATION_S, PATTERN_RULES, Section, seconds

ENTRY = re.compile(r"^    (\w+): (.*(?:\n {8}.*)*)", re.MULTILINE)
"""One attribute in a docstring: its name, and its description with the lines that continue it."""


@dataclass(frozen=True)
class SettingEntry:
    """One setting of `config.yaml`.

    Attributes:
        key: Path in the file, as in `cameras.<name>.url`.
        allowed: Values it may have.
        default: Value without it: "required" where there must be one, "none" where nothing is set.
        description: From the docstring of its section.
    """

    key: str
    allowed: str
    default: str
    description: str


def reference_table() -> str:
    """Table of all settings in Markdown, in the order of the sections.

    >>> print(reference_table().splitlines()[5])
    | `cameras.<name>.score_fps` | number, 0.2 to 240 | `5` | Largest number of frames scored a second; ... |
    """
    rows: list[tuple[str, ...]] = [("key", "allowed", "default", "what it is"), ("---",) * 4]
    rows += [(f"`{each.key}`", each.allowed, each.default, each.description) for each in setting_entries()]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def setting_entries(section: type[Section] = Config, prefix: str = "") -> Iterator[SettingEntry]:
    """The settings of a section and of the sections in it.

    Args:
        section: The section.
        prefix: Beginning of each key.

    Raises:
        KeyError: The section's docstring lacks an attribute.
    """
    descriptions = attribute_descriptions(section)
    schema = section.model_json_schema()
    schemas: dict[str, Any] = _inlined(schema["properties"], schema.get("$defs", {}))
    for attribute, field in section.model_fields.items():
        name = field.alias or attribute
        inner = _inner_section(field)
        if inner is not None:
            several = ".<name>" if get_origin(field.annotation) is dict else ""
            yield from setting_entries(inner, f"{prefix}{name}{several}.")
        else:
            allowed = "duration" if _is_duration(field) else allowed_values(schemas[name])
            yield SettingEntry(f"{prefix}{name}", allowed, _default(field), descriptions[name])


def _inlined(schema: Any, definitions: dict[str, Any]) -> Any:
    """A JSON schema with the enumerations that it refers to in their places."""
    match schema:
        case {"$ref": str(reference)} if "enum" in definitions[reference.rpartition("/")[2]]:
            return definitions[reference.rpartition("/")[2]]
        case dict():
            return {key: _inlined(value, definitions) for key, value in schema.items()}
    return schema


def attribute_descriptions(section: type) -> dict[str, str]:
    """Description of each attribute, from the docstring of a class.

    >>> attribute_descriptions(Config)["scenes"]
    'Folder with one folder per scene.'
    """
    _, _, attributes = (inspect.getdoc(section) or "").partition("\nAttributes:\n")
    return {name: re.sub(r"\s+", " ", words) for name, words in ENTRY.findall(attributes)}


def allowed_values(schema: dict[str, Any]) -> str:
    """Values that a JSON schema of pydantic allows, in words.

    >>> allowed_values({"type": "integer", "minimum": 1, "maximum": 256})
    'whole number, 1 to 256'
    >>> allowed_values({"type": "number", "exclusiveMinimum": 0, "maximum": 60})
    'number above 0, at most 60'
    >>> allowed_values({"anyOf": [{"type": "string", "format": "path"}, {"type": "null"}]})
    'path'
    """
    if "anyOf" in schema:
        (schema,) = (each for each in schema["anyOf"] if each.get("type") != "null")
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "pattern" in schema:
        return PATTERN_RULES[schema["pattern"]].removeprefix("it must be ")
    match schema["type"]:
        case "boolean":
            return "`true`, `false`"
        case "number" | "integer":
            return ("number" if schema["type"] == "number" else "whole number") + _bounds(schema)
        case "array":
            return f"list; each: {allowed_values(schema['items'])}"
        case "object":
            return f"mapping; each value: {allowed_values(_value_schema(schema))}"
    if schema.get("format") == "path":
        return "path"
    return f"text of at least {schema['minLength']} characters" if "minLength" in schema else "text"


def _bounds(schema: dict[str, Any]) -> str:
    """The limits of a number, to follow its kind."""
    low, above, high = (schema.get(name) for name in ("minimum", "exclusiveMinimum", "maximum"))
    if low is not None and high is not None:
        return f", {low:g} to {high:g}"
    words = "" if above is None else f" above {above:g}"
    words += "" if low is None else f", at least {low:g}"
    return words + ("" if high is None else f", at most {high:g}")


def _value_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """Schema of a mapping's values; pydantic lists it by the pattern of the keys where they have one."""
    found = schema.get("additionalProperties") or next(iter(schema["patternProperties"].values()))
    assert isinstance(found, dict)
    return found


def _inner_section(field: FieldInfo) -> type[Section] | None:
    """The section that a field holds, alone or by name; None for a plain value."""
    kinds = (field.annotation, *get_args(field.annotation))
    return next((kind for kind in kinds if inspect.isclass(kind) and issubclass(kind, Section)), None)


def _is_duration(field: FieldInfo) -> bool:
    return any(isinstance(each, BeforeValidator) and each.func is seconds for each in field.metadata)


def _default(field: FieldInfo) -> str:
    """A field's default as one writes it in the file."""
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is None or value == [] or value == {}:
        return "none"
    return f"`{duration_text(value) if _is_duration(field) else _as_written(value)}`"


def _as_written(value: object) -> str:
    """A value as it stands in a YAML file."""
    match value:
        case SecretStr():
            return value.get_secret_value()
        case bool():
            return str(value).lower()
        case float():
            return f"{value:g}"
        case Path():
            return value.as_posix()
    return str(value)


def duration_text(duration_s: float) -> str:
    """A duration in the largest unit that divides it.

    >>> duration_text(600.0), duration_text(90.0)
    ('10m', '90s')
    """
    unit = max((unit for unit, size in DURATION_S.items() if duration_s % size == 0), key=DURATION_S.__getitem__)
    return f"{duration_s / DURATION_S[unit]:g}{unit}"
