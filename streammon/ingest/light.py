"""Changes of the light in the whole picture: lamps switched on or off, a camera that switches to infrared and back.

A change begins when, within `WITHIN_S`, most cells of the picture become brighter, or most darker, and the places of
its edges stay; or when its colour comes or goes. It ends when brightness and colour have been steady for `STEADY_S`.
"""

from collections import deque

import numpy as np
from numpy.typing import NDArray

from streammon.ingest.glance import Glance, likeness

WITHIN_S = 2.0
"""Time within which the light changes: lamps and infrared filters take less, clouds and dusk longer."""

GAP_S = 5.0
"""Longest gap over which two pictures are compared: cameras send nothing for a second or two while they switch."""

STEADY_S = 3.0
"""Time without change after which the light is steady: exposure and white balance follow a change for 1 to 2 s."""

LONGEST_S = 20.0
"""Longest change: a lamp that goes on flickering must not keep alerts off."""

MOST_PER_HOUR_S = 120.0
"""Most seconds of change in an hour; further changes are ignored, for the same reason."""

CHANGED = 12.0
"""Least change of a cell's grey level."""

CHANGED_SHARE = 0.3
"""The same as a share of the brighter of its two levels: a white car changed the exposure of a picture by 0.21."""

MOST_CELLS = 0.9
"""Share of the cells that change in one direction. At 0.8 a man in front of the lens counted too."""

STEADY_CELLS = 0.2
"""Largest share of the cells that change in a steady picture: people walk through it."""

SAME_EDGES = 0.35
"""Least likeness of the edges before and after: what comes in front of the lens has edges of its own, or none."""

COLOURED, GREY = 12.0, 3.0
"""Least colour of a picture by day, largest of one by infrared (`Glance.colour`)."""

LIT = 25.0
"""Least brightness of a picture by infrared: in the dark colours vanish by themselves."""


class LightWatch:
    """Notices changes of the light from the glances at one stream.

    Attributes:
        changing: True while the light changes.
        reason: The latest change in words.
        changes: Number of changes so far.
    """

    def __init__(self) -> None:
        self.changing = False
        self.reason = ""
        self.changes = 0
        self._past: deque[tuple[float, Glance]] = deque()  # the last STEADY_S, and the glance before
        self._began_s = 0.0
        self._ended: deque[tuple[float, float]] = deque()  # end and duration of the changes of the last hour

    def watch(self, glance: Glance, time_s: float) -> bool:
        """Take in the next picture.

        Args:
            glance: Glance at the picture.
            time_s: Its stream time in seconds.

        Returns:
            Whether the light changes now.
        """
        if self._past and not 0 <= time_s - self._past[-1][0] <= GAP_S:
            self._end(self._past[-1][0])
            self._past.clear()
        if self.changing:
            if time_s - self._began_s >= LONGEST_S or self._is_steady(glance, time_s):
                self._end(time_s)
        elif change := self._change(glance, time_s):
            self.reason, self._began_s, self.changing = change, time_s, True
            self.changes += 1
        self._past.append((time_s, glance))
        while len(self._past) > 1 and time_s - self._past[1][0] >= STEADY_S:
            self._past.popleft()
        return self.changing

    def _end(self, time_s: float) -> None:
        if self.changing:
            self.changing = False
            self._ended.append((time_s, time_s - self._began_s))

    def _change(self, glance: Glance, time_s: float) -> str:
        """The change that has begun, in words; empty for none."""
        while self._ended and not 0 <= time_s - self._ended[0][0] <= 3600:
            self._ended.popleft()
        if sum(lasted_s for _, lasted_s in self._ended) >= MOST_PER_HOUR_S:
            return ""
        recent = [each for past_s, each in self._past if time_s - past_s <= WITHIN_S] or [
            each for _, each in list(self._past)[-1:]
        ]
        return next((change for before in recent if (change := change_of_light(before, glance))), "")

    def _is_steady(self, glance: Glance, time_s: float) -> bool:
        """True if nothing changed since `STEADY_S` ago, and that was after the change began."""
        then_s, then = self._past[0]
        if time_s - then_s < STEADY_S or then_s < self._began_s:
            return False
        rise = changed_cells(then.luma, glance.luma)
        return bool((rise != 0).mean() <= STEADY_CELLS) and not _switch(then, glance)


def change_of_light(before: Glance, after: Glance) -> str:
    """The change of light between two pictures, in words; empty for none."""
    rise = changed_cells(before.luma, after.luma)
    brighter, darker = float((rise > 0).mean()), float((rise < 0).mean())
    switch = _switch(before, after)
    if max(brighter, darker) < MOST_CELLS and not switch:
        return ""
    if likeness(before.edges, after.edges) < SAME_EDGES:
        return ""
    return switch or ("the light came on" if brighter > darker else "the light went off")


def _switch(before: Glance, after: Glance) -> str:
    if min(before.brightness, after.brightness) < LIT:
        return ""
    if before.colour >= COLOURED and after.colour <= GREY:
        return "the camera switched to infrared"
    if before.colour <= GREY and after.colour >= COLOURED:
        return "the camera switched from infrared to colour"
    return ""


def changed_cells(before: NDArray[np.float32], after: NDArray[np.float32]) -> NDArray[np.float32]:
    """(16, 16): 1 where a cell became considerably brighter, -1 darker, else 0."""
    least = np.maximum(CHANGED, CHANGED_SHARE * np.maximum(before, after))
    return np.asarray(np.sign(after - before) * (np.abs(after - before) >= least), np.float32)
