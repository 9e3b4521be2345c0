"""Options of `streammon eval --scores`."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from streammon.evaluation.metrics import PostProcessing, parse_post_processing


@dataclass(frozen=True)
class RefereeOptions:
    """Options of the referee.

    Attributes:
        dataset: Name of the data set.
        root: Folder of the data set; labels suffice.
        scores: Folder with one score file a clip, and maps in `maps/` where there are any; or a table of all clips.
        against: Likewise, of another method to compare with; None for none.
        conventions: Also measure the scores under each of the field's conventions.
        post_processing: Post-processing of all scores.
        categories: Categories of MVTec AD; empty for all.
        allow_partial: Leave out missing or damaged clips and scores instead of raising.
    """

    dataset: str
    root: Path
    scores: Path
    against: Path | None = None
    conventions: bool = False
    post_processing: PostProcessing = field(default_factory=PostProcessing)
    categories: tuple[str, ...] = ()
    allow_partial: bool = False


def referee_options(options: dict[str, Any]) -> RefereeOptions:
    """Options of the referee from those of `streammon eval`.

    Raises:
        ConfigError: The post-processing is invalid.
    """
    named = ("dataset", "root", "scores", "against", "conventions", "categories", "allow_partial")
    post = parse_post_processing(options["smoothing"], options["minmax"])
    return RefereeOptions(post_processing=post, **{name: options[name] for name in named})
