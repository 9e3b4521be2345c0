"""The page in Chromium: live pictures, heatmap, alerts, keyboard, log-in, and nothing from outside."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from argon2 import PasswordHasher

from streammon.cli.display import rarity
from streammon.durations import in_words
from streammon.preview.server import Preview
from streammon.records import CameraState, Channel, MainStreamStatus, Verdict
from support.alerting_samples import until
from support.chromium import FAINT, Chromium, Page, find_chromium
from support.deadlines import DEADLINE_S
from support.preview_events import NAMES, SIZE, PaintedCameras, closed, config_of, figures_of, online, opened

PASSWORD = "correct horse battery"
PROVISIONAL = "provisional: calibrated on 2 hours of normal footage, the configured rate needs 1 day"
LONGEST = max(Channel, key=lambda channel: len(channel.reason))

# The mean colour of a part of a camera's screen as it is seen: every layer drawn over the one before.
SEEN = """async (camera, x, y, width, height) => {
  const picture = document.querySelector(`[data-camera=${camera}] .picture`);
  const canvas = new OffscreenCanvas(640, 360), pen = canvas.getContext('2d');
  for (const layer of picture.querySelectorAll('video, img')) {
    const style = getComputedStyle(layer);
    pen.globalAlpha = Number(style.opacity);
    pen.drawImage(layer, 0, 0, 640, 360);
  }
  const pixels = pen.getImageData(x, y, width, height).data;
  const mean = [0, 0, 0];
  pixels.forEach((value, i) => { if (i % 4 < 3) mean[i % 4] += value / (pixels.length / 4); });
  return mean;
}"""


class Room:
    """A preview of painted cameras, and a page of it."""

    def __init__(self, preview: Preview, painted: PaintedCameras, page: Page, verdicts: list[Verdict]) -> None:
        self.preview = preview
        self.verdicts = verdicts
        self.painted = painted
        self.page = page

    async def seen(self, camera: str, x: int, y: int, width: int, height: int) -> list[float]:
        """Mean red, green and blue of a part of a camera's picture, in its own pixels."""
        colour: list[float] = await self.page.evaluate(f"({SEEN})('{camera}', {x}, {y}, {width}, {height})")
        return colour

    def assert_clean(self) -> None:
        """Nothing was complained of, nothing came from elsewhere."""
        assert self.page.complaints == []
        assert [url for url in self.page.requests if not url.startswith((self.preview.url, "about:", "data:"))] == []


@asynccontextmanager
async def a_room(scenes: Path, **preview_keys: Any) -> AsyncIterator[Room]:
    config = config_of(*NAMES, scenes=str(scenes), **preview_keys)
    verdicts: list[Verdict] = []
    async with (
        Preview(config, figures_of(config), on_verdict=verdicts.append) as preview,
        Chromium(find_chromium()) as browser,
    ):
        for name in NAMES:
            preview.on_event(online(name))
        with PaintedCameras(NAMES, preview.pictures.put_picture, preview.on_event) as painted:
            await until(lambda: all(preview.pictures.still(name) for name in NAMES))  # else 503: no picture yet
            async with browser.page(preview.url.rstrip("/")) as page:
                await page.look(1440, 900, dark=True)
                yield Room(preview, painted, page, verdicts)


def in_a_room(scenes: Path, scenario: Callable[[Room], Awaitable[None]], **preview_keys: Any) -> None:
    async def whole() -> None:
        async with asyncio.timeout(2 * DEADLINE_S), a_room(scenes, **preview_keys) as room:
            await scenario(room)

    asyncio.run(whole())


async def assert_playing(room: Room) -> None:
    """All cameras play by WebRTC, their clocks move, and none is black."""
    playing = "[...document.querySelectorAll('video.picture')].filter((video) => video.currentTime > 0.2).length"
    await room.page.until(f"{playing} === {len(NAMES)}")
    clocks = "[...document.querySelectorAll('video.picture')].map((video) => video.currentTime)"
    before = await room.page.evaluate(clocks)
    await room.page.until(f"{clocks}.every((time, i) => time > {before}[i] + 0.2)")
    for name in NAMES:
        assert min(await room.seen(name, 0, 0, *SIZE)) > 60  # painted from 70 to 130


