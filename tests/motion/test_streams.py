"""State by stream is bounded, whatever number of clips and cameras passes through."""

import gc
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from streammon.calibration import RecentRecordings
from streammon.calibration.recordings import MOST_RECORDINGS
from streammon.motion import Observation, Observer, StillPatches
from streammon.motion.change import CHANGE_CHANNELS, CHANGE_GRID, EmbeddingHistory
from streammon.motion.flow import GRID
from streammon.motion.still import _Places
from streammon.records import Frame

CLIPS = 2000
CHANNELS = (4, 16, 20)


@dataclass(frozen=True)
class SmallArchitecture:
    channels: tuple[int, int, int] = CHANNELS


class SmallNetwork(nn.Module):
    """A backbone of three strided convolutions, untrained."""

    def __init__(self) -> None:
        super().__init__()
        self.architecture = SmallArchitecture()
        self.device = torch.device("cpu")
        widths = (3, *CHANNELS)
        self.stages = nn.ModuleList(nn.Conv2d(widths[n], widths[n + 1], 3, 2, 1) for n in range(3))

    @torch.inference_mode()
    def maps(self, pictures: Tensor, stages: int = 3) -> list[Tensor]:
        found = [pictures.permute(0, 3, 1, 2).float() / 255]
        for stage in list(self.stages)[:stages]:
            found.append(stage(found[-1]))
        return found[1:]


def frame(stream: str, number: int) -> Frame:
    return Frame(stream, number, np.zeros((8, 8, 3), np.uint8), (8, 8), number / 10, number / 10)


def alive(kind: type) -> int:
    """How many objects of a class there are in this process."""
    gc.collect()
    return sum(type(each) is kind for each in gc.get_objects())


def test_a_stream_keeps_its_state_while_fewer_than_the_bound_came_since() -> None:
    states: RecentRecordings[list[int]] = RecentRecordings(list, most=3)
    first = states["lobby"]
    for other in ("yard", "gate"):
        assert states[other] is not first
        assert states["lobby"] is first
    for other in ("hall", "roof", "lane"):
        assert states[other] == []
    assert "lobby" not in states
    assert states["lobby"] is not first


@given(st.lists(st.integers(0, 9), max_size=60), st.integers(1, 6))
def test_the_streams_kept_are_the_most_recently_used(uses: list[int], most: int) -> None:
    states: RecentRecordings[list[int]] = RecentRecordings(list, most)
    for number in uses:
        states[str(number)].append(number)
    latest = list(dict.fromkeys(reversed(uses)))
    assert {number for number in range(10) if str(number) in states} == set(latest[:most])
    assert len(states) == min(most, len(latest))


def test_no_recording_at_all_cannot_be_asked_for() -> None:
    with pytest.raises(ValueError, match="most is 0; at least one recording must be kept"):
        RecentRecordings(list, most=0)


@pytest.fixture
def observer() -> Observer:
    return Observer(SmallNetwork())


def test_two_thousand_clips_leave_an_observer_no_more_histories_than_the_bound(observer: Observer) -> None:
    before, embeddings = alive(EmbeddingHistory), np.zeros((4, CHANGE_GRID, CHANGE_GRID, CHANGE_CHANNELS), np.float32)
    for clip in range(CLIPS):
        changes = observer.changes([frame(f"clip {clip}", number) for number in range(4)], embeddings)
        assert [change is not None for change in changes] == [False, False, False, True]
    assert alive(EmbeddingHistory) - before == MOST_RECORDINGS


def test_two_thousand_clips_leave_still_patches_no_more_states_than_the_bound() -> None:
    still = StillPatches(np.ones((GRID, GRID), np.float32))
    before, came = alive(_Places), np.full((3, 16, 16), 5, np.float32)
    came[2, 8, 8] = 30
    for clip in range(CLIPS):
        seen = [Observation(f"clip {clip}", number / 10, None) for number in range(3)]
        heights = still.heights(seen, came)
        assert heights[0] == heights[1] == 0
        assert heights[2] > 0
    assert alive(_Places) - before == MOST_RECORDINGS


def test_a_camera_that_goes_on_is_not_forgotten_while_clips_pass(observer: Observer) -> None:
    embeddings, known = np.zeros((2, CHANGE_GRID, CHANGE_GRID, CHANGE_CHANNELS), np.float32), []
    for number in range(2 * MOST_RECORDINGS):
        camera, _ = observer.changes([frame("lobby", number), frame(f"clip {number}", 0)], embeddings)
        known.append(camera is not None)
    assert known == [False] * 3 + [True] * (2 * MOST_RECORDINGS - 3)
