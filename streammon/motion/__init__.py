"""What moves in front of a camera, how fast, which way and how it looks, and whether that is normal there.

`flow` finds what moves, `objects` looks at it more closely (`detector` may find them), `change` compares embeddings
over time; `observe` does all three for a frame. `statistics` learns by place (`gaussians`), `evidence` measures
against what was learned, `still` leaves to the patches what doesn't move, `tails` make measurements probabilities,
`fusion` makes one score of them, `learner` wires it for one scene; `video` joins it with the patches of PaDiM,
`statistics_file` and `held_out` keep it; `methods` gives both ways to judge a scene one face.
"""

from streammon.motion.detector import Detector, configured_detector, detector_fingerprint
from streammon.motion.fusion import SHARES, Judgement, Parts
from streammon.motion.learner import MotionBank, MotionLearner
from streammon.motion.methods import Judge, Learned, Learning, Reading, learned, load_judge, merged_motion
from streammon.motion.observe import Observation, Observer, configured_observer
from streammon.motion.statistics_file import MOTION_FILE, load_motion, save_motion
from streammon.motion.still import StillPatches
from streammon.motion.video import Verdict, VideoBank, VideoLearner

__all__ = [
    "MOTION_FILE",
    "SHARES",
    "Detector",
    "Judge",
    "Judgement",
    "Learned",
    "Learning",
    "MotionBank",
    "MotionLearner",
    "Observation",
    "Observer",
    "Parts",
    "Reading",
    "StillPatches",
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
