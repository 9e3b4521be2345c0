"""Whether the view is the learned one."""

import numpy as np
import pytest

from streammon.motion.change import CHANGE_CHANNELS, CHANGE_GRID
from streammon.motion.observe import Observation
from streammon.motion.statistics import (
    MotionSums,
)
from streammon.motion.view import LearnedView
from support.moving_square import STREET_DIMENSIONS, even_embeddings


class TestView:
    def picture(self, seed: int) -> np.ndarray:
        noise = np.random.default_rng(seed).uniform(0, 1, (CHANGE_GRID, CHANGE_GRID, CHANGE_CHANNELS))
        return noise.astype(np.float32)

    def test_the_learned_view_is_known_in_any_light_and_another_is_not(self) -> None:
        sums, learned = MotionSums(STREET_DIMENSIONS), self.picture(0)
        for number in range(20):
            frame = learned + np.float32(0.1) * self.picture(number + 10)
            sums.update(Observation("yard", number / 10, None, embedding=frame))
        view = LearnedView(sums.view)
        assert view.likeness(learned) > 0.95
        for gain, offset in ((0.2, 0.0), (3.0, 0.0), (1.0, 5.0)):
            assert view.likeness(np.float32(gain) * learned + np.float32(offset)) == pytest.approx(
                view.likeness(learned), abs=1e-4
            )
        assert abs(view.likeness(self.picture(1))) < 0.1
        assert abs(view.likeness(even_embeddings(0.0))) < 0.1

    def test_half_hidden_it_is_still_known(self) -> None:
        hidden = self.picture(0)
        hidden[:, : CHANGE_GRID // 2] = 0.5
        assert LearnedView(self.picture(0).astype(np.float64)).likeness(hidden) > 0.5
