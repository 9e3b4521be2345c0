"""Alarms and delays are those counted by hand, and by going through the frames one by one."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streammon.evaluation.metrics import ClipScores, detection_delay_s, false_alarm_share, false_alarms_per_hour
from streammon.evaluation.metrics.events import event_threshold, false_alarms, runs


def clip(scores: list[float], labels: str, fps: float = 2.0) -> ClipScores:
    return ClipScores("01_1", "01", np.array(scores), np.array([mark == "x" for mark in labels]), fps)


def test_the_highest_threshold_that_catches_enough_events_is_found() -> None:
    """Five events with peaks 5, 4, 3, 2, 1: 80 % are four of them, so 2; 95 % are all, so 1; 81 % likewise."""
    five = [clip([0, 5, 0, 4, 0, 3, 0, 2, 0, 1], ".x.x.x.x.x")]
    assert [event_threshold(five, caught) for caught in (0.2, 0.8, 0.81, 0.95, 1.0)] == [5, 2, 1, 1, 1]


def test_alarms_less_than_a_second_apart_are_one() -> None:
    """At 2 frames a second, frames 0 and 1 are half a second apart, 1 and 3 a whole one."""
    assert runs(np.array([True, True, False, True]), 2.0).tolist() == [[0, 2], [3, 4]]
    assert runs(np.array([True, True, False, True]), 2.1).tolist() == [[0, 4]]
    assert runs(np.array([True, True]), 0.1).tolist() == [[0, 2]]  # neighbours are one however slow the frames are
    assert runs(np.zeros(3, dtype=np.bool_)).tolist() == []


@given(labels=st.lists(st.booleans(), max_size=60))
def test_runs_cover_exactly_what_is_true(labels: list[bool]) -> None:
    covered = np.zeros(len(labels), bool)
    for first, stop in runs(np.array(labels, bool)):
        assert not covered[max(0, first - 1) : stop + 1].any()
        covered[first:stop] = True
    assert covered.tolist() == labels


def test_an_alarm_that_touches_an_event_is_not_false() -> None:
    """At 1 frame a second. Alarms at threshold 5: frames 0-1 (false), 3-4 (touch the event at 4), 8 (false)."""
    one = clip([5, 6, 0, 5, 9, 1, 0, 0, 7], "....xx...", fps=1.0)
    assert false_alarms(one, 5.0) == 2
    assert false_alarms(one, 0.0) == 0  # an alarm that never ends


def test_false_alarms_are_counted_per_hour_of_normal_footage() -> None:
    """One event of peak 9, so the threshold is 9; frame 8 alone reaches it beside: 1 in 8 normal frames at 1 a
    second, which is 1 / (8 / 3600) = 450 an hour."""
    one = [clip([5, 6, 0, 5, 9, 1, 0, 0, 0, 9], "....xx....", fps=1.0)]
    assert false_alarms_per_hour(one, 0.8) == pytest.approx(450)
    assert false_alarm_share(one, 0.8) == pytest.approx(1 / 8)


def test_delay_runs_from_the_first_frame_of_an_event() -> None:
    """Threshold at 80 % of five events is 2: reached after 0, 1, 2 and 0 frames of half a second; one is missed."""
    delay = detection_delay_s([clip([0, 9, 9, 0, 1, 3, 0, 0, 1, 2, 0, 2, 0, 1.5], ".xx.xx.xxx.x.x")], 0.8)
    assert delay is not None
    assert (delay.median_s, delay.mean_s) == (0.25, 0.375)


def test_an_alarm_that_never_ends_shows_in_the_footage_in_alarm() -> None:
    constant = [clip([1, 1, 1, 1], ".xx.")]
    assert false_alarms_per_hour(constant, 0.95) == 0
    assert false_alarm_share(constant, 0.95) == 1


def test_still_images_and_eventless_footage_have_neither() -> None:
    images = [clip([1, 2, 3], ".xx", fps=0.0)]
    assert false_alarms_per_hour(images, 0.8) is None
    assert detection_delay_s(images, 0.8) is None
    normal = [clip([1, 2, 3], "...")]
    assert detection_delay_s(normal, 0.8) is None
    assert false_alarms_per_hour(normal, 0.8) is false_alarm_share(normal, 0.8) is None
    abnormal = [clip([1, 2, 3], "xxx")]
    assert false_alarms_per_hour(abnormal, 0.8) is false_alarm_share(abnormal, 0.8) is None
    with pytest.raises(ValueError, match="clip '01_1' has no time, so no alarms"):
        false_alarms(images[0], 1.0)


def plain_events(clips: list[ClipScores]) -> list[tuple[ClipScores, list[int]]]:
    """Each event's clip and frame numbers, frame by frame."""
    events: list[tuple[ClipScores, list[int]]] = []
    for one in clips:
        for frame, abnormal in enumerate(one.labels):
            if abnormal and frame and one.labels[frame - 1]:
                events[-1][1].append(frame)
            elif abnormal:
                events.append((one, [frame]))
    return events


def plain_false_alarms(one: ClipScores, threshold: float) -> int:
    """An alarm stays open until a second has passed since the last frame that reached the threshold."""
    alarms: list[list[int]] = []
    for frame, score in enumerate(one.scores):
        if score < threshold:
            continue
        if alarms and (frame == alarms[-1][1] + 1 or (frame - alarms[-1][1]) / one.fps < 1):
            alarms[-1][1] = frame
        else:
            alarms.append([frame, frame])
    return sum(not one.labels[first : last + 1].any() for first, last in alarms)


@given(
    seed=st.integers(0, 10_000),
    frames=st.integers(1, 60),
    fps=st.sampled_from([0.5, 1.0, 2.0, 4.0, 24.0]),
    caught=st.sampled_from([0.5, 0.8, 0.95]),
)
@settings(max_examples=60)
def test_all_equal_a_plain_computation(seed: int, frames: int, fps: float, caught: float) -> None:
    generator = np.random.default_rng(seed)
    clips = [
        ClipScores(
            str(number), "", generator.integers(0, 9, frames).astype(float), generator.random(frames) < 0.3, fps
        )
        for number in range(3)
    ]
    events = plain_events(clips)
    normal = sum(int((~one.labels).sum()) for one in clips)
    if not events or not normal:
        return
    peaks = sorted((max(one.scores[i] for i in frames) for one, frames in events), reverse=True)
    threshold = peaks[math.ceil(caught * len(events) - 1e-9) - 1]
    assert event_threshold(clips, caught) == threshold
    expected = sum(plain_false_alarms(one, threshold) for one in clips) / (normal / fps / 3600)
    assert false_alarms_per_hour(clips, caught) == pytest.approx(expected)
    reached = [[i - frames[0] for i in frames if one.scores[i] >= threshold] for one, frames in events]
    delays = [numbers[0] / fps for numbers in reached if numbers]
    delay = detection_delay_s(clips, caught)
    assert delay is not None
    assert delay.median_s == pytest.approx(np.median(delays))
    assert delay.mean_s == pytest.approx(np.mean(delays))
