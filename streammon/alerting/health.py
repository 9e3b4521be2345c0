"""Rule of the health alerts: what must last how long until it is told, and which cameras are told together.

Pure: all times are passed in. `live/health.py` finds what is wrong.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from streammon.alerting.rule import alert_id
from streammon.records import AlertEvent, Condition, HealthAlert

GROUP_S = 10.0
"""Time that a fault of a camera waits for others of its kind at its host or in its network: cameras of one switch are
noticed as lost up to two read timeouts (8 s by default) one after the other."""

LEAST_GROUP = 3
"""Least number of cameras that are told in one message: two may fail by chance."""

LONGEST_STEP_S = 5.0
"""Most time that one step counts: in a longer one (a suspended machine) nothing was observed."""

PICTURE_S = 20.0
"""Time for which a picture must be wrong: a lorry stands in front of the lens for less."""

BACK_S = 10.0
"""Time for which all must be well until an alert closes; less would end and begin it with every attempt of a camera
that goes on and off."""


@dataclass(frozen=True, slots=True)
class Hold:
    """How long a condition must last.

    Attributes:
        open_after_s: Time in which it holds, less the time in which it doesn't, until an alert opens.
        close_after_s: Time in which it doesn't hold without a break, until the alert closes.
    """

    open_after_s: float
    close_after_s: float


HOLDS: Mapping[Condition, Hold] = {
    **dict.fromkeys(
        (Condition.BLACK, Condition.OVEREXPOSED, Condition.COVERED, Condition.BLURRED, Condition.VIEW),
        Hold(PICTURE_S, BACK_S),
    ),
    Condition.LIGHT: Hold(0.0, 0.0),  # `ingest.light` has its own times
    Condition.RATE: Hold(60.0, 30.0),
    Condition.BANK: Hold(0.0, 600.0),  # its test is over an hour and a day
    Condition.DISK: Hold(10.0, 60.0),
    Condition.RECORDING: Hold(0.0, 0.0),  # it stops at a full disk and goes on only with room for a while
    Condition.SCORER: Hold(60.0, 30.0),
}
"""Of `OFFLINE`, `REDIS` and `SINK` the configured grace."""

IN_GROUP: Mapping[Condition, str] = {
    Condition.OFFLINE: "gone",
    Condition.BLACK: "the picture is black",
    Condition.OVEREXPOSED: "the picture is over-exposed",
    Condition.COVERED: "far less contrast than normal, as of covered lenses",
    Condition.BLURRED: "less sharp than normal, as out of focus",
    Condition.VIEW: "edges elsewhere than normal, as of cameras that were turned or moved",
    Condition.LIGHT: "the light changes; no alert opens meanwhile",
    Condition.RATE: "the frame rate fell to less than half",
    Condition.BANK: "the scenes don't fit any more",
}
"""Reason of a message about several cameras."""


@dataclass(frozen=True, slots=True)
class HealthFinding:
    """Condition that was looked at, and what was found.

    Attributes:
        condition: The condition.
        camera: Name of the camera; empty for the monitor itself.
        reason: What was found, in words; empty if the condition doesn't hold.
    """

    condition: Condition
    camera: str = ""
    reason: str = ""


@dataclass(slots=True)
class _Fault:
    """One condition of one camera.

    Attributes:
        lasted_s: Time in which it held, less the time in which it didn't, at least 0.
        began_s: Time at which it began to hold; None while `lasted_s` is 0.
        well_s: Time without the condition, without a break.
        due_s: Time since which it waits to be told; None if it isn't due.
        reason: Latest reason.
        is_told: True while an alert of it is open.
    """

    lasted_s: float = 0.0
    began_s: float | None = None
    well_s: float = 0.0
    due_s: float | None = None
    reason: str = ""
    is_told: bool = False


@dataclass(slots=True)
class _Open:
    """An open alert, and those of its cameras that still have the fault."""

    message: HealthAlert
    left: set[str]


class HealthRule:
    """Opens and closes health alerts.

    A condition that holds counts up by the time that passes, one that doesn't counts down. At `open_after_s` it is
    due. Cameras of one network or host that are due within `GROUP_S` are told in one message, from `LEAST_GROUP` on.
    An alert closes when each of its cameras was well for `close_after_s`; one that is well and fails again meanwhile
    is told anew.

    Args:
        grace_s: Time for which a camera, Redis or a sink must be away.
        hosts: Host of each camera; empty for a file or device.
    """

    def __init__(self, grace_s: float, hosts: Mapping[str, str]) -> None:
        grace = Hold(grace_s, BACK_S)
        self._holds = {**HOLDS, Condition.OFFLINE: grace, Condition.REDIS: grace, Condition.SINK: grace}
        self._places = {camera: (network_of(host), host) for camera, host in hosts.items()}
        self._faults: dict[tuple[Condition, str], _Fault] = {}
        self._open: list[_Open] = []
        self._now_s: float | None = None

    def step(self, findings: Iterable[HealthFinding], now_s: float) -> list[HealthAlert]:
        """Take in what was found.

        Args:
            findings: Conditions that hold or don't; one that is left out is unknown now, and stays as it was.
            now_s: Unix time.

        Returns:
            Messages that are due, closes first.
        """
        step_s = 0.0 if self._now_s is None else min(max(now_s - self._now_s, 0.0), LONGEST_STEP_S)
        self._now_s = now_s
        for finding in findings:
            self._take(finding, step_s, now_s)
        return [*self._closes(now_s), *self._opens(now_s)]

    def close_now(self, now_s: float) -> list[HealthAlert]:
        """Close all alerts, as when the monitor ends."""
        closes = [_close(each.message, now_s) for each in self._open]
        self._open.clear()
        self._faults.clear()
        return closes

    def _take(self, finding: HealthFinding, step_s: float, now_s: float) -> None:
        hold = self._holds[finding.condition]
        fault = self._faults.setdefault((finding.condition, finding.camera), _Fault())
        if finding.reason:
            fault.began_s = now_s if fault.began_s is None else fault.began_s
            fault.reason, fault.well_s = finding.reason, 0.0
            fault.lasted_s = min(fault.lasted_s + step_s, hold.open_after_s)
            if fault.lasted_s >= hold.open_after_s and not fault.is_told and fault.due_s is None:
                fault.due_s = now_s
        else:
            fault.well_s += step_s
            fault.lasted_s = max(fault.lasted_s - step_s, 0.0)
            if fault.lasted_s == 0 and fault.due_s is None:
                fault.began_s = None

    def _opens(self, now_s: float) -> Iterator[HealthAlert]:
        for condition in Condition:
            due = {
                camera: fault
                for (each, camera), fault in self._faults.items()
                if each is condition and fault.due_s is not None
            }
            for cameras, place in self._groups(sorted(due)):
                waited_s = max(now_s - (due[camera].due_s or 0.0) for camera in cameras)
                if waited_s >= GROUP_S or not self._may_grow(cameras):
                    yield self._tell(condition, cameras, place, now_s)

    def _groups(self, cameras: Sequence[str]) -> Iterator[tuple[tuple[str, ...], str]]:
        """Cameras that are told together, and the place that they share."""
        networks: dict[str, list[str]] = {}
        for camera in cameras:
            networks.setdefault(self._places.get(camera, ("", ""))[0], []).append(camera)
        for network, there in networks.items():
            if network and len(there) >= LEAST_GROUP:
                hosts = {self._places[camera][1] for camera in there}
                yield tuple(there), hosts.pop() if len(hosts) == 1 else network
            else:
                yield from (((camera,), "") for camera in there)

    def _may_grow(self, cameras: tuple[str, ...]) -> bool:
        """True if others may follow that would be told together with these."""
        network = self._places.get(cameras[0], ("", ""))[0]
        there = [camera for camera, place in self._places.items() if place[0] == network]
        return bool(network) and len(there) >= LEAST_GROUP and len(there) > len(cameras)

    def _tell(self, condition: Condition, cameras: tuple[str, ...], place: str, now_s: float) -> HealthAlert:
        faults = [self._faults[condition, camera] for camera in cameras]
        for fault in faults:
            fault.is_told, fault.due_s = True, None
        began_s = min(now_s if fault.began_s is None else fault.began_s for fault in faults)
        reason = IN_GROUP[condition] if len(cameras) > 1 else faults[0].reason
        named = () if cameras == ("",) else cameras
        message = HealthAlert(
            alert_id(began_s), AlertEvent.OPEN, 0, condition, named, place, began_s, now_s, None, reason
        )
        self._open.append(_Open(message, set(cameras)))
        return message

    def _closes(self, now_s: float) -> Iterator[HealthAlert]:
        for each in list(self._open):
            condition = each.message.condition
            hold = self._holds[condition]
            for camera in sorted(each.left):
                fault = self._faults[condition, camera]
                if fault.well_s > 0 and fault.well_s >= hold.close_after_s:
                    self._faults[condition, camera] = _Fault()
                    each.left.discard(camera)
            if not each.left:
                self._open.remove(each)
                yield _close(each.message, now_s)


def _close(message: HealthAlert, now_s: float) -> HealthAlert:
    return HealthAlert(
        id=message.id,
        event=AlertEvent.CLOSE,
        part=message.part + 1,
        condition=message.condition,
        cameras=message.cameras,
        place=message.place,
        opened_s=message.opened_s,
        time_s=now_s,
        closed_s=now_s,
        reason=message.reason,
    )


def network_of(host: str) -> str:
    """The network of a host's IPv4 address, a name as it is.

    >>> network_of("10.0.3.7"), network_of("recorder.local"), network_of("")
    ('10.0.3.x', 'recorder.local', '')
    """
    numbers = host.split(".")
    is_address = len(numbers) == 4 and all(number.isdecimal() for number in numbers)
    return ".".join([*numbers[:3], "x"]) if is_address else host
