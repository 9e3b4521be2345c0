"""The files of a scene's folder, which `replacing` replaces as one.

```
bank.safetensors         Gaussians of the patches, calibration of their frame score: all that PaDiM scores by
pictures.safetensors     sums over whole pictures: brightness, edges, focus
motion.safetensors       sums of what moves, tails, calibration of their score; missing for PaDiM alone
statistics.safetensors   running sums of the patches, the held-out frames, and the names of the clips judged normal
                         that were learned: what `fit --add`, `fit --from-review` and `merge` go on with
watched.json             state of the calibration that goes on while the scene is watched; a fit removes it
scene.yaml               a summary for people; nothing reads it
```
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from streammon.calibration import Calibration, Tail
from streammon.config import ModelConfig
from streammon.errors import BankError, StorageError
from streammon.motion import MotionSums, chosen_widths, feature_dimensions
from streammon.padim import (
    ARCHITECTURES,
    INPUT_SIZE,
    STATISTICS_FILE,
    Backbone,
    Bank,
    BankFacts,
    Reduction,
    Statistics,
    read_tensors,
    stored_reduction,
    write_scene_file,
    write_tensors,
)
from streammon.scene.fusion import Fusion
from streammon.scene.held_out import SEPARATOR, Arrays, HeldOutFrames
from streammon.scene.learned import HalfSums, MotionTails, Scene, SceneMotion, looks_calibration, motion_of
from streammon.scene.learner import SceneLearner
from streammon.scene.pictures import PictureSums
from streammon.scene.replacing import MOTION_FILE, PICTURES_FILE, reading
from streammon.scene.settings import SETTINGS_HASH
from streammon.scene.watched import forget_watched

MOTION_FORMAT = 6
"""Format of the motion file: sums of another format cannot be added to these."""

REVIEWED = "reviewed"
"""Tensor of the statistics with the names of learned clips, UTF-8, each ended by `SEPARATOR`."""


def save_scene(folder: Path, scene: Scene, learned_from: Sequence[str]) -> None:
    """Write the files that scoring reads; called before a `SceneScorer` is made of the scene.

    Raises:
        StorageError: A file can't be written.
    """
    scene.bank.save(folder)
    forget_watched(folder)
    if scene.pictures is None:
        _remove(folder / PICTURES_FILE)
    else:
        write_tensors(folder / PICTURES_FILE, _tensors(scene.pictures.arrays()), scene.bank.facts)
    if scene.motion is None:
        _remove(folder / MOTION_FILE)
    else:
        write_tensors(folder / MOTION_FILE, _tensors(_motion_arrays(scene.motion)), scene.bank.facts)
    write_scene_file(folder, scene.bank.facts, list(learned_from), scene.method, scene.calibration)


def load_scene(folder: Path, backbone: Backbone, model: ModelConfig, detector: str | None) -> Scene:
    """Read the files that scoring needs.

    Args:
        folder: The scene's folder.
        backbone: Network whose maps will be scored.
        model: Configured model.
        detector: Fingerprint of the object detector, empty for regions of motion; None for PaDiM alone.

    Raises:
        BankError: A file is missing, broken, or was fitted with something else.
        StorageError: Its files are being replaced for too long.
    """
    with reading(folder):
        return _load_scene(folder, backbone, model, detector)


def _load_scene(folder: Path, backbone: Backbone, model: ModelConfig, detector: str | None) -> Scene:
    bank = Bank.load(folder)
    bank.require_fit(backbone, INPUT_SIZE, INPUT_SIZE)
    if bank.facts.frame_score != model.frame_score:
        found = f"its bank is calibrated for frame_score {bank.facts.frame_score}, the config asks for"
        remedy = f"fit it again with `streammon fit --scene {folder.name}`"
        raise BankError(f"scene {folder.name!r}", f"{found} {model.frame_score}", remedy)
    pictures = _load_pictures(folder)
    if detector is None:
        return Scene(bank, pictures=pictures)
    motion = _load_motion(folder, bank.facts)
    _require_detector(folder, motion, detector)
    return Scene(bank, motion, pictures)


def save_statistics(folder: Path, learner: SceneLearner) -> None:
    """Write the running statistics, which `--add` and `merge` continue.

    Raises:
        StorageError: It can't be written.
    """
    learner.statistics.save(folder, _held_out_tensors(learner.held_out) | _reviewed_tensors(learner.reviewed))


def reviewed_clips(folder: Path) -> set[str]:
    """Names of the clips judged normal that a scene's running statistics have learned (`marked_name`).

    Raises:
        BankError: The file is missing or broken.
        StorageError: Its files are being replaced for too long.
    """
    with reading(folder):
        return _reviewed(read_tensors(folder / STATISTICS_FILE)[1])


def earlier_reduction(folder: Path, model: ModelConfig) -> Reduction:
    """The reduction of a scene's running statistics, with which `--add` continues.

    Raises:
        BankError: The file is missing or broken, or another reduction, dimensions or seed is configured.
    """
    path = folder / STATISTICS_FILE
    facts, tensors = read_tensors(path)
    for name in ("reduction",) if facts.reduction == "all" else ("reduction", "dimensions", "seed"):
        stored, configured = getattr(facts, name), getattr(model, name)
        if name in model.model_fields_set and configured not in (None, stored):
            found = f"its statistics have {name} {stored}, the config asks for {configured}"
            raise BankError(f"scene {folder.name!r}", found, f"leave {name} out, or fit it again without --add")
    return stored_reduction(path, facts, tensors)


def go_on(learner: SceneLearner, folder: Path) -> None:
    """Continue a fit: load a scene's running statistics into a new learner, which holds out all further frames.

    Raises:
        BankError: A file is missing, broken, or was fitted with something else.
    """
    device = learner.statistics.gaussian.device
    statistics, tensors = Statistics.load(folder, device)
    learner.statistics.require_alike(statistics.facts, f"scene {folder.name!r}")
    statistics.reduction = statistics.reduction.to(device)
    learner.statistics = statistics
    learner.held_out = _held_out(folder, tensors)
    learner.pictures = _load_pictures(folder)
    learner.reviewed = _reviewed(tensors)
    if learner.halves is None:
        learner.held_out = learner.held_out.without_motion()
    else:
        earlier = _load_motion(folder, statistics.facts, any_length=True)
        _require_detector(folder, earlier, learner.detector or "")
        for mine, others in zip(learner.halves, earlier.halves, strict=True):
            mine.merge(others)
    if learner.holds_out:
        learner.begin_hold_out()


def merge_folders(scene: str, parts: Sequence[Path]) -> tuple[Scene, Statistics, dict[str, Tensor]]:
    """Join fits of one scene: sums exactly, held-out frames by drawing evenly from all.

    Held-out frames were measured by the parts' own banks, which knew less: thresholds err on the quiet side.

    Returns:
        The joint scene, and the running statistics with their further tensors.

    Raises:
        BankError: A part has no statistics, or was fitted with something else.
        StorageError: The files of a part are being replaced for too long.
    """
    with ExitStack() as stack:
        for part in parts:
            stack.enter_context(reading(part))
        return _merge_folders(scene, parts)


def _merge_folders(scene: str, parts: Sequence[Path]) -> tuple[Scene, Statistics, dict[str, Tensor]]:
    joint, tensors = Statistics.load(parts[0])
    held_out, reviewed = _held_out(parts[0], tensors), _reviewed(tensors)
    for part in parts[1:]:
        other, tensors = Statistics.load(part)
        joint.merge(other, str(part))
        held_out.merge(_held_out(part, tensors))
        reviewed |= _reviewed(tensors)
    joint.rename(scene)
    bank = joint.bank(looks_calibration(scene, held_out), len(held_out))
    motion = _merged_motion(parts)
    if motion is not None:
        motion = motion_of(scene, motion.halves, motion.detector, held_out)
    reviewed_and_held_out = _held_out_tensors(held_out) | _reviewed_tensors(reviewed)
    return Scene(bank, motion, _merged_pictures(parts)), joint, reviewed_and_held_out


def _merged_motion(parts: Sequence[Path]) -> SceneMotion | None:
    lacking = [part for part in parts if not (part / MOTION_FILE).exists()]
    if len(lacking) == len(parts):
        return None
    if lacking:
        found = "it has no motion file, and another part has one"
        raise BankError(str(lacking[0]), found, "fit all parts with the same --method")
    joint = _load_motion(parts[0], Bank.load(parts[0]).facts)
    for part in parts[1:]:
        other = _load_motion(part, Bank.load(part).facts)
        if joint.detector != other.detector:
            found = f"its objects were found otherwise than those of {parts[0]}"
            raise BankError(str(part), found, "fit all parts with the same model.detector")
        for mine, others in zip(joint.halves, other.halves, strict=True):
            mine.merge(others)
    return joint


def _merged_pictures(parts: Sequence[Path]) -> PictureSums | None:
    """Sums over the pictures of all parts; None if a part has none."""
    joint = PictureSums()
    for part in parts:
        pictures = _load_pictures(part)
        if pictures is None:
            return None
        joint.merge(pictures)
    return joint


def _load_pictures(folder: Path) -> PictureSums | None:
    """Sums over whole pictures; None without the file, which earlier releases didn't write."""
    path = folder / PICTURES_FILE
    if not path.exists():
        return None
    tensors = read_tensors(path)[1]
    try:
        return PictureSums.of_arrays({name: tensor.numpy().copy() for name, tensor in tensors.items()})
    except (KeyError, ValueError):
        remedy = f"fit it again with `streammon fit --scene {folder.name}`"
        raise BankError(str(path), "it is not valid", remedy) from None


