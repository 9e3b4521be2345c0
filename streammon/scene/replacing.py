"""A scene's files replaced as one: a reader or a crash sees the old files or the new ones, never some of each.

New files are written to `.next` beside the scene's own. Its renaming to `.swap` is the moment from which the new ones
count: whoever comes next, after a crash, moves them into place. What was there before is kept in `previous`.

Two locks of the kernel, which end with their process: writers hold `.lock` for their whole work, so that two fits of
a scene can't each go on from the same files. The folder itself is locked while files are moved into place, and shared
while a scene is read.
"""

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from streammon.errors import BankError, StorageError, system_reason
from streammon.padim import BANK_FILE, SCENE_FILE, STATISTICS_FILE, require_writable
from streammon.padim.scene_files import FREE_SPACE
from streammon.scene.watched import WATCHED_FILE

MOTION_FILE = "motion.safetensors"
PICTURES_FILE = "pictures.safetensors"
FILES = (BANK_FILE, MOTION_FILE, PICTURES_FILE, STATISTICS_FILE, WATCHED_FILE, SCENE_FILE)
"""Files that belong to one fit and are replaced together."""

PREVIOUS = "previous"
NEXT, SWAP, LOCK = ".next", ".swap", ".lock"

LOCK_WAIT_S = 30.0
"""Longest wait for a process that reads or moves the files: loading a scene takes seconds, even on a busy machine."""

LOCK_POLL_S = 0.02


class NewFiles:
    """Files that are written beside those of a scene and take their place together.

    As a context manager it keeps other writers out. Without a `commit` the scene stays as it was.

    Args:
        scene: Folder of the scene; created if missing.

    Attributes:
        scene: Folder of the scene.
        folder: Folder to write the new files to.

    Raises:
        StorageError: The folder can't be written, or another fit writes it.
    """

    def __init__(self, scene: Path) -> None:
        self.scene = scene
        self.folder = scene / NEXT
        self._lock = -1

    def __enter__(self) -> Self:
        require_writable(self.scene)
        with _translated(self.scene):
            self._lock = os.open(self.scene / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(self._lock)
                found = "another fit writes its files"
                raise StorageError(f"scene {self.scene.name!r}", found, "wait until that one has ended") from None
        try:
            with reading(self.scene), _translated(self.scene):
                shutil.rmtree(self.folder, ignore_errors=True)  # left by a crash
                self.folder.mkdir()
        except BaseException:
            os.close(self._lock)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        os.close(self._lock)

    def commit(self) -> None:
        """Put the new files in place of the scene's, which become the previous ones.

        Files of `FILES` that are not among the new ones are removed.

        Raises:
            StorageError: The files can't be moved; the scene has its old files, or a later reader completes the move.
        """
        with _locked(self.scene, fcntl.LOCK_EX), _translated(self.scene):
            before = [name for name in FILES if (self.scene / name).exists()]
            if before:
                (self.folder / PREVIOUS).mkdir()
            for name in before:
                _link(self.scene / name, self.folder / PREVIOUS / name)
                if not (self.folder / name).exists():
                    (self.folder / name).touch()  # an empty file stands for none
            _sync(self.folder)
            self.folder.rename(self.scene / SWAP)
            _sync(self.scene)
            _complete(self.scene)


@contextmanager
def reading(folder: Path) -> Iterator[None]:
    """Keeps a scene's files from being replaced while they are read, after completing a replacement that broke off.

    Args:
        folder: Folder of the scene; nothing is done if it is missing.

    Raises:
        StorageError: The files are being moved for too long, or a move can't be completed.
    """
    if not folder.is_dir():
        yield
        return
    with _locked(folder, fcntl.LOCK_SH):
        if not (folder / SWAP).exists():
            yield
            return
    with _locked(folder, fcntl.LOCK_EX):
        with _translated(folder):
            _complete(folder)
        yield


def put_back(folder: Path) -> None:
    """Exchange a scene's files and its previous ones; doing it twice changes nothing.

    Raises:
        BankError: There are no previous files.
        StorageError: The files can't be moved.
    """
    where = f"scene {folder.name!r}"
    if not folder.is_dir():
        raise BankError(where, f"there is no such folder ({folder})", "name a scene that was fitted")
    with NewFiles(folder) as new:
        previous = folder / PREVIOUS
        if not (previous / BANK_FILE).exists():
            raise BankError(where, "it has no previous files", "a fit keeps those that it replaces; none has yet")
        with _translated(folder):
            for name in FILES:
                if (previous / name).exists():
                    _link(previous / name, new.folder / name)
        new.commit()


def _complete(folder: Path) -> None:
    """Move the files of `.swap` into place; begun again after a crash, it goes on where it ended."""
    swap = folder / SWAP
    if not swap.exists():  # another reader was faster
        return
    for name in FILES:
        new = swap / name
        if not new.exists():
            continue
        if new.stat().st_size:
            new.replace(folder / name)
        else:
            (folder / name).unlink(missing_ok=True)
            new.unlink()
    if (swap / PREVIOUS).exists():
        shutil.rmtree(folder / PREVIOUS, ignore_errors=True)
        (swap / PREVIOUS).rename(folder / PREVIOUS)
    shutil.rmtree(swap)
    _sync(folder)


def _link(source: Path, target: Path) -> None:
    """Give a file a second name; files of a scene are replaced, never changed, so its content stays."""
    try:
        os.link(source, target)
    except OSError:  # a file system without hard links
        shutil.copy2(source, target)


def _sync(folder: Path) -> None:
    """Write a folder's entries to the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network file systems can't
            os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _locked(folder: Path, kind: int) -> Iterator[None]:
    """A lock on a folder, shared or exclusive.

    Raises:
        StorageError: Others have held it for too long.
    """
    with _translated(folder):
        handle = os.open(folder, os.O_RDONLY)
    try:
        deadline_s = time.monotonic() + LOCK_WAIT_S
        while not _try_lock(handle, kind):
            if time.monotonic() >= deadline_s:
                found = f"another process has held its files for {LOCK_WAIT_S:g} s"
                raise StorageError(f"scene {folder.name!r}", found, "end that process, and try again")
            time.sleep(LOCK_POLL_S)
        yield
    finally:
        os.close(handle)


def _try_lock(handle: int, kind: int) -> bool:
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _translated(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = system_reason(error)
        raise StorageError(f"scene {folder.name!r}", f"its files can't be replaced ({reason})", FREE_SPACE) from None
