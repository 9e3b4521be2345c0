"""Settings of motion that depend on one another."""

import math

import pytest

from streammon.motion.settings import ChangeSettings, FlowSettings, GaussianSettings, MotionSettings


def test_the_cells_of_flow_must_tile_the_places_of_change() -> None:
    settings = MotionSettings(flow=FlowSettings(grid=48), change=ChangeSettings(grid=16))
    assert settings.cells_per_place == 3
    with pytest.raises(ValueError, match=r"flow\.grid is 50; it must be a multiple of change\.grid, 16"):
        MotionSettings(flow=FlowSettings(grid=50), change=ChangeSettings(grid=16))


@pytest.mark.parametrize("widths", [(1.5, 0.75), (0.75, 0.75, 1.5), (math.inf, 6.0)])
def test_widths_of_the_kernel_must_ascend(widths: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match=r"gaussians\.widths is \(.*\); it must ascend"):
        MotionSettings(gaussians=GaussianSettings(widths=widths))
