"""Sessions of logged-in users and limits on failed log-ins, both bounded in number and in time."""

import hashlib
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable

SESSIONS = 1000
SESSION_S = 7 * 86400.0
IDLE_S = 12 * 3600.0
CLIENTS = 4096
BURST = 10  # wrong passwords before a client has to wait
REFILL_S = 30.0  # seconds after which one try is available again

Clock = Callable[[], float]


class Sessions:
    """Sessions of logged-in users: hash of the token in the session's cookie → user and expiry times.

    Args:
        clock: Monotonic time in seconds.
    """

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._sessions: OrderedDict[bytes, tuple[str, float, float]] = OrderedDict()  # the longest unused first

    def open(self, user: str) -> str:
        """Open a session and return its token; beyond `SESSIONS`, the session unused for longest ends."""
        token = secrets.token_urlsafe(32)
        now_s = self._clock()
        self._sessions[_digest(token)] = (user, now_s + SESSION_S, now_s + IDLE_S)
        if len(self._sessions) > SESSIONS:
            self._sessions.popitem(last=False)
        return token

    def user(self, token: str) -> str | None:
        """User of a session; None if it is unknown or has expired. Restarts the session's idle time."""
        digest, now_s = _digest(token), self._clock()
        if digest not in self._sessions:
            return None
        user, ends_s, idle_s = self._sessions.pop(digest)
        if now_s >= min(ends_s, idle_s):
            return None
        self._sessions[digest] = (user, ends_s, now_s + IDLE_S)
        return user

    def close(self, token: str) -> None:
        """End a session, if there is one with this token."""
        self._sessions.pop(_digest(token), None)


class FailedLogins:
    """Limit on wrong passwords and tokens: a token bucket of `BURST` tries for each client.

    One try is refilled every `REFILL_S`. A try is taken before the password is verified and given back if it is
    correct, so that concurrent requests can't exceed the limit.

    Args:
        clock: Monotonic time in seconds.

    >>> failed = FailedLogins(clock=lambda: 0.0)
    >>> [failed.take("10.0.0.7") for _ in range(11)][-2:]
    [0.0, 30.0]
    """

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._spent: OrderedDict[str, tuple[float, float]] = OrderedDict()  # client → tries spent, and when

    def take(self, client: str) -> float:
        """Take a try; returns 0, or the seconds to wait if none is left."""
        spent, now_s = self._now(client)
        if spent > BURST - 1:
            return (spent - (BURST - 1)) * REFILL_S
        self._keep(client, spent + 1, now_s)
        return 0.0

    def give_back(self, client: str) -> None:
        """Give back the try of a correct password."""
        spent, now_s = self._now(client)
        self._keep(client, max(0.0, spent - 1), now_s)

    def _now(self, client: str) -> tuple[float, float]:
        now_s = self._clock()
        spent, then_s = self._spent.get(client, (0.0, now_s))
        return max(0.0, spent - (now_s - then_s) / REFILL_S), now_s

    def _keep(self, client: str, spent: float, now_s: float) -> None:
        self._spent.pop(client, None)
        if spent > 0:
            self._spent[client] = (spent, now_s)
        if len(self._spent) > CLIENTS:
            self._spent.popitem(last=False)


def _digest(token: str) -> bytes:
    """SHA-256 of a token, stored in its place: a memory dump of the sessions contains no usable token."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
