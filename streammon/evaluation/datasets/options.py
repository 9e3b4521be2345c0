"""Options for loading a data set."""

from dataclasses import dataclass


@dataclass(frozen=True)
class DatasetOptions:
    """Tolerance of defects, and the selection of categories.

    Attributes:
        allow_partial: Leave out and record missing or broken clips instead of raising.
        categories: Categories of MVTec AD to load; empty for all of them.
    """

    allow_partial: bool = False
    categories: tuple[str, ...] = ()
