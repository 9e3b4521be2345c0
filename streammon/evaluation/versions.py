"""Versions of the software that computed a figure."""

import platform
from collections.abc import Iterable
from importlib.metadata import version

from streammon import __version__


def versions_text(libraries: Iterable[str]) -> str:
    """Versions of streammon, of Python and of some installed libraries."""
    listed = ", ".join(f"{name} {version(name)}" for name in libraries)
    return f"streammon {__version__}, Python {platform.python_version()}, {listed}"
