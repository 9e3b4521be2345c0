"""Writing of files: the check that it will succeed, the atomic replacement, and formats that packages share."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from streammon.errors import StorageError, system_reason

NORMAL_FOLDER = "normal"
"""Folder of a scene's footage of alerts that operators called normal: a clip or a folder of each, named by its id."""

TIMES_FILE = "times.csv"
TIMES_HEADER = ("file", "stream_time_s")
"""Header of `times.csv`, the optional times of a folder's images: then one line per image, in the images' order."""


def cache_folder() -> Path:
    """The user's cache of streammon: `streammon` in `$XDG_CACHE_HOME` or `~/.cache`.

    For a user without a home it is a folder that can't be made, so nothing is kept.
    """
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "streammon"
    except RuntimeError:
        return Path(os.devnull) / "streammon"


def require_writable(folder: Path, remedy: str) -> None:
    """Create a folder if it is missing, and require that a file can be created in it.

    Args:
        folder: Folder to test.
        remedy: Advice to the user, for the error message.

    Raises:
        StorageError: The folder can't be created or written.
    """
    probe = folder / f".probe.{os.getpid()}"
    with refusing_unwritable(folder, remedy):
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()


@contextmanager
def refusing_unwritable(path: Path, remedy: str) -> Iterator[None]:
    """Translate the OSError of a block that writes a file or folder.

    Args:
        path: The file or folder.
        remedy: Advice to the user, for the error message.

    Raises:
        StorageError: The block raised an OSError.
    """
    try:
        yield
    except OSError as error:
        raise StorageError(str(path), f"it can't be written ({system_reason(error)})", remedy) from None


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Replace a file by one written under a temporary name: a crash or a full disk never leaves half a file.

    Args:
        path: The file, in a folder that exists.

    Yields:
        Path to write the content to, which takes the place of `path` at the end of the block.

    Raises:
        OSError: The file can't be written. After any error in the block `path` is unchanged.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield beside
        with beside.open("rb+") as file:
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def replace_file(path: Path, write: Callable[[Path], object]) -> None:
    """Replace a file as `replacing` does, by one that a function writes.

    Args:
        path: The file, in a folder that exists.
        write: Writes the content to the path that it is given; may raise OSError.

    Raises:
        OSError: The file can't be written; `path` is then unchanged.
    """
    with replacing(path) as beside:
        write(beside)


def write_atomically(path: Path, write: Callable[[Path], object], remedy: str) -> None:
    """Replace a file as `replace_file` does, with an error for the user.

    Args:
        path: The file; its folder is created if it is missing.
        write: Writes the content to the path that it is given; may raise OSError.
        remedy: Advice to the user, for the error message.

    Raises:
        StorageError: The file can't be written; `path` is then unchanged.
    """
    with refusing_unwritable(path, remedy):
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, write)