async def assert_heatmap(room: Room) -> None:
    """The heatmap colours what is abnormal and leaves the rest of the picture alone."""
    spot, calm = (430, 150, 60, 60), (40, 60, 200, 200)
    room.painted.abnormal.add("gate")
    await room.page.until(
        "document.querySelector('[data-camera=gate] .level').textContent.startsWith('never in 2 hours')"
    )
    async with asyncio.timeout(DEADLINE_S):  # the level may come before the picture
        red, _, blue = await room.seen("gate", *spot)
        while blue <= red:  # until the bluish thing is seen
            await asyncio.sleep(0.1)
            red, _, blue = await room.seen("gate", *spot)
    await room.page.evaluate("document.querySelector('[data-camera=gate] .heat').click()")
    await room.page.until("document.querySelector('[data-camera=gate] video.heatmap')?.currentTime > 0.2")
    shot_before = await screen_colours(room, spot, calm)
    assert shot_before[0][0] > shot_before[0][2] + 60  # yellow now
    assert max(shot_before[1]) - min(shot_before[1]) < 12  # grey as it was painted
    assert await room.page.evaluate("document.querySelectorAll('video.heatmap').length") == 1


async def screen_colours(room: Room, *parts: tuple[int, int, int, int]) -> list[list[float]]:
    """Mean colours of parts of gate's picture in a screenshot: as a person sees them, filters and all."""
    rect = "document.querySelector('[data-camera=gate] .picture').getBoundingClientRect()"
    left, top, wide = await room.page.evaluate(f"[{rect}.left, {rect}.top, {rect}.width]")
    shot = cv2.imdecode(np.frombuffer(await room.page.screenshot(), np.uint8), cv2.IMREAD_COLOR)
    assert shot is not None
    scale = wide / SIZE[0]
    means = []
    for x, y, width, height in parts:
        part = shot[round(top + y * scale) :, round(left + x * scale) :][
            : round(height * scale), : round(width * scale)
        ]
        means.append([float(channel) for channel in part.mean(axis=(0, 1))[::-1]])
    return means


def test_four_cameras_play_and_the_heatmap_shows_where_it_is_abnormal(tmp_path: Path) -> None:
    async def scenario(room: Room) -> None:
        await room.page.open(room.preview.url)
        await assert_playing(room)
        await assert_heatmap(room)
        room.preview.on_event(online("dock", CameraState.OFFLINE, reason="connection refused"))
        dock = "document.querySelector('[data-camera=dock]')"
        await room.page.until(f"{dock}.querySelector('.state').textContent.startsWith('offline since ')")
        await room.page.until(f"!{dock}.querySelector('video')")
        room.preview.on_event(online("dock", CameraState.LEARNING, progress=0.34))
        await room.page.until(f"{dock}.querySelector('.state').textContent === 'learning 34 %'")
        await room.page.until(f"{dock}.querySelector('video')?.currentTime > 0.1")
        room.assert_clean()

    in_a_room(tmp_path, scenario)


def test_the_large_view_opens_a_main_stream_and_the_grid_opens_none(tmp_path: Path) -> None:
    async def scenario(room: Room) -> None:
        watched = room.preview.pictures.is_main_watched
        await room.page.open(room.preview.url)
        await assert_playing(room)
        assert [name for name in NAMES if watched(name)] == []
        await room.page.evaluate("location.hash = '#camera=gate'")
        async with asyncio.timeout(DEADLINE_S):
            while not watched("gate"):  # noqa: ASYNC110  -- a viewer who comes sets no event
                await asyncio.sleep(0.02)
        assert [name for name in NAMES if watched(name)] == ["gate"]
        room.preview.on_event(MainStreamStatus("gate", "connection refused"))
        state = "document.querySelector('#large .state').textContent"
        await room.page.until(f"{state} === 'online (sub-stream shown, no main stream: connection refused)'")
        room.preview.on_event(MainStreamStatus("gate"))
        await room.page.until(f"!{state}.includes('sub-stream')")
        room.assert_clean()

    in_a_room(tmp_path, scenario)


