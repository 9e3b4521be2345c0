"""`fit --from-review` tells what would change, and that is what changes; `fit --undo` takes it back."""

import json
import os
import pty
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from streammon.alerting import AlertRule
from streammon.config import Config, ModelConfig
from streammon.events.index import KEPT, RECORDING, Index, row_of
from streammon.ingest import batched, clips
from streammon.padim import INPUT_SIZE, Backbone, as_batch, load_backbone
from streammon.records import Alert, AlertEvent, ScoredFrame
from streammon.refit.marked import marks
from streammon.scene import configured_observer, load_scene, reviewed_clips, watching_scorer
from streammon.scene.fit import FitOptions, fit_scene
from streammon.validation import EACH_KIND
from support.commands import Command, command_here
from support.courtyard import FPS as YARD_FPS
from support.courtyard import courtyard, encode
from support.deadlines import DEADLINE_S
from support.judged_alerts import (
    CALLED_NORMAL,
    CALLED_REAL,
    CAMERA,
    ELSEWHERE,
    FPS,
    NOT_JUDGED,
    SCENE,
    Street,
    judged_street,
)
from support.precision import LIVE


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    stage_of_each_kind(1, monkeypatch)  # half as many staged anomalies, in half the time
    return command_here(monkeypatch, capfd)


def stage_of_each_kind(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("validation.comparing", "refit.run"):
        monkeypatch.setattr(f"streammon.{module}.EACH_KIND", count)


# --- a real street


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory, shared_data: Path) -> Street:
    return judged_street(tmp_path_factory.mktemp("street"), shared_data)


class Scored:
    """The scene as a monitor would begin with it: scores of each alert's clip, and whether an alert opens on it."""

    def __init__(self, street: Street, backbone: Backbone) -> None:
        config = Config.load(street.folder / "config.yaml")
        observer = configured_observer(config.model, backbone)
        assert observer is not None
        found = load_scene(street.scene, backbone, config.model, observer.detector)
        self.scorer = watching_scorer(found, street.scene, backbone, observer, config.alerting)
        self.scores = {name: self._scored(street.clip(name), config, backbone) for name in street.alerts}
        self.comes = {name: opens(scored, config) for name, scored in self.scores.items()}

    def _scored(self, clip: Path, config: Config, backbone: Backbone) -> list[ScoredFrame]:
        scored = []
        for some in batched(clips(clip)[0].frames(INPUT_SIZE, detail=True, fps=FPS), config.model.batch):
            scored += self.scorer.score(some, backbone.maps(as_batch([frame.picture for frame in some])))
        return scored


def opens(scored: list[ScoredFrame], config: Config) -> bool:
    """True if the alerts' rule opens an alert; the frames' clock is that of their clip."""
    rule = AlertRule(CAMERA, SCENE, config.alerting, frame_interval_s=1 / FPS)
    timed = [replace(each, wall_time_s=each.stream_time_s) for each in scored]
    return any(alert.event is AlertEvent.OPEN for each in timed for alert in rule.step(each))


