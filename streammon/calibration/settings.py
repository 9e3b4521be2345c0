"""Settings of calibration: every number that was chosen, its unit, its reason and the footage it was chosen on.

Not settings: bounds that change no figure (recordings whose state is kept, how often a new calibration is solved),
and the largest exponent that is still finite.
"""

from dataclasses import dataclass

from streammon.settings import Kind, setting

SEVENTEEN = "seventeen fixed cameras, each scene left out in turn (`tests/benchmark_promise.py`)"


@dataclass(frozen=True)
class RecordingSettings:
    """Borders between recordings, stretches and peaks."""

    longest_step_s: float = setting(
        10.0, "seconds", "a longer step between two frames is a pause: not watched, and another stretch"
    )
    quiet_s: float = setting(
        1.0, "seconds", "separates two peaks: neighbouring frames are nearly equal, so an alarm is a run of frames"
    )


@dataclass(frozen=True)
class HoldOutSettings:
    """Which footage calibrates."""

    share: float = setting(0.5, "share of the footage, its end", "is scored before it is learned", SEVENTEEN)
    steps: int = setting(
        2, "parts of what is held out", "each is scored by what was learned of all footage before it", SEVENTEEN
    )


@dataclass(frozen=True)
class TailSettings:
    """Surprise of single kinds of evidence."""

    share: float = setting(0.02, "share of the values", "the highest of them are the tail; below it is counted")
    knots: int = setting(256, "quantiles", "resolution of the counted part", kind=Kind.FILES)
    least_values: int = setting(10, "values", "fewer have no tail")
    least_scale: float = setting(
        1e-3, "share of the tail's start", "least scale of a tail of equal values", kind=Kind.NUMERICAL
    )
    least_decade: float = setting(
        0.02, "unit of the value", "least scale: where nothing was ever seen, something small is no certainty"
    )
    weight: float = setting(
        10.0, "peaks", "that the tail's scale is worth: neighbouring frames are hardly more than one"
    )


@dataclass(frozen=True)
class DriftSettings:
    """How much footage differs from one stretch to the next."""

    shifts: int = setting(41, "shifts", "equally likely ones that stand for all", kind=Kind.NUMERICAL)
    guess_weight: float = setting(8.0, "stretches", "that the guess of the spread counts as")
    distance_spread: float = setting(
        0.3,
        "share of the tail's start, standard deviation",
        "the guess for distances: what stays differed by 0.2 to 0.7 of itself, place by 0.1 to 0.7, "
        "direction by 0.1 to 0.3, shape by less",
        "training footage of three scenes, Ped2's clips among them",
    )


@dataclass(frozen=True)
class TailForm:
    """How false-alarm rates are extrapolated beyond what was seen."""

    quantile: float = setting(0.9, "quantile of held-out frame scores", "where the tail begins")
    many_peaks: int = setting(20, "peaks", "with so many the tail begins at their median instead, further out")
    prior_scale: float = setting(
        1.0,
        "decades; of distances, mean excesses over the tail's start",
        "the tail's scale before any peak is seen",
        SEVENTEEN,
    )
    prior_peaks: float = setting(20.0, "peaks", "that the scale before any is seen counts as", SEVENTEEN)
    first_shape: float = setting(1.0, "exponent", "of the tail before any footage is seen", SEVENTEEN)
    shape_s: float = setting(10.0, "seconds of footage", "that add 1 to the tail's exponent", SEVENTEEN)
    most_peaks: int = setting(
        200, "peaks", "the highest of what is watched are kept; the tail begins at the highest of the others"
    )
    least_frames: int = setting(10, "held-out frames", "fewer have no calibration")
    least_scale: float = setting(
        1e-3, "share of the tail's start", "least scale of a perfectly still picture", kind=Kind.NUMERICAL
    )


@dataclass(frozen=True)
class TrackerSettings:
    """How the threshold follows the alerts, in levels (decades of false alarms a day)."""

    step: float = setting(
        0.5, "levels", "rise with each alert that nobody called real", "the painted plaza", Kind.WATCHING
    )
    most: float = setting(6.0, "levels", "largest shift", "the painted plaza", Kind.WATCHING)
    most_per_hour: float = setting(
        2.0,
        "levels",
        "largest rise within an hour: who stays can't raise the threshold past himself",
        "the painted plaza",
        Kind.WATCHING,
    )
    remembered: int = setting(1000, "alerts", "whose rise can still be undone", kind=Kind.WATCHING)


@dataclass(frozen=True)
class CalibrationSettings:
    """All settings of calibration."""

    recordings: RecordingSettings = RecordingSettings()
    hold_out: HoldOutSettings = HoldOutSettings()
    tails: TailSettings = TailSettings()
    drift: DriftSettings = DriftSettings()
    rates: TailForm = TailForm()
    tracker: TrackerSettings = TrackerSettings()


SETTINGS = CalibrationSettings()
"""The settings in use."""
