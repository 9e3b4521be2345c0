"""Coarse embeddings, their change over time, and their likeness to the learned view."""

import math
import weakref

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from streammon.motion.change import CHANGE_CHANNELS, CHANGE_GRID, LAG_S, CoarseEmbedding, EmbeddingHistory
from streammon.motion.view import LearnedView
from support.motion_samples import QUICK, SEEDS
from support.moving_square import even_embeddings

CHANNELS = (10, 20, 40)
SHAPE = (CHANGE_GRID, CHANGE_GRID, CHANGE_CHANNELS)


def chosen_channels(seed: int = 0, channels: tuple[int, int, int] = CHANNELS) -> NDArray[np.int64]:
    """The channels of an embedding, from maps in which each channel is its own number, counted over all three."""
    numbers = torch.arange(float(sum(channels))).expand(1, 16, 16, -1).permute(0, 3, 1, 2)
    ends = np.cumsum(channels).tolist()
    maps = [numbers[:, end - count : end] for end, count in zip(ends, channels, strict=True)]
    embedding = CoarseEmbedding(channels, seed).embed(maps)
    assert (embedding == embedding[:, :1, :1]).all()  # each channel alike at all places
    return np.asarray(embedding[0, 0, 0], np.int64)


class TestCoarseEmbedding:
    def test_channels_are_a_sorted_random_choice_that_repeats(self) -> None:
        generator = torch.Generator().manual_seed(5)
        expected = sorted(torch.randperm(70, generator=generator)[:CHANGE_CHANNELS].tolist())
        assert chosen_channels(5).tolist() == chosen_channels(5).tolist() == expected
        assert chosen_channels(6).tolist() != expected

    @QUICK
    @given(SEEDS, st.tuples(*[st.integers(0, 60)] * 3).filter(lambda channels: sum(channels) >= CHANGE_CHANNELS))
    def test_32_distinct_channels_are_chosen_of_all_three_maps(
        self, seed: int, channels: tuple[int, int, int]
    ) -> None:
        chosen = chosen_channels(seed, channels)
        assert len(set(chosen.tolist())) == CHANGE_CHANNELS
        assert 0 <= chosen.min() <= chosen.max() < sum(channels)

    def test_places_are_means_of_the_map_by_plain_loops(self) -> None:
        """Of 2 x 2 positions of a map of 32, of one of 16, and a position of a map of 8 is that of 2 x 2 places."""
        generator = torch.Generator().manual_seed(0)
        maps = [
            torch.randn(2, count, side, side, generator=generator)
            for count, side in zip(CHANNELS, (32, 16, 8), strict=True)
        ]
        found = CoarseEmbedding(CHANNELS).embed(maps)
        assert found.shape == (2, *SHAPE)
        assert found.dtype == np.float32
        for place, channel in enumerate(chosen_channels()):
            number = int(np.searchsorted(np.cumsum(CHANNELS), channel, side="right"))
            own = maps[number][:, channel - sum(CHANNELS[:number])]
            for row, column in ((0, 0), (3, 7), (15, 14)):
                of_each_map = (
                    own[:, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2],
                    own[:, row : row + 1, column : column + 1],
                    own[:, row // 2 : row // 2 + 1, column // 2 : column // 2 + 1],
                )
                values = of_each_map[number].mean((1, 2))
                np.testing.assert_allclose(found[:, row, column, place], values, rtol=1e-5, atol=1e-6)

    @QUICK
    @given(SEEDS, st.integers(1, 5))
    def test_it_does_not_see_batch_borders_and_keeps_means(self, seed: int, frames: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        maps = [
            torch.randn(frames, count, side, side, generator=generator)
            for count, side in zip(CHANNELS, (32, 16, 8), strict=True)
        ]
        embedding = CoarseEmbedding(CHANNELS)
        found = embedding.embed(maps)
        for number in range(frames):
            np.testing.assert_array_equal(
                embedding.embed([each[number : number + 1] for each in maps])[0], found[number]
            )
        means = torch.cat([each.mean((2, 3)) for each in maps], 1)[:, chosen_channels()]
        np.testing.assert_allclose(found.mean((1, 2)), means, atol=1e-5)


def alike(number: float) -> np.ndarray:
    return np.full(SHAPE, number, np.float32)


def changes(times_s: list[float], values: list[float]) -> list[float | None]:
    """Rates of change of a stream whose embeddings are one number each."""
    history, found = EmbeddingHistory(), []
    for time_s, value in zip(times_s, values, strict=True):
        change = history.change(alike(value), time_s)
        if change is not None:
            assert change.shape == SHAPE
            assert change.dtype == np.float32
            assert (change == change[0, 0, 0]).all()
        found.append(None if change is None else float(change[0, 0, 0]))
    return found


class TestHistory:
    def test_between_two_frames_the_embedding_a_lag_ago_is_interpolated(self) -> None:
        """At 0.55 s a lag ago is 0.25 s: e = 4 + (0.25 - 0.2) / (0.4 - 0.2) * (8 - 4) = 5; (9 - 5) / 0.3."""
        found = changes([0.0, 0.2, 0.4, 0.55], [1.0, 4.0, 8.0, 9.0])
        assert found[:2] == [None, None]
        assert found[2] == pytest.approx((8 - 2.5) / 0.3, rel=1e-4)  # at 0.1 s: 1 + 0.5 * 3
        assert found[3] == pytest.approx((9 - 5) / 0.3, rel=1e-4)

    def test_frames_further_apart_than_a_lag_are_compared_one_with_the_next(self) -> None:
        """(6 - 2) / 0.8; the whole second is the longest; one and a half begins again."""
        assert changes([0.0, 0.8], [2.0, 6.0]) == [None, pytest.approx(5.0)]
        assert changes([0.0, 1.0], [2.0, 6.0]) == [None, pytest.approx(4.0)]
        assert changes([0.0, 1.5, 2.25], [2.0, 6.0, 9.0]) == [None, None, pytest.approx(4.0)]

    def test_a_frame_that_comes_twice_begins_again(self) -> None:
        times_s = [0.0, 0.25, 0.5, 0.5, 0.75, 1.0]
        found = changes(times_s, [1.0] * 6)
        assert [each is not None for each in found] == [False, False, True, False, False, True]

    @settings(max_examples=40)
    @given(SEEDS, st.integers(2, 20), st.integers(-64, 64))
    def test_it_neither_depends_on_when_the_stream_began_nor_on_the_unit_of_the_features(
        self, seed: int, frames: int, began_s: int
    ) -> None:
        """Times in 64ths of a second: sums of them are exact."""
        rng = np.random.default_rng(seed)
        times_s = np.cumsum(rng.integers(1, 40, frames) / 64)
        values = rng.normal(size=frames)
        here, later = (
            changes(times_s.tolist(), values.tolist()),
            changes((times_s + began_s).tolist(), values.tolist()),
        )
        scaled = changes(times_s.tolist(), (4 * values).tolist())
        for one, other, larger in zip(here, later, scaled, strict=True):
            assert (one is None) == (other is None) == (larger is None)
            if one is not None and other is not None and larger is not None:
                assert other == pytest.approx(one, rel=1e-4, abs=1e-4)
                assert larger == pytest.approx(4 * one, rel=1e-4, abs=1e-4)

    @pytest.mark.parametrize("fps", [2, 10, 30])
    def test_no_more_embeddings_are_kept_than_those_of_a_lag_and_two(self, fps: int) -> None:
        history, kept = EmbeddingHistory(), []
        for number in range(20 * fps):
            embedding = alike(number)
            kept.append(weakref.ref(embedding))
            history.change(embedding, number / fps)
        del embedding
        assert sum(each() is not None for each in kept) <= LAG_S * fps + 2

    def test_every_place_and_channel_has_its_own_rate(self) -> None:
        rates, history = np.arange(np.prod(SHAPE)).reshape(SHAPE) / 64, EmbeddingHistory()
        found = [history.change((rates * time_s).astype(np.float32), time_s) for time_s in (0.0, 0.25, 0.5)]
        assert found[:2] == [None, None]
        change = found[2]
        assert change is not None
        np.testing.assert_allclose(change, rates, rtol=1e-4)


class TestView:
    def picture(self, seed: int) -> np.ndarray:
        return np.random.default_rng(seed).normal(size=SHAPE).astype(np.float32)

    @QUICK
    @given(SEEDS, SEEDS)
    def test_likeness_lies_between_that_of_the_negative_and_that_of_itself(self, one: int, other: int) -> None:
        view = LearnedView(self.picture(one).astype(np.float64))
        assert view.likeness(self.picture(one)) == pytest.approx(1, abs=1e-5)
        assert view.likeness(-self.picture(one)) == pytest.approx(-1, abs=1e-5)
        assert abs(view.likeness(self.picture(other))) <= 1 + 1e-5
        assert LearnedView(self.picture(other).astype(np.float64)).likeness(self.picture(one)) == pytest.approx(
            view.likeness(self.picture(other)), abs=1e-5
        )

    @QUICK
    @given(SEEDS)
    def test_light_that_scales_and_shifts_each_channel_changes_nothing(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        view, seen = LearnedView(self.picture(0).astype(np.float64)), self.picture(0) + self.picture(1)
        gains = rng.uniform(0.2, 5, CHANGE_CHANNELS).astype(np.float32)
        offsets = rng.normal(0, 3, CHANGE_CHANNELS).astype(np.float32)
        assert view.likeness(gains * seen + offsets) == pytest.approx(view.likeness(seen), abs=1e-4)

    def test_the_number_of_frames_learned_changes_nothing(self) -> None:
        total, seen = self.picture(0).astype(np.float64), self.picture(0) + self.picture(1)
        assert LearnedView(1000 * total).likeness(seen) == pytest.approx(LearnedView(total).likeness(seen), abs=1e-5)

    @pytest.mark.parametrize("lost", [0, 8, 24, 32])
    def test_a_channel_that_is_the_same_everywhere_is_like_nothing(self, lost: int) -> None:
        view, seen = LearnedView(self.picture(0).astype(np.float64)), self.picture(0)
        seen[..., :lost] = 7
        assert view.likeness(seen) == pytest.approx(1 - lost / 32, abs=1e-5)

    def test_the_border_is_left_out_and_each_inner_place_counts(self) -> None:
        view, seen = LearnedView(self.picture(0).astype(np.float64)), self.picture(0)
        seen[[0, -1]] = seen[:, [0, -1]] = 99
        assert view.likeness(seen) == pytest.approx(1, abs=1e-5)
        for row, column in ((1, 1), (14, 14), (1, 14), (7, 8)):
            other = self.picture(0)
            other[row, column] += 20
            assert view.likeness(other) < 0.9

    def test_places_that_are_exchanged_make_it_another_view(self) -> None:
        turned = self.picture(0).transpose(1, 0, 2)
        assert abs(LearnedView(self.picture(0).astype(np.float64)).likeness(turned)) < 0.2


class TestChange:
    @settings(max_examples=30)
    @given(st.lists(st.floats(0.02, 0.4), min_size=12, max_size=30))
    def test_a_steady_change_has_its_rate_however_uneven_the_frames(self, steps: list[float]) -> None:
        history, time_s, said = EmbeddingHistory(), 0.0, 0
        known_from = next((sum(steps[:n]) for n in range(len(steps)) if sum(steps[:n]) >= LAG_S), math.inf)
        for step in steps:
            change = history.change(even_embeddings(2.0 * time_s), time_s)
            if change is not None:
                said += 1
                np.testing.assert_allclose(change, 2.0, rtol=1e-3)
            time_s += step
        expected = sum(sum(steps[:n]) >= known_from for n in range(len(steps)))
        assert abs(said - expected) <= 1  # the first may fall to rounding

    def test_after_a_gap_or_a_step_back_nothing_is_said_for_a_lag(self) -> None:
        for jump in (5.0, -2.0):
            history = EmbeddingHistory()
            said = [history.change(even_embeddings(0), 10 + 0.1 * n) is not None for n in range(8)]
            assert said == [False] * 3 + [True] * 5
            said = [history.change(even_embeddings(9), 10.7 + jump + 0.1 * n) is not None for n in range(4)]
            assert said == [False] * 3 + [True]
