"""Reading a YAML file into a mapping, and expanding environment variables in it."""

import os
import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from streammon.config.addresses import literal, login_span
from streammon.config.wording import joined, kind_of
from streammon.errors import ConfigError, system_reason


class _Loader(yaml.SafeLoader):
    """YAML loader that refuses repeated keys (PyYAML keeps the last value) and structures that contain themselves."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Construct a mapping, refusing repeated keys."""
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, Hashable) and key in seen:
                raise yaml.constructor.ConstructorError(problem=f"repeats {key!r}", problem_mark=key_node.start_mark)
            seen.add(key if isinstance(key, Hashable) else None)
        return super().construct_mapping(node, deep=True)


# Replaces the base class's generator, which fills a mapping in a later step and so lets it contain itself.
_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _Loader.construct_mapping)


def yaml_mapping(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file.

    Raises:
        ConfigError: The file can't be read, or contains no mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(str(path), "there is no such file", "name your configuration with --config FILE") from None
    except UnicodeDecodeError as error:
        raise ConfigError(str(path), f"byte {error.start} is not UTF-8", "save the file as UTF-8") from None
    except OSError as error:
        found = f"it can't be read ({system_reason(error)})"
        raise ConfigError(str(path), found, "name a readable file with --config") from None
    try:
        values = yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "it"
        problem = str(getattr(error, "problem", ""))
        if problem.startswith("repeats "):
            raise ConfigError(str(path), f"{place} {problem}", "a key may stand there once") from None
        raise ConfigError(str(path), f"{place} is not YAML", "mend it; indentation counts") from None
    except (ValueError, LookupError, AttributeError, RecursionError):  # PyYAML raises these too, as for 2026-13-45
        raise ConfigError(str(path), "a value in it is not YAML", "put it in quotes") from None
    if not isinstance(values, dict):
        found = "it is empty" if values is None else f"it holds {kind_of(values)}"
        raise ConfigError(str(path), found, "it must be a mapping with `cameras:` in it")
    return values


def expanded(value: Any, where: str, key: str = "") -> Any:
    """Replace `${NAME}` by the environment variable, in every string of a nested value.

    In the user or password of a URL the variable is percent-encoded, so that it is taken literally.

    Raises:
        ConfigError: A variable is not set; `where` and `key` name its place in the message.
    """
    if isinstance(value, dict):
        return {k: expanded(v, where, joined((key, k))) for k, v in value.items()}
    if isinstance(value, list):
        return [expanded(v, where, joined((key, i))) for i, v in enumerate(value)]
    if not isinstance(value, str):
        return value

    begin, end = login_span(value)

    def variable(match: re.Match[str]) -> str:
        if match[1] not in os.environ:
            raise ConfigError(where, f"{key} names ${{{match[1]}}}, which is not set", "set it in the environment")
        if not begin <= match.start() < end:
            return os.environ[match[1]]
        return literal(os.environ[match[1]], before_colon=":" in value[match.end() : end])

    return re.sub(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}", variable, value)
