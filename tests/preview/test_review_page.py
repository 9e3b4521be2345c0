"""The review on the page in Chromium: real clips with boxes and curve, filters, keys, and a long list."""

import asyncio
import datetime
import json
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from streammon.events import EventRow, read_index
from streammon.events.index import KEPT, RECORDING, Index
from streammon.events.side_car import interrupted_side_car
from streammon.preview import Preview
from streammon.records import CameraState, Verdict
from support.chromium import FAINT, Chromium, Page, find_chromium
from support.deadlines import DEADLINE_S
from support.evidence import clips_of, side_car_of
from support.kept_events import record_events, reviewing, seed_index
from support.packets import pictures_in
from support.preview_events import config_of, online, opened
from support.preview_site import PASSWORD, USERS

VIDEO = "document.querySelector('.event[data-selected] video')"
SELECTED = "document.querySelector('.event[data-selected]')?.dataset.eventId"
BOX = ("x", "y", "width", "height")
ROWS = "document.querySelectorAll('.event').length"

# The number that the picture of the clip shows: blocks along its top, black or white.
NUMBER = f"""(() => {{
  const canvas = new OffscreenCanvas(320, 240), pen = canvas.getContext('2d', {{ willReadFrequently: true }});
  pen.drawImage({VIDEO}, 0, 0, 320, 240);
  let number = 0;
  for (let bit = 0; bit < 12; bit++) number += (pen.getImageData(26 * bit + 13, 30, 1, 1).data[0] > 128) << bit;
  return number;
}})()"""

