"""Overload: counts what is scored and lost, sets the readers' rates by the plan, and reports."""

from collections.abc import Mapping

from streammon.config import Config
from streammon.ingest import CameraReader, LatestFrames
from streammon.live.capacity import Window
from streammon.live.plan import ScoringPlan
from streammon.live.rates import Demand, cost
from streammon.live.scorer import ScorerThread
from streammon.records import CameraFigures, CameraState, ScoredFrame, ScoringRate

WINDOW_S = 1.0
LONGEST_WINDOW_S = 10.0
"""A window ends after `WINDOW_S` if a frame was scored in it, else later: a batch may take seconds."""

BUSY_S = 10.0
"""A camera is quiet when nothing has moved for so long."""

SETTLE_S = 5.0
"""Time from the beginning of overload to its report: the first rates are corrected soon."""

REPEAT_S = 60.0
"""Shortest time between two reports of changes."""

LASTING_S = 15.0
"""Time for which a change must last until it is reported: the estimate tries higher rates and falls back."""

CONSIDERABLE = 1.25
"""Factor between two numbers of frames a second that is worth a line. So is a quarter of the cameras that began or
ceased to be scored by looks alone."""


class Overload:
    """Plans the rates of all cameras from what the scorer keeps up with. Used on the event loop.

    Files that play as fast as they are scored are left out: they wait for the scorer and lose no frame.

    Args:
        config: The cameras.
        readers: Reader of each camera, whose rate is set.
        latest: Frames that wait for the scorer.
        scorer: The scorer.
        figures: Figures of each camera, in which the planned rate is noted.
    """

    def __init__(
        self,
        config: Config,
        readers: Mapping[str, CameraReader],
        latest: LatestFrames,
        scorer: ScorerThread,
        figures: Mapping[str, CameraFigures],
    ) -> None:
        self._config = config
        self._latest = latest
        self._scorer = scorer
        self._figures = figures
        self._readers = {name: reader for name, reader in readers.items() if not config.cameras[name].scored.waits}
        self._score_fps = {name: config.cameras[name].score_fps for name in self._readers}
        self._plan = ScoringPlan(self._score_fps, has_motion=config.model.method == "motion")
        self._report = OverloadReport()
        self._busy_s: dict[str, float] = {}
        self._counted: tuple[float, dict[str, int], int, float] | None = None  # when, scored, lost, waited
        for name, camera in config.cameras.items():
            figures[name].fps_planned = camera.score_fps

    def watch(self, score: ScoredFrame, now_s: float) -> None:
        """Note when something moved in a camera, or was nearly abnormal."""
        if score.moves or score.level >= self._config.alerting.close_level:
            self._busy_s[score.camera] = now_s

    def step(self, now_s: float) -> str:
        """Plan anew if a window is over.

        Args:
            now_s: Monotonic time.

        Returns:
            A line for the operator when overload begins, changes considerably or ends; else empty.
        """
        window = self._window(now_s)
        if window is None:
            return ""
        demands = {name: self._demand(name, now_s) for name in self._readers}
        self._plan.update(demands, window, now_s)
        for name, rate in self._plan.rates.items():
            self._readers[name].rate = rate
            self._figures[name].fps_planned, self._figures[name].looks_only = rate.fps, rate.looks_only
        asked = {name: each.fps for name, each in demands.items() if each.fps > 0}
        return self._report.line(self._plan, asked, now_s)

    def _window(self, now_s: float) -> Window | None:
        """Counts since the last window; None while the current one goes on."""
        scored = {name: self._scorer.scored[name] for name in self._readers}
        lost = sum(count for name, count in self._latest.lost.items() if name in self._readers)
        counted = now_s, scored, lost, self._latest.waited_s
        if self._counted is None:
            self._counted = counted
            return None
        began_s, scored_before, lost_before, waited_s = self._counted
        frames = {name: count - scored_before[name] for name, count in scored.items()}
        elapsed_s = now_s - began_s
        if elapsed_s < (WINDOW_S if any(frames.values()) else LONGEST_WINDOW_S):
            return None
        self._counted = counted
        costs = (cost(ScoringRate(count, self._readers[name].rate.looks_only)) for name, count in frames.items())
        idle = (self._latest.waited_s - waited_s) / elapsed_s
        return Window(sum(costs) / elapsed_s, sum(frames.values()), lost - lost_before, idle)

    def _demand(self, name: str, now_s: float) -> Demand:
        reader, alert = self._readers[name], self._figures[name].alert_open
        sends = reader.status.state is CameraState.ONLINE
        return Demand(
            fps=min(self._score_fps[name], reader.fps) if sends else 0.0,
            learns=self._scorer.scenes[self._config.scene_of(name)].learning,
            busy=alert or now_s - self._busy_s.get(name, float("-inf")) < BUSY_S,
            alert=alert,
        )


