"""Data folder of the embedded server: its lock and its checks before the start."""

import asyncio
import contextlib
import fcntl
import os
from collections.abc import AsyncIterator
from pathlib import Path

from streammon.errors import RedisError

LOCK = "lock"
LOCK_TIMEOUT_S = 3.0  # the server of a killed monitor exits sooner
POLL_S = 0.05
APPEND_ONLY = "appendonlydir"
ANOTHER_FOLDER = "set redis.folder to another folder"
DAMAGE_REMEDY = "restore it from a backup, or move it away and begin with an empty log"


@contextlib.asynccontextmanager
async def locked_folder(folder: Path) -> AsyncIterator[int]:
    """Lock the folder, created if missing.

    The lock (`flock`) belongs to an open file. A server that inherits the file keeps the folder locked for as long
    as it runs, so the next monitor never starts a second server on the files of one that is still ending.

    Args:
        folder: The folder.

    Yields:
        Descriptor of the open lock file.

    Raises:
        RedisError: The folder can't be created, written or locked, or a part of its data is missing.
    """
    descriptor = _opened_lock(folder)
    try:
        await _lock(descriptor, folder)
        require_whole(folder)
        yield descriptor
    finally:
        os.close(descriptor)


def _opened_lock(folder: Path) -> int:
    try:
        if not folder.parent.is_dir():
            raise _fault(folder, f"there is no folder {folder.parent}", f"make it, or {ANOTHER_FOLDER}")
        if folder.exists() and not folder.is_dir():
            raise _fault(folder, "it is a file", "set redis.folder to a folder")
        folder.mkdir(exist_ok=True)
        return os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise _unwritable(folder, error) from None


async def _lock(descriptor: int, folder: Path) -> None:
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + LOCK_TIMEOUT_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if loop.time() > deadline_s:
                raise _fault(folder, "another monitor uses it", f"stop it, or {ANOTHER_FOLDER}") from None
        except OSError as error:
            raise _unwritable(folder, error) from None
        else:
            return
        await asyncio.sleep(POLL_S)


def require_whole(folder: Path) -> None:
    """Refuse a folder whose manifest is gone: the server would begin an empty log over the files of the old one.

    Raises:
        RedisError: The append-only files have no manifest.
    """
    files = folder / APPEND_ONLY
    written = [file for file in files.glob("*.incr.aof") if file.stat().st_size > 0]
    if written and not any(files.glob("*.manifest")):
        raise _fault(folder, f"{APPEND_ONLY} has no manifest", DAMAGE_REMEDY)


def _unwritable(folder: Path, error: OSError) -> RedisError:
    reason = str(error.strerror or error).lower()
    remedy = f"check its permissions and free space, or {ANOTHER_FOLDER}"
    return _fault(folder, f"it can't be written ({reason})", remedy)


def _fault(folder: Path, found: str, remedy: str) -> RedisError:
    return RedisError(f"redis folder {folder}", found, remedy)
