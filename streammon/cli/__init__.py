"""The command line: `entry` runs a command, `commands` defines them, `options` their options,
`display` prints events and results."""

from streammon.cli.entry import main

__all__ = ["main"]
