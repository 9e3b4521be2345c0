"""The referee: measures frame scores and anomaly maps of any method against a data set's ground truth.

`files` matches the files of a folder to the clips, `reading` reads a score file, `alignment` gives each frame its
score, `scored` does all three for a folder, `maps` reads anomaly maps, `run` writes the report. No footage is read
and torch is not loaded.
"""

from streammon.evaluation.referee.options import RefereeOptions, referee_options
from streammon.evaluation.referee.run import judge_scores

__all__ = ["RefereeOptions", "judge_scores", "referee_options"]
