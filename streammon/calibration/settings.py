"""Settings of calibration: every number that was chosen, its unit, its reason and the footage it was chosen on.

Not settings: bounds that change no figure (recordings whose state is kept, how often a new calibration is solved),
and the largest exponent that is still finite.
"""

from dataclasses import dataclass

from streammon.settings import Effect, setting

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

    share: float = setting(
        0.5, "share of the footage, its end", "footage that is scored before it is learned", SEVENTEEN
    )
    steps: int = setting(
        2, "parts of what is held out", "each part is scored by a scene learned from all footage before it", SEVENTEEN
    )


@dataclass(frozen=True)
class TailSettings:
    """Surprise of single kinds of evidence."""

    share: float = setting(0.02, "share of the values", "the highest values are the tail; lower values are counted")
    knots: int = setting(256, "quantiles", "resolution of the counted part", effect=Effect.FILES)
    least_values: int = setting(10, "values", "least number of values for a tail")
    least_scale: float = setting(
        1e-3, "share of the tail's start", "least scale of a tail of equal values", effect=Effect.NUMERICAL
    )
    least_decade: float = setting(
        0.02,
        "unit of the value",
        "least scale of a tail: where normal footage never had a value above 0, a small one is no certainty",
    )
    weight: float = setting(
        10.0,
        "peaks",
        "number of independent peaks that the tail's scale counts as: neighbouring frames are correlated",
    )


@dataclass(frozen=True)
class DriftSettings:
    """How much footage differs from one stretch to the next."""

    shifts: int = setting(
        41, "shifts", "equally likely shifts that represent their distribution", effect=Effect.NUMERICAL
    )
    guess_weight: float = setting(8.0, "stretches", "number of stretches that the prior of the spread counts as")
    distance_spread: float = setting(
        0.3,
        "share of the tail's start, standard deviation",
        "prior for distances: still places differed by 0.2 to 0.7 of their value, place by 0.1 to 0.7, "
        "direction by 0.1 to 0.3, shape by less",
        "training footage of three scenes, Ped2's clips among them",
    )


@dataclass(frozen=True)
class TailForm:
    """How false-alarm rates are extrapolated beyond what was seen."""

    quantile: float = setting(0.9, "quantile of held-out frame scores", "where the tail begins")
    many_peaks: int = setting(20, "peaks", "with at least so many peaks the tail begins at their median")
    prior_scale: float = setting(
        1.0,
        "decades; of distances, mean excesses over the tail's start",
        "the tail's scale before any peak is seen",
        SEVENTEEN,
    )
    prior_peaks: float = setting(20.0, "peaks", "number of peaks that the prior scale counts as", SEVENTEEN)
    first_shape: float = setting(1.0, "exponent", "k before any footage was seen", SEVENTEEN)
    shape_s: float = setting(10.0, "seconds of footage", "footage that adds 1 to k", SEVENTEEN)
    most_peaks: int = setting(
        200, "peaks", "highest watched peaks that are kept; the tail then begins at the highest dropped one"
    )
    least_frames: int = setting(10, "held-out frames", "least number of held-out frames for a calibration")
    least_scale: float = setting(
        1e-3,
        "share of the tail's start",
        "least scale of the tail, for a perfectly still picture",
        effect=Effect.NUMERICAL,
    )


@dataclass(frozen=True)
class TrackerSettings:
    """How the threshold follows the alerts, in levels (decades of false alarms a day)."""

    step: float = setting(
        0.5, "levels", "rise with each alert that nobody called real", "the painted plaza", Effect.WATCHING
    )
    most: float = setting(6.0, "levels", "largest shift", "the painted plaza", Effect.WATCHING)
    most_per_hour: float = setting(
        2.0,
        "levels",
        "largest rise within an hour: who stays can't raise the threshold past himself",
        "the painted plaza",
        Effect.WATCHING,
    )
    remembered: int = setting(
        1000, "alerts", "number of alerts whose rise can still be undone by a verdict", effect=Effect.WATCHING
    )


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
