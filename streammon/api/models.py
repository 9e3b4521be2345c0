"""Settings of the method and the backbone, as the API's functions take them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from streammon.config import ModelConfig, parse_section
from streammon.errors import BankError
from streammon.padim import BANK_FILE, BankFacts, read_facts
from streammon.scene import MOTION_FILE, reading

Model = ModelConfig | Mapping[str, Any]
"""The section `model` of `config.yaml`, such as `{"method": "padim", "backbone": "resnet18"}`."""


def model_config(model: Model | None) -> ModelConfig:
    """Validated settings, with the defaults of `config.yaml`.

    Raises:
        ConfigError: A setting is unknown or invalid.

    >>> model_config({"backbone": "resnet18", "batch": 0})
    Traceback (most recent call last):
    streammon.errors.ConfigError: model: batch is 0; it must be at least 1
    """
    return model if isinstance(model, ModelConfig) else parse_section(ModelConfig, dict(model or {}), "model")


def model_of_scene(folder: Path, model: Model | None) -> tuple[ModelConfig, BankFacts]:
    """Validated settings; method, backbone, reduction and frame score that are left out are those of a scene's fit.

    Args:
        folder: Folder of the scene.
        model: Settings that are given.

    Returns:
        The settings, and the facts of the fit.

    Raises:
        BankError: The scene has no bank, or it can't be read.
        ConfigError: A setting is unknown or invalid.
    """
    given = model.model_dump(exclude_unset=True) if isinstance(model, ModelConfig) else dict(model or {})
    with reading(folder):
        facts = read_facts(folder / BANK_FILE)
        method = "motion" if (folder / MOTION_FILE).exists() else "padim"
    names = ("backbone", "reduction", "dimensions", "seed", "frame_score")
    learned = {"method": method} | {name: getattr(facts, name) for name in names}
    return parse_section(ModelConfig, learned | given, "model"), facts


def require_whole_pictures(facts: BankFacts) -> None:
    """Require that a scene was learned from whole pictures, as they are scored.

    Raises:
        BankError: It was learned from a crop of them.
    """
    if facts.crop != facts.size:
        found = f"it was learned from a crop of {facts.crop}x{facts.crop}, and whole pictures are scored"
        raise BankError(f"scene {facts.scene!r}", found, "learn it without crop")
