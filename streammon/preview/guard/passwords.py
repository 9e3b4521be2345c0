"""Argon2 hashes of passwords: creation, and verification outside the event loop."""

import asyncio
import hashlib
import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Mapping

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

CHECKS_AT_ONCE = 2  # each takes 64 MiB and tens of milliseconds
CHECKS_WAITING = 32
REMEMBERED = 64
REMEMBERED_S = 300.0
MAX_PASSWORD_BYTES = 1024


class TooManyChecksError(Exception):
    """More than `CHECKS_WAITING` password verifications are pending."""


def hash_password(password: str) -> str:
    """Argon2id hash of a password, as `preview.users` requires it.

    >>> hash_password("correct horse").startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    True
    """
    return PasswordHasher().hash(password)


class PasswordBook:
    """Verifies users' passwords in worker threads, `CHECKS_AT_ONCE` at a time.

    A correct password is cached for five minutes (as an HMAC under a random key of this process), so that a player
    that sends the password with each request costs one verification.

    Args:
        users: Argon2 hashes by user.
    """

    def __init__(self, users: Mapping[str, str]) -> None:
        self._users = dict(users)
        self._hasher = PasswordHasher()
        self._key = secrets.token_bytes(32)
        self._remembered: OrderedDict[bytes, float] = OrderedDict()
        self._room = asyncio.Semaphore(CHECKS_AT_ONCE)
        self._waiting = 0

    async def is_right(self, user: str, password: str) -> bool:
        """True if the password is the user's; an unknown user takes as long to refuse as a known one.

        Raises:
            TooManyChecksError: Too many verifications are pending.
        """
        secret = password.encode("utf-8", "surrogateescape")
        if not self._users or len(secret) > MAX_PASSWORD_BYTES:
            return False
        digest = hmac.digest(self._key, user.encode("utf-8", "surrogateescape") + b"\0" + secret, "sha256")
        if self._remembered.get(digest, 0.0) > time.monotonic():
            return True
        is_known = user in self._users
        stored = self._users[user] if is_known else next(iter(self._users.values()))
        is_right = await self._checked(stored, secret) and is_known
        if is_right:
            self._remember(digest)
        return is_right

    async def _checked(self, stored: str, secret: bytes) -> bool:
        if self._waiting >= CHECKS_WAITING:
            raise TooManyChecksError
        self._waiting += 1
        try:
            async with self._room:
                return await asyncio.to_thread(self._verify, stored, secret)
        finally:
            self._waiting -= 1

    def _verify(self, stored: str, secret: bytes) -> bool:
        try:
            return self._hasher.verify(stored, secret)
        except (Argon2Error, InvalidHashError):
            return False

    def _remember(self, digest: bytes) -> None:
        self._remembered.pop(digest, None)
        self._remembered[digest] = time.monotonic() + REMEMBERED_S
        if len(self._remembered) > REMEMBERED:
            self._remembered.popitem(last=False)


def is_same_token(given: str, wanted: str) -> bool:
    """Constant-time comparison of two tokens: True if they are equal."""
    given_digest = hashlib.sha256(given.encode("utf-8", "surrogateescape")).digest()
    return hmac.compare_digest(given_digest, hashlib.sha256(wanted.encode()).digest())
