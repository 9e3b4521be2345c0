"""Refit of a scene from what operators called normal, with its effects told before anything is replaced.

- `marked`: which clips judged normal are new.
- `alerts`: kept alerts rescored by the present scene and the new one.
- `run`: the whole refit; `report`: what it would change; `terminal`: its display.
"""

from streammon.refit.report import RefitReport
from streammon.refit.run import RefitOptions, refit_scene, scenes_with_marks
from streammon.refit.terminal import print_refit

__all__ = ["RefitOptions", "RefitReport", "print_refit", "refit_scene", "scenes_with_marks"]
