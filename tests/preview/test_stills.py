"""JPEG, one or many, over HTTP."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import ExitStack

import aiohttp
import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from streammon.preview.streams import stills
from support.deadlines import DEADLINE_S
from support.numbered_footage import number_in
from support.preview_peers import Preview, hot_left, picture_of, playing, preview, score_of


def decoded(encoded: bytes) -> NDArray[np.uint8]:
    bgr = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR)
    assert bgr is not None
    return np.ascontiguousarray(bgr[:, :, ::-1]).astype(np.uint8)


async def parts(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """The pictures of a multipart answer, read by the format's own rules."""
    assert response.headers["Content-Type"] == "multipart/x-mixed-replace; boundary=streammon"
    assert await response.content.readline() == b"--streammon\r\n"
    while True:
        head = {}
        while (line := await response.content.readline()) not in (b"\r\n", b""):
            name, _, value = line.decode().strip().partition(": ")
            head[name] = value
        if not head:
            return
        assert head["Content-Type"] == "image/jpeg"
        yield await response.content.readexactly(int(head["Content-Length"]))
        assert await response.content.readexactly(2) == b"\r\n"
        assert await response.content.readline() == b"--streammon\r\n"


async def until_nobody_watches(shown: Preview) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while shown.pictures.viewers():  # noqa: ASYNC110  -- leaving sets no event
            await asyncio.sleep(0.01)


def test_a_snapshot_is_the_newest_picture_and_never_kept() -> None:
    async def check() -> None:
        async with preview() as shown, aiohttp.ClientSession() as http:
            for path, expected in (("attic", 404), ("lobby", 503), ("lobby.jpg/../../etc/passwd", 404)):
                async with http.get(f"{shown.url}/snapshot/{path}.jpg") as response:
                    assert response.status == expected
            shown.pictures.put_picture("lobby", picture_of(77), 0.0)
            async with http.get(f"{shown.url}/snapshot/lobby.jpg") as response:
                assert (response.status, response.content_type) == (200, "image/jpeg")
                assert response.headers["Cache-Control"] == "no-store"
                assert number_in(decoded(await response.read())) == 77
            for stream, expected in (("heatmap", 503), ("blended", 200), ("infrared", 404)):
                async with http.get(f"{shown.url}/snapshot/lobby.jpg?stream={stream}") as response:
                    assert response.status == expected

    asyncio.run(check())


def test_motion_jpeg_shows_the_newest_picture_at_ten_a_second_encoded_once_for_all() -> None:
    async def watch(shown: Preview, http: aiohttp.ClientSession, count: int) -> list[int]:
        numbers = []
        async with http.get(f"{shown.url}/mjpeg/lobby") as response:
            async for part in parts(response):
                numbers.append(number_in(decoded(part)))
                if len(numbers) == count:
                    break
        return numbers

    async def check() -> None:
        async with preview() as shown, playing(shown), aiohttp.ClientSession() as http:
            watching = [asyncio.create_task(watch(shown, http, 12)) for _ in range(3)]
            async with asyncio.timeout(DEADLINE_S):
                while shown.pictures.viewers() != {("lobby", "picture"): 3}:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            assert sum("streammon-jpeg" in thread.name for thread in threading.enumerate()) == 1
            async with asyncio.timeout(DEADLINE_S):
                seen = await asyncio.gather(*watching)
            for numbers in seen:
                assert numbers == sorted(numbers)
                steps = np.diff(numbers[2:])  # 25 to 10 a second: two or three, more where the machine is busy
                assert steps.mean() >= 2
                assert steps.min() in (2, 3)
            await until_nobody_watches(shown)
        assert not any("streammon-jpeg" in thread.name for thread in threading.enumerate())

    asyncio.run(check())


def test_the_heatmap_is_in_motion_jpeg_too() -> None:
    async def check() -> None:
        async with preview() as shown, playing(shown), aiohttp.ClientSession() as http:
            shown.pictures.put_score(score_of("lobby", hot_left()))
            async with http.get(f"{shown.url}/mjpeg/lobby?stream=heatmap") as response:
                picture = decoded(await anext(aiter(parts(response))))
            assert picture[:, :150].mean() > 150 > 50 > picture[:, 170:].mean()

    asyncio.run(check())


def test_a_client_that_reads_nothing_delays_nobody_and_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    noise = [  # large pictures, so that what the kernel takes is soon full
        av.VideoFrame.from_ndarray(pixels, "rgb24").reformat(format="yuv420p")
        for pixels in np.random.default_rng(0).integers(0, 256, (2, 1080, 1920, 3)).astype(np.uint8)
    ]

    async def stall(shown: Preview, stack: ExitStack) -> None:
        stalled = stack.enter_context(socket.socket())
        stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stalled.setblocking(False)
        port = int(shown.url.rpartition(":")[2])
        await asyncio.get_running_loop().sock_connect(stalled, ("127.0.0.1", port))
        stalled.send(b"GET /mjpeg/lobby HTTP/1.1\r\nHost: x\r\n\r\n")

    async def check() -> None:
        async with preview(width=1920) as shown, playing(shown, of=noise), aiohttp.ClientSession() as http:
            with ExitStack() as stack:
                monkeypatch.setattr(stills, "STALLED_S", 3 * DEADLINE_S)
                await stall(shown, stack)
                async with http.get(f"{shown.url}/mjpeg/lobby") as response, asyncio.timeout(DEADLINE_S):
                    stream = aiter(parts(response))
                    while shown.pictures.viewers() != {("lobby", "picture"): 2}:
                        assert await anext(stream)
                    for _ in range(12):  # three times what the kernel takes for the other
                        assert await anext(stream)
                    assert shown.pictures.viewers() == {("lobby", "picture"): 2}
                    monkeypatch.setattr(stills, "STALLED_S", 0.5)
                    await stall(shown, stack)
                    seen = 2
                    while seen < 3 or shown.pictures.viewers() != {("lobby", "picture"): 2}:
                        assert await anext(stream)
                        seen = max(seen, shown.pictures.viewers()["lobby", "picture"])
            await until_nobody_watches(shown)

    asyncio.run(check())


def test_a_client_that_goes_while_no_picture_comes_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stills, "IDLE_S", 0.1)

    async def check() -> None:
        async with preview() as shown, aiohttp.ClientSession() as http:
            async with http.get(f"{shown.url}/mjpeg/lobby") as response:
                assert response.status == 200
                assert shown.pictures.viewers() == {("lobby", "picture"): 1}
            await until_nobody_watches(shown)

    asyncio.run(check())


def test_viewers_beyond_a_sane_number_are_refused_and_closing_ends_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stills, "MAX_VIEWERS", 1)

    async def check() -> None:
        async with preview() as shown, playing(shown), aiohttp.ClientSession() as http:
            async with http.get(f"{shown.url}/mjpeg/lobby") as first:
                async with http.get(f"{shown.url}/mjpeg/lobby") as second:
                    assert (second.status, second.headers["Retry-After"]) == (503, "10")
                assert shown.pictures.viewers() == {("lobby", "picture"): 1}
                shown.pictures.close()
                async with asyncio.timeout(DEADLINE_S):
                    async for part in parts(first):
                        assert part
            await until_nobody_watches(shown)

    asyncio.run(check())
