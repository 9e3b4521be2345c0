"""Variational autoencoder, a baseline of PaDiM's paper (arXiv:2011.08785, section IV-C).

The encoder is a ResNet18 without pretrained weights, and the latent map is 8x8. The network is trained for 100 epochs
of 10,000 augmented normal pictures, in batches of 32 by Adam with a learning rate of 1e-4. The anomaly map is the
reconstruction error.

Not stated in the paper: the learning rate is constant, the latent map has 64 channels, and the divergence has
weight 1.
"""

from collections.abc import Callable, Mapping
from hashlib import sha256
from importlib.resources import files

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from streammon.evaluation.methods.autoencoder import LEAST_SIDE, STRIDE, VariationalAutoencoder
from streammon.evaluation.methods.base import Batch, Progress, Scored
from streammon.evaluation.methods.maps import GridSmoother
from streammon.evaluation.methods.training import PictureSample, require_enough_frames
from streammon.evaluation.methods.vae_training import BATCH, Training, as_network_input
from streammon.padim import Backbone

EPOCHS = 100
IMAGES_PER_EPOCH = 10_000
TIMED_BATCHES = 2
MOST_PICTURES = 2000  # kept to train on: 0.4 GB at 256x256
SOURCES = ("autoencoder.py", "training.py", "vae.py", "vae_training.py")


def _source_hash() -> str:
    sources = (files("streammon.evaluation.methods") / name for name in SOURCES)
    return sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:12]


SOURCE = _source_hash()  # at import: of the code that runs, whatever is edited while it does


class Vae:
    """Variational autoencoder with its training settings; the defaults are the paper's, and take days on a CPU.

    Args:
        epochs: Number of training epochs.
        images_per_epoch: Augmented pictures in each epoch.
        seed: Random seed of the initial weights, the order, the augmentation and the noise.

    Attributes:
        name: Name in the report, such as `VAE, 100 epochs of 10000 images, seed 0`.
        key: All settings that change the scores, and the hash of the sources: other code resumes no training.
        needs_maps: False, the models read the pictures alone.
        needs_details: False, the models don't read the frames' details.
        batches: Number of batches in the whole training.
    """

    def __init__(self, epochs: int = EPOCHS, images_per_epoch: int = IMAGES_PER_EPOCH, seed: int = 0) -> None:
        self._epochs = epochs
        self._images_per_epoch = images_per_epoch
        self._seed = seed
        self.name = f"VAE, {epochs} epochs of {images_per_epoch} images, seed {seed}"
        self.key = f"{self.name}, source {SOURCE}"
        self.needs_maps = False
        self.needs_details = False
        self.batches = epochs * _batches(images_per_epoch)

    @property
    def shortened(self) -> "Vae":
        """The same network trained for a few batches, to time them."""
        return Vae(1, min(TIMED_BATCHES * BATCH, self._images_per_epoch), self._seed)

    def model(self, scene: str, backbone: Backbone, side: int) -> "VaeModel":
        """A model of one scene, for pictures of `side` pixels, on the backbone's device."""
        return VaeModel(scene, backbone.device, side, self._epochs, self._images_per_epoch, self._seed)


class VaeModel:
    """Autoencoder of one scene: `learn` collects pictures, and `finish` trains on them.

    Of long footage 1,000 to 2,000 evenly spread pictures are kept. The same seed gives the same weights on the same
    machine with the same number of threads, also if the training was interrupted and resumed.

    Attributes:
        passes: 1.
        losses: The mean loss of each epoch, once trained.
    """

    def __init__(
        self, scene: str, device: torch.device, side: int, epochs: int, images_per_epoch: int, seed: int
    ) -> None:
        assert side % STRIDE == 0, f"{side} pixels don't make a whole latent map"
        assert side >= LEAST_SIDE, f"{side} pixels are too few"
        self.passes = 1
        self.losses: list[float] = []
        self._scene = scene
        self._device = device
        self._side = side
        self._epochs = epochs
        self._images_per_epoch = images_per_epoch
        self._seed = seed
        self._pictures = PictureSample(MOST_PICTURES)
        self._smoother = GridSmoother(side, device)
        self._begun: dict[str, Tensor] = {}  # state of the training that is resumed
        self._save: Callable[[Mapping[str, Tensor]], None] = lambda _: None
        self._network: VariationalAutoencoder | None = None

    def learn(self, batch: Batch) -> None:
        """Collect normal pictures."""
        self._pictures.add(batch.pictures)

    def end_pass(self) -> None:
        """Do nothing: there is one pass."""

    def finish(self, progress: Progress) -> None:
        """Train the network on the collected pictures.

        Raises:
            FootageError: There was no frame.
        """
        require_enough_frames(self._scene, len(self._pictures), 1)
        sample = self._pictures.state()
        self._pictures.clear()
        training = Training(self._device, self._images_per_epoch, self._seed)
        if self._begun:
            training.restore(self._begun)
            self._begun.clear()
        total = self._epochs * _batches(self._images_per_epoch)
        while len(training.losses) < self._epochs:
            training.run_epoch(sample["pictures"], lambda done: progress(f"training {self._scene}", done, total))
            self._save(sample | training.state())
        self.losses = training.losses
        self._network = training.network.eval().requires_grad_(False)

    def save_with(self, save: Callable[[Mapping[str, Tensor]], None]) -> None:
        """Call `save` after each epoch of the training, with a `state` that the next epoch changes."""
        self._save = save

    @torch.inference_mode()
    def score(self, batch: Batch) -> Scored:
        """(B, S, S) Euclidean distances between a pixel's colour, in 0..1, and the reconstructed one.

        The frame score is the largest value of the blurred map.
        """
        assert self._network is not None, "finish() comes first"
        pictures = as_network_input(batch.pictures, self._device)
        mean, _ = self._network.encode(pictures)
        errors = torch.linalg.vector_norm(pictures - self._network.decode(mean), dim=1)
        grid: NDArray[np.float32] = errors.cpu().numpy()
        return Scored(self._smoother.scores((grid,)), (grid,))

    def state(self) -> dict[str, Tensor]:
        """Sample of the pictures, to be saved between two clips, and the training that is to be resumed."""
        return self._pictures.state() | self._begun

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Resume from the `state` of a model with the same settings, or from one that was saved in the training."""
        self._pictures.restore(state)
        self._begun = {name: tensor for name, tensor in state.items() if name not in ("pictures", "stride", "seen")}

    def scoring_bytes(self) -> int:
        """Memory of the network's weights and running moments."""
        assert self._network is not None, "finish() comes first"
        return sum(tensor.nbytes for tensor in self._network.state_dict().values())


def _batches(images: int) -> int:
    return -(-images // BATCH)
