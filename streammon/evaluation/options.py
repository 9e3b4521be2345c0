"""What the command line asks for, as a study."""

import os
from pathlib import Path
from typing import Any

from streammon.config import OPTIONS, ModelConfig, parse_section
from streammon.evaluation.harness import Taking
from streammon.evaluation.metrics import parse
from streammon.evaluation.study import StudyOptions


def study_options(model: ModelConfig | None, options: dict[str, Any]) -> StudyOptions:
    """A study from the options of `streammon eval`, with the configuration's model beneath them.

    Raises:
        ConfigError: One makes no sense.
    """
    given = dict(options)
    named = (
        "dataset",
        "root",
        "method",
        "seeds",
        "ablation",
        "categories",
        "epochs",
        "epoch_images",
        "allow_partial",
    )
    own = {name: given.pop(name) for name in named}
    own["cache"] = given.pop("cache") or default_cache()
    own["post_processing"] = parse(given.pop("smoothing"), given.pop("minmax"))
    taken = {name: given.pop(name) for name in ("every", "score_fps", "max_train_frames", "global_bank")}
    values = (model.model_dump() if model else {}) | {
        name: value for name, value in given.items() if value is not None
    }
    chosen = parse_section(ModelConfig, values, OPTIONS)
    return StudyOptions(model=chosen, taking=Taking(**taken, batch=chosen.batch), **own)


def default_cache() -> Path:
    """Where results are kept when nothing else is said: the user's cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "streammon" / "eval"
