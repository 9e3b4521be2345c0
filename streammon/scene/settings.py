"""Settings of a scene: how evidence becomes one score. Every number with its unit, its reason and its footage."""

from dataclasses import dataclass

from streammon import calibration, motion
from streammon.records import Channel
from streammon.settings import Kind, setting, settings_hash

THREE_SCENES = "training footage of three scenes, Ped2's clips among them"


@dataclass(frozen=True)
class FusionSettings:
    """From kinds of evidence to one score."""

    window_s: float = setting(
        0.6, "seconds", "evidence is averaged over so long; delays an alert by half of it on average"
    )
    view_window_s: float = setting(5.0, "seconds", "the same of the view: what drives by hides it for moments")
    gap_s: float = setting(1.0, "seconds", "after a longer gap nothing before counts")
    unremarkable: float = setting(
        1.0, "decades", "surprise of looks and changes of one normal frame in ten, which doesn't count"
    )
    remarkable: float = setting(
        2.0, "decades", "surprise of one normal cell in a hundred: from it on an alert is named after speed or looks"
    )
    moving_spread: float = setting(
        0.5,
        "decades, standard deviation",
        "the guess of how stretches differ in what moves: by 0.5 to 0.7, on two emptier scenes by 1",
        THREE_SCENES,
    )
    view_spread: float = setting(
        0.15,
        "log of the likeness, standard deviation",
        "the guess of how stretches differ in the view: by 0.02 to 0.1, by 0.4 where cars fill the picture",
        THREE_SCENES,
    )
    view_scale: float = setting(
        0.1, "log of the likeness", "least scale of the view's tail: it wanders by so much itself"
    )
    another_view: float = setting(
        5.0, "decades", "surprise of the view from which on a frame is named after it, whatever is louder"
    )
    least_likeness: float = setting(
        0.01, "likeness", "what is less like the view is not it, and no more can be said", kind=Kind.NUMERICAL
    )


@dataclass(frozen=True)
class ShareSettings:
    """Share of the false alarms that each witness may cause; they add up to 1."""

    speed: float = setting(0.84, "share", "what moves: speed, looks and change of it")
    looks: float = setting(0.06, "share", "patches where nothing moves")
    direction: float = setting(0.03, "share", "direction of what moves")
    place: float = setting(0.03, "share", "place of what moves")
    shape: float = setting(0.03, "share", "size and shape of what moves")
    view: float = setting(0.01, "share", "the view as a whole")


@dataclass(frozen=True)
class HeldOutSettings:
    """Held-out frames that are kept."""

    most_frames: int = setting(20_000, "frames", "an hour at 5 a second; 10 to 50 MB with motion")
    stretch_s: float = setting(10.0, "seconds", "stretches differ more than the frames within one do")
    patch_sample: int = setting(
        64, "distances", "of each frame's patches, evenly spread over the picture", kind=Kind.FILES
    )
    blocks: int = setting(
        4, "blocks", "of held-out footage; each is scored by the tails of the others, as new footage will be"
    )


@dataclass(frozen=True)
class SceneSettings:
    """All settings of a scene."""

    fusion: FusionSettings = FusionSettings()
    shares: ShareSettings = ShareSettings()
    held_out: HeldOutSettings = HeldOutSettings()


SETTINGS = SceneSettings()
"""The settings in use."""

SHARES = {Channel(name): share for name, share in vars(SETTINGS.shares).items()}
"""Share of the false-alarm budget per channel (sums to 1). SPEED is the sum over moving cells."""

SETTINGS_HASH = settings_hash(motion.SETTINGS, calibration.SETTINGS, SETTINGS)
"""Hash of all settings that a motion file depends on."""