# Milliseconds from a change of the filters until the rows of the answer are drawn.
OPENING = """new Promise((done) => {
  const began = performance.now(), first = document.querySelector('.event');
  document.getElementById('filters').dispatchEvent(new Event('input'));
  const look = () => {
    const isDrawn = !first.isConnected && document.querySelector('.event');
    requestAnimationFrame(isDrawn ? () => done(performance.now() - began) : look);
  };
  look();
})"""


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the evidence of an alert of lobby and one of gate."""
    folder = tmp_path_factory.mktemp("recorded")
    record_events(folder)
    return folder / "events"


class Room:
    """A page that reviews a folder of evidence."""

    def __init__(self, folder: Path, preview: Preview, page: Page, verdicts: list[Verdict]) -> None:
        self.folder = folder
        self.url = preview.url
        self.page = page
        self.verdicts = verdicts
        self.send = preview.on_event

    def rows(self) -> list[EventRow]:
        return read_index(self.folder)

    async def select_first(self) -> EventRow:
        """Select the newest event; its clip plays."""
        await self.page.until(f"{ROWS} > 0")
        await self.page.press("j")
        await self.page.until(f"{VIDEO}?.readyState >= 2")
        selected = await self.page.evaluate(SELECTED)
        return next(row for row in self.rows() if row.id == selected)

    async def pause(self) -> None:
        await self.page.until(f"!{VIDEO}.paused")
        await self.page.press(" ")
        await self.page.until(f"{VIDEO}.paused")

    async def words(self, selector: str) -> str:
        text: str = await self.page.evaluate(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''")
        return text


@asynccontextmanager
async def a_room(folder: Path, **preview_keys: Any) -> AsyncIterator[Room]:
    config = config_of("lobby", "gate", scenes=str(folder.parent / "scenes"), **preview_keys)
    verdicts: list[Verdict] = []
    async with (
        asyncio.timeout(3 * DEADLINE_S),
        reviewing(config, folder, verdicts) as preview,
        Chromium(find_chromium()) as browser,
        browser.page(preview.url.rstrip("/")) as page,
    ):
        for name in ("lobby", "gate"):
            preview.on_event(online(name, CameraState.OFFLINE, reason="connection refused"))
        await page.look(1440, 900, dark=True)
        await page.open(preview.url)
        yield Room(folder, preview, page, verdicts)
        assert page.complaints == []
        elsewhere = [url for url in page.requests if not url.startswith((preview.url, "about:", "data:"))]
        assert elsewhere == []


def in_a_room(
    evidence: Path | None, folder: Path, scenario: Callable[[Room], Awaitable[None]], **preview_keys: Any
) -> None:
    """Run a scenario on a page of a copy of the evidence."""
    if evidence is not None:
        shutil.copytree(evidence, folder / "events")

    async def whole() -> None:
        async with a_room(folder / "events", **preview_keys) as room:
            await scenario(room)

    asyncio.run(whole())


async def seek(page: Page, share: float) -> None:
    """Click into the curve, at a share of its width, and wait until that picture is shown."""
    curve = "document.querySelector('.curve')"
    await page.evaluate(f"{curve}.scrollIntoView({{ block: 'center' }})")
    rect = f"{curve}.getBoundingClientRect()"
    left, top, width = await page.evaluate(f"[{rect}.left, {rect}.top + {rect}.height / 2, {rect}.width]")
    shown = f"new Promise((done) => {VIDEO}.addEventListener('seeked', () => done(0), {{ once: true }}))"
    await page.evaluate(f"window.shown = {shown}, 0")
    await page.click(left + share * width, top)
    await page.evaluate("window.shown")


def test_the_clip_plays_in_place_and_a_click_into_the_curve_shows_that_moment_with_its_boxes(
    evidence: Path, tmp_path: Path
) -> None:
    async def scenario(room: Room) -> None:
        page = room.page
        row = await room.select_first()
        side_car = side_car_of(room.folder, row)
        (part,) = side_car["clip"]
        began_s, length_s = part["began_s"], part["ended_s"] - part["began_s"]
        first = pictures_in(clips_of(room.folder, row)[0])[0]
        await room.pause()
        boxes = "document.querySelector('.event[data-selected] .boxes')"
        for time_s in (row.opened_s + 0.5, row.opened_s - 1.0, side_car["peak"]["time_s"] + 0.02):
            await seek(page, (time_s - began_s) / length_s)
            at_s = await page.evaluate(f"{VIDEO}.currentTime")
            assert began_s + at_s == pytest.approx(time_s, abs=length_s / 200)  # two pixels of the curve
            assert abs(await page.evaluate(NUMBER) - first - at_s * 25) <= 1.5
            await page.until(f"{boxes}.querySelectorAll('rect:not(.halo)').length === {int(time_s > row.opened_s)}")
            is_open = row.opened_s < time_s < (row.closed_s or 0.0)
            assert await page.evaluate("document.querySelector('.moment').hidden") is not is_open
        drawn = [f"Number({boxes}.querySelector('rect:not(.halo)').getAttribute('{name}'))" for name in BOX]
        assert await page.evaluate(f"[{', '.join(drawn)}]") == side_car["peak"]["boxes"][0]
        assert await page.evaluate(f"{boxes}.getAttribute('viewBox')") == "0 0 320 240"
        await page.evaluate("document.querySelector('.curve').focus()")
        before = await page.evaluate(f"{VIDEO}.currentTime")
        await page.press("ArrowLeft")
        await page.until(f"Math.abs({VIDEO}.currentTime - {before} + 1) < 0.02")

    in_a_room(evidence, tmp_path, scenario)


def test_keys_judge_one_event_after_another_and_take_it_back(evidence: Path, tmp_path: Path) -> None:
    async def scenario(room: Room) -> None:
        page = room.page
        older, newer = room.rows()
        await room.select_first()
        assert await page.evaluate(SELECTED) == newer.id
        said = ".event[data-selected] .said"
        await page.press("r")
        await page.until(f"document.querySelector('{said}').innerText.includes('was real by anna')")
        await page.press("j")
        await page.until(f"{SELECTED} === '{older.id}'")
        await page.press("j")  # there is no older one
        await page.press("a")
        await page.until(f"document.querySelector('{said}').innerText.startsWith('acknowledged by anna')")
        await page.press("n")
        await page.until(f"document.querySelector('{said}').innerText.includes('was normal')")
        assert [row.verdict for row in room.rows()] == ["normal", "real"]
        normal = tmp_path / "scenes" / "hall" / "normal"
        assert [path.name for path in normal.iterdir()] == [older.id]
        await page.press("u")
        await page.until(f"!document.querySelector('{said}').innerText.includes('was normal')")
        assert list(normal.iterdir()) == []
        await page.press("u")
        await page.until(f"document.querySelector('{said}').hidden")
        await page.press("ArrowUp")
        await page.until(f"{SELECTED} === '{newer.id}'")
        await page.press("ArrowDown")
        await page.until(f"{SELECTED} === '{older.id}'")
        await page.press("k")
        await page.until(f"{SELECTED} === '{newer.id}'")
        assert [(row.verdict, row.acknowledged_by) for row in room.rows()] == [(None, None), ("real", "anna")]
        assert [verdict.normal for verdict in room.verdicts] == [False, True, None]
        await page.press("?")
        await page.until("document.getElementById('keys').open")
        await page.press("u")  # keys do nothing behind the dialog
        await page.press("?")
        await page.until("!document.getElementById('keys').open")
        assert room.rows()[1].verdict == "real"
        await page.evaluate("document.querySelector('#filters [name=day]').focus()")
        await page.press("j")  # it is typed
        assert await page.evaluate(SELECTED) == newer.id

    async def logged_in(room: Room) -> None:
        form = "document.querySelector('#login form')"
        await room.page.until("document.getElementById('login').open")
        fields = f"{form}.elements.user.value = 'anna', {form}.elements.password.value = '{PASSWORD}'"
        await room.page.evaluate(f"{fields}, {form}.requestSubmit()")
        await scenario(room)

    in_a_room(evidence, tmp_path, logged_in, users=USERS)


def test_what_another_operator_says_is_shown_at_once(evidence: Path, tmp_path: Path) -> None:
    async def scenario(room: Room) -> None:
        page = room.page
        older = room.rows()[0]
        await room.select_first()
        card = f"document.querySelector('.event[data-event-id=\"{older.id}\"]')"
        assert await page.evaluate(f"{card}.querySelector('.judgement').innerText") == ""
        address, own_page = f"{room.url}api/alerts/{older.id}/real", {"X-Streammon": "1"}
        async with aiohttp.ClientSession() as client, client.post(address, headers=own_page) as answer:
            assert answer.status == 200
        await page.until(f"{card}.querySelector('.judgement').innerText === 'was real'")
        await page.until("document.getElementById('event-counts').innerText.includes('1 not judged')")
        assert not await page.evaluate(f"{card}.hasAttribute('data-selected')")

    in_a_room(evidence, tmp_path, scenario)


def test_a_clip_of_two_files_plays_on_and_is_sought_as_one(evidence: Path, tmp_path: Path) -> None:
    async def scenario(room: Room) -> None:
        page = room.page
        await room.select_first()
        await room.pause()
        source = f"{VIDEO}.getAttribute('src').slice(-6)"
        await seek(page, 0.25)
        assert await page.evaluate(source) == "clip/1"
        await seek(page, 0.75)
        await page.until(f"{source} === 'clip/2' && Math.abs({VIDEO}.currentTime - {VIDEO}.duration / 2) < 0.2")
        await seek(page, 0.49)
        await page.until(f"{source} === 'clip/1' && {VIDEO}.currentTime > {VIDEO}.duration / 2")
        await page.evaluate(f"{VIDEO}.play()")
        await page.until(f"{source} === 'clip/2' && !{VIDEO}.paused && {VIDEO}.currentTime > 0.1")

    folder = tmp_path / "events"
    shutil.copytree(evidence, folder)
    row = read_index(folder)[1]
    side_car = side_car_of(folder, row)
    (part,) = side_car["clip"]
    length_s = part["ended_s"] - part["began_s"]
    second = {"file": f"{row.id}-2.mp4", "began_s": part["ended_s"], "ended_s": part["ended_s"] + length_s}
    shutil.copy(folder / row.folder / part["file"], folder / row.folder / second["file"])
    side_car["clip"].append(part | second)
    (folder / row.folder / f"{row.id}.json").write_text(json.dumps(side_car))
    with closing(Index(folder)) as index:
        index.put(replace(row, files=(*row.files, second["file"])))
    in_a_room(None, tmp_path, scenario)


def test_the_clip_of_a_killed_monitor_plays_without_a_curve(evidence: Path, tmp_path: Path) -> None:
    async def scenario(room: Room) -> None:
        await room.select_first()
        await room.page.until(f"{VIDEO}.currentTime > 0.3")
        assert await room.page.evaluate("document.querySelector('.curve').hidden")
        assert await room.page.evaluate("document.querySelector('.moment').hidden")

    folder = tmp_path / "events"
    shutil.copytree(evidence, folder)
    row = read_index(folder)[1]
    (folder / row.folder / f"{row.id}.json").write_bytes(interrupted_side_car(row, row.files))
    in_a_room(None, tmp_path, scenario)


def test_a_long_curve_is_drawn_by_its_peaks(evidence: Path, tmp_path: Path) -> None:
    async def scenario(room: Room) -> None:
        points = "Array.from({ length: 20000 }, (_, i) => ({ time_s: i, score: i === 7777 ? 9 : i % 3 }))"
        drawn = await room.page.evaluate(f"import('/page/curve.js').then(({{ thinned }}) => thinned({points}))")
        assert 1000 < len(drawn) <= 1500
        assert {"time_s": 7777, "score": 9} in drawn
        assert [point["time_s"] for point in drawn] == sorted(point["time_s"] for point in drawn)
        assert await room.page.evaluate("import('/page/curve.js').then(({ thinned }) => thinned([]))") == []

    in_a_room(evidence, tmp_path, scenario)


def test_filters_select_and_what_was_judged_stays_until_they_change(evidence: Path, tmp_path: Path) -> None:
    async def scenario(room: Room) -> None:
        page = room.page
        older, newer = room.rows()
        await page.until(f"{ROWS} === 2")
        await choose(page, "camera", older.camera)
        await page.until(f"{ROWS} === 1")
        assert older.camera in await room.words(".event")
        await page.evaluate("document.querySelector('#filters [type=reset]').click()")
        await page.until(f"{ROWS} === 2")
        await choose(page, "verdict", "none")
        await page.until("document.getElementById('event-counts').innerText.startsWith('2 events')")
        await room.select_first()
        await page.press("r")
        await page.until("document.getElementById('event-counts').innerText.startsWith('1 event ')")
        assert await page.evaluate(ROWS) == 2
        await choose(page, "verdict", "real")
        await page.until(f"{ROWS} === 1")
        assert await page.evaluate("document.querySelector('.event').dataset.eventId") == newer.id
        await choose(page, "verdict", "")
        await page.until(f"{ROWS} === 2")
        minute = datetime.datetime.fromtimestamp(newer.opened_s)
        await choose(page, "day", str(minute.date()))
        await choose(page, "from", f"{minute:%H:%M}")
        await choose(page, "to", f"{minute:%H:%M}")
        at_once = sum(datetime.datetime.fromtimestamp(row.opened_s).minute == minute.minute for row in room.rows())
        await page.until(f"document.getElementById('event-counts').innerText.startsWith('{at_once} event')")
        await choose(page, "day", str(minute.date() - datetime.timedelta(days=1)))
        await page.until("!document.getElementById('no-events').hidden")
        assert await page.evaluate(ROWS) == 0

    in_a_room(evidence, tmp_path, scenario)


async def choose(page: Page, name: str, value: str) -> None:
    field = f"document.querySelector('#filters [name={name}]')"
    await page.evaluate(f"{field}.value = '{value}', {field}.dispatchEvent(new Event('input', {{ bubbles: true }}))")
    await page.until("!document.getElementById('events').hasAttribute('aria-busy')")


def test_a_new_alert_appears_and_its_clip_once_it_is_recorded(evidence: Path, tmp_path: Path) -> None:
    async def scenario(room: Room) -> None:
        page = room.page
        await page.until(f"{ROWS} === 2")
        kept = room.rows()[1]
        with closing(Index(room.folder)) as index:
            alert = opened("lobby", "f" * 32)
            recording = replace(kept, id=alert.id, opened_s=alert.opened_s, closed_s=None, files=(), state=RECORDING)
            index.put(recording)
            room.send(alert)
            await page.until(f"{ROWS} === 3 && document.querySelector('.event').dataset.eventId === '{alert.id}'")
            await page.press("j")
            await page.until("document.querySelector('.event-clip .empty')?.innerText.startsWith('The clip can be')")
            assert await page.evaluate("document.querySelector('.event[data-selected] .normal').disabled")
            folder = room.folder / kept.folder
            for name in kept.files:
                shutil.copy(folder / name, folder / name.replace(kept.id, alert.id))
            files = tuple(name.replace(kept.id, alert.id) for name in kept.files)
            index.put(replace(recording, closed_s=alert.time_s, files=files, state=KEPT))
            await page.until(f"{VIDEO}?.readyState >= 2")
            assert not await page.evaluate("document.querySelector('.event[data-selected] .normal').disabled")

    in_a_room(evidence, tmp_path, scenario)


def test_of_ten_thousand_events_a_page_is_fetched_and_more_as_the_list_is_scrolled(tmp_path: Path) -> None:
    async def scenario(room: Room) -> None:
        page = room.page
        await page.until(f"{ROWS} === 50")
        fetched = [url for url in page.requests if "/api/evidence" in url]
        assert len(fetched) == 1
        assert "10000 events" in await room.words("#event-counts")
        print(f"10,000 events: {await page.evaluate(OPENING):.0f} ms from the request to the rows on the screen")
        await page.evaluate("document.querySelector('.event:nth-last-child(2)').scrollIntoView()")
        await page.until(f"{ROWS} === 100")
        for number in range(102):
            await page.press("j")
            await page.until(f"{SELECTED} === '{9999 - number:032x}'")
        ids = await page.evaluate("[...document.querySelectorAll('.event')].map((event) => event.dataset.eventId)")
        assert ids == sorted(ids, reverse=True)

    (tmp_path / "events").mkdir()
    seed_index(tmp_path / "events", 10_000)
    in_a_room(None, tmp_path, scenario)


@pytest.mark.parametrize("phone", [False, True])
def test_names_contrast_and_width_of_the_review_suit_everybody(evidence: Path, tmp_path: Path, phone: bool) -> None:
    async def scenario(room: Room) -> None:
        page = room.page
        await page.look(390 if phone else 1440, 844 if phone else 900, dark=not phone, phone=phone, still=True)
        await room.select_first()
        for key in "jkj":
            await page.press(key)
        edge = "document.querySelector('.bar').getBoundingClientRect().bottom"
        shown = f"document.querySelector('.event[data-selected]').getBoundingClientRect().top >= {edge}"
        frames = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))))"
        await page.evaluate(f"{frames}.then(() => 0)")
        assert await page.evaluate(shown)
        await page.until(f"{VIDEO}?.readyState >= 2")
        assert await page.evaluate(f"{VIDEO}.paused")  # who prefers reduced motion plays it himself
        nameless = "[...document.querySelectorAll('button, input, select, a, [role=slider]')].filter((each) => "
        nameless += "each.checkVisibility() && !(each.ariaLabel || each.innerText || each.labels?.length)).length"
        assert await page.evaluate(nameless) == 0
        assert await page.evaluate(f"({FAINT})()") == []
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        wide = f"{VIDEO}.getBoundingClientRect().width"
        assert await page.evaluate(wide) > (340 if phone else 500)

    in_a_room(evidence, tmp_path, scenario)
