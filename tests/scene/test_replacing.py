"""A scene's files are the old ones or the new ones, whatever happens meanwhile, and the old ones can be put back."""

import itertools
import os
import signal
import sys
import threading
from pathlib import Path

import pytest

from streammon.errors import BankError, StorageError
from streammon.padim import BANK_FILE, SCENE_FILE, STATISTICS_FILE
from streammon.scene import MOTION_FILE, NewFiles, put_back
from streammon.scene.replacing import FILES, PREVIOUS, reading
from streammon.scene.watched import WATCHED_FILE
from support.deadlines import DEADLINE_S

OLD = {BANK_FILE: "old", MOTION_FILE: "old", STATISTICS_FILE: "old", WATCHED_FILE: "old", SCENE_FILE: "old"}
NEW = {BANK_FILE: "new", STATISTICS_FILE: "new", SCENE_FILE: "new"}
"""Of a fit without motion, before anything was watched: two files have to go."""

CHANGES = ("os.rename", "os.link", "os.remove", "os.rmdir", "os.mkdir")
"""Audit events of changes of a folder."""


def write(folder: Path, content: dict[str, str]) -> None:
    with NewFiles(folder) as new:
        for name, text in content.items():
            (new.folder / name).write_text(text)
        new.commit()


def write_killed(folder: Path, number: int) -> bool:
    """Write the new files in a process that is killed before its n-th change of the disk; True if it lived."""
    pid = os.fork()
    if pid:
        return os.waitpid(pid, 0)[1] == 0
    try:
        with NewFiles(folder) as new:
            for name, text in NEW.items():
                (new.folder / name).write_text(text)
            changes = itertools.count(1)

            def hook(event: str, _arguments: object) -> None:
                if event in CHANGES and next(changes) == number:
                    os.kill(os.getpid(), signal.SIGKILL)

            sys.addaudithook(hook)
            new.commit()
        os._exit(0)
    finally:
        os._exit(1)


def files_of(folder: Path) -> dict[str, str]:
    """The scene's files, as a reader finds them."""
    with reading(folder):
        return {name: (folder / name).read_text() for name in FILES if (folder / name).exists()}


def test_new_files_take_the_place_of_the_old_ones_which_are_kept(tmp_path: Path) -> None:
    write(tmp_path, OLD)
    assert not (tmp_path / PREVIOUS).exists()
    write(tmp_path, NEW)
    assert files_of(tmp_path) == NEW
    assert files_of(tmp_path / PREVIOUS) == OLD


def test_without_a_commit_nothing_changes(tmp_path: Path) -> None:
    write(tmp_path, OLD)
    with NewFiles(tmp_path) as new:
        (new.folder / BANK_FILE).write_text("new")
    assert files_of(tmp_path) == OLD
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted([*OLD, ".lock"])


def test_killed_at_any_change_of_the_disk_a_scene_is_the_old_one_or_the_new_one(tmp_path: Path) -> None:
    """Killed before the first change, before the second and so on, until one lives to its end."""
    found = []
    for number in range(1, 100):
        folder = tmp_path / str(number)
        write(folder, OLD)
        lived = write_killed(folder, number)
        found.append(files_of(folder))
        assert found[-1] in (OLD, NEW), number
        assert (folder / PREVIOUS).exists() == (found[-1] == NEW)
        write(folder, {BANK_FILE: "later"})  # nothing that was left is in the way
        assert files_of(folder) == {BANK_FILE: "later"}
        assert files_of(folder / PREVIOUS) == found[-1]
        if lived:
            break
    assert lived
    assert found.index(NEW) > 5
    assert found[found.index(NEW) :] == [NEW] * (len(found) - found.index(NEW)) != [NEW]


def test_the_files_are_not_moved_while_somebody_reads(tmp_path: Path) -> None:
    write(tmp_path, OLD)
    writer = threading.Thread(target=write, args=(tmp_path, NEW))
    with reading(tmp_path):
        writer.start()
        writer.join(0.5)
        assert writer.is_alive()
        assert (tmp_path / BANK_FILE).read_text() == "old"
    writer.join(DEADLINE_S)
    assert files_of(tmp_path) == NEW


def test_a_second_fit_of_a_scene_is_refused_while_one_runs(tmp_path: Path) -> None:
    folder = tmp_path / "lobby"
    with NewFiles(folder):
        with pytest.raises(StorageError) as refused, NewFiles(folder):
            pass
        assert str(refused.value) == "scene 'lobby': another fit writes its files; wait until that one has ended"
    write(folder, NEW)


def test_what_was_put_back_twice_is_as_it_was(tmp_path: Path) -> None:
    write(tmp_path, OLD)
    write(tmp_path, NEW)
    put_back(tmp_path)
    assert (files_of(tmp_path), files_of(tmp_path / PREVIOUS)) == (OLD, NEW)
    put_back(tmp_path)
    assert (files_of(tmp_path), files_of(tmp_path / PREVIOUS)) == (NEW, OLD)


def test_a_scene_that_was_fitted_once_has_nothing_to_put_back(tmp_path: Path) -> None:
    folder = tmp_path / "lobby"
    write(folder, OLD)
    with pytest.raises(BankError) as refused:
        put_back(folder)
    assert str(refused.value) == (
        "scene 'lobby': it has no previous files; a fit keeps those that it replaces; none has yet"
    )
    assert files_of(folder) == OLD
