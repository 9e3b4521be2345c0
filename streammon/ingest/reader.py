"""One reader thread per camera: connects, decodes, thins the frames, and reconnects with backoff."""

import logging
import random
import time
from collections.abc import Callable, Iterator
from contextlib import closing

from av.video.frame import VideoFrame

from streammon.backoff import backoff_s
from streammon.config import CameraConfig
from streammon.errors import bug_in_one_line
from streammon.ingest.clocks import LiveClock, Pacer, file_times
from streammon.ingest.detail import DetailBuffer
from streammon.ingest.faults import FaultKind, StreamFault
from streammon.ingest.glance import Glance, glance_at
from streammon.ingest.images import Scaler, Size
from streammon.ingest.light import LightWatch
from streammon.ingest.packets import PacketRing
from streammon.ingest.repeated import RepeatedPicture
from streammon.ingest.stream import Source, open_source, whole_pictures
from streammon.ingest.timing import FrameRate, FrameThinning
from streammon.records import CameraState, CameraStatus, Detail, Frame, ReaderCounts, ScoringRate
from streammon.threads import StoppableThread

FIRST_RETRY_S = 2.0
MAX_RETRY_S = 60.0
UNAUTHORISED_RETRY_S = 60.0
"""Retry interval after a refused login: long, since many cameras lock an account after a few wrong passwords."""

BACKOFF_RESET_S = 10.0
"""Duration after which a connection that delivers pictures resets the retry backoff."""

WANTED_CHECK_S = 0.2

REPEATED_READ_TIMEOUTS = 5
"""A camera that repeats one picture for so many read timeouts is frozen."""

logger = logging.getLogger(__name__)


