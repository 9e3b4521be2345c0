"""Messages for pydantic's validation errors: one line each, without passwords."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from streammon.config.addresses import redacted
from streammon.config.values import PATTERN_RULES, SectionType
from streammon.errors import ConfigError

OPTIONS = "--"
"""Value of `where` for the command line: a message then names the key as its option (`--score-fps`)."""

REFERENCE = "see the configuration reference, streammon/config/README.md"

LONGEST_SHOWN = 40
URLS = {"url", "score_url"}  # values below these keys are never shown: they may contain a password
SECRETS = {"token", "users", "secret", "headers"}  # values below these keys are never shown: they may be a password

ELSEWHERE = "elsewhere"
"""Type of a validator's error about another key, whose context has the message's parts `found` and `remedy`."""


class MultipleConfigError(ConfigError):
    """Several errors in one configuration.

    Attributes:
        problems: One `ConfigError` for each error.
    """

    def __init__(self, problems: list[ConfigError]) -> None:
        Exception.__init__(self, "\n".join(str(problem) for problem in problems))
        self.problems = problems


def parse_section(section: type[SectionType], values: dict[str, Any], where: str) -> SectionType:
    """Validate the values of one section.

    Each message begins with `where`; if that is `OPTIONS`, it begins with the key's option instead.

    Raises:
        ConfigError: Values are invalid; the message has one line for each.
    """
    try:
        return section.model_validate(values)
    except ValidationError as error:
        raise _config_error(error, where) from None


def _config_error(error: ValidationError, where: str) -> ConfigError:
    problems = list(_problems(error, where))
    return problems[0] if len(problems) == 1 else MultipleConfigError(problems)


def _problems(error: ValidationError, where: str) -> Iterator[ConfigError]:
    for problem in error.errors(include_url=False, include_context=True):
        key = joined(problem["loc"])
        kind, context = problem["type"], problem.get("ctx", {})
        if kind == "extra_forbidden":
            yield ConfigError(where, f"{key} is no known key", REFERENCE)
        elif kind == "missing":
            yield ConfigError(where, f"{key} is missing", "add it")
        elif kind == ELSEWHERE:
            yield ConfigError(where, context["found"], context["remedy"])
        elif not URLS.isdisjoint(problem["loc"]):
            yield ConfigError(*_named(where, key, "can't be used"), str(context.get("error", "it must be text")))
        elif problem["loc"][-1:] == ("[key]",):
            found = f"{joined(problem['loc'][:-2])} has the key {_shown(problem['input'])}"
            yield ConfigError(where, found, _rule(kind, context, problem["msg"]))
        else:
            value = problem["input"]
            is_secret = value is not None and not SECRETS.isdisjoint(problem["loc"])
            found = f"is {kind_of(value) if is_secret else _shown(value)}"
            yield ConfigError(*_named(where, key, found), _rule(kind, context, problem["msg"]))


def _named(where: str, key: str, found: str) -> tuple[str, str]:
    """Place and finding of a message: the file and the key, or the option of the command line."""
    return (f"--{key.replace('_', '-')}", f"it {found}") if where == OPTIONS else (where, f"{key or 'it'} {found}")


def joined(path: Iterable[object]) -> str:
    """Path of a key, such as `cameras.lobby.url`; a URL in the place of a key is redacted."""
    return ".".join(redacted(str(part)) for part in path if part not in ("", "[key]"))


def _shown(value: object) -> str:
    """A wrong value for a message; a long value, or one that may contain a password, is replaced by its type."""
    if value is None:
        return "empty"
    text = repr(str(value) if isinstance(value, Path) else value)
    is_plain = isinstance(value, str | int | float | Path) and len(text) <= LONGEST_SHOWN
    return text if is_plain and not re.search("://|@", text) else kind_of(value)


def kind_of(value: object) -> str:
    """Type of a value in words."""
    kinds = {dict: "a mapping", list: "a list", str: "text", bool: "true or false"}
    return kinds.get(type(value), f"a {type(value).__name__}")


def _rule(kind: str, context: dict[str, Any], message: str) -> str:
    """Requirement on the value, in words, from pydantic's error type."""
    if kind == "string_pattern_mismatch":
        return PATTERN_RULES[context["pattern"]]
    if kind == "too_short" and context["min_length"] > 1:
        return f"it must have at least {context['min_length']} characters"
    rules = {
        "greater_than": "it must be above {gt:g}",
        "greater_than_equal": "it must be at least {ge:g}",
        "less_than_equal": "it must be at most {le:g}",
        "literal_error": "it must be {expected}",
        "enum": "it must be {expected}",
        "float_parsing": "it must be a number",
        "float_type": "it must be a number",
        "finite_number": "it must be a finite number",
        "int_parsing": "it must be a whole number",
        "int_type": "it must be a whole number",
        "int_from_float": "it must be a whole number",
        "bool_parsing": "it must be true or false",
        "bool_type": "it must be true or false",
        "string_type": "it must be text",
        "path_type": "it must be a path",
        "dict_type": "it must be a mapping",
        "list_type": "it must be a list",
        "model_type": "it must be a mapping",
        "too_short": "it must not be empty",
        "value_error": "{error}",
    }
    rule = rules.get(kind)
    return rule.format(**context) if rule else message[:1].lower() + message[1:]
