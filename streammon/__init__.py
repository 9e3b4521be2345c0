"""streammon watches surveillance cameras and says when, where and why the picture stops being normal.

In Python it learns a scene, scores footage and evaluates methods (examples: `streammon/api/README.md`):

>>> from streammon import ScoreRecord, learn_scene
>>> learn_scene.__module__, ScoreRecord.__module__
('streammon.api.learning', 'streammon.records.scores')
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streammon.api.evaluating import evaluate, evaluate_scores
    from streammon.api.learning import learn_scene, merge_scenes
    from streammon.api.reviewing import learn_from_review
    from streammon.api.scenes import LearnedScene
    from streammon.api.scoring import load_scene, score_video
    from streammon.api.validating import validate_scene
    from streammon.errors import InputError
    from streammon.evaluation.anomaly_method import AnomalyMethod
    from streammon.records import ScoreRecord
    from streammon.score_files import save_scores

__version__ = "0.1.0"

__all__ = [
    "AnomalyMethod",
    "InputError",
    "LearnedScene",
    "ScoreRecord",
    "evaluate",
    "evaluate_scores",
    "learn_from_review",
    "learn_scene",
    "load_scene",
    "merge_scenes",
    "save_scores",
    "score_video",
    "validate_scene",
]

_MODULES = {
    "AnomalyMethod": "evaluation.anomaly_method",
    "InputError": "errors",
    "LearnedScene": "api.scenes",
    "ScoreRecord": "records",
    "evaluate": "api.evaluating",
    "evaluate_scores": "api.evaluating",
    "learn_from_review": "api.reviewing",
    "learn_scene": "api.learning",
    "load_scene": "api.scoring",
    "merge_scenes": "api.learning",
    "save_scores": "score_files",
    "score_video": "api.scoring",
    "validate_scene": "api.validating",
}
"""Module of each name, imported with its first use: torch takes seconds, and `streammon --help` must not."""


def _imported(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


if not TYPE_CHECKING:  # type checkers would believe that the package has any name
    __getattr__ = _imported


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