def _motion_arrays(motion: SceneMotion) -> Arrays:
    arrays: Arrays = halves_arrays("half", motion.halves)
    arrays["detector"] = np.frombuffer(f"sha256:{motion.detector}".encode(), np.uint8)
    arrays["format"] = np.array([MOTION_FORMAT], np.int64)
    arrays["settings"] = np.frombuffer(SETTINGS_HASH.encode(), np.uint8)
    arrays |= {f"width.{name}": np.array([width]) for name, width in chosen_widths(motion.halves).items()}
    if motion.tails is not None:
        arrays |= {f"tails.{name}": array for name, array in motion.tails.fusion.arrays().items()}
        arrays |= {f"calibration.{name}": array for name, array in motion.tails.calibration.arrays().items()}
        arrays["patches"] = motion.tails.patches.array()
    return arrays


def _load_motion(folder: Path, facts: BankFacts, *, any_length: bool = False) -> SceneMotion:
    """The motion file, which belongs to the bank or the statistics with these facts."""
    path, where, fit_again = folder / MOTION_FILE, f"scene {folder.name!r}", _fit_again(folder)
    if not path.exists():
        raise BankError(where, f"it has no motion file ({path})", fit_again)
    stored, tensors = read_tensors(path)
    difference = stored.mismatch(facts)
    if difference:
        found = f"its motion file was fitted with {difference[0]}, its bank with {difference[1]}"
        raise BankError(where, found, fit_again)
    if not any_length and stored.frames != facts.frames:
        found = f"its motion was learned from {stored.frames:,} frames, its bank from {facts.frames:,}"
        raise BankError(where, found, fit_again)
    arrays = {name: tensor.numpy().copy() for name, tensor in tensors.items()}
    stored_format = int(arrays["format"][0]) if "format" in arrays else int(arrays.get("reading", np.ones(1))[0])
    if stored_format != MOTION_FORMAT:
        found = f"{path.name} has format {stored_format}, this version reads {MOTION_FORMAT}"
        raise BankError(where, found, fit_again)
    stored_settings = bytes(arrays.get("settings", np.zeros(0, np.uint8)).tolist()).decode()
    if stored_settings != SETTINGS_HASH:
        found = f"{path.name} was learned with settings {stored_settings}, this version has {SETTINGS_HASH}"
        raise BankError(where, found, fit_again)
    try:
        detector = bytes(arrays["detector"].tolist()).decode().removeprefix("sha256:")
        dimensions = feature_dimensions(ARCHITECTURES[facts.backbone].channels)
        halves = restored_halves("half", arrays, dimensions)
        widths = {name: float(width[0]) for name, width in strip_prefix(arrays, "width.").items()} or None
        if "patches" not in arrays:
            return SceneMotion(halves, detector, widths=widths)
        fusion = Fusion.of_arrays(strip_prefix(arrays, "tails."))
        calibration = Calibration.of_arrays(strip_prefix(arrays, "calibration."))
        patches = Tail.of_array(arrays["patches"])
        return SceneMotion(halves, detector, MotionTails(fusion, patches, calibration), widths)
    except (KeyError, ValueError, IndexError, TypeError):
        raise BankError(str(path), "it is not valid", fit_again) from None