@pytest.mark.timeout(1200)
def test_ten_alerts_called_normal_change_what_was_announced_and_undo_takes_it_back(
    street: Street, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(street.folder)
    stage_of_each_kind(EACH_KIND, monkeypatch)
    backbone = load_backbone(Config.load(street.folder / "config.yaml").model)
    before = Scored(street, backbone)
    bank_before = (street.scene / "bank.safetensors").read_bytes()

    ended = command("fit", "--from-review", "--yes", "--json", "-")
    assert ended.code == 0, ended
    (report,) = json.loads(ended.stdout)
    after = Scored(street, backbone)

    told = {each["id"]: (each["before"], each["after"]) for each in report["alerts"]["rescored"]}
    assert told == {alert: (before.comes[name], after.comes[name]) for name, alert in street.alerts.items()}
    assert report["written"]
    assert sorted(report["clips"]) == sorted(
        f"{street.alerts[name]}/{street.alerts[name]}-1" for name in CALLED_NORMAL
    )
    for figures, scored in ((report["before"], before), (report["after"], after)):
        assert figures["threshold"] == pytest.approx(scored.scorer.threshold)
        assert figures["basis_s"] == pytest.approx(scored.scorer.basis_s)
    assert report["after"]["basis_s"] > report["before"]["basis_s"] + 60
    assert sum(before.comes[name] and not after.comes[name] for name in CALLED_NORMAL) >= 7  # of nine that came
    assert before.comes[CALLED_REAL]
    assert not after.comes[CALLED_REAL]
    assert after.comes[ELSEWHERE]
    assert not before.comes[NOT_JUDGED]
    assert f"REAL ALERTS LOST: 1 judged real would not come any more: {street.alerts[CALLED_REAL]}" in ended.stderr
    assert len(report["staged"]) >= 8
    assert all(len(each["caught"]) == 2 for each in report["staged"])
    assert any(each["caught"][0] for each in report["staged"])

    again = command("fit", "--from-review", "--yes")
    assert (again.code, again.stdout) == (0, "nothing new was judged normal\n")

    undone = command("fit", "--undo", "--scene", SCENE)
    assert undone.stdout == f"scene {SCENE}: its previous files are back, learned from 126 frames\n"
    assert (street.scene / "bank.safetensors").read_bytes() == bank_before
    back = Scored(street, backbone)
    for name, scores in before.scores.items():
        assert [each.score for each in back.scores[name]] == [each.score for each in scores]
        assert [each.level for each in back.scores[name]] == [each.level for each in scores]
    assert reviewed_clips(street.scene) == set()


# --- a made-up courtyard, by its looks


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the courtyard learned by its looks, and two clips called normal."""
    folder = tmp_path_factory.mktemp("courtyard")
    model = {"method": "padim", "dimensions": 8, **LIVE}
    clip = encode(folder / "normal.mp4", courtyard(16))
    scene = folder / "scenes" / "yard"
    fit_scene(
        "yard", [clip], scene, ModelConfig.model_validate(model), FitOptions(score_fps=YARD_FPS), lambda *_: None
    )
    (scene / "normal").mkdir()
    for number in (1, 2):
        encode(scene / "normal" / f"{alert(number)}.mp4", courtyard(4, box_s=(1, 3), seed=number))
    camera = {"url": "rtsp://127.0.0.1:9/yard", "scene": "yard", "score_fps": YARD_FPS}
    config = {"cameras": {"yard": camera}, "model": model, "alerting": {"false_alarms_per_day": 10_000}}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    return folder


@pytest.fixture
def yard(learned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The scene's folder, a copy of the test's own; its folder's parent is the working folder."""
    shutil.copytree(learned, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "scenes" / "yard"


def alert(number: int) -> str:
    return f"{number:032x}"


def files(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.glob("*.*") if file.is_file()}


def test_a_dry_run_tells_and_changes_nothing(yard: Path, command: Command) -> None:
    before = files(yard)
    ended = command("fit", "--from-review", "--dry-run", "--scene", "yard", "--json", "-")
    (report,) = json.loads(ended.stdout)
    assert report["clips"] == [alert(1), alert(2)]
    assert (report["alerts"], report["written"]) == (None, False)
    assert ended.stderr.splitlines()[0] == "scene yard: 2 clips judged normal to learn"
    assert "- no events are kept, so which alerts would change is unknown" in ended.stderr
    assert ended.stderr.endswith("scene yard: nothing was replaced\n")
    assert files(yard) == before
    assert not (yard / ".next").exists()


@pytest.mark.parametrize(("answer", "learns"), [("y", True), ("n", False)])
def test_on_a_terminal_it_asks_before_the_scene_is_replaced(yard: Path, answer: str, learns: bool) -> None:
    before = files(yard)
    ours, theirs = pty.openpty()
    words = [sys.executable, "-m", "streammon", "fit", "--from-review", "--engine", LIVE["engine"]]
    words += ["--precision", LIVE["precision"]]
    with subprocess.Popen(words, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        while b"Learn this for scene yard? [y/N]" not in shown:
            shown += os.read(ours, 4096)
        assert files(yard) == before
        os.write(ours, answer.encode() + b"\n")
        with suppress(OSError):  # the terminal's end
            while True:
                os.read(ours, 4096)
        assert process.wait(DEADLINE_S) == 0
    os.close(ours)
    assert reviewed_clips(yard) == ({alert(1), alert(2)} if learns else set())
    assert (files(yard) != before) == learns


def test_only_what_was_marked_since_the_last_fit_is_learned(yard: Path, command: Command) -> None:
    assert command("fit", "--from-review", "--yes").code == 0
    encode(yard / "normal" / f"{alert(3)}.mp4", courtyard(4, seed=3))
    ended = command("fit", "--from-review", "--yes", "--json", "-")
    (report,) = json.loads(ended.stdout)
    assert report["clips"] == [alert(3)]
    assert reviewed_clips(yard) == {alert(1), alert(2), alert(3)}
    assert command("fit", "--undo", "--scene", "yard").code == 0
    assert reviewed_clips(yard) == {alert(1), alert(2)}


def test_what_a_plain_fit_has_learned_is_not_learned_again(yard: Path, command: Command) -> None:
    words = ("--scene", "yard", "--method", "padim", "--dimensions", "8", "--add")
    assert command("fit", yard / "normal" / f"{alert(1)}.mp4", *words).code == 0
    (report,) = json.loads(command("fit", "--from-review", "--dry-run", "--json", "-").stdout)
    assert report["clips"] == [alert(2)]


def test_a_verdict_that_was_taken_back_is_not_learned(yard: Path, command: Command) -> None:
    events = yard.parent.parent / "events"
    config = yard.parent.parent / "config.yaml"
    config.write_text(config.read_text() + "events: {keep_gb: 0.1}\n")
    events.mkdir()
    with closing(Index(events)) as index:
        for number in (1, 2):
            opened = Alert(alert(number), AlertEvent.OPEN, 0, "yard", "yard", 1e9, 1e9, None, 1.0, 0.0, 1.0, 0.0)
            index.put(replace(row_of(opened, "2026-11-30/yard", 1.0), state=KEPT))
    with closing(sqlite3.connect(events / "index.sqlite", isolation_level=None)) as database:
        database.execute("UPDATE alert SET verdict = 'normal' WHERE id = ?", (alert(1),))
    ended = command("fit", "--from-review", "--dry-run", "--json", "-")
    (report,) = json.loads(ended.stdout)
    assert (report["clips"], report["left_out"]) == ([alert(1)], [alert(2)])
    assert f"left out, still recorded or not judged normal in the index of events: {alert(2)}" in ended.stderr
    assert command("fit", "--from-review", "--yes").code == 0
    with closing(sqlite3.connect(events / "index.sqlite", isolation_level=None)) as database:
        database.execute("UPDATE alert SET verdict = 'normal' WHERE id = ?", (alert(2),))
        database.execute("UPDATE alert SET verdict = NULL WHERE id = ?", (alert(1),))
    (report,) = json.loads(command("fit", "--from-review", "--dry-run", "--json", "-").stdout)
    assert (report["clips"], report["left_out"], report["taken_back"]) == ([alert(2)], [], [alert(1)])


def test_an_alert_is_learned_once_by_its_frames_or_its_video_and_when_it_is_whole(yard: Path) -> None:
    def clip(name: str) -> None:
        shutil.copy(yard / "normal" / f"{alert(1)}.mp4", yard / "normal" / name)

    (yard / "normal" / alert(3)).mkdir()
    clip(f"{alert(3)}/{alert(3)}-1.mp4")
    clip(f"{alert(3)}/{alert(3)}-2.mp4")
    opened = Alert(alert(2), AlertEvent.OPEN, 0, "yard", "yard", 1e9, 1e9, None, 1.0, 0.0, 1.0, 0.0)
    row = replace(row_of(opened, "2026-11-30/yard", 1.0), verdict="normal", state=RECORDING)
    found = marks(yard, {alert(2): row}, 25.0)
    assert list(found.new) == [alert(1), f"{alert(3)}/{alert(3)}-1", f"{alert(3)}/{alert(3)}-2"]
    assert found.left_out == (alert(2),)
    model = ModelConfig.model_validate(yaml.safe_load((yard.parent.parent / "config.yaml").read_text())["model"])
    options = FitOptions(score_fps=YARD_FPS, add=True)
    fit_scene("yard", [yard / "normal" / f"{alert(3)}"], yard, model, options, lambda *_: None)
    shutil.rmtree(yard / "normal" / alert(3))
    clip(f"{alert(3)}.mp4")
    assert list(marks(yard, {alert(2): row}, 25.0).new) == [alert(1)]


def test_with_nothing_marked_it_says_so(yard: Path, command: Command) -> None:
    shutil.rmtree(yard / "normal")
    for words in ((), ("--scene", "yard")):
        ended = command("fit", "--from-review", "--yes", *words)
        assert (ended.code, ended.stdout, ended.stderr) == (0, "nothing new was judged normal\n", "")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--from-review",), "standard input: it is no terminal to confirm on; give --yes or --dry-run"),
        (("--from-review", "--yes", "--dry-run"), "--yes: --dry-run is given too; leave one of them out"),
        (("--yes", "x.mp4", "--scene", "yard"), "--yes: there is no --from-review; give both or neither"),
        (("--from-review", "--yes", "x.mp4"), "FOOTAGE: it doesn't go with --from-review; leave one of them out"),
        (("--from-review", "--yes", "--add"), "--add: it doesn't go with --from-review; leave one of them out"),
        (("--undo", "--scene", "yard", "--validate"), "--validate: it doesn't go with --undo; leave one of them out"),
        (("--undo",), "missing option '--scene'; see `streammon fit --help`"),
        (("--scene", "yard"), "missing argument 'FOOTAGE...'; see `streammon fit --help`"),
        (
            ("--undo", "--scene", "nowhere"),
            "scene 'nowhere': there is no such folder (scenes/nowhere); name a scene that was fitted",
        ),
        (
            ("--from-review", "--yes", "--scene", "nowhere"),
            "scene 'nowhere': there is no such folder (scenes/nowhere); name a fitted scene",
        ),
        (
            ("--undo", "--scene", "yard"),
            "scene 'yard': it has no previous files; a fit keeps those that it replaces; none has yet",
        ),
    ],
)
@pytest.mark.usefixtures("yard")
def test_wrong_options_are_refused_in_one_line(command: Command, words: tuple[str, ...], complaint: str) -> None:
    assert command("fit", *words).complaint == complaint
