"""The command line: `commands` parses and calls, `options` makes settings of what was typed, `display` prints."""

from streammon.cli.commands import main

__all__ = ["main"]