def _require_detector(folder: Path, motion: SceneMotion, detector: str) -> None:
    if motion.detector != detector:
        fitted = "with another detector" if detector and motion.detector else "with a detector"
        found = f"its motion was fitted {fitted if motion.detector else 'without a detector'}, against model.detector"
        raise BankError(f"scene {folder.name!r}", found, _fit_again(folder))


def _fit_again(folder: Path) -> str:
    return f"fit it again with `streammon fit --scene {folder.name}`, or set model.method to padim"


def _held_out(folder: Path, tensors: Mapping[str, Tensor]) -> HeldOutFrames:
    arrays = {name: tensor.numpy().copy() for name, tensor in tensors.items() if name.startswith("held.")}
    try:
        return HeldOutFrames.of_arrays(strip_prefix(arrays, "held."))
    except (KeyError, ValueError, IndexError, TypeError):
        remedy = f"fit it again with `streammon fit --scene {folder.name}`"
        raise BankError(f"scene {folder.name!r}", "its held-out frames are not valid", remedy) from None


def _held_out_tensors(held_out: HeldOutFrames) -> dict[str, Tensor]:
    return _tensors({f"held.{name}": array for name, array in held_out.arrays().items()})


def _reviewed(tensors: Mapping[str, Tensor]) -> set[str]:
    stored = bytes(tensors[REVIEWED].tolist()) if REVIEWED in tensors else b""
    return set(stored.decode(errors="surrogateescape").split(SEPARATOR)[:-1])


