"""Learning one scene as frames pass by: fit first, then calibrate on what comes after."""

from torch import Tensor

from streammon.calibration.rates import LEAST_FRAMES
from streammon.config import ModelConfig
from streammon.errors import ConfigError, FootageError
from streammon.padim.backbones import Backbone
from streammon.padim.bank import Bank
from streammon.padim.facts import facts_for
from streammon.padim.gaussian import RunningGaussian
from streammon.padim.reduction import Reduction, make_reduction
from streammon.padim.statistics import Statistics


class SceneLearner:
    """Takes normal frames in their order and becomes a bank.

    The first part goes into the running Gaussians; `begin_calibration` fixes a bank of it that scores the frames
    after it, for the calibration. Once scored they are learned as well, so the finished bank knows all of the
    footage: it finds normal footage a little more normal than it was calibrated for, which errs on the quiet side.

    Attributes:
        statistics: All that was learned so far.
        judge: Scores what calibrates; None before that begins.
    """

    def __init__(
        self,
        scene: str,
        backbone: Backbone,
        model: ModelConfig,
        size: int,
        crop: int | None = None,
        reduction: Reduction | None = None,
        earlier: Statistics | None = None,
    ) -> None:
        """Start afresh, or go on from `earlier` statistics (whose reduction is then kept).

        Raises:
            BankError: `earlier` was fitted with something else.
            ConfigError: More channels are to be kept than there are.
        """
        if reduction is None:
            channels, kept = sum(backbone.architecture.channels), dimensions_kept(model, backbone)
            reduction = make_reduction(model.reduction, channels, kept, model.seed)
        reduction = (earlier.reduction if earlier else reduction).to(backbone.device)
        seed = earlier.facts.seed if earlier else model.seed  # of the reduction that is really used
        facts = facts_for(scene, backbone, reduction, size, crop or size, seed, model.frame_score)
        positions = facts.grid[0] * facts.grid[1]
        fresh = Statistics(facts, reduction, RunningGaussian(positions, reduction.dimensions, backbone.device))
        if earlier:
            fresh.merge(earlier, f"scene {scene!r}")
        self.statistics = fresh
        self._device = backbone.device
        self.judge: Bank | None = None

    @property
    def calibrating(self) -> bool:
        """Whether frames calibrate now."""
        return self.judge is not None

    def learn(self, maps: list[Tensor], times_s: list[float]) -> Tensor | None:
        """Take in B frames' maps, in order, and the frames' times.

        Returns:
            (B, h, w) distances of frames that calibrate; None before.
        """
        distances = None
        if self.judge is not None:
            distances = self.judge.distances(maps)
            _, scores = self.judge.read(distances)
            self.statistics.hold_out(scores.tolist(), times_s)
        self.statistics.gaussian.update(self.statistics.reduction.embed(maps))
        return distances

    def begin_calibration(self) -> None:
        """Score what is learned from now on by what was learned so far.

        Raises:
            FootageError: Fewer than 2 frames were seen.
        """
        self._hold_enough_frames()
        self.judge = self.statistics.bank(calibrated=False).prepare(self._device)

    def bank(self) -> Bank:
        """The finished bank, not yet prepared for a device.

        Raises:
            FootageError: Too few frames to fit, or to calibrate, or frames without a time to calibrate in.
        """
        self._hold_enough_frames()
        if self.calibrating and len(self.statistics.scores) < LEAST_FRAMES:
            found = f"{len(self.statistics.scores)} frames are left to calibrate on"
            remedy = f"give more footage (at least {LEAST_FRAMES} held-out frames), or fit with --hold-out 0"
            raise FootageError(self._where, found, remedy)
        self.judge = None  # frees its memory before the next one is made
        try:
            return self.statistics.bank()
        except ValueError as error:
            remedy = "take frames closer in time, or --hold-out 0"
            raise FootageError(self._where, f"it can't be calibrated ({error})", remedy) from None

    def _hold_enough_frames(self) -> None:
        count = self.statistics.gaussian.count
        if count < 2:
            remedy = "give at least 2, and far more for a bank that is of use"
            raise FootageError(self._where, f"it has {count} frames to learn from", remedy)

    @property
    def _where(self) -> str:
        return f"scene {self.statistics.facts.scene!r}"


def dimensions_kept(model: ModelConfig, backbone: Backbone) -> int:
    """D: how many channels the configured reduction keeps of this backbone's.

    Raises:
        ConfigError: More are asked for than there are.
    """
    channels = sum(backbone.architecture.channels)
    if model.reduction == "all":
        return channels
    if model.dimensions is not None and model.dimensions > channels:
        found = f"it is {model.dimensions}, and {backbone.name} has {channels} channels"
        raise ConfigError("model.dimensions", found, "keep fewer, or set reduction to all")
    return model.dimensions or backbone.architecture.dimensions
