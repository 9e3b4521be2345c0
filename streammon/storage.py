"""Finding out before the work, not after it, whether its result can be written."""

import os
from pathlib import Path

from streammon.errors import StorageError


def hold_writable(folder: Path, remedy: str) -> None:
    """Make a folder where it isn't there, and try to write in it.

    Args:
        folder: The folder.
        remedy: What the user can do where that fails.

    Raises:
        StorageError: It can't be made or written.
    """
    probe = folder / f".probe.{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        reason = str(error.strerror or error).lower()
        raise StorageError(str(folder), f"it can't be written ({reason})", remedy) from None
