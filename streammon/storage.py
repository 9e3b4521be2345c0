"""A check, before long work starts, that its result can be written."""

import os
from pathlib import Path

from streammon.errors import StorageError


def require_writable(folder: Path, remedy: str) -> None:
    """Create a folder if it is missing, and test that a file can be created in it.

    Args:
        folder: Folder to test.
        remedy: Advice to the user, for the error message.

    Raises:
        StorageError: The folder can't be created or written.
    """
    probe = folder / f".probe.{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        reason = str(error.strerror or error).lower()
        raise StorageError(str(folder), f"it can't be written ({reason})", remedy) from None