class CameraReader(StoppableThread):
    """Reads one camera, reports its state, and reconnects for as long as it runs.

    A camera that refuses, freezes or sends invalid data blocks no thread but its own. An unexpected error, too, makes
    the camera offline until the next attempt, and is logged. Once stopped, the thread ends
    after the packet that it reads: usually at once, at worst within twice the camera's timeouts.

    Args:
        name: Name of the camera; also in the thread's name.
        camera: Address of the camera and how it is read.
        size: Size that frames are scaled to.
        put: Receives each kept frame, in the reader's thread. It may block (back-pressure for `play: fast`).
            None keeps no frames.
        report: Receives the camera's status at each change of state or reason and with each planned retry,
            in the reader's thread.
        show: Receives every decoded picture with its stream time in seconds, at the pace it is played, in the
            reader's thread, for a preview. It must not block.
        detail: Add a `Detail` to kept frames.
        ring: Keeps the latest encoded packets, for clips; None for none.
        watches_light: Notice changes of the light (`ingest.light`).

    Attributes:
        counts: Counters since the start.
        source_size: Width and height of the latest connection's pictures in pixels; None before the first picture.
        rate: How often frames are kept, and whether by looks alone, without a `Detail`. Any thread may set it; it
            holds from the next picture on.
        glance: Measures of the latest kept frame; None without one.
        light: Changes of the light.
    """

    def __init__(
        self,
        name: str,
        camera: CameraConfig,
        size: Size,
        put: Callable[[Frame], None] | None,
        report: Callable[[CameraStatus], None],
        show: Callable[[VideoFrame, float], None] | None = None,
        *,
        detail: bool = False,
        ring: PacketRing | None = None,
        watches_light: bool = False,
    ) -> None:
        super().__init__(f"streammon-reader-{name}")
        self.name = name
        self.counts = ReaderCounts()
        self.source_size: tuple[int, int] | None = None
        self.rate = ScoringRate(camera.score_fps)
        self.glance: Glance | None = None
        self.light = LightWatch()
        self._camera = camera
        self._put = put
        self._report = report
        self._show = show
        self._detail = detail
        self._ring = ring
        self._watches_light = watches_light
        self._scaler = Scaler(size)
        self._decoded = FrameRate()
        self._status = CameraStatus(name, CameraState.CONNECTING, time.time())
        self._last_frame_s = 0.0  # Unix time
        self._footage_s = 0.0  # Unix time of the latest kept frame at the footage's own pace
        self._quick = True
        self._repeated = RepeatedPicture()
        self._logged = ""  # latest unexpected error

    @property
    def status(self) -> CameraStatus:
        """The latest status."""
        return self._status

    @property
    def fps(self) -> float:
        """Frames decoded a second over the last seconds."""
        return self._decoded.fps(time.monotonic())

    def _run(self) -> None:
        self._report(self._status)
        failures = 0  # in a row
        while self._wait_until_wanted():
            connections, connected_s = self.counts.connections, time.time()
            fault: StreamFault | None = None
            try:
                self._guarded_connection()
            except StreamFault as raised:
                fault = raised
            if self._stopping.is_set():
                return
            if self._last_frame_s - connected_s >= BACKOFF_RESET_S:
                failures = 0
            if fault is not None:
                gave_frames = self.counts.connections > connections
                if not gave_frames:  # next time with probing instead of without, or the reverse
                    self._quick = not self._quick
                self.counts.failures += 1
                delay_s = self._announce_fault(fault, gave_frames, failures)
                failures += 1
                self._stopping.wait(delay_s)
            elif not self._is_wanted():
                self._announce(CameraState.CONNECTING)
            elif not self._camera.loop:
                self._announce(CameraState.ENDED)
                return

    def _is_wanted(self) -> bool:
        """False while the connection must be closed."""
        return True

    def _wait_until_wanted(self) -> bool:
        """Wait until a connection is wanted; False if the reader was stopped first."""
        while not self._is_wanted() and not self._stopping.wait(WANTED_CHECK_S):
            pass
        return not self._stopping.is_set()

    def _is_closing(self) -> bool:
        return self._stopping.is_set() or not self._is_wanted()

    def _announce_fault(self, fault: StreamFault, gave_frames: bool, failures: int) -> float:
        """Report the camera's state after a fault, and return the seconds to wait before the next attempt."""
        delay_s = backoff_s(failures, FIRST_RETRY_S, MAX_RETRY_S, random.random())
        if fault.kind is FaultKind.UNAUTHORISED:
            delay_s = UNAUTHORISED_RETRY_S
            self._announce(CameraState.UNAUTHORISED, fault.reason, delay_s)
        elif fault.kind is FaultKind.SILENT and (gave_frames or self._status.state is CameraState.FROZEN):
            self._announce(CameraState.FROZEN, fault.reason, delay_s, since_s=self._last_frame_s)
        else:
            self._announce(CameraState.OFFLINE, fault.reason, delay_s)
        return delay_s

    def _guarded_connection(self) -> None:
        """As `_connection`, with an unexpected error translated to a fault and logged once.

        Raises:
            StreamFault: As `_connection`, or after an unexpected error.
        """
        try:
            return self._connection()
        except StreamFault:
            raise
        except Exception as error:
            bug, kind = bug_in_one_line(error), type(error).__name__
        if bug != self._logged:
            self._logged = bug
            logger.error("camera '%s': %s", self.name, bug)
        raise StreamFault(f"internal error ({kind})")  # outside the except clause: `__context__` may have the address

    def _connection(self) -> None:
        """Open the camera and read it to its end or until stopped.

        Raises:
            StreamFault: The camera can't be opened, or was lost; a live stream that ends counts as lost.
        """
        thinning = FrameThinning(self.rate.fps)
        began_s: float | None = None
        footage_began_s = 0.0
        self._repeated = RepeatedPicture()
        with closing(open_source(self._camera, self._quick, self._ring)) as source, closing(DetailBuffer()) as buffer:
            for picture, time_s, broke in self._timed_pictures(source):
                self.counts.decoded += 1
                self._last_frame_s = time.time()
                self._decoded.count(time.monotonic())
                if self._detail:
                    buffer.add(picture, time_s, broke)
                if began_s is None:
                    began_s = time.monotonic()
                    footage_began_s = max(time.time(), self._footage_s)
                    self.counts.connections += 1
                    self.source_size = picture.width, picture.height
                    self._announce(CameraState.ONLINE)
                wall_time_s = time.time() if self._camera.is_live else footage_began_s + time_s
                if self._ring is not None:
                    self._ring.show(picture.pts, wall_time_s)
                if self._show is not None:
                    self._wait_until(began_s + time_s)
                    self._show(picture, time_s)
                rate = self.rate
                thinning.fps = rate.fps
                if thinning.keeps(time_s) and not self._is_repeated(picture):
                    self._wait_until(began_s + time_s)
                    self._footage_s = footage_began_s + time_s
                    detail = buffer.detail() if self._detail and not rate.looks_only else None
                    self._keep(picture, time_s, wall_time_s, detail)
        if began_s is None and not self._is_closing():
            raise StreamFault("no picture in it")

    def _timed_pictures(self, source: Source) -> Iterator[tuple[VideoFrame, float, bool]]:
        """Each undamaged picture with its stream time, and whether the time since the one before is unknown."""
        pictures = self._whole_pictures(source)
        return self._live_times(pictures, source) if self._camera.is_live else file_times(pictures, source.interval_s)

    def _whole_pictures(self, source: Source) -> Iterator[tuple[VideoFrame, float | None]]:
        damaged_before = self.counts.corrupt
        try:
            for picture, pts_s in whole_pictures(source, self._camera, self._is_closing):
                self.counts.corrupt = damaged_before + source.damaged
                yield picture, pts_s
        finally:
            self.counts.corrupt = damaged_before + source.damaged

    def _live_times(
        self, pictures: Iterator[tuple[VideoFrame, float | None]], source: Source
    ) -> Iterator[tuple[VideoFrame, float, bool]]:
        clock, pacer = LiveClock(source.stamped), Pacer()
        for picture, pts_s in pictures:
            if source.in_bursts:
                now_s = time.monotonic()
                self._stopping.wait(pacer.release_s(pts_s, now_s) - now_s)
            yield picture, clock.advance(pts_s, time.monotonic()), clock.broke

    def _is_repeated(self, picture: VideoFrame) -> bool:
        """True while a live camera repeats one picture, which is not scored; its state is then `frozen`."""
        if not self._camera.is_live or self._camera.still:
            return False
        seconds = self._repeated.seconds(picture, time.monotonic())
        repeated = seconds >= REPEATED_READ_TIMEOUTS * self._camera.read_timeout_s
        if repeated and self._status.state is CameraState.ONLINE:
            self._announce(CameraState.FROZEN, f"the same picture for {seconds:.0f} s", since_s=time.time() - seconds)
        elif not repeated and self._status.state is CameraState.FROZEN:
            self._announce(CameraState.ONLINE)
        return repeated

    def _wait_until(self, due_s: float) -> None:
        """Wait until the monotonic time `due_s`, for a file that plays at its own pace; other sources don't wait."""
        if not self._camera.is_live and self._camera.play == "realtime":
            self._stopping.wait(max(0.0, due_s - time.monotonic()))

    def _keep(self, picture: VideoFrame, time_s: float, wall_time_s: float, detail: Detail | None) -> None:
        if self._put is None:
            return
        scaled = self._scaler.scale(picture)
        self.glance = glance_at(scaled)
        if self._watches_light:
            self.light.watch(self.glance, time_s)
        frame = Frame(
            camera=self.name,
            seq=self.counts.kept,
            picture=scaled,
            source_size=(picture.width, picture.height),
            stream_time_s=time_s,
            wall_time_s=wall_time_s,
            detail=detail,
            light_changes=self.light.changing,
        )
        self.counts.kept += 1
        self._put(frame)

    def _announce(
        self, state: CameraState, reason: str = "", retry_in_s: float | None = None, since_s: float | None = None
    ) -> None:
        """Report a status that differs from the last; an unchanged state keeps its `since_s`."""
        last = self._status
        if state is last.state:
            since_s = last.since_s
        elif since_s is None:
            since_s = time.time()
        self._status = CameraStatus(self.name, state, since_s, reason, retry_in_s)
        if self._status != last:
            self._report(self._status)