def test_an_alert_comes_into_the_feed_and_can_be_called_normal(tmp_path: Path) -> None:
    async def scenario(room: Room) -> None:
        page = room.page
        await page.open(room.preview.url)
        await page.until("document.querySelectorAll('.tile').length === 4")
        alert = opened("yard", "0192f00a", 1.8, channel=Channel.PLACE)
        room.painted.abnormal.add("yard")
        room.preview.on_event(alert)
        await page.until("document.querySelector('.card .still.blended img')?.naturalWidth > 0")
        text = await page.evaluate("document.querySelector('.card').innerText")
        assert "yard" in text
        assert "moves where nothing moves" in text
        assert "never in 2 hours of normal footage" in text
        assert PROVISIONAL in text
        assert "open for" in text
        assert await page.evaluate("document.querySelectorAll('.card .still.picture rect:not(.halo)').length") == 1
        announced = await page.evaluate("document.getElementById('announcer').innerText")
        assert announced.startswith("Alert on yard")
        assert "moves where nothing moves, never in 2 hours of normal footage" in announced
        await page.until("document.title === '(1) streammon'")
        await page.evaluate("document.querySelector('.card .acknowledge').click()")
        await page.until("document.querySelector('.card').hasAttribute('data-acknowledged')")
        assert await page.evaluate("document.querySelector('.card .normal').disabled")
        room.preview.on_event(closed(replace(alert, channel=Channel.SPEED)))  # a worse frame came
        await page.until("!document.querySelector('.card').hasAttribute('data-open')")
        assert await page.evaluate("document.querySelector('.card .reason').innerText") == "moves too fast here"
        await assert_reason_in_the_large_view(page, "moves too fast here")
        await page.until("!document.querySelector('.card .normal').disabled")
        await page.evaluate("document.querySelector('.card .normal').click()")
        await page.until("document.querySelector('.card .outcome').textContent.endsWith('saved for the next fit')")
        await assert_verdict_can_be_changed(room, tmp_path / "yard" / "normal" / "0192f00a")
        room.assert_clean()

    in_a_room(tmp_path, scenario)
    assert list((tmp_path / "yard" / "normal" / "0192f00a").glob("*.jpg"))


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def assert_verdict_can_be_changed(room: Room, clip: Path) -> None:
    """From normal to real, whose frames are no normal footage, and back."""
    page, said = (
        room.page,
        "[...document.querySelectorAll('.card .normal, .card .real')].map((each) => each.innerText)",
    )
    assert await page.evaluate(said) == ["Saved as normal", "Was real"]
    assert names_in(clip.parent) == [clip.name]
    await page.evaluate("document.querySelector('.card .real').click()")
    await page.until("document.querySelector('.card .real').textContent === 'Marked as real'")
    assert await page.evaluate(said) == ["This was normal", "Marked as real"]
    assert names_in(clip.parent) == []
    await page.evaluate("document.querySelector('.card .normal').click()")
    await page.until("document.querySelector('.card .normal').textContent === 'Saved as normal'")
    assert await page.evaluate(said) == ["Saved as normal", "Was real"]
    assert [verdict.normal for verdict in room.verdicts] == [True, False, True]


async def assert_reason_in_the_large_view(page: Page, reason: str) -> None:
    await page.evaluate("document.querySelector('.card .look').click()")
    await page.until(f"document.querySelector('#large .reason')?.innerText === '{reason}'")
    await page.press("Escape")
    await page.until("!document.getElementById('large').open")


