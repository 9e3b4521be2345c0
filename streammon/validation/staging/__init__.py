"""Staging of anomalies in normal footage, to test whether a scene's bank would catch them.

Moving objects are cut out of the footage and pasted back in at a higher speed, in the opposite direction, at another
place, standing still or with a foreign texture, or are replaced by a large patch. No labels and no abnormal footage
are needed.
"""

from streammon.validation.staging.cast import Mover, movers
from streammon.validation.staging.placement import StagedSegment
from streammon.validation.staging.scenery import background, traffic
from streammon.validation.staging.stage import AnomalyKind, stage

__all__ = ["AnomalyKind", "Mover", "StagedSegment", "background", "movers", "stage", "traffic"]
