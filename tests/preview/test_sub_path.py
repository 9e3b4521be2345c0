"""The page and WHEP behind a reverse proxy that serves them under a sub-path, in a real browser."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urljoin

import aiohttp
import pytest
from aiortc import RTCConfiguration, RTCPeerConnection
from yarl import URL

from streammon.preview import Preview
from support.chromium import Chromium, Page, find_chromium
from support.deadlines import DEADLINE_S
from support.preview_events import NAMES, PaintedCameras, config_of, figures_of, online, opened
from support.preview_peers import Player, player, playing, post_offer, preview
from support.preview_site import PASSWORD, USERS, serving, site_config
from support.sub_path_proxy import SubPathProxy, sub_path_proxy

PLAYING = "[...document.querySelectorAll('video.picture')].filter((video) => video.currentTime > 0.1).length"


@asynccontextmanager
async def behind_a_proxy(scenes: Path, *, keeps_host: bool) -> AsyncIterator[tuple[SubPathProxy, Page, Preview]]:
    """A guarded preview of painted cameras at `/cams/` of a proxy, and a page of the browser."""
    config = config_of(*NAMES, scenes=str(scenes), users=USERS)
    async with (
        asyncio.timeout(2 * DEADLINE_S),
        Preview(config, figures_of(config)) as shown,
        sub_path_proxy(shown.url, "/cams/", keeps_host=keeps_host) as proxy,
        Chromium(find_chromium()) as browser,
    ):
        for name in NAMES:
            shown.on_event(online(name))
        with PaintedCameras(NAMES, shown.pictures.put_picture, shown.on_event) as painted:
            painted.abnormal.add("yard")
            async with browser.page(proxy.url.partition("/cams/")[0]) as page:
                yield proxy, page, shown


async def log_in(page: Page) -> None:
    await page.until("document.getElementById('login').open")
    fields = "document.querySelector('#login form').elements"
    await page.evaluate(f"{fields}.user.value = 'anna', {fields}.password.value = '{PASSWORD}'")
    await page.evaluate("document.querySelector('#login form').requestSubmit()")
    await page.until("!document.getElementById('login').open")


@pytest.mark.parametrize("keeps_host", [True, False])
def test_the_page_works_under_a_sub_path(tmp_path: Path, keeps_host: bool) -> None:
    """Log-in, assets, events, live pictures, an alert with its picture, a click, and the sessions' end."""

    async def check() -> None:
        async with behind_a_proxy(tmp_path, keeps_host=keeps_host) as (proxy, page, shown):
            await page.open(proxy.url)
            await log_in(page)
            await page.until(f"{PLAYING} === {len(NAMES)}")
            assert await page.evaluate("getComputedStyle(document.getElementById('grid')).display") == "grid"
            shown.on_event(opened("yard", "0192f00a", 1.8))
            await page.until("document.querySelector('.card .still.picture img')?.naturalWidth > 0")
            await page.evaluate("document.querySelector('.card .acknowledge').click()")
            await page.until("document.querySelector('.card').hasAttribute('data-acknowledged')")
            await page.evaluate("document.getElementById('logout').click()")  # the page hangs up and loads anew
            while shown._whep.count:  # noqa: ASYNC110  -- the end of a session sets no event
                await asyncio.sleep(0.01)
            ended = [path for method, path in proxy.passed if method == "DELETE"]
            assert len(ended) == len(NAMES)
            assert all(path.startswith("/whep/session/") for path in ended)
            assert proxy.astray == []
            assert page.complaints == []
            assert all(url.startswith((proxy.url, "about:", "data:", "blob:")) for url in page.requests)

    asyncio.run(check())


def test_a_player_plays_and_hangs_up_under_a_sub_path() -> None:
    async def check() -> None:
        async with preview() as shown, playing(shown), sub_path_proxy(shown.url, "/a/b/", keeps_host=True) as proxy:
            async with player(f"{proxy.url}whep/lobby?stream=picture") as viewer:
                await viewer.frame()
                assert viewer.session_url.startswith(f"{proxy.url}whep/session/")
                async with viewer.http.delete(viewer.session_url) as response:
                    assert response.status == 200
                assert shown.sessions.count == 0
            assert proxy.astray == []

    asyncio.run(check())


def test_the_sessions_address_leads_to_the_session_without_a_proxy_too() -> None:
    async def check() -> None:
        async with preview() as shown, aiohttp.ClientSession() as http:
            peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
            one = Player(http, peer)
            await one.connect(f"{shown.url}/whep/lobby", candidates=True)
            assert one.session_url.startswith(f"{shown.url}/whep/session/")
            _, headers, _ = await post_offer(http, f"{shown.url}/whep/lobby", str(peer.localDescription.sdp))
            assert urljoin(f"{shown.url}/", headers["Location"]).startswith(f"{shown.url}/whep/session/")
            await peer.close()

    asyncio.run(check())


def test_a_log_in_counts_for_its_own_sub_path_alone(tmp_path: Path) -> None:
    """Two monitors behind one proxy: the cookie of one is not sent to the other."""

    async def check() -> None:
        async with (
            serving(site_config(tmp_path, users=USERS)) as (shown, _),
            sub_path_proxy(shown.url, "/cams/", keeps_host=True) as proxy,
            aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http,
        ):
            credentials = {"user": "anna", "password": PASSWORD}
            async with http.post(f"{proxy.url}login", json=credentials) as answer:
                assert answer.status == 204
            async with http.get(f"{proxy.url}api/cameras") as answer:
                assert answer.status == 200
            for path, is_sent in (("/cams/api/cameras", True), ("/gate/api/cameras", False)):
                cookies = http.cookie_jar.filter_cookies(URL(proxy.url).with_path(path))
                assert ("streammon_session" in cookies) == is_sent

    asyncio.run(check())