def test_cameras_and_alerts_show_their_footage_and_whether_it_is_too_short_for_the_rate(tmp_path: Path) -> None:
    async def scenario(room: Room) -> None:
        page = room.page
        await page.open(room.preview.url)
        tile = "document.querySelector('[data-camera=gate] .basis')"
        await page.until(f"{tile}?.textContent === '{PROVISIONAL}'")
        assert await page.evaluate(f"{tile}.hasAttribute('data-provisional')")
        room.painted.basis_s = 36 * 3600.0
        await page.until(f"{tile}.textContent === 'calibrated on 36 hours of normal footage'")
        assert not await page.evaluate(f"{tile}.hasAttribute('data-provisional')")
        await page.evaluate("document.querySelector('[data-camera=gate] .open').click()")
        large = "document.querySelector('#large .basis')"
        await page.until(f"{large}?.textContent === 'calibrated on 36 hours of normal footage'")
        await page.press("Escape")
        room.preview.on_event(opened("gate", "a", 1.8))
        await page.until(f"document.querySelector('.card .basis')?.textContent === '{PROVISIONAL}'")
        await page.evaluate("document.querySelector('.card .look').click()")
        await page.until(f"{large}?.textContent === '{PROVISIONAL}'")
        assert "never in 2 hours" in await page.evaluate("document.querySelector('#large .level').textContent")
        await page.press("Escape")
        room.preview.on_event(replace(opened("yard", "b", 1.8), basis_s=864000.0, provisional=False))
        await page.until("document.querySelectorAll('.card').length === 2")
        assert await page.evaluate("document.querySelector('.card .basis').textContent") == ""
        peak = "document.querySelector('.card .peak').textContent"
        assert await page.evaluate(peak) == "never in 10 days of normal footage"  # level 2.4 is once in 251 days
        room.assert_clean()

    in_a_room(tmp_path, scenario)


def test_the_page_says_durations_and_rarity_as_the_terminal_does(tmp_path: Path) -> None:
    bases = (0.0, 0.5, 1.0, 59.9, 60.0, 100.0, 540.0, 3600.0, 7200.0, 86400.0, 216000.0, 1e7)
    cases = [(level / 8, basis_s) for level in range(-50, 40) for basis_s in bases]
    durations = [1.2**power for power in range(-5, 100)] + [60.0, 3600.0, 86400.0, 150.0, 9000.0]

    async def scenario(room: Room) -> None:
        await room.page.open(room.preview.url)
        words = "import('/page/words.js').then((words) => {}.map((each) => words.{}))"
        said = await room.page.evaluate(words.replace("{}", json.dumps(cases), 1).replace("{}", "rarity(...each)"))
        assert said == [rarity(*case) for case in cases]
        said = await room.page.evaluate(words.replace("{}", json.dumps(durations), 1).replace("{}", "inWords(each)"))
        assert said == [in_words(seconds) for seconds in durations]
        room.assert_clean()

    in_a_room(tmp_path, scenario)


def test_everything_is_within_reach_of_the_keyboard(tmp_path: Path) -> None:
    async def scenario(room: Room) -> None:
        page = room.page
        focus = "document.activeElement.ariaLabel"
        await page.open(room.preview.url)
        await page.until("document.querySelectorAll('.tile').length === 4")
        for _ in range(20):
            await page.press("Tab")
            if await page.evaluate(focus) == "Show lobby large":
                break
        assert await page.evaluate(focus) == "Show lobby large"
        assert await page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        await page.press("Enter")
        await page.until("document.getElementById('large').open")
        assert await page.evaluate("document.getElementById('large-name').textContent") == "lobby"
        await page.until("document.querySelector('#large video')?.currentTime > 0.1")
        await page.until("document.querySelectorAll('#grid video').length === 0")  # nobody sees them now
        await page.press("ArrowRight")
        await page.until("document.getElementById('large-name')?.textContent === 'gate'")
        await page.press("Escape")
        await page.until("!document.getElementById('large').open")
        assert await page.evaluate(focus) == "Show lobby large"
        await page.until("document.querySelectorAll('#grid video').length === 4")
        room.assert_clean()

    in_a_room(tmp_path, scenario)


