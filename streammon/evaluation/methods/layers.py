"""Ablation by layer of the backbone: Table I of the PaDiM paper (arXiv:2011.08785).

The table compares each layer alone, the sum of the maps of the three layers fitted alone, and PaDiM, which
concatenates the layers, so that the Gaussians include the correlations between layers.
"""

from collections.abc import Mapping
from dataclasses import replace

from torch import Tensor

from streammon.evaluation.methods.base import Batch, Progress, Scored
from streammon.evaluation.methods.gaussians import BankFit, scored_by
from streammon.evaluation.methods.maps import GridSmoother
from streammon.padim import Backbone, Bank, facts_for, make_reduction

LAYERS = (1, 2, 3)


class SingleLayer:
    """One Gaussian per position of one layer's grid, over all channels of the layer.

    Args:
        layer: 1, 2 or 3: the stage of the backbone.
        backbone: Name of the backbone.
        frame_score: `max` of the map, or `worst_percent`, the mean of the highest 1 %.

    Attributes:
        name: Name in the report, such as `PaDiM resnet18 layer 1 alone`.
        key: All settings that change the scores.
        needs_maps: True, the models read the backbone's maps.
        needs_details: False, the models don't read the frames' details.
    """

    def __init__(self, layer: int, backbone: str, frame_score: str = "max") -> None:
        assert layer in LAYERS, f"there is no layer {layer}"
        self._layer = layer
        self._frame_score = frame_score
        self.name = f"PaDiM {backbone} layer {layer} alone"
        self.key = f"{self.name}, {frame_score}"
        self.needs_maps = True
        self.needs_details = False

    def model(self, scene: str, backbone: Backbone, side: int) -> "SingleLayerModel":
        """A model of one scene, for pictures of `side` pixels."""
        return SingleLayerModel(scene, backbone, side, self._layer, self._frame_score)


class SummedLayers:
    """The sum of the three layers' anomaly maps, each layer fitted alone.

    Args:
        backbone: Name of the backbone.
        frame_score: `max` of the summed map, or `worst_percent`, the mean of the highest 1 %.

    Attributes:
        name: Name in the report, such as `PaDiM resnet18 layers 1+2+3 summed`.
        key: All settings that change the scores.
        needs_maps: True, the models read the backbone's maps.
        needs_details: False, the models don't read the frames' details.
    """

    def __init__(self, backbone: str, frame_score: str = "max") -> None:
        self._frame_score = frame_score
        self.name = f"PaDiM {backbone} layers 1+2+3 summed"
        self.key = f"{self.name}, {frame_score}"
        self.needs_maps = True
        self.needs_details = False

    def model(self, scene: str, backbone: Backbone, side: int) -> "SummedLayersModel":
        """A model of one scene, for pictures of `side` pixels."""
        return SummedLayersModel(scene, backbone, side, self._frame_score)


class SingleLayerModel:
    """The Gaussians of one layer of one scene.

    Attributes:
        passes: 1.
    """

    def __init__(self, scene: str, backbone: Backbone, side: int, layer: int, frame_score: str) -> None:
        self.passes = 1
        self._scene = scene
        self._stage = layer - 1
        architecture = backbone.architecture
        channels = architecture.channels[self._stage]
        every = make_reduction("all", channels, channels, seed=0)
        facts = facts_for(scene, backbone, every, side, side, frame_score=frame_score)
        facts = replace(facts, layers=(architecture.layers[self._stage],))
        self._fit = BankFit(facts, every, backbone.device)
        self._bank: Bank | None = None

    def learn(self, batch: Batch) -> None:
        """Learn normal frames."""
        self._fit.learn([batch.maps[self._stage]])

    def end_pass(self) -> None:
        """Do nothing: there is one pass."""

    def finish(self, progress: Progress) -> None:
        """Factor the covariances.

        Raises:
            FootageError: Fewer than 2 frames were given.
        """
        self._bank = self._fit.finish()
        progress(f"solving for {self._scene}", 1, 1)

    def score(self, batch: Batch) -> Scored:
        """Distances on the layer's own grid, and the frame scores."""
        assert self._bank is not None, "finish() comes first"
        return scored_by(self._bank, [batch.maps[self._stage]])

    def state(self) -> dict[str, Tensor]:
        """State of the Gaussians."""
        return self._fit.state()

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Resume from the `state` of a model with the same settings."""
        self._fit.restore(state)

    def scoring_bytes(self) -> int:
        """Memory of the means and the whitening matrices."""
        assert self._bank is not None, "finish() comes first"
        return self._bank.scoring_bytes()


class SummedLayersModel:
    """The Gaussians of three layers of one scene, fitted alone, whose maps are summed.

    Attributes:
        passes: 1.
    """

    def __init__(self, scene: str, backbone: Backbone, side: int, frame_score: str) -> None:
        self.passes = 1
        self._layers = {layer: SingleLayerModel(scene, backbone, side, layer, frame_score) for layer in LAYERS}
        self._frame_score = frame_score
        self._smoother = GridSmoother(side)

    def learn(self, batch: Batch) -> None:
        """Learn normal frames."""
        for model in self._layers.values():
            model.learn(batch)

    def end_pass(self) -> None:
        """Do nothing: there is one pass."""

    def finish(self, progress: Progress) -> None:
        """Factor the covariances of all three layers.

        Raises:
            FootageError: Fewer than 2 frames were given.
        """
        for model in self._layers.values():
            model.finish(progress)

    def score(self, batch: Batch) -> Scored:
        """Distances on each layer's grid, and the frame scores of the summed map."""
        grids = tuple(grid for model in self._layers.values() for grid in model.score(batch).grids)
        return Scored(self._smoother.scores(grids, self._frame_score), grids)

    def state(self) -> dict[str, Tensor]:
        """State of the Gaussians of each layer."""
        return {
            f"layer{layer}.{name}": tensor
            for layer, model in self._layers.items()
            for name, tensor in model.state().items()
        }

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Resume from the `state` of a model with the same settings."""
        for layer, model in self._layers.items():
            prefix = f"layer{layer}."
            model.restore({name.removeprefix(prefix): t for name, t in state.items() if name.startswith(prefix)})

    def scoring_bytes(self) -> int:
        """Memory of the means and the whitening matrices of the three layers."""
        return sum(model.scoring_bytes() for model in self._layers.values())
