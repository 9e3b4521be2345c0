"""Timing of frames: thinning, keyframe gate, frame rate. No threads, no clock access."""

MAX_DAMAGE_S = 10.0
"""Longest wait for a keyframe, at the start or after damage: streams with intra refresh have no keyframes."""


class FrameThinning:
    """Selects at most `fps` frames a second, evenly spread, at any rate of the stream.

    The frame nearest to each due time is kept, so a stream at exactly `fps` loses no frame by jitter.

    Attributes:
        fps: Largest number of frames a second; may be changed at any time, and holds from the last kept frame on.

    >>> thinning = FrameThinning(fps=5.0)
    >>> [n for n in range(13) if thinning.keeps(n / 12.5)]  # 12.5 frames a second
    [0, 2, 5, 7, 10, 12]
    """

    def __init__(self, fps: float) -> None:
        self.fps = fps
        self._was_due_s: float | None = None  # due time of the last kept frame
        self._last_s = 0.0

    def keeps(self, time_s: float) -> bool:
        """True if the frame at this stream time is kept; times must not run backwards."""
        interval_s = 1.0 / self.fps
        step_s, self._last_s = time_s - self._last_s, time_s
        if self._was_due_s is None:
            self._was_due_s = time_s
            return True
        due_s = self._was_due_s + interval_s
        if time_s + min(step_s, interval_s) / 2 < due_s:
            return False
        # After a gap the due time restarts here, so that a burst can't make up for missed frames.
        self._was_due_s = max(due_s, time_s - interval_s / 2)
        return True


class KeyframeGate:
    """Drops every picture from a damaged one to the next keyframe.

    FFmpeg marks the picture in which data was missing, but not the pictures predicted from it.

    >>> gate = KeyframeGate()
    >>> shots = [("P", False), ("I", False), ("P", True), ("P", False), ("I", False)]
    >>> [gate.admits(kind == "I", damaged, time_s=0.0) for kind, damaged in shots]
    [False, True, False, False, True]
    """

    def __init__(self) -> None:
        self._closed_s: float | None = None
        self._open = False

    def close(self, time_s: float) -> None:
        """Admit no picture before the next keyframe."""
        self._open, self._closed_s = False, time_s

    def admits(self, is_key: bool, is_damaged: bool, time_s: float) -> bool:
        """True if a picture is undamaged; `time_s` may be of any monotonic clock."""
        if is_damaged:
            self.close(time_s)
        elif not self._open:
            self._closed_s = time_s if self._closed_s is None else self._closed_s
            self._open = is_key or time_s - self._closed_s > MAX_DAMAGE_S
        return self._open


class FrameRate:
    """Frames a second over the last `WINDOW_S` seconds, for display. Written by one thread, read by any."""

    WINDOW_S = 2.0

    def __init__(self) -> None:
        self._fps = 0.0
        self._frames = 0
        self._since_s: float | None = None

    def count(self, now_s: float) -> None:
        """Count a frame at the monotonic time `now_s`."""
        if self._since_s is None or now_s - self._since_s > 2 * self.WINDOW_S:  # the first, or after a pause
            self._since_s, self._frames = now_s, 0
            return
        self._frames += 1
        if now_s - self._since_s >= self.WINDOW_S:
            self._fps = self._frames / (now_s - self._since_s)
            self._since_s, self._frames = now_s, 0

    def fps(self, now_s: float) -> float:
        """Frames a second in the last window; 0 after two windows without a frame."""
        silent = self._since_s is None or now_s - self._since_s > 2 * self.WINDOW_S
        return 0.0 if silent else self._fps
