"""FFmpeg's errors in a camera's words: the one place where they are caught.

PyAV's messages hold the address with its password, so nothing of an error but its class and number leaves
this module. FFmpeg's own log holds it too; PyAV keeps that log silent as long as nobody sets its level.
"""

import errno
import os
from collections.abc import Callable
from enum import StrEnum
from typing import ParamSpec, TypeVar

import av
import av.error

P = ParamSpec("P")
T = TypeVar("T")


class FaultKind(StrEnum):
    """What a fault says about the camera."""

    LOST = "lost"  # no connection, or nothing in it that is video
    SILENT = "silent"  # it is there and says nothing
    UNAUTHORISED = "unauthorised"  # it wants another user or password


class StreamFault(Exception):  # noqa: N818 - a fault is expected, an error is a bug
    """A source can't be opened, or stopped giving pictures: an expected failure, handled beside its cause.

    Attributes:
        reason: Why, in a few words without any address.
        kind: What it says about the camera.
    """

    def __init__(self, reason: str, kind: FaultKind = FaultKind.LOST) -> None:
        super().__init__(reason)
        self.reason = reason
        self.kind = kind


REASONS: tuple[tuple[type[Exception], str, FaultKind], ...] = (
    (av.error.HTTPUnauthorizedError, "wrong user or password", FaultKind.UNAUTHORISED),
    (av.error.HTTPForbiddenError, "access forbidden", FaultKind.UNAUTHORISED),
    (av.error.HTTPNotFoundError, "not found", FaultKind.LOST),
    (av.error.HTTPTooManyRequestsError, "too many requests", FaultKind.LOST),
    (av.error.HTTPClientError, "request refused", FaultKind.LOST),
    (av.error.HTTPError, "server error", FaultKind.LOST),
    (ConnectionRefusedError, "connection refused", FaultKind.LOST),
    (ConnectionResetError, "connection reset", FaultKind.LOST),
    (ConnectionAbortedError, "connection reset", FaultKind.LOST),
    (BrokenPipeError, "connection reset", FaultKind.LOST),
    (TimeoutError, "no answer", FaultKind.SILENT),
    (av.error.ExitError, "no answer", FaultKind.SILENT),  # PyAV's interrupt: its timeout passed
    (BlockingIOError, "no answer", FaultKind.SILENT),
    (EOFError, "stream ended", FaultKind.LOST),
    (FileNotFoundError, "no such file", FaultKind.LOST),
    (IsADirectoryError, "a folder, not a file", FaultKind.LOST),
    (NotADirectoryError, "no such file", FaultKind.LOST),
    (PermissionError, "permission denied", FaultKind.LOST),
    (MemoryError, "out of memory", FaultKind.LOST),
    (av.error.InvalidDataError, "not video", FaultKind.LOST),
    (av.error.DemuxerNotFoundError, "unknown video format", FaultKind.LOST),
    (av.error.DecoderNotFoundError, "unknown video format", FaultKind.LOST),
    (av.error.PatchWelcomeError, "unknown video format", FaultKind.LOST),
    (av.error.ProtocolNotFoundError, "unknown protocol", FaultKind.LOST),
)
"""The first class that fits gives the reason. FFmpeg's errors are also of Python's own kinds."""

NUMBERED_REASONS = {
    errno.EIO: "no such host, or a garbled answer",  # all that FFmpeg says of a host name without an address
    errno.EHOSTUNREACH: "no route to host",
    errno.ENETUNREACH: "no route to host",
    errno.EHOSTDOWN: "no route to host",
}


def fault_of(error: av.FFmpegError | OSError) -> StreamFault:
    """The fault that an error of FFmpeg's, or of the file system, stands for.

    >>> fault_of(av.error.HTTPNotFoundError(404, "Not Found", "rtsp://admin:s3cret@10.0.0.7/")).reason
    'not found'
    >>> fault_of(OSError(errno.ENOSPC, "No space left on device", "clips")).reason
    'no space left on device'
    """
    for known, reason, kind in REASONS:
        if isinstance(error, known):
            return StreamFault(reason, kind)
    if isinstance(error, OSError) and error.errno:
        return StreamFault(NUMBERED_REASONS.get(error.errno) or os.strerror(error.errno).lower())
    return StreamFault(f"FFmpeg's {type(error).__name__}")


def translated(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function of PyAV's or of the file system's, and let its errors out as faults only.

    Raises:
        StreamFault: Whatever FFmpeg or the file system raised.

    >>> translated(av.open, "/nowhere/lobby.mp4")
    Traceback (most recent call last):
    streammon.ingest.faults.StreamFault: no such file
    """
    try:
        return function(*args, **kwargs)
    except (av.FFmpegError, OSError) as error:
        fault = fault_of(error)
    raise fault  # out here, so that not even `__context__` keeps the address
