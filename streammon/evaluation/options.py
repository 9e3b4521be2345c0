"""Options of `streammon eval` as the options of a study."""

from pathlib import Path
from typing import Any

from streammon.config import OPTIONS, ModelConfig, parse_section
from streammon.evaluation.harness import FrameSelection
from streammon.evaluation.metrics import parse_post_processing
from streammon.evaluation.study import StudyOptions
from streammon.storage import cache_folder


def study_options(model: ModelConfig | None, scenes: Path, options: dict[str, Any]) -> StudyOptions:
    """Options of a study from those of `streammon eval`; the configured model gives the defaults.

    Args:
        model: The configured model; None without a configuration.
        scenes: Folder of all scenes.
        options: Options of the command.

    Raises:
        ConfigError: An option is invalid.
    """
    given = dict(options)
    named = (
        "dataset",
        "root",
        "method",
        "seeds",
        "ablation",
        "conventions",
        "categories",
        "epochs",
        "epoch_images",
        "allow_partial",
        "scores_out",
    )
    own = {name: given.pop(name) for name in named}
    own["cache"] = given.pop("cache") or default_cache()
    own["post_processing"] = parse_post_processing(given.pop("smoothing"), given.pop("minmax"))
    taken = {name: given.pop(name) for name in ("every", "score_fps", "max_train_frames", "global_bank")}
    values = (model.model_dump() if model else {}) | {
        name: value for name, value in given.items() if value is not None
    }
    chosen = parse_section(ModelConfig, values, OPTIONS)
    return StudyOptions(model=chosen, scenes=scenes, selection=FrameSelection(**taken, batch=chosen.batch), **own)


def default_cache() -> Path:
    """Default folder of the cache: `streammon/eval` in `$XDG_CACHE_HOME` or `~/.cache`."""
    return cache_folder() / "eval"
