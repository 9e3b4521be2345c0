"""The command line: `commands` defines the commands, `options` their options, `display` prints events and results."""

from streammon.cli.commands import main

__all__ = ["main"]
