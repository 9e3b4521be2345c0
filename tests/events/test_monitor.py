"""The whole monitor with an `events` section: alerts are recorded, judged on the page, listed and exported."""

import asyncio
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from streammon.config import Config, ModelConfig
from streammon.events import read_index
from streammon.ingest import clips
from streammon.live.monitor import Monitor
from streammon.records import Alert, AlertEvent, Notice, ScoredFrame
from streammon.scene.fit import FitOptions, fit_scene
from support.alerting_samples import logged, until
from support.commands import Command, RunningCommand, command_here
from support.courtyard import FPS, courtyard, encode
from support.evidence import clips_of, side_car_of, wait_for_row
from support.monitors import Events, watching
from support.packets import packets_in
from support.precision import LIVE
from support.redis_server import RedisServer

NORMAL_S = 16
MODEL = {"method": "padim", "dimensions": 32, **LIVE}


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    (tmp_path / "redis").mkdir()
    with RedisServer(tmp_path / "redis") as server:
        yield server


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scenes folder in which the courtyard is learned by its looks."""
    folder = tmp_path_factory.mktemp("scenes")
    normal = encode(folder / "normal.mp4", courtyard(NORMAL_S))
    options = FitOptions(score_fps=FPS)
    fit_scene("yard", [normal], folder / "yard", ModelConfig.model_validate(MODEL), options, lambda done, total: None)
    return folder


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """The command, in a folder of the test's own."""
    monkeypatch.chdir(tmp_path)
    return command_here(monkeypatch, capfd)


def config_in(folder: Path, scenes: Path, redis: RedisServer, camera: dict[str, Any], **sections: Any) -> Config:
    """A camera in the courtyard, whose alerts open and close quickly."""
    clip = encode(folder / "visited.mp4", courtyard(10, box_s=(4, 6), seed=2))
    alerting = {"spool": folder / "spool", "close_after_s": 0.5, "false_alarms_per_day": 300, "adapt": False}
    values = {
        "cameras": {"yard": {"url": str(clip), "score_fps": FPS} | camera},
        "redis": redis.url,
        "model": MODEL,
        "alerting": alerting,
        "events": {"folder": folder / "events", "before_s": 2, "after_s": 1},
        "scenes": scenes,
    }
    return Config.parse(values | sections, "test")


@pytest.mark.slow
def test_an_alert_of_the_monitor_is_recorded_and_the_verdict_of_the_page_is_in_its_row(
    scenes: Path, redis: RedisServer, tmp_path: Path
) -> None:
    scenes = shutil.copytree(scenes, tmp_path / "scenes")
    config = config_in(tmp_path, scenes, redis, {"loop": True}, preview={"port": 0})
    folder = tmp_path / "events"

    async def scenario() -> Alert:
        async with watching(config) as (_, events), aiohttp.ClientSession() as client:
            preview = await events.wait_for(Notice, lambda notice: notice.text.startswith("preview on "))
            closed = await events.wait_for_alert(AlertEvent.CLOSE)
            page = preview.text.removeprefix("preview on ")
            judge = f"{page}api/alerts/{closed.id}/normal"
            async with client.post(judge, headers={"X-Streammon": "1"}) as answer:
                assert answer.status == 200
            await asyncio.to_thread(
                wait_for_row, folder, lambda row: (row.id, row.state, row.verdict) == (closed.id, "kept", "normal")
            )
        return closed

    closed = asyncio.run(scenario())
    row = next(row for row in read_index(folder) if row.id == closed.id)
    assert (row.opened_s, row.closed_s, row.peak_score) == (closed.opened_s, closed.closed_s, closed.peak_score)
    assert len(row.files) == 4
    (clip,) = clips_of(folder, row)
    side_car = side_car_of(folder, row)
    assert side_car["clip"][0]["began_s"] <= closed.opened_s - 2.0 + 0.001
    assert side_car["clip"][0]["ended_s"] >= closed.time_s + 1.0 - 2 / FPS
    assert len(packets_in(clip)) >= (2.0 + 1.0) * FPS
    assert len(side_car["bank_sha256"]) == 64
    assert side_car["promised"]["false_alarms_per_day"] == 300
    assert 0 < side_car["promised"]["basis_hours"] < 0.01
    normal = scenes / "yard" / "normal"
    (footage,) = clips(normal)
    assert footage.path.samefile(clip)  # judged while its end was still being recorded, and whole all the same
    added = fit_scene("yard", [normal], scenes / "yard", config.model, FitOptions(FPS, add=True), lambda *_: None)
    assert added.frames == NORMAL_S * FPS + footage.frame_count()


def test_an_alert_that_is_open_when_the_monitor_ends_is_recorded_up_to_then(
    scenes: Path, redis: RedisServer, tmp_path: Path
) -> None:
    config = config_in(
        tmp_path, scenes, redis, {"loop": True}, events={"folder": tmp_path / "events", "after_s": 600}
    )

    async def scenario() -> Alert:
        async with watching(config) as (_, events):
            opened = await events.wait_for_alert(AlertEvent.OPEN)
            await events.wait_for(ScoredFrame, lambda score: score.wall_time_s > opened.opened_s + 1.0)
        return events.of(Alert)[-1]

    closed = asyncio.run(scenario())
    assert closed.event is AlertEvent.CLOSE
    row = wait_for_row(tmp_path / "events", lambda row: row.state == "kept")
    assert (row.id, row.closed_s, row.note) == (closed.id, closed.closed_s, "")
    (part,) = side_car_of(tmp_path / "events", row)["clip"]
    assert part["began_s"] < row.opened_s < row.opened_s + 0.5 < part["ended_s"]


