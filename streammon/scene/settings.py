"""Settings of a scene: how evidence becomes one score. Every number with its unit, its reason and its footage."""

from dataclasses import dataclass

from streammon import calibration, motion
from streammon.records import Channel
from streammon.settings import Effect, setting, settings_hash

THREE_SCENES = "training footage of three scenes, Ped2's clips among them"
NINE_SCENES = "nine scenes (`CHOSEN_ON` in tests/benchmark_health.py)"


@dataclass(frozen=True)
class FusionSettings:
    """From kinds of evidence to one score."""

    window_s: float = setting(
        0.6, "seconds", "length of the moving average of evidence; delays an alert by half of it on average"
    )
    view_window_s: float = setting(
        5.0, "seconds", "length of the average of the view's likeness: a passing vehicle hides the view for a moment"
    )
    gap_s: float = setting(1.0, "seconds", "after a longer gap between frames the averages begin anew")
    unremarkable: float = setting(
        1.0, "decades", "subtracted from the surprise of looks and change: one normal frame in ten exceeds it"
    )
    remarkable: float = setting(
        2.0,
        "decades",
        "least surprise of speed or looks that names an alert after it: one normal cell in a hundred reaches it",
    )
    moving_spread: float = setting(
        0.5,
        "decades, standard deviation",
        "prior of how much stretches of footage differ in moving cells: 0.5 to 0.7 were measured, "
        "1 on two emptier scenes",
        THREE_SCENES,
    )
    view_spread: float = setting(
        0.15,
        "log of the likeness, standard deviation",
        "prior of how much stretches differ in the view: 0.02 to 0.1 were measured, 0.4 where cars fill the picture",
        THREE_SCENES,
    )
    view_scale: float = setting(
        0.1, "log of the likeness", "least scale of the view's tail: the noise of the likeness"
    )
    another_view: float = setting(
        5.0,
        "decades",
        "least surprise of the view that names an alert after it, even if another channel contributes more",
    )
    least_likeness: float = setting(
        0.01,
        "likeness",
        "smaller likenesses are clipped to this, so that the logarithm is finite",
        effect=Effect.NUMERICAL,
    )


@dataclass(frozen=True)
class ShareSettings:
    """Share of the false alarms that each witness may cause; they add up to 1."""

    speed: float = setting(0.84, "share", "speed, looks and change of moving cells")
    looks: float = setting(0.06, "share", "patches where nothing moves")
    direction: float = setting(0.03, "share", "direction of moving objects")
    place: float = setting(0.03, "share", "place of moving objects")
    shape: float = setting(0.03, "share", "size and shape of moving objects")
    view: float = setting(0.01, "share", "the view as a whole")


@dataclass(frozen=True)
class HeldOutSettings:
    """Held-out frames that are kept."""

    most_frames: int = setting(
        20_000, "frames", "largest number of held-out frames kept: an hour at 5 a second; 10 to 50 MB with motion"
    )
    stretch_s: float = setting(
        10.0,
        "seconds",
        "length of the stretches that are kept or dropped as a whole: frames within a stretch are correlated",
    )
    patch_sample: int = setting(
        64,
        "distances",
        "distances of patches kept of each frame, evenly spread over the picture",
        effect=Effect.FILES,
    )
    blocks: int = setting(
        4, "blocks", "blocks of held-out footage for cross-fitting: each is scored by the tails of the others"
    )


@dataclass(frozen=True)
class PictureSettings:
    """Whole pictures, for health alerts."""

    every_s: float = setting(
        1.0,
        "seconds",
        "time between two learned pictures of a recording: neighbours are nearly equal",
        effect=Effect.WATCHING,
    )
    least_pictures: int = setting(
        10, "pictures", "least number of pictures that statistics are made of", effect=Effect.WATCHING
    )
    black: float = setting(
        12.0,
        "grey levels",
        "largest mean brightness of a black picture, which is also at most half of the normal one",
        NINE_SCENES,
        Effect.WATCHING,
    )
    white: float = setting(
        0.5,
        "share of the pixels",
        "least over-exposed share, beyond the normal one, of an over-exposed picture",
        NINE_SCENES,
        Effect.WATCHING,
    )
    too_white: float = setting(
        0.2,
        "share of the pixels",
        "over-exposed share, beyond the normal one, from which edges are lost: view and focus aren't judged",
        NINE_SCENES,
        Effect.WATCHING,
    )
    covered: float = setting(
        0.45,
        "share of the normal contrast",
        "contrast of a covered lens: 0.04 to 0.15 were measured with something dark before it, 0.42 with a hand, 0.8 "
        "without anything in other light",
        NINE_SCENES,
        Effect.WATCHING,
    )
    blurred: float = setting(
        0.75,
        "share of the normal sharpness",
        "sharpness out of focus: 0.33 to 0.67 were measured, 0.85 in any light",
        NINE_SCENES,
        Effect.WATCHING,
    )
    another_view: float = setting(
        0.5,
        "share of the normal likeness",
        "likeness of another view: up to 0.46 was measured after a turn by 5 degrees, from 0.49 on for the same view "
        "in other light",
        NINE_SCENES,
        Effect.WATCHING,
    )
    spreads: float = setting(
        2.0,
        "standard deviations",
        "distance from the mean of normal footage within which a measure is normal in any case",
        NINE_SCENES,
        Effect.WATCHING,
    )


@dataclass(frozen=True)
class SceneSettings:
    """All settings of a scene."""

    fusion: FusionSettings = FusionSettings()
    shares: ShareSettings = ShareSettings()
    held_out: HeldOutSettings = HeldOutSettings()
    pictures: PictureSettings = PictureSettings()


SETTINGS = SceneSettings()
"""The settings in use."""

SHARES = {Channel(name): share for name, share in vars(SETTINGS.shares).items()}
"""Share of the false-alarm budget per channel (sums to 1). SPEED is the sum over moving cells."""

SETTINGS_HASH = settings_hash(motion.SETTINGS, calibration.SETTINGS, SETTINGS)
"""Hash of all settings that a motion file depends on."""
