"""What the user may choose about loading a data set."""

from dataclasses import dataclass


@dataclass(frozen=True)
class DatasetOptions:
    """How a data set is loaded.

    Attributes:
        allow_partial: Whether clips that are missing or broken are left out and told, instead of refused.
        categories: Which categories of MVTec AD are wanted; empty for all of them.
    """

    allow_partial: bool = False
    categories: tuple[str, ...] = ()
