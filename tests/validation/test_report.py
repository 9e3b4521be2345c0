"""What a validation reports follows from what it saw: rates, intervals, fractions, and where nothing is seen."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import poisson

from streammon.calibration import Calibration
from streammon.config import ModelConfig
from streammon.errors import FootageError
from streammon.ingest import Clip
from streammon.records import Channel, Detail, Frame
from streammon.validation import ValidationOptions, require_usable
from streammon.validation.blind import COLUMNS, ROWS, BlindMap, touched_cells
from streammon.validation.catching import StagedOutcome, score_staged, staged_frame, with_difference
from streammon.validation.control import CONTROL, paste_unchanged
from streammon.validation.footage import Piece, Segment, folds, segment_pieces
from streammon.validation.rates import PROMISES_PER_HOUR, FalseAlarmCounter, poisson_interval, rate_check
from streammon.validation.report import ValidationReport, kind_report, kind_reports
from streammon.validation.staging import StagedSegment, movers
from streammon.validation.terminal import remarks
from support.staging_street import HEIGHT, WALK_Y, WIDTH, Walker, street, times_s

NOWHERE = np.zeros((ROWS, COLUMNS), np.bool_)


# --- rates


@pytest.mark.parametrize("count", [0, 1, 7, 40])
def test_each_end_of_the_interval_leaves_a_fortieth_outside(count: int) -> None:
    low, high = poisson_interval(count)
    assert poisson.cdf(count, high) == pytest.approx(0.025)
    assert count == 0 or poisson.sf(count - 1, low) == pytest.approx(0.025)


def test_a_promise_holds_where_it_lies_within_the_interval() -> None:
    # 10 seen in half an hour: 20 an hour, exact interval 4.795 to 18.390 twice over
    good, bad = rate_check(36.0, 10, 1800.0), rate_check(60.0, 10, 1800.0)
    assert (good.observed_per_hour, good.low_per_hour, good.high_per_hour) == (20.0, 9.591, 36.781)
    assert (good.expected, good.holds, bad.expected, bad.holds) == (18.0, True, 30.0, False)


def test_a_promise_that_is_off_by_less_than_two_holds_however_narrow_the_interval() -> None:
    near, far = rate_check(100.0, 1500, 10 * 3600.0), rate_check(100.0, 2500, 10 * 3600.0)
    assert near.low_per_hour > 100.0
    assert (near.holds, far.holds) == (True, False)


def test_alerts_are_counted_as_runs_that_a_second_of_quiet_separates() -> None:
    calibration = Calibration.from_scores(np.linspace(0, 1, 50), ["a"] * 50, list(np.arange(50) * 0.1))
    counter = FalseAlarmCounter()
    counter.add([9, 9, 9, 9, 9, 9], [0.0, 0.5, 1.0, 2.0, 3.1, 3.2], calibration)  # 2.0 to 3.1 is more than a second
    counter.add([9, 0, 0, 9, 0, 0], [0.0, 0.5, 1.0, 2.0, 3.1, 3.2], calibration)
    assert counter.counts[-1] == 4
    counter.add([0] * 6, [0.0, 0.5, 1.0, 2.0, 3.1, 3.2], calibration)
    assert counter.counts[-1] == 4


def test_footage_like_that_which_calibrated_keeps_the_promise() -> None:
    rng = np.random.default_rng(0)
    seconds = list(np.arange(20_000) * 2.0)  # each frame a run of its own
    calibration = Calibration.from_scores(rng.exponential(1.0, 20_000), ["a"] * 20_000, seconds)
    counter = FalseAlarmCounter()
    counter.add(list(rng.exponential(1.0, 20_000)), seconds, calibration)
    assert counter.watched_s == pytest.approx(40_000)
    checks = counter.checks()
    assert [check.promised_per_hour for check in checks] == [0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0]
    assert all(check.holds for check in checks), checks


def test_rates_that_too_little_footage_can_tell_nothing_of_are_left_out() -> None:
    calibration = Calibration.from_scores(np.linspace(0, 1, 50), ["a"] * 50, list(np.arange(50) * 0.1))
    counter = FalseAlarmCounter()
    counter.add([0.5] * 300, list(np.arange(300) * 0.1), calibration)  # 30 s: 300 an hour are 2.5
    assert counter.checks() == []
    counter.add([0.5] * 100, list(np.arange(100) * 0.1), calibration)  # 40 s: 3.3
    assert [check.promised_per_hour for check in counter.checks()] == [PROMISES_PER_HOUR[-1]]


# --- what was caught


def test_fraction_delay_and_channels_are_of_those_staged_and_caught() -> None:
    fates = [(0.5, Channel.SPEED), (1.5, Channel.SPEED), (0.7, Channel.LOOKS), (None, None)]
    outcomes = [StagedOutcome("fast", NOWHERE, *fate) for fate in fates] + [StagedOutcome(CONTROL, NOWHERE)]
    fast = kind_report("fast", outcomes, wanted=6)
    assert (fast.wanted, fast.staged, fast.caught, fast.fraction, fast.median_delay_s) == (6, 4, 3, 0.75, 0.7)
    assert fast.channels == {"speed": 2, "looks": 1}
    control = kind_reports(outcomes, wanted=6)[-1]
    assert (control.is_control, control.staged, control.caught, control.fraction) == (True, 1, 0, 0.0)


def test_what_could_not_be_staged_has_no_fraction() -> None:
    report = kind_report("standing", [], wanted=6)
    assert (report.staged, report.fraction, report.median_delay_s) == (0, None, None)


def empty_report(**changes: object) -> ValidationReport:
    facts = {
        "scene": "street",
        "folds": 4,
        "frames": 300,
        "watched_s": 30.0,
        "false_alarms_per_day": 1.0,
        "rates": [],
        "chosen_needs_s": 3 * 86400.0,
        "acts": kind_reports([], wanted=6),
        "blind": BlindMap().fractions(),
        "blind_picture": "",
        "seconds": 1.0,
    }
    return ValidationReport(**(facts | changes))  # type: ignore[arg-type]


def test_too_little_footage_is_said_plainly() -> None:
    lines = remarks(empty_report())
    assert lines[0] == "30 s of footage is too short to check any false-alarm rate"
    assert lines[1] == "1 a day is extrapolated: checking it would take 3 days of normal footage, this is 30 s"
    assert lines[2].startswith(
        "staged less often than wanted (fast, wrong way, wrong place, standing, stranger, large, "
    )


def test_more_alarms_than_promised_and_a_control_that_is_caught_are_said() -> None:
    outcomes = [StagedOutcome(CONTROL, NOWHERE, 0.1, Channel.LOOKS)]
    lines = remarks(empty_report(rates=[rate_check(30.0, 40, 1800.0)], acts=kind_reports(outcomes, wanted=1)))
    assert any(line.startswith("more false alarms than promised") for line in lines)
    assert any(line.startswith("1 of 1 people and things pasted in unchanged were 'caught' too") for line in lines)


# --- where the camera is blind


def test_cells_know_what_went_through_them_and_what_was_missed() -> None:
    left = np.zeros((ROWS * 20, COLUMNS * 20), np.bool_)
    left[:20, :20] = True
    both = left.copy()
    both[:20, 20:40] = True
    blind = BlindMap()
    blind.add(touched_cells([left]), caught=True)
    blind.add(touched_cells([np.zeros_like(left), both]), caught=False)
    fractions = blind.fractions()
    assert (len(fractions), {len(row) for row in fractions}) == (ROWS, {COLUMNS})
    assert fractions[0][:3] == [0.5, 1.0, None]


def test_a_thing_smaller_than_a_tenth_of_a_cell_has_been_there() -> None:
    mask = np.zeros((ROWS * 20, COLUMNS * 20), np.bool_)
    mask[50:54, 50:54] = True
    assert list(zip(*np.nonzero(touched_cells([mask])), strict=True)) == [(2, 2)]


def test_the_picture_is_green_where_all_was_caught_red_where_none_was_and_grey_elsewhere() -> None:
    blind = BlindMap()
    caught, missed = NOWHERE.copy(), NOWHERE.copy()
    caught[0, 0], missed[0, 1] = True, True
    blind.add(caught, caught=True)
    blind.add(missed, caught=False)
    drawn = blind.drawn(np.full((180, 240, 3), 120, np.uint8))
    assert drawn.shape == (720, 960, 3)
    green, red, grey = (drawn[10, column * 80 + 10].astype(int) for column in range(3))
    assert green[1] > green[0]
    assert red[0] > red[1]
    assert len(set(grey.tolist())) == 1


# --- folds and segments


def clips(*names: str) -> list[Clip]:
    return [Clip(name, Path(name)) for name in names]


def bounds(parts: list[list[Piece]]) -> list[list[tuple[str, int, int]]]:
    return [[(piece.clip.name, piece.first, piece.last) for piece in part] for part in parts]


def test_whole_clips_stay_together() -> None:
    parts = folds(clips("a", "b", "c", "d", "e"), [10, 10, 20, 20, 20], number=4)
    assert bounds(parts) == [[("a", 0, 10), ("b", 0, 10)], [("c", 0, 20)], [("d", 0, 20)], [("e", 0, 20)]]


def test_one_clip_becomes_contiguous_quarters() -> None:
    quarters = [[("a", 0, 25)], [("a", 25, 50)], [("a", 50, 75)], [("a", 75, 100)]]
    assert bounds(folds(clips("a"), [100], number=4)) == quarters


def test_few_clips_of_unequal_length_are_cut_into_equal_parts() -> None:
    assert bounds(folds(clips("a", "b"), [30, 10], number=4))[2:] == [[("a", 20, 30)], [("b", 0, 10)]]
    crossing = [[("a", 0, 13)], [("a", 13, 25), ("b", 0, 2)], [("b", 2, 15)]]
    assert bounds(folds(clips("a", "b"), [25, 15], number=3)) == crossing


def test_segments_are_spread_over_clips_and_over_a_long_one() -> None:
    short = [Piece(clip, 0, 100) for clip in clips("a", "b", "c", "d")]
    assert [piece.clip.name for piece in segment_pieces(short, 2)] == ["b", "d"]
    (long,) = clips("a")
    assert segment_pieces([Piece(long, 1000, 3000)], 2) == [Piece(long, 1000, 2000), Piece(long, 2000, 3000)]


def test_too_short_footage_is_told_before_the_work(numbered_clip: Path) -> None:
    with pytest.raises(FootageError) as failure:
        require_usable([numbered_clip], ModelConfig(), ValidationOptions())
    remedy = "give at least 80 frames, for a useful result several minutes"
    assert str(failure.value) == f"{numbered_clip}: it has 15 frames, too few to validate; {remedy}"


# --- staging


def walked() -> Segment:
    """Someone crossing the street in its first half, as a camera's frames."""
    pictures = street([Walker(4, 10, WALK_Y, 8.0)], 80)
    frames = []
    for index, (picture, at_s) in enumerate(zip(pictures, times_s(80), strict=True)):
        small = picture[::2, ::2].copy()
        frames.append(Frame("street", index, small, (WIDTH, HEIGHT), at_s, 0.0, Detail(picture)))
    return Segment("street", frames)


