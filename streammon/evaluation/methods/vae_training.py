"""Training of the variational autoencoder, which can be saved after each epoch and resumed with the same weights."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from streammon.evaluation.methods.autoencoder import LATENT_CHANNELS, STRIDE, VariationalAutoencoder, augmented

BATCH = 32
LEARNING_RATE = 1e-4


class Training:
    """Training of one network, from its initial weights or from a saved state.

    Attributes:
        network: The network.
        losses: The mean loss of each epoch so far.
    """

    def __init__(self, device: torch.device, images_per_epoch: int, seed: int) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            network = VariationalAutoencoder()
        # NHWC is up to twice as fast on CPUs
        network = network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.network: VariationalAutoencoder = network
        self.losses: list[float] = []
        self._device = device
        self._images_per_epoch = images_per_epoch
        self._generator = torch.Generator().manual_seed(seed)
        self._optimizer = torch.optim.Adam(self.network.parameters(), LEARNING_RATE)

    def run_epoch(self, pictures: Tensor, counted: Callable[[int], None]) -> None:
        """Fit the network to (N, S, S, 3) uint8 pictures for one more epoch.

        Args:
            pictures: The same pictures in every epoch.
            counted: Called after each batch with the number of batches so far, in all epochs.
        """
        cells = pictures.shape[1] // STRIDE
        self.network.train()
        drawn = torch.randint(len(pictures), (self._images_per_epoch,), generator=self._generator)
        total, batches = 0.0, torch.split(drawn, BATCH)
        for number, indices in enumerate(batches):
            batch = augmented(as_network_input(pictures[indices], self._device), self._generator)
            noise = torch.randn(len(batch), LATENT_CHANNELS, cells, cells, generator=self._generator)
            loss = self.network.loss(batch, noise.to(self._device))
            self._optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self._optimizer.step()
            total += loss.item() * len(batch)
            counted(len(self.losses) * len(batches) + number + 1)
        self.losses.append(total / self._images_per_epoch)

    def state(self) -> dict[str, Tensor]:
        """Weights, optimiser, random generator and losses, not copied: the next epoch changes them."""
        moments = {
            f"optimizer.{number}.{name}": moment
            for number, parameter in enumerate(self.network.parameters())
            for name, moment in self._optimizer.state[parameter].items()
        }
        return {
            **{f"network.{name}": tensor for name, tensor in self.network.state_dict().items()},
            **moments,
            "generator": self._generator.get_state(),
            "losses": torch.tensor(self.losses, dtype=torch.float64),
        }

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Resume from the `state` of a training with the same settings, after at least one epoch."""
        network = "network."
        weights = {name.removeprefix(network): each for name, each in state.items() if name.startswith(network)}
        self.network.load_state_dict(weights)
        for number, parameter in enumerate(self.network.parameters()):
            moments = {name: state[f"optimizer.{number}.{name}"] for name in ("step", "exp_avg", "exp_avg_sq")}
            self._optimizer.state[parameter] = {
                # in the parameter's memory layout, since another one may be summed with other rounding
                name: torch.empty_like(parameter).copy_(each) if each.ndim else each.clone()
                for name, each in moments.items()
            }
        self._generator.set_state(state["generator"])
        self.losses = state["losses"].tolist()


def as_network_input(pictures: Tensor, device: torch.device) -> Tensor:
    """(B, 3, S, S) in 0..1, channels last in memory, from (B, S, S, 3) uint8."""
    return pictures.to(device).permute(0, 3, 1, 2).float() / 255
