"""A scene: what one camera's view looks like and how things move in it, learned, kept and scored."""

from streammon.scene.detector import configured_detector, configured_observer, detector_fingerprint
from streammon.scene.fusion import SHARES, Judgement, Parts
from streammon.scene.methods import Judge, Learned, Learning, Reading, learned, load_judge, merged_motion
from streammon.scene.motion_file import MOTION_FILE, load_motion, save_motion
from streammon.scene.motion_learner import MotionBank, MotionLearner
from streammon.scene.video import Verdict, VideoBank, VideoLearner

__all__ = [
    "MOTION_FILE",
    "SHARES",
    "Judge",
    "Judgement",
    "Learned",
    "Learning",
    "MotionBank",
    "MotionLearner",
    "Parts",
    "Reading",
    "Verdict",
    "VideoBank",
    "VideoLearner",
    "configured_detector",
    "configured_observer",
    "detector_fingerprint",
    "learned",
    "load_judge",
    "load_motion",
    "merged_motion",
    "save_motion",
]
