"""On a real street `fit --from-review` tells what would change, and that is what changes; `--undo` takes it back."""

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from streammon.alerting import AlertRule
from streammon.config import Config
from streammon.ingest import batched, clips
from streammon.padim import INPUT_SIZE, Backbone, as_batch, load_backbone
from streammon.records import AlertEvent, ScoredFrame
from streammon.scene import configured_observer, load_scene, reviewed_clips, watching_scorer
from support.commands import Command
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

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def one_of_each_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half as many staged anomalies, in half the time."""
    for module in ("validation.comparing", "refit.run"):
        monkeypatch.setattr(f"streammon.{module}.EACH_KIND", 1)


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory, shared_data: Path) -> Street:
    return judged_street(tmp_path_factory.mktemp("street"), shared_data)


class Scored:
    """The scene as a monitor would begin with it: scores of alerts' clips, and whether an alert opens on them."""

    def __init__(self, street: Street, backbone: Backbone, names: Iterable[str] | None = None) -> None:
        config = Config.load(street.folder / "config.yaml")
        observer = configured_observer(config.model, backbone)
        assert observer is not None
        found = load_scene(street.scene, backbone, config.model, observer.detector)
        self.scorer = watching_scorer(found, street.scene, backbone, observer, config.alerting)
        self.scores = {name: self._scored(street.clip(name), config, backbone) for name in names or street.alerts}
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
def test_alerts_called_normal_change_what_was_announced_and_undo_takes_it_back(
    street: Street, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(street.folder)
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
    assert report["after"]["basis_s"] > report["before"]["basis_s"] + 30
    assert all(before.comes[name] and not after.comes[name] for name in CALLED_NORMAL)
    assert before.comes[CALLED_REAL]
    assert not after.comes[CALLED_REAL]
    assert after.comes[ELSEWHERE]
    assert not before.comes[NOT_JUDGED]
    assert f"REAL ALERTS LOST: 1 judged real would not come any more: {street.alerts[CALLED_REAL]}" in ended.stderr
    assert len(report["staged"]) >= 4
    assert all(len(each["caught"]) == 2 for each in report["staged"])
    assert any(each["caught"][0] for each in report["staged"])

    again = command("fit", "--from-review", "--yes")
    assert (again.code, again.stdout) == (0, "nothing new was judged normal\n")

    undone = command("fit", "--undo", "--scene", SCENE)
    assert undone.stdout == f"scene {SCENE}: its previous files are back, learned from 126 frames\n"
    assert (street.scene / "bank.safetensors").read_bytes() == bank_before
    for name, scores in Scored(street, backbone, (CALLED_REAL, ELSEWHERE)).scores.items():
        assert [each.score for each in scores] == [each.score for each in before.scores[name]]
        assert [each.level for each in scores] == [each.level for each in before.scores[name]]
    assert reviewed_clips(street.scene) == set()
