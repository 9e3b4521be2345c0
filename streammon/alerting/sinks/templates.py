"""Bodies of notifications made by Jinja2 templates of the configuration."""

from collections.abc import Iterable
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from streammon.errors import ConfigError

FIELDS_REMEDY = "use the fields of a message, see streammon/alerting/README.md"


class BodyTemplate:
    """A template of the configuration, rendered with the fields of an alert or health message.

    It runs in Jinja2's sandbox: it has the message and nothing else. A field that a message doesn't have is an error,
    so the template is tried at the start with a message of each kind that it is for.

    Args:
        text: The template.
        where: Setting that has it.
        samples: Fields of a message of each kind that it is for.

    Raises:
        ConfigError: It is no template, or fails with one of the messages.
    """

    def __init__(self, text: str, where: str, samples: Iterable[dict[str, Any]]) -> None:
        kind = ""
        try:
            self._template: Template = ImmutableSandboxedEnvironment(undefined=StrictUndefined).from_string(text)
            for fields in samples:
                kind = fields["kind"]
                self.render(fields)
        except TemplateSyntaxError as error:
            found = f"line {error.lineno} of the template can't be read ({error.message})"
            raise ConfigError(where, found, "mend it, see jinja.palletsprojects.com") from None
        except BodyError as error:
            raise ConfigError(
                where, f"the template fails with a message of kind {kind} ({error})", FIELDS_REMEDY
            ) from None

    def render(self, fields: dict[str, Any]) -> str:
        """The body for a message.

        Raises:
            BodyError: The template fails with this message.
        """
        try:
            return self._template.render(fields)
        except Exception as error:  # whatever an expression of the template raises
            text = str(error) if isinstance(error, TemplateError) else f"{type(error).__name__}: {error}"
            raise BodyError(" ".join(text.split())) from None


class BodyError(Exception):
    """A template fails with a message."""