def _reviewed_tensors(names: set[str]) -> dict[str, Tensor]:
    joined = "".join(name + SEPARATOR for name in sorted(names)).encode(errors="surrogateescape")
    return {REVIEWED: torch.frombuffer(bytearray(joined), dtype=torch.uint8)} if names else {}


def halves_arrays(prefix: str, halves: HalfSums) -> dict[str, NDArray[Any]]:
    """The sums of both halves, by name."""
    return {
        f"{prefix}{number}.{name}": array
        for number, half in enumerate(halves)
        for name, array in half.arrays().items()
    }


def restored_halves(prefix: str, arrays: Mapping[str, NDArray[Any]], dimensions: int) -> HalfSums:
    """Inverse of `halves_arrays`.

    Raises:
        KeyError: One is missing.
        ValueError: One has another shape.
    """
    halves = (MotionSums(dimensions), MotionSums(dimensions))
    for number, half in enumerate(halves):
        half.restore(strip_prefix(arrays, f"{prefix}{number}."))
    return halves


def strip_prefix(arrays: Mapping[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    """The entries under `prefix`, with the prefix removed."""
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def _tensors(arrays: Mapping[str, NDArray[Any]]) -> dict[str, Tensor]:
    return {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}


def _remove(file: Path) -> None:
    """Remove a file of an earlier fit, which does not belong to the new bank."""
    try:
        file.unlink(missing_ok=True)
    except OSError as error:
        reason = (error.strerror or "no reason given").lower()
        raise StorageError(
            str(file), f"it can't be removed ({reason})", "remove it, or choose --scenes DIR"
        ) from None
