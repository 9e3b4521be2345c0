"""Normal footage → the same with something abnormal in it: what shows whether a scene's anomalies would be caught.

What moves through the footage is cut out and pasted back in at another speed, the other way round,
elsewhere, standing still or with strange looks; no label is needed and no footage of anything abnormal.
"""

from streammon.validation.staging.cast import Mover, movers
from streammon.validation.staging.scenery import background, traffic
from streammon.validation.staging.stage import Kind, Staged, stage

__all__ = ["Kind", "Mover", "Staged", "background", "movers", "stage", "traffic"]
