"""Alert messages wait on disk."""

import os
import resource
import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streammon.alerting import Spool
from streammon.alerting.spool import AlertQueue
from streammon.errors import StorageError
from streammon.records import AlertEvent
from support.alerting_samples import open_files

OPEN, UPDATE, CLOSE = AlertEvent


def put(spool: AlertQueue, part: int, event: AlertEvent = AlertEvent.UPDATE, alert_id: str = "a") -> bool:
    return spool.put(alert_id, part, event, "lobby", f'{{"part":{part}}}')


def emptied(spool: AlertQueue) -> list[tuple[str, int]]:
    """Take everything out, in order."""
    taken = []
    while message := spool.oldest():
        taken.append((message.id, message.part))
        spool.delivered(message)
    assert len(spool) == 0
    return taken


@contextmanager
def no_file_may_grow() -> Iterator[None]:
    """Every write to a file fails, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_messages_leave_in_the_order_in_which_they_came(tmp_path: Path) -> None:
    with Spool(tmp_path / "spool", 10) as spool:
        for part in range(5):
            assert put(spool, part)
        message = spool.oldest()
        assert message is not None
        assert (message.id, message.part, message.event, message.camera) == ("a", 0, "update", "lobby")
        assert message.json == '{"part":0}'
        assert spool.oldest() == message  # until it is delivered
        assert emptied(spool) == [("a", part) for part in range(5)]


def test_messages_wait_over_a_restart(tmp_path: Path) -> None:
    with Spool(tmp_path / "spool", 10) as spool:
        for part in range(3):
            put(spool, part)
        first = spool.oldest()
        assert first is not None
        spool.delivered(first)
    with Spool(tmp_path / "spool", 10) as spool:
        assert len(spool) == 2
        put(spool, 3)
        assert emptied(spool) == [("a", 1), ("a", 2), ("a", 3)]


def test_a_message_put_twice_waits_once(tmp_path: Path) -> None:
    with Spool(tmp_path / "spool", 10) as spool:
        put(spool, 0)
        put(spool, 0)
        assert emptied(spool) == [("a", 0)]


def test_a_full_spool_refuses_updates_then_drops_updates_then_the_oldest_and_counts_each(tmp_path: Path) -> None:
    with Spool(tmp_path / "spool", 4) as spool:
        assert [put(spool, part, event) for part, event in enumerate((OPEN, UPDATE, UPDATE, CLOSE))] == [True] * 4
        assert not put(spool, 4, UPDATE)
        assert (spool.status.refused, spool.status.dropped) == (1, 0)
        for part in (5, 6, 7):
            assert put(spool, part, CLOSE)
        assert (spool.status.refused, spool.status.dropped, spool.status.waiting) == (1, 3, 4)
        assert emptied(spool) == [("a", 3), ("a", 5), ("a", 6), ("a", 7)]


def test_each_sink_has_a_queue_of_its_own_in_the_same_file(tmp_path: Path) -> None:
    with Spool(tmp_path / "spool", 4) as spool:
        queues = spool.queues(["desk", "Desk"])
        for part in range(3):
            put(spool, part)
            put(queues["desk"], part)
        put(queues["Desk"], 7)
        assert emptied(queues["desk"]) == [("a", 0), ("a", 1), ("a", 2)]
        for part in range(10):
            put(queues["desk"], part, CLOSE, "b")
        assert (queues["desk"].status.dropped, spool.status.dropped, queues["Desk"].status.dropped) == (6, 0, 0)
    with Spool(tmp_path / "spool", 4) as spool:
        queues = spool.queues(["Desk", "desk"])
        assert queues["desk"].last_position == 13
        assert emptied(queues["desk"]) == [("b", part) for part in range(6, 10)]
        assert emptied(queues["Desk"]) == [("a", 7)]
        assert emptied(spool) == [("a", part) for part in range(3)]


def test_the_queues_of_sinks_that_are_gone_are_deleted(tmp_path: Path) -> None:
    with Spool(tmp_path / "spool", 4) as spool:
        put(spool, 0)
        put(spool.queues(["desk"])["desk"], 0)
    with Spool(tmp_path / "spool", 4) as spool:
        assert spool.queues([]) == {}
        assert len(spool) == 1
    with Spool(tmp_path / "spool", 4) as spool:
        assert len(spool.queues(["desk"])["desk"]) == 0


def test_messages_wait_in_memory_while_the_disk_is_full_and_go_to_it_when_it_is_not(tmp_path: Path) -> None:
    path = tmp_path / "spool"
    with Spool(path, 100) as spool:
        put(spool, 0)
        with no_file_may_grow():
            for part in range(1, 20):
                assert put(spool, part)
            assert len(spool) == 20
            reason = spool.status.reason
            first = spool.oldest()
            assert first is not None
            spool.delivered(first)
            second = spool.oldest()
            assert second is not None
            assert (first.part, second.part, len(spool)) == (0, 1, 19)
        put(spool, 20)
        assert (reason, spool.status.reason) == ("the disk fails", "")
    with Spool(path, 100) as spool:
        assert emptied(spool) == [("a", part) for part in range(1, 21)]


def test_memory_is_bounded_while_the_disk_is_full(tmp_path: Path) -> None:
    with Spool(tmp_path / "spool", 10) as spool:
        with no_file_may_grow():
            for part in range(30):
                put(spool, part, CLOSE)
            assert len(spool) == 10
            assert spool.status.dropped == 20
        assert emptied(spool) == [("a", part) for part in range(20, 30)]


def test_messages_outlive_a_killed_process(tmp_path: Path) -> None:
    script = """
        import signal, sys
        from pathlib import Path
        from streammon.alerting import Spool
        from streammon.records import AlertEvent
        spool = Spool(Path(sys.argv[1]), 100)
        for part in range(50):
            spool.put("a", part, AlertEvent.UPDATE, "lobby", "{}")
        print("put", flush=True)
        signal.pause()
    """
    path = tmp_path / "spool"
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script), str(path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "put\n"
        os.kill(process.pid, signal.SIGKILL)
    with Spool(path, 100) as spool:
        assert emptied(spool) == [("a", part) for part in range(50)]


def foreign_database(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE bookmark (url TEXT)")
    database.close()


def later_format(path: Path) -> None:
    Spool(path, 10).close()
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 9")
    database.close()


@pytest.mark.parametrize(
    ("prepare", "name", "found"),
    [
        (
            lambda path: None,
            "missing/spool",
            "there is no folder {folder}/missing; make it, or set alerting.spool to",
        ),
        (lambda path: path.mkdir(), "spool", "it is a folder; set alerting.spool to a file"),
        (
            lambda path: path.write_text("cameras:\n" * 99),
            "spool",
            "it is not a spool; set alerting.spool to another",
        ),
        (foreign_database, "spool", "it is another program's database; set alerting.spool to another file"),
        (later_format, "spool", "its format is 9, this streammon writes 1; set alerting.spool to another file"),
    ],
    ids=["no folder", "folder", "text", "foreign", "later"],
)
def test_what_can_t_be_a_spool_is_refused_in_one_line(tmp_path: Path, prepare: object, name: str, found: str) -> None:
    path = tmp_path / name
    assert callable(prepare)
    prepare(path)
    with pytest.raises(StorageError) as refusal:
        Spool(path, 10)
    assert str(refusal.value).startswith(f"spool {path}: {found.format(folder=tmp_path)}")
    assert "\n" not in str(refusal.value)


def test_a_folder_that_takes_no_files_is_refused() -> None:
    with pytest.raises(
        StorageError, match=r"^spool /proc/spool: it can't be .* \(permission denied\); check the folder"
    ):
        Spool(Path("/proc/spool"), 10)


def test_a_full_disk_at_the_start_is_refused(tmp_path: Path) -> None:
    with no_file_may_grow(), pytest.raises(StorageError, match="it can't be written"):
        Spool(tmp_path / "spool", 10)


def test_a_foreign_database_is_left_as_it_was(tmp_path: Path) -> None:
    foreign_database(tmp_path / "spool")
    before = (tmp_path / "spool").read_bytes()
    with pytest.raises(StorageError):
        Spool(tmp_path / "spool", 10)
    assert (tmp_path / "spool").read_bytes() == before


def test_two_processes_can_t_share_a_spool(tmp_path: Path) -> None:
    with Spool(tmp_path / "spool", 10), pytest.raises(StorageError, match="another process has locked it"):
        Spool(tmp_path / "spool", 10)


def test_opening_and_closing_fifty_times_leaves_no_file_open(tmp_path: Path) -> None:
    before = open_files()
    for part in range(50):
        with Spool(tmp_path / "spool", 100) as spool:
            put(spool, part)
    assert open_files() == before


@given(st.lists(st.sampled_from([*AlertEvent, "take", "reopen", "break", "mend"]), max_size=60))
@example([*[AlertEvent.OPEN] * 5, *["break", AlertEvent.OPEN, "mend", AlertEvent.OPEN] * 3])
def test_every_message_is_taken_waiting_refused_or_dropped(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str]
) -> None:
    path = tmp_path_factory.mktemp("spool") / "spool"
    spool, length = Spool(path, 5), 5
    put_parts, taken, refused, dropped = 0, list[int](), 0, 0
    disk_fails = False
    for step in steps:
        disk_fails = step == "break" or (disk_fails and step != "mend")
        with no_file_may_grow() if disk_fails else nullcontext():
            if step == "take" and (message := spool.oldest()):
                taken.append(message.part)
                spool.delivered(message)
            elif step == "reopen" and not disk_fails:
                spool.close()
                refused, dropped = refused + spool.status.refused, dropped + spool.status.dropped
                spool = Spool(path, length)
            elif step in set(AlertEvent):
                put(spool, put_parts, AlertEvent(step))
                put_parts += 1
        status = spool.status
        assert len(spool) <= length + 1
        assert put_parts == len(taken) + status.waiting + refused + status.refused + dropped + status.dropped
    taken += [part for _, part in emptied(spool)]
    spool.close()
    assert taken == sorted(set(taken))
