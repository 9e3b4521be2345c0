"""Facts of a fit, stored in a scene's files, which decide whether a bank fits a backbone or another bank."""

from dataclasses import dataclass

from streammon import __version__
from streammon.config import ModelConfig
from streammon.errors import ConfigError
from streammon.padim.backbones import Backbone
from streammon.padim.gaussian import EPSILON
from streammon.padim.probe import probes_agree
from streammon.padim.reduction import Reduction

FORMAT = 3
FORMATS_READ = (2, 3)
"""Formats that can be read. In format 2 a bank's file has Cholesky factors instead of packed whitening matrices."""

INPUT_SIZE = 256  # side of the model's input, in pixels (PaDiM, section IV-B, and its video setting)


@dataclass(frozen=True)
class BankFacts:
    """Facts of a fit, stored in the headers of a scene's files.

    Attributes:
        scene: Name of the scene.
        backbone: Name of the backbone.
        weights_sha256: SHA-256 of the backbone's weights file.
        layers: Names of the layers whose outputs are the feature maps.
        grid: Rows and columns of the patch grid.
        size: Side of the model's input, in pixels.
        crop: Side of the centre crop of the input; equal to `size` for no crop.
        reduction: Kind of the reduction.
        dimensions: D, number of channels after the reduction.
        seed: Seed of the reduction.
        frame_score: Method of `frame_scores`; the calibration is valid for this method only.
        epsilon: Constant added to each variance.
        frames: Number of frames fitted.
        calibration_frames: Number of the fitted frames that were scored for calibration before they were learned.
        score_fps: Frames a second the scene was learned at; None for the footage's own rate.
        engine: Engine that computed the feature maps while fitting.
        precision: Precision of the backbone while fitting.
        probe: Some values of the feature maps of a made-up picture (`Backbone.probe`), by which the maps of another
            engine or precision are compared; empty in older files.
        version: Version of streammon that wrote the file.
        format: Format number of the file.
    """

    scene: str
    backbone: str
    weights_sha256: str
    layers: tuple[str, ...]
    grid: tuple[int, int]
    size: int
    crop: int
    reduction: str
    dimensions: int
    seed: int
    frame_score: str
    frames: int = 0
    calibration_frames: int = 0
    score_fps: float | None = None
    epsilon: float = EPSILON
    engine: str = "torch"
    precision: str = "float32"
    probe: tuple[float, ...] = ()
    version: str = __version__
    format: int = FORMAT

    def mismatch(self, wanted: "BankFacts") -> tuple[str, str] | None:
        """Texts of the first difference, of this bank and of the wanted facts; None without a difference."""
        for name in ("backbone", "weights_sha256", "layers", "grid", "size", "crop", "epsilon"):
            if getattr(self, name) != getattr(wanted, name):
                same_network = name not in ("backbone", "grid")
                detail = f", {name} {_short(getattr(self, name))}" if same_network else ""
                other = f", {name} {_short(getattr(wanted, name))}" if same_network else ""
                return f"{self._network()}{detail}", f"{wanted._network()}{other}"
        if self.probe and wanted.probe and not probes_agree(self.probe, wanted.probe):
            return self._computed(), f"{wanted._computed()}, whose feature maps differ"
        return None

    def _computed(self) -> str:
        return f"{self.backbone} computed by {self.engine} in {self.precision}"

    def _network(self) -> str:
        return f"{self.backbone} ({self.grid[0]}x{self.grid[1]} positions)"


def format_rate(score_fps: float | None) -> str:
    """Frame rate in words.

    >>> format_rate(5.0), format_rate(None)
    ('5 frames a second', 'the rate of its footage')
    """
    return "the rate of its footage" if score_fps is None else f"{score_fps:g} frames a second"


def _short(value: object) -> str:
    return value[:12] if isinstance(value, str) else str(value)


def facts_for(
    scene: str,
    backbone: Backbone,
    reduction: Reduction,
    size: int,
    crop: int,
    seed: int = 0,
    frame_score: str = "max",
    score_fps: float | None = None,
) -> BankFacts:
    """Facts of a bank fitted with this backbone and reduction."""
    architecture = backbone.architecture
    cells = -(-crop // architecture.stride)
    return BankFacts(
        scene=scene,
        backbone=backbone.name,
        weights_sha256=backbone.weights_sha256,
        layers=architecture.layers,
        grid=(cells, cells),
        size=size,
        crop=crop,
        reduction=reduction.kind,
        dimensions=reduction.dimensions,
        seed=seed,
        frame_score=frame_score,
        score_fps=score_fps,
        engine=backbone.engine.name,
        precision=backbone.precision,
        probe=backbone.probe,
    )


def reduced_dimensions(model: ModelConfig, backbone: Backbone) -> int:
    """D, the number of channels after the configured reduction of this backbone's channels.

    Raises:
        ConfigError: More channels are to be kept than the backbone has.
    """
    channels = sum(backbone.architecture.channels)
    if model.reduction == "all":
        return channels
    if model.dimensions is not None and model.dimensions > channels:
        found = f"it is {model.dimensions}, and {backbone.name} has {channels} channels"
        raise ConfigError("model.dimensions", found, "keep fewer, or set reduction to all")
    return model.dimensions or backbone.architecture.dimensions
