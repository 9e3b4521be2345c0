"""Recorded alerts of real cameras: clip, pictures, side-car and row, through cuts, other codecs and verdicts."""

import json
import shutil
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import pytest

from streammon.errors import StorageError
from streammon.events import EventRecorder, export_events, read_index
from streammon.events.clip import ClipWriter
from streammon.ingest import EncodedPacket
from streammon.records import AlertEvent, CameraState
from support.cameras import RtspServer
from support.evidence import BANK_SHA256, FPS, clips_of, config_of, recorded, side_car_of, wait_for_row
from support.numbered_footage import encode
from support.packets import packets_in, pictures_in, units

ABNORMAL = range(150, 200)


def is_abnormal(number: int) -> bool:
    return number in ABNORMAL


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 s of numbered pictures, a keyframe a second."""
    return encode(tmp_path_factory.mktemp("clips") / "clip.mp4", frames=300)


def packets_sent(url: str, count: int) -> list[list[bytes]]:
    """NAL units of the first packets that a camera sends to a client of its own."""
    with av.open(url, options={"rtsp_transport": "tcp"}) as container:
        sent = []
        for packet in container.demux(video=0):
            sent.append(units(bytes(packet), annex_b=True))
            if len(sent) == count:
                break
    return sent


@pytest.mark.slow
def test_the_clip_of_a_camera_s_alert_begins_before_it_and_has_what_the_camera_sent(
    rtsp_server: Callable[..., RtspServer], clip: Path, tmp_path: Path
) -> None:
    url = rtsp_server({"lobby": clip}).url("lobby")
    config = config_of(tmp_path, {"lobby": url})
    folder = tmp_path / "events"
    with recorded(config, tmp_path, is_abnormal) as cameras:
        closed = cameras.wait_for_alert(AlertEvent.CLOSE)
        row = wait_for_row(folder, lambda row: row.state == "kept")
    assert (row.id, row.camera, row.scene, row.verdict, row.note) == (closed.id, "lobby", "hall", None, "")
    assert (row.opened_s, row.closed_s) == (closed.opened_s, closed.closed_s)
    assert (row.peak_score, row.peak_level) == (closed.peak_score, closed.peak_level)
    side_car = side_car_of(folder, row)
    (part,) = side_car["clip"]
    assert part["began_s"] <= closed.opened_s - 2.0 + 0.001  # it is rounded
    assert part["began_s"] > closed.opened_s - 2.0 - 1.5  # the keyframe before; they are a second apart
    assert part["ended_s"] >= closed.time_s + 1.0 - 2 / FPS
    (file,) = clips_of(folder, row)
    numbers = pictures_in(file)
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert numbers[0] % FPS == 0
    assert set(ABNORMAL) < set(numbers)
    sent = packets_sent(url, numbers[-1] + 1)
    assert [units(bytes(packet), annex_b=False) for packet in packets_in(file)] == sent[numbers[0] :]
    stamps = [float((packet.pts or 0) * packet.time_base) for packet in packets_in(file)]
    assert stamps == pytest.approx([n / FPS for n in range(len(stamps))], abs=1e-4)


def test_beside_the_clip_are_the_peak_s_picture_its_heatmap_and_what_was_seen_and_promised(
    clip: Path, tmp_path: Path
) -> None:
    config = config_of(tmp_path, {"lobby": str(clip)})
    folder = tmp_path / "events"
    with recorded(config, tmp_path, is_abnormal) as cameras:
        closed = cameras.wait_for_alert(AlertEvent.CLOSE)
        row = wait_for_row(folder, lambda row: row.state == "kept")
    names = [f"{row.id}-1.mp4", f"{row.id}.jpg", f"{row.id}.json", f"{row.id}.png"]
    assert list(row.files) == names
    assert row.folder == f"{time.strftime('%Y-%m-%d', time.localtime(row.opened_s))}/lobby"
    assert row.bytes == sum((folder / row.folder / name).stat().st_size for name in names)
    snapshot = cv2.imread(str(folder / row.folder / f"{row.id}.jpg"))
    assert snapshot is not None
    assert snapshot.shape == (240, 320, 3)
    number = sum(int(snapshot[20, int((bit + 0.5) * 26)].mean() > 128) << bit for bit in range(12))
    assert number == 199  # the last abnormal picture has the highest score
    blue, green, red = (int(value) for value in snapshot[60, 159])  # the right edge of the box
    assert red > max(blue, green) + 60
    heatmap = cv2.imread(str(folder / row.folder / f"{row.id}.png"), cv2.IMREAD_GRAYSCALE)
    assert heatmap is not None
    assert heatmap.shape == (16, 16)
    assert (heatmap[0, 0], heatmap[15, 15]) == (235, 13)  # 128 * 9.199 / 5 and 128 * 0.5 / 5
    side_car = side_car_of(folder, row)
    assert side_car["promised"] == {"false_alarms_per_day": 1.0, "basis_hours": 2.0, "provisional": True}
    assert (side_car["bank_sha256"], side_car["threshold"]) == (BANK_SHA256, 5.0)
    assert (side_car["channel"], side_car["reason"]) == ("looks", "looks unusual here")
    assert (side_car["snapshot"], side_car["heatmap"]) == (f"{row.id}.jpg", f"{row.id}.png")
    assert side_car["source_size"] == [320, 240]
    assert side_car["peak"]["boxes"] == [[0, 0, 160, 120]]
    scores = side_car["scores"]
    assert [point["time_s"] for point in scores] == sorted({point["time_s"] for point in scores})
    assert scores[0]["time_s"] == pytest.approx(closed.opened_s - 2.0, abs=2 / FPS)
    assert scores[-1]["time_s"] == pytest.approx(closed.time_s + 1.0, abs=2 / FPS)
    high = [point for point in scores if point["score"] > 5]
    assert len(high) == len(ABNORMAL)
    assert high[-1]["boxes"] == [[0, 0, 160, 120]]


def test_footage_that_plays_fast_is_recorded_by_its_own_time(clip: Path, tmp_path: Path) -> None:
    config = config_of(tmp_path, {"lobby": str(clip)})
    fast = config.cameras["lobby"].model_copy(update={"play": "fast"})
    config = config.model_copy(update={"cameras": {"lobby": fast}})
    folder = tmp_path / "events"
    with recorded(config, tmp_path, is_abnormal) as cameras:
        cameras.statuses.wait_for(lambda status: status.state is CameraState.ENDED)
    (row,) = read_index(folder)
    (file,) = clips_of(folder, row)
    numbers = pictures_in(file)
    assert numbers[0] == 100  # the keyframe at picture 150 - 2 s
    assert set(ABNORMAL) < set(numbers)
    assert (row.closed_s or 0) - row.opened_s == pytest.approx((len(ABNORMAL) - 1) / FPS, abs=1e-3)


def test_a_camera_that_is_cut_off_and_back_within_the_clip_gives_two_parts(
    rtsp_server: Callable[..., RtspServer], clip: Path, tmp_path: Path
) -> None:
    server = rtsp_server({"lobby": clip})
    config = config_of(tmp_path, {"lobby": server.url("lobby")}, after_s=120)
    folder = tmp_path / "events"
    with recorded(config, tmp_path, lambda number: 60 <= number < 80) as cameras:
        cameras.wait_for_alert(AlertEvent.CLOSE)
        server.kill()
        cameras.statuses.wait_for(lambda status: status.state is CameraState.OFFLINE)
        server.start()
        cameras.statuses.wait_for(lambda status: status.state is CameraState.ONLINE, count=2)
        seen = len(cameras.frames.entries)
        cameras.frames.wait_for(lambda _: True, start=seen, count=30)
    row = read_index(folder)[0]
    first, second = clips_of(folder, row)
    assert set(range(60, 80)) < set(pictures_in(first))
    numbers = pictures_in(second)
    assert numbers == list(range(len(numbers)))
    assert len(numbers) >= 25
    parts = side_car_of(folder, row)["clip"]
    assert [part["file"] for part in parts] == [first.name, second.name]
    assert parts[0]["ended_s"] < parts[1]["began_s"]


def test_long_clips_are_cut_at_keyframes(clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streammon.events.recording.PART_S", 2.5)
    monkeypatch.setattr("streammon.events.recording.MOST_PARTS", 2)
    config = config_of(tmp_path, {"lobby": str(clip)})
    with recorded(config, tmp_path, lambda number: number >= 100) as cameras:
        cameras.statuses.wait_for(lambda status: status.state is CameraState.ENDED)
    (row,) = read_index(tmp_path / "events")
    first, second = (pictures_in(path) for path in clips_of(tmp_path / "events", row))
    assert first == list(range(50, 125))
    assert second == list(range(125, 200))
    assert row.note == "the clip ends after 0 minutes"


def test_an_mjpeg_camera_has_a_snapshot_and_no_clip(tmp_path: Path) -> None:
    source = encode(tmp_path / "clip.avi", frames=150, codec="mjpeg")
    config = config_of(tmp_path, {"lobby": str(source)})
    folder = tmp_path / "events"
    with recorded(config, tmp_path, lambda number: 60 <= number < 90) as cameras:
        cameras.wait_for_alert(AlertEvent.CLOSE)
        row = wait_for_row(folder, lambda row: row.state == "kept")
    assert list(row.files) == [f"{row.id}.jpg", f"{row.id}.json", f"{row.id}.png"]
    assert row.note == "no clip: mjpeg is kept as a snapshot alone"
    assert side_car_of(folder, row)["note"] == row.note
    assert side_car_of(folder, row)["clip"] == []


def test_one_camera_s_alert_does_not_disturb_another_s(
    rtsp_server: Callable[..., RtspServer], clip: Path, tmp_path: Path
) -> None:
    url = rtsp_server({"lobby": clip}).url("lobby")
    folder = tmp_path / "events"
    config = config_of(tmp_path, {"lobby": url, "gate": str(clip), "yard": str(clip)})
    with recorded(config, tmp_path, is_abnormal):
        wait_for_row(folder, lambda row: row.state == "kept", count=3)
    rows = {row.camera: row for row in read_index(folder)}
    assert set(rows) == {"lobby", "gate", "yard"}
    for row in rows.values():
        (file,) = clips_of(folder, row)
        numbers = pictures_in(file)
        assert set(ABNORMAL) < set(numbers)
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_a_bug_in_one_camera_s_clip_is_logged_and_costs_no_other_clip(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Faulty(ClipWriter):
        def write(self, packet: EncodedPacket) -> None:
            if self.path.parent.name == "gate" and self.packets == 60:
                raise ZeroDivisionError
            super().write(packet)

    monkeypatch.setattr("streammon.events.recording.ClipWriter", Faulty)
    config = config_of(tmp_path, {"gate": str(clip), "lobby": str(clip)})
    folder = tmp_path / "events"
    with recorded(config, tmp_path, is_abnormal) as cameras:
        closed = {cameras.wait_for_alert(AlertEvent.CLOSE, count).camera for count in (1, 2)}
        wait_for_row(folder, lambda row: row.state == "kept", count=2)
    assert closed == {"gate", "lobby"}
    gate, lobby = sorted(read_index(folder), key=lambda row: row.camera)
    assert (gate.note, lobby.note) == ("its recording was ended by an error", "")
    assert gate.closed_s is not None
    for row in (gate, lobby):
        (file,) = clips_of(folder, row)
        assert set(pictures_in(file)) >= set(range(100, 150))
    assert [record.message for record in caplog.records] == [
        "camera 'gate': its alert is not recorded: ZeroDivisionError in events/recording.py, line "
        + caplog.records[0].message.rpartition(" ")[2]
    ]


def test_a_folder_is_kept_by_one_monitor_at_a_time(tmp_path: Path) -> None:
    config = config_of(tmp_path, {"lobby": "clip.mp4"})
    first, second = (EventRecorder(config, {}, lambda _: None) for _ in range(2))
    with first:
        with pytest.raises(StorageError) as refused, second:
            pass
        first.stop()
        assert first.join(60)
    assert str(refused.value) == (
        f"{tmp_path}/events: another monitor keeps its evidence there; "
        "stop it, or set events.folder to another folder"
    )
    third = EventRecorder(config, {}, lambda _: None)
    with third:
        third.stop()
        assert third.join(60)


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (lambda file: file.write_text("no database at all, but long enough for a header" * 9), "it can't be used"),
        (lambda file: sqlite3.connect(file).execute("CREATE TABLE a (b)").connection.close(), "another program's"),
    ],
)
def test_an_index_that_is_none_is_refused(make: Callable[[Path], object], found: str, tmp_path: Path) -> None:
    config = config_of(tmp_path, {"lobby": "clip.mp4"})
    (tmp_path / "events").mkdir()
    make(tmp_path / "events" / "index.sqlite")
    with pytest.raises(StorageError, match=found), EventRecorder(config, {}, lambda _: None):
        pass


def test_evidence_is_exported_in_its_folders(clip: Path, tmp_path: Path) -> None:
    config = config_of(tmp_path, {"lobby": str(clip)})
    folder, target = tmp_path / "events", tmp_path / "handed on"
    with recorded(config, tmp_path, lambda number: 20 <= number < 40):
        wait_for_row(folder, lambda row: row.state == "kept")
    rows = read_index(folder)
    assert export_events(rows, folder, target) == 4
    for row in rows:
        for name in row.files:
            assert (target / row.folder / name).read_bytes() == (folder / row.folder / name).read_bytes()
    json.loads((target / rows[0].folder / f"{rows[0].id}.json").read_text())
    shutil.rmtree(folder / rows[0].folder)
    assert export_events(rows, folder, target) == 0
