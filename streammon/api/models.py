"""Settings of the method and the backbone, as the API's functions take them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from streammon.config import ModelConfig, parse_section
from streammon.padim import BANK_FILE, read_facts
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


def model_of_scene(folder: Path, model: Model | None) -> ModelConfig:
    """Validated settings; method, backbone and frame score that are left out are those that a scene was learned with.

    Args:
        folder: Folder of the scene.
        model: Settings that are given.

    Raises:
        BankError: The scene has no bank, or it can't be read.
        ConfigError: A setting is unknown or invalid.
    """
    given = model.model_dump(exclude_unset=True) if isinstance(model, ModelConfig) else dict(model or {})
    with reading(folder):
        facts = read_facts(folder / BANK_FILE)
        method = "motion" if (folder / MOTION_FILE).exists() else "padim"
    learned = {"method": method, "backbone": facts.backbone, "frame_score": facts.frame_score}
    return parse_section(ModelConfig, learned | given, "model")