@pytest.mark.slow
def test_the_command_goes_on_after_a_kill_and_every_published_alert_has_a_row(
    scenes: Path, redis: RedisServer, tmp_path: Path
) -> None:
    config = config_in(tmp_path, scenes, redis, {"loop": True})
    text = json.loads(config.model_dump_json())
    text["cameras"]["yard"]["url"], text["redis"]["url"] = str(tmp_path / "visited.mp4"), redis.url
    (tmp_path / "config.yaml").write_text(json.dumps({"model": MODEL} | {n: text[n] for n in text if n != "model"}))
    for _ in range(2):
        with RunningCommand("run", folder=tmp_path) as running:  # it is killed at the end
            running.lines.wait_for(lambda line: "ALERT open" in line)
            running.wait_for_file(tmp_path / "events", "*-1.mp4")
    with RunningCommand("run", folder=tmp_path) as running:
        running.lines.wait_for(lambda line: "publishing to" in line)
        rows = {wait_for_row(tmp_path / "events", lambda row: bool(row.note), count) for count in (1, 2)}
        ids = {row.id for row in rows}  # the second may have been spooled, and not yet published, when it was killed
        asyncio.run(until(lambda: ids <= {alert_id for alert_id, _ in logged(redis)}))
        assert running.terminate().code == 0
    notes = [row.note for row in sorted(rows, key=lambda row: row.opened_s)]
    assert notes[0] == "the monitor was ended before the evidence was complete"
    assert notes[1] in (notes[0], "nothing was recorded of it")  # killed within a moment of its line
    assert {row.state for row in rows} == {"kept"}
    assert {alert_id for alert_id, _ in logged(redis)} == {row.id for row in read_index(tmp_path / "events")}


def test_the_alerts_of_a_monitor_that_has_ended_are_listed_and_exported(
    scenes: Path, redis: RedisServer, tmp_path: Path, command: Command
) -> None:
    config = config_in(tmp_path, scenes, redis, {"play": "fast"})
    events = Events()
    asyncio.run(Monitor(config, events).run())
    (opened,) = [alert for alert in events.of(Alert) if alert.event is AlertEvent.OPEN]
    Path("config.yaml").write_text("cameras: {yard: {url: visited.mp4}}\nevents: {}\n")
    listed = command("events", "--json", "-", "--since", "1d", "--camera", "yard", "--export", "evidence")
    assert listed.code == 0, listed
    (row,) = json.loads(listed.stdout)
    assert (row["id"], row["camera"], row["state"], len(row["files"])) == (opened.id, "yard", "kept", 4)
    assert "4 files copied to evidence" in listed.stderr
    for name in row["files"]:
        exported, kept = (Path(place, row["folder"], name).read_bytes() for place in ("evidence", "events"))
        assert exported == kept
    table = command("events")
    assert table.code == 0
    assert re.search(
        r"│ 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d │ yard +│ looks unusual +│ +\d\.\d s │ +│ \d\.\d MB │", table.stdout
    )
    assert json.loads(command("events", "--json", "-", "--camera", "gate").stdout) == []
    assert json.loads(command("events", "--json", "-", "--since", "2999-01-01").stdout) == []


@pytest.mark.parametrize(
    ("text", "words", "complaint"),
    [
        (
            "",
            [],
            "config.yaml: it has no `events` section, so no evidence is kept; add one; `events: {}` has all defaults",
        ),
        (
            "events: {folder: empty}",
            [],
            "empty: there is no index.sqlite in it; name the folder of a monitor's evidence",
        ),
        (
            "events: {}",
            ["--since", "yesterday"],
            "--since: it is 'yesterday'; give a duration such as 2h or 7d, or a date such as 2026-11-30 or "
            "2026-11-30T14:00",
        ),
        ("events: {before_s: 61}", [], "config.yaml: events.before_s is 61; it must be at most 60"),
        ("events: {after_s: -1}", [], "config.yaml: events.after_s is -1; it must be at least 0"),
        ("events: {keep_days: 0}", [], "config.yaml: events.keep_days is 0; it must be above 0"),
        ("events: {keep_gb: 20 GB}", [], "config.yaml: events.keep_gb is '20 GB'; it must be a number"),
        (
            "events: {keep_bytes: 5}",
            [],
            "config.yaml: events.keep_bytes is no known key; "
            "see the configuration reference, streammon/config/README.md",
        ),
    ],
)
def test_what_can_not_be_listed_is_one_line(command: Command, text: str, words: list[str], complaint: str) -> None:
    Path("config.yaml").write_text(f"cameras: {{yard: {{url: visited.mp4}}}}\n{text}\n")
    assert command("events", *words).complaint == complaint


@pytest.mark.parametrize("name", ["run", "check"])
def test_a_folder_that_can_not_be_used_is_refused_at_the_start(
    name: str, command: Command, tmp_path: Path, scenes: Path
) -> None:
    encode(tmp_path / "calm.mp4", courtyard(2))
    Path("file").touch()
    model = ", ".join(f"{key}: {value}" for key, value in MODEL.items() if key not in LIVE)
    text = f"cameras: {{yard: {{url: calm.mp4, score_fps: {FPS}}}}}\nscenes: {scenes}\nmodel: {{{model}}}\n"
    Path("config.yaml").write_text(f"{text}events: {{folder: file}}\n")
    expected = "file: it can't be written (file exists); set events.folder to a folder that can be written"
    assert command(name).complaint == expected
    Path("config.yaml").write_text(f"{text}events: {{keep_gb: 1000000}}\n")
    complaint = command(name).complaint
    assert complaint.startswith("events.keep_gb: it is 1e+06, and the disk of events holds ")
    assert complaint.endswith(" GB in all; keep less, or set events.folder to a folder on a larger disk")
