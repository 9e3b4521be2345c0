"""Two scenes are compared on the same staged anomalies, on real footage."""

from collections import Counter
from pathlib import Path

import pytest

from streammon.config import ModelConfig
from streammon.ingest import Clip, clips
from streammon.padim import Backbone, load_backbone
from streammon.scene import SceneComparison, SceneScorer, configured_observer, load_scene
from streammon.scene.fit import FitOptions, fit_scene
from streammon.validation import EACH_KIND, StagedComparison, compare_staged
from streammon.validation.staging import AnomalyKind
from support.precision import COMPUTED

pytestmark = pytest.mark.slow

MODEL = ModelConfig.model_validate({"dimensions": 32, **COMPUTED})
FPS = 5.0
PER_DAY = 3000.0
"""Half a minute of held-out footage can't promise much fewer."""


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return load_backbone(MODEL)


@pytest.fixture(scope="module")
def footage(shared_data: Path) -> list[Clip]:
    """Ten clips of ten seconds of a street at night, in which people pass."""
    return clips(shared_data / "street_night")[:10]


@pytest.fixture(scope="module")
def street(footage: list[Clip], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scenes") / "street"
    paths = [clip.path for clip in footage[:4]]
    fit_scene("street", paths, folder, MODEL, FitOptions(score_fps=FPS), lambda *_: None)
    return folder


def compared(
    street: Path, footage: list[Clip], backbone: Backbone, factors: tuple[float, ...]
) -> list[StagedComparison]:
    """The street against itself, at thresholds that are multiples of that of `PER_DAY` false alarms a day."""
    observer = configured_observer(MODEL, backbone)
    scorers = [SceneScorer(load_scene(street, backbone, MODEL, ""), backbone, observer) for _ in factors]
    threshold = scorers[0].calibration.score_at_rate(PER_DAY)
    thresholds = [factor * threshold for factor in factors]
    counts: list[int] = []
    comparison = SceneComparison(scorers, backbone, observer)
    found = compare_staged(footage[4:], comparison, thresholds, FPS, MODEL.batch, counts.append)
    assert len(counts) == len(found)
    return found


def test_a_scene_catches_what_its_equal_catches_and_one_that_is_deaf_catches_nothing(
    street: Path, footage: list[Clip], backbone: Backbone
) -> None:
    found = compared(street, footage, backbone, (1.0, 1.0, 1000.0))
    assert [each.caught[0] for each in found] == [each.caught[1] for each in found]
    assert not any(each.caught[2] for each in found)
    assert sum(each.caught[0] for each in found) >= 3
    staged = Counter(each.kind for each in found)
    assert max(staged.values()) == EACH_KIND
    assert len(staged) >= len(AnomalyKind) - 1
