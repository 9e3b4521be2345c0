"""A scene: what one camera's view looks like and how things move in it, learned, kept and scored.

`SceneLearner` learns one and `SceneScorer` scores its frames, with what moves or without, for every command.
`measure` compares frames with what was learned, `held_out` keeps what normal frames showed before they were learned,
`fusion` makes one score of it, `learned` calibrates it; `pictures` has what whole pictures were like; `files` are a
scene's folder, `replacing` replaces them as one, `fit` learns from footage, `marked` lists what operators called
normal.
`features` computes the network ahead of both, `comparing` scores the same frames by several scenes.
`settings` has every number that was chosen; `README.md` lists them.
"""

from streammon.scene.comparing import SceneComparison
from streammon.scene.detector import configured_detector, configured_observer, detector_fingerprint
from streammon.scene.features import with_maps
from streammon.scene.files import load_scene, merge_folders, reviewed_clips, save_scene, save_statistics
from streammon.scene.fusion import Parts
from streammon.scene.learned import Scene, motion_tails
from streammon.scene.learner import SceneLearner
from streammon.scene.marked import marked_clips
from streammon.scene.measure import Measured
from streammon.scene.pictures import NormalPictures, PictureSums
from streammon.scene.replacing import MOTION_FILE, PICTURES_FILE, NewFiles, put_back, reading
from streammon.scene.scorer import Fused, SceneScorer
from streammon.scene.settings import SHARES
from streammon.scene.state import learner_tensors, restore_learner
from streammon.scene.version import SCORING_SOURCE
from streammon.scene.watched import is_same_fit, load_watched, save_watched, watching_scorer

__all__ = [
    "MOTION_FILE",
    "PICTURES_FILE",
    "SCORING_SOURCE",
    "SHARES",
    "Fused",
    "Measured",
    "NewFiles",
    "NormalPictures",
    "Parts",
    "PictureSums",
    "Scene",
    "SceneComparison",
    "SceneLearner",
    "SceneScorer",
    "configured_detector",
    "configured_observer",
    "detector_fingerprint",
    "is_same_fit",
    "learner_tensors",
    "load_scene",
    "load_watched",
    "marked_clips",
    "merge_folders",
    "motion_tails",
    "put_back",
    "reading",
    "restore_learner",
    "reviewed_clips",
    "save_scene",
    "save_statistics",
    "save_watched",
    "watching_scorer",
    "with_maps",
]
