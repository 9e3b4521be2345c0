"""Feature maps and motion of the next batch, computed by a second thread while one batch is learned or scored."""

from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from torch import Tensor

from streammon.motion import Observer
from streammon.padim import Backbone, as_batch
from streammon.records import Frame


def with_maps(
    batches: Iterator[Sequence[Frame]], backbone: Backbone, observer: Observer | None, crop: int | None = None
) -> Generator[tuple[Sequence[Frame], list[Tensor]]]:
    """Batches with their feature maps; those of the next batch, and its motion, are computed in a second thread.

    `batches` is read in that thread too. Close the iterator to end the thread before the last batch.

    Args:
        batches: Batches of B frames each; an empty batch has no maps.
        backbone: Network that computes the maps.
        observer: Observer that will observe the frames; None for PaDiM alone.
        crop: Side of a centre crop of the pictures, in pixels; None for no crop.

    Yields:
        The B frames, and their three maps (B, C, h, w).
    """

    def following() -> tuple[Sequence[Frame], list[Tensor]] | None:
        frames = next(batches, None)
        if frames is None:
            return None
        if observer is not None:
            observer.begin(frames)
        return frames, backbone.maps(as_batch([frame.picture for frame in frames], crop)) if frames else []

    with ThreadPoolExecutor(1, "streammon-features") as features:
        ahead = features.submit(following)
        while (batch := ahead.result()) is not None:
            ahead = features.submit(following)
            yield batch