class OverloadReport:
    """Lines for the operator: when overload begins, when it changes considerably, and when it ends."""

    def __init__(self) -> None:
        self._began_s: float | None = None
        self._told_s = 0.0
        self._told: tuple[float, int] | None = None  # frames a second, and cameras by looks alone
        self._changed_s: float | None = None  # since when both differ from that

    def line(self, plan: ScoringPlan, asked: Mapping[str, float], now_s: float) -> str:
        """The line that is due, or nothing.

        Args:
            plan: The plan in force.
            asked: Frames a second that each camera asks for that sends pictures.
            now_s: Monotonic time.
        """
        if not asked:
            return ""
        if not plan.limited:
            told, self._began_s, self._told = self._told, None, None
            return "" if told is None else f"the machine scores all {_total(asked):.0f} frames a second asked again"
        self._began_s = now_s if self._began_s is None else self._began_s
        rates = {name: plan.rates[name] for name in asked}
        found = sum(min(rate.fps, asked[name]) for name, rate in rates.items()), _count_looks(rates)
        if self._told is None:
            is_due = now_s - self._began_s >= SETTLE_S and found[0] < _total(asked)
        else:
            is_due = self._has_changed(_differs(found, self._told, len(rates)), now_s)
        if not is_due:
            return ""
        self._told, self._told_s = found, now_s
        return f"the machine scores {found[0]:.0f} of the {_total(asked):.0f} frames a second asked; {_words(rates)}"

    def _has_changed(self, differs: bool, now_s: float) -> bool:
        """True if the plan has differed from what was told for a while, and that was told long enough ago."""
        if not differs:
            self._changed_s = None
            return False
        self._changed_s = now_s if self._changed_s is None else self._changed_s
        return now_s - self._changed_s >= LASTING_S and now_s - self._told_s >= REPEAT_S


def _total(asked: Mapping[str, float]) -> float:
    return sum(asked.values())


def _count_looks(rates: Mapping[str, ScoringRate]) -> int:
    return sum(rate.looks_only for rate in rates.values())


def _differs(found: tuple[float, int], told: tuple[float, int], cameras: int) -> bool:
    fewer, more = sorted((found[0], told[0]))
    return more > CONSIDERABLE * fewer or abs(found[1] - told[1]) > (CONSIDERABLE - 1) * cameras


def _words(rates: Mapping[str, ScoringRate]) -> str:
    """The cameras' rates in words.

    >>> _words({"a": ScoringRate(2.6), "b": ScoringRate(2.61)})
    'every camera is scored 2.6 times a second'
    >>> _words({"a": ScoringRate(2.6), "b": ScoringRate(1.0, looks_only=True)})
    'cameras are scored 1.0 to 2.6 times a second, 1 of 2 by looks alone'
    """
    lowest, highest = (f"{each(rate.fps for rate in rates.values()):.1f}" for each in (min, max))
    span = lowest if lowest == highest else f"{lowest} to {highest}"
    who = "every camera is" if lowest == highest else "cameras are"
    looks = _count_looks(rates)
    return f"{who} scored {span} times a second" + (f", {looks} of {len(rates)} by looks alone" if looks else "")
