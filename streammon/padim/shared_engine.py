"""An engine for several threads."""

from threading import Lock

from torch import Tensor

from streammon.padim.engines import Engine


class SharedEngine:
    """An engine for several threads: one call at a time, where two calls of one shape would disturb each other.

    Args:
        engine: Computes the maps.

    Attributes:
        name: As of the engine.
        precision: As of the engine.
    """

    def __init__(self, engine: Engine) -> None:
        self.name = engine.name
        self.precision = engine.precision
        self._engine = engine
        self._lock = Lock()

    @property
    def weights_bytes(self) -> int:
        """Memory of the network's weights, in bytes."""
        return self._engine.weights_bytes

    def maps(self, pictures: Tensor, stages: int) -> list[Tensor]:
        """See `Engine.maps`."""
        with self._lock:
            return self._engine.maps(pictures, stages)