@pytest.mark.parametrize("phone", [False, True])
def test_names_and_contrast_reach_everybody(tmp_path: Path, phone: bool) -> None:
    async def scenario(room: Room) -> None:
        page = room.page
        await page.look(390 if phone else 1440, 844 if phone else 900, dark=not phone, phone=phone, still=True)
        await page.open(room.preview.url)
        await page.until("document.querySelectorAll('.tile').length === 4")
        room.preview.on_event(online("dock", CameraState.OFFLINE, reason="connection refused"))
        room.preview.on_event(opened("yard", "a", 1.8, channel=LONGEST))
        await page.until(f"document.querySelector('.card .reason')?.innerText === '{LONGEST.reason}'")
        await page.until("document.querySelector('[data-camera=dock] .state').textContent.startsWith('offline')")
        nameless = "[...document.querySelectorAll('button, input, a')].filter((each) => each.checkVisibility() && "
        nameless += "!(each.ariaLabel || each.innerText || each.labels?.length)).length"
        assert await page.evaluate(nameless) == 0
        assert await page.evaluate(f"({FAINT})()") == []
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert await page.evaluate("document.querySelector('.card .reason').getClientRects()[0].height") < 24
        assert await page.evaluate("document.getAnimations().length") == 0
        room.assert_clean()

    in_a_room(tmp_path, scenario)


def test_without_a_session_the_page_asks_to_log_in_and_shows_a_wrong_password(tmp_path: Path) -> None:
    async def scenario(room: Room) -> None:
        page = room.page
        await page.open(room.preview.url)
        await page.until("document.getElementById('login').open")
        assert await page.evaluate("document.activeElement.name") == "user"
        assert await page.evaluate("document.querySelectorAll('.tile').length") == 0
        await page.press("Escape")  # there is nothing to see without
        assert await page.evaluate("document.getElementById('login').open")
        await log_in(page, "wrong")
        await page.until("document.getElementById('login-error').textContent.includes('Wrong user')")
        assert len(page.complaints) == 1  # the browser's own line about the 401
        page.complaints.clear()
        await log_in(page, PASSWORD)
        await page.until("!document.getElementById('login').open")
        await page.until("document.querySelectorAll('.tile').length === 4")
        await page.until("document.querySelector('video')?.currentTime > 0.1")
        await page.evaluate("document.getElementById('logout').click()")
        await page.until("document.getElementById('login')?.open")
        room.assert_clean()

    async def log_in(page: Page, password: str) -> None:
        fields = "document.querySelector('#login form').elements"
        await page.evaluate(f"{fields}.user.value = 'anna', {fields}.password.value = '{password}'")
        await page.evaluate("document.querySelector('#login form').requestSubmit()")

    users = {"anna": PasswordHasher(time_cost=1, memory_cost=1024).hash(PASSWORD)}
    in_a_room(tmp_path, scenario, users=users)


def test_without_webrtc_it_plays_jpeg(tmp_path: Path) -> None:
    async def scenario(room: Room) -> None:
        page = room.page
        await page.call("Page.addScriptToEvaluateOnNewDocument", source="delete window.RTCPeerConnection")
        await page.open(room.preview.url)
        shown = "[...document.querySelectorAll('img.picture')].map((image) => image.dataset.shown).sort().join(' ')"
        await page.until(f"{shown} === 'mjpeg mjpeg mjpeg still'")
        for name in NAMES:
            assert min(await room.seen(name, 0, 0, *SIZE)) > 60
        still = "document.querySelector('img[data-shown=still]').src"
        first = await page.evaluate(still)
        await page.until(f"{still} !== '{first}'")
        room.assert_clean()

    in_a_room(tmp_path, scenario)


def test_a_lost_connection_is_shown_until_it_is_back(tmp_path: Path) -> None:
    async def scenario() -> None:
        config = config_of(*NAMES, scenes=str(tmp_path))
        async with Chromium(find_chromium()) as browser, AsyncExitStack() as pages:
            async with Preview(config, figures_of(config)) as preview:
                page = await pages.enter_async_context(browser.page(preview.url.rstrip("/")))
                await page.open(preview.url)
                await page.until("document.querySelectorAll('.tile').length === 4")
            await page.until("!document.getElementById('lost').hidden")
            port = int(preview.url.rstrip("/").rpartition(":")[2])
            again = config_of(*NAMES, scenes=str(tmp_path), port=port)
            async with Preview(again, figures_of(again)):
                await page.until("document.getElementById('lost').hidden")

    asyncio.run(scenario())