@pytest.fixture(scope="module")
def segment() -> Segment:
    return walked()


@pytest.fixture(scope="module")
def control(segment: Segment) -> StagedSegment:
    found = paste_unchanged(segment, movers(segment.pictures, segment.times_s), np.random.default_rng(0))
    assert found is not None
    return found


def middles(control: StagedSegment) -> list[tuple[int, float, float]]:
    """Frame, x and y of what was pasted."""
    found = []
    for index, mask in enumerate(control.masks):
        rows, columns = np.nonzero(mask)
        if len(rows):
            found.append((index, columns.mean(), rows.mean()))
    return found


def test_the_control_goes_the_same_way_at_the_same_pace_at_another_time(control: StagedSegment) -> None:
    way = middles(control)
    paces = np.diff([x for _, x, _ in way])
    assert float(np.median(paces)) == pytest.approx(8.0, abs=0.5)
    assert float(np.median([y for _, _, y in way])) == pytest.approx(WALK_Y + 15, abs=3)
    frame, x, _ = way[len(way) // 2]
    own_x = 10 + 8.0 * (frame - 4) + 7
    assert abs(own_x - x) >= 8.0 * 9  # about a second apart at the least


def test_a_staged_frame_is_the_cameras_own_where_nothing_was_touched(
    segment: Segment, control: StagedSegment
) -> None:
    shown = [index for index, mask in enumerate(control.masks) if mask.any()]
    untouched = staged_frame(control, segment, shown[0] - 1, "control")
    assert untouched.detail is segment.frames[shown[0] - 1].detail
    middle = shown[len(shown) // 2]
    touched = staged_frame(control, segment, middle, "control")
    changed = (touched.picture != segment.frames[middle].picture).any(axis=2)
    assert changed.any()
    rows, columns = np.nonzero(control.masks[middle])
    around = np.zeros_like(changed)
    around[rows.min() // 2 - 4 : rows.max() // 2 + 5, columns.min() // 2 - 4 : columns.max() // 2 + 5] = True
    assert not (changed & ~around).any()
    assert touched.detail is not None
    assert touched.detail.earlier is not None
    assert touched.detail.step_s == pytest.approx(0.1)


def test_a_small_picture_takes_over_the_difference_of_the_large_one() -> None:
    before = np.full((40, 60, 3), 100, np.uint8)
    after = before.copy()
    after[:, 30:] = 160
    small = with_difference(np.full((20, 20, 3), 90, np.uint8), before, after)
    assert (small[:, :5] == 90).all()
    assert (small[:, 15:] == 150).all()


def test_something_is_caught_once_its_score_reaches_the_threshold_and_not_before(
    segment: Segment, control: StagedSegment
) -> None:
    shown = [index for index, mask in enumerate(control.masks) if mask.any()]
    begin_s = segment.times_s[shown[0]]

    def score_frames(frames: object) -> list[tuple[float, Channel]]:
        assert isinstance(frames, tuple)
        late = [frame.stream_time_s >= begin_s + 0.55 or frame.stream_time_s < begin_s - 0.05 for frame in frames]
        return [(5.0 if high else 4.9, Channel.SHAPE) for high in late]

    found = score_staged(control, segment, score_frames, threshold=5.0, name="control", batch=4)
    assert found.delay_s == pytest.approx(0.6)
    assert (found.caught, found.channel) == (True, Channel.SHAPE)
    missed = score_staged(control, segment, score_frames, threshold=5.1, name="control", batch=4)
    assert (missed.caught, missed.channel) == (False, None)
    assert missed.cells.any()


def test_as_many_frames_a_second_are_scored_as_were_learned(segment: Segment, control: StagedSegment) -> None:
    scored: list[float] = []

    def score_frames(frames: Sequence[Frame]) -> list[tuple[float, Channel]]:
        scored.extend(frame.stream_time_s for frame in frames)
        return [(0.0, Channel.SPEED)] * len(frames)

    score_staged(control, segment, score_frames, threshold=5.0, name="control", batch=4, score_fps=5.0)
    assert len(scored) > 10
    assert np.diff(scored) == pytest.approx(np.full(len(scored) - 1, 0.2))
