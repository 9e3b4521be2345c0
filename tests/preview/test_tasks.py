"""Tasks with an owner who ends them."""

import asyncio

import pytest

from streammon.preview.tasks import Tasks


def test_closing_cancels_every_task_and_waits_for_its_end() -> None:
    ended = []

    async def work(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)  # it takes its time
            ended.append(name)

    async def scenario() -> None:
        tasks = Tasks()
        for name in ("a", "b"):
            tasks.start_nowait(work(name), name)
        await asyncio.sleep(0)
        await tasks.close()
        assert sorted(ended) == ["a", "b"]

    asyncio.run(scenario())


def test_a_task_that_waits_while_it_cleans_up_is_cancelled_again() -> None:
    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.Event().wait()

    async def scenario() -> None:
        tasks = Tasks()
        task = tasks.start_nowait(work(), "stubborn")
        await asyncio.sleep(0)
        async with asyncio.timeout(10):
            await tasks.close()
        assert task.cancelled()

    asyncio.run(scenario())


def test_a_failure_is_logged_and_ends_no_other_task(caplog: pytest.LogCaptureFixture) -> None:
    async def fails() -> None:
        raise ZeroDivisionError

    async def scenario() -> None:
        tasks, done = Tasks(), asyncio.Event()
        other = tasks.start_nowait(wait(done), "other")
        failed = tasks.start_nowait(fails(), "a viewer's session")
        await asyncio.wait([failed])
        assert not other.done()
        done.set()
        await other
        await tasks.close()

    async def wait(done: asyncio.Event) -> None:
        await done.wait()

    asyncio.run(scenario())
    assert [record.getMessage() for record in caplog.records] == ["preview: a viewer's session failed"]
