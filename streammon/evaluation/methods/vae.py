"""Variational autoencoder, a baseline of PaDiM's paper (arXiv:2011.08785, section IV-C).

The encoder is a ResNet18 without pretrained weights, and the latent map is 8x8. The network is trained for 100 epochs
of 10,000 augmented normal pictures, in batches of 32 by Adam with a learning rate of 1e-4. The anomaly map is the
reconstruction error.

Not stated in the paper: the learning rate is constant, the latent map has 64 channels, and the divergence has
weight 1.
"""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from streammon.evaluation.methods.autoencoder import (
    LATENT_CHANNELS,
    LEAST_SIDE,
    STRIDE,
    VariationalAutoencoder,
    augmented,
)
from streammon.evaluation.methods.base import Batch, Progress, Scored
from streammon.evaluation.methods.maps import GridSmoother
from streammon.evaluation.methods.training import PictureSample, require_enough_frames
from streammon.padim import Backbone

EPOCHS = 100
IMAGES_PER_EPOCH = 10_000
BATCH = 32
LEARNING_RATE = 1e-4
TIMED_BATCHES = 2
MOST_PICTURES = 2000  # kept to train on: 0.4 GB at 256x256


class Vae:
    """Variational autoencoder with its training settings; the defaults are the paper's, and take days on a CPU.

    Args:
        epochs: Number of training epochs.
        images_per_epoch: Augmented pictures in each epoch.
        seed: Random seed of the initial weights, the order, the augmentation and the noise.

    Attributes:
        name: Name in the report, such as `VAE, 100 epochs of 10000 images, seed 0`.
        key: All settings that change the scores.
        needs_maps: False, the models read the pictures alone.
        needs_details: False, the models don't read the frames' details.
        batches: Number of batches in the whole training.
    """

    def __init__(self, epochs: int = EPOCHS, images_per_epoch: int = IMAGES_PER_EPOCH, seed: int = 0) -> None:
        self._epochs = epochs
        self._images_per_epoch = images_per_epoch
        self._seed = seed
        self.name = f"VAE, {epochs} epochs of {images_per_epoch} images, seed {seed}"
        self.key = self.name
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
    machine with the same number of threads. An interrupted collection can be resumed, an interrupted training can't.

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
        pictures = self._pictures.pictures()
        self._pictures.clear()
        with torch.random.fork_rng():
            torch.manual_seed(self._seed)
            network = VariationalAutoencoder()
        # NHWC is up to twice as fast on CPUs
        network = network.to(device=self._device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._train(network, pictures, progress)
        self._network = network.eval().requires_grad_(False)

    @torch.inference_mode()
    def score(self, batch: Batch) -> Scored:
        """(B, S, S) Euclidean distances between a pixel's colour, in 0..1, and the reconstructed one.

        The frame score is the largest value of the blurred map.
        """
        assert self._network is not None, "finish() comes first"
        pictures = _as_network_input(batch.pictures, self._device)
        mean, _ = self._network.encode(pictures)
        errors = torch.linalg.vector_norm(pictures - self._network.decode(mean), dim=1)
        grid: NDArray[np.float32] = errors.cpu().numpy()
        return Scored(self._smoother.scores((grid,)), (grid,))

    def state(self) -> dict[str, Tensor]:
        """Sample of the pictures, to be saved between two clips."""
        return self._pictures.state()

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Resume from the `state` of a model with the same settings."""
        self._pictures.restore(state)

    def scoring_bytes(self) -> int:
        """Memory of the network's weights and running moments."""
        assert self._network is not None, "finish() comes first"
        return sum(tensor.nbytes for tensor in self._network.state_dict().values())

    def _train(self, network: VariationalAutoencoder, pictures: Tensor, progress: Progress) -> None:
        """Fit the network to (N, S, S, 3) pictures, and append the mean loss of each epoch to `losses`."""
        generator = torch.Generator().manual_seed(self._seed)
        optimizer = torch.optim.Adam(network.parameters(), LEARNING_RATE)
        batches_per_epoch = _batches(self._images_per_epoch)
        cells = self._side // STRIDE
        network.train()
        for epoch in range(self._epochs):
            drawn = torch.randint(len(pictures), (self._images_per_epoch,), generator=generator)
            total = 0.0
            for number, indices in enumerate(torch.split(drawn, BATCH)):
                batch = augmented(_as_network_input(pictures[indices], self._device), generator)
                noise = torch.randn(len(batch), LATENT_CHANNELS, cells, cells, generator=generator)
                loss = network.loss(batch, noise.to(self._device))
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                total += loss.item() * len(batch)
                done = epoch * batches_per_epoch + number + 1
                progress(f"training {self._scene}", done, self._epochs * batches_per_epoch)
            self.losses.append(total / self._images_per_epoch)


def _batches(images: int) -> int:
    return -(-images // BATCH)


def _as_network_input(pictures: Tensor, device: torch.device) -> Tensor:
    """(B, 3, S, S) in 0..1, channels last in memory, from (B, S, S, 3) uint8."""
    return pictures.to(device).permute(0, 3, 1, 2).float() / 255
