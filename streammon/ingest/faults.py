"""Translation of FFmpeg's errors to `StreamFault`.

PyAV's messages contain the address with its password, so only the class and number of an error are used. FFmpeg's
own log contains the address too; PyAV keeps that log silent as long as its level is not set.
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
    """Kind of a fault, from which the camera's state follows."""

    LOST = "lost"  # no connection, or no video in it
    SILENT = "silent"  # no answer, or no data within the timeout
    WITHOUT_VIDEO = "without video"  # an answer, and something else in it than video
    UNAUTHORISED = "unauthorised"  # user or password refused
    FLAT = "flat"  # pictures too small or too flat for optical flow


FLAT_REMEDY = "give larger pictures of a usual shape, or set the method to padim, which judges looks alone"


class StreamFault(Exception):  # noqa: N818 - a fault is expected, an error is a bug
    """A source can't be opened, or delivers no more pictures: an expected failure.

    Attributes:
        reason: Cause in a few words, without any address.
        kind: Kind of the fault.
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
    (av.error.ExitError, "no answer", FaultKind.SILENT),  # raised by PyAV's interrupt callback after its timeout
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
"""Reason and kind by error class; the first match counts. PyAV's errors also derive from Python's own classes."""

NUMBERED_REASONS = {
    errno.EIO: "no such host, or a garbled answer",  # FFmpeg's only error for a host name that can't be resolved
    errno.EHOSTUNREACH: "no route to host",
    errno.ENETUNREACH: "no route to host",
    errno.EHOSTDOWN: "no route to host",
}


def fault_of(error: av.FFmpegError | OSError) -> StreamFault:
    """Translate an error of FFmpeg or of the file system to a fault.

    >>> fault_of(av.error.HTTPNotFoundError(404, "Not Found", "rtsp://admin:s3cret@10.0.0.7/")).reason
    'not found'
    >>> fault_of(OSError(errno.ENOSPC, "No space left on device", "clips")).reason
    'no space left on device'
    """
    if isinstance(error, av.error.PermissionError) and error.errno == errno.EPERM:
        return StreamFault("not video")  # FFmpeg's bare -1: its analysis found no codec
    for known, reason, kind in REASONS:
        if isinstance(error, known):
            return StreamFault(reason, kind)
    if isinstance(error, OSError) and error.errno:
        return StreamFault(NUMBERED_REASONS.get(error.errno) or os.strerror(error.errno).lower())
    return StreamFault(f"FFmpeg's {type(error).__name__}")


def call_translated(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function of PyAV or of the file system, translating its errors to `StreamFault`.

    Raises:
        StreamFault: FFmpeg or the file system raised an error.

    >>> call_translated(av.open, "/nowhere/lobby.mp4")
    Traceback (most recent call last):
    streammon.ingest.faults.StreamFault: no such file
    """
    try:
        return function(*args, **kwargs)
    except (av.FFmpegError, OSError) as error:
        fault = fault_of(error)
    raise fault  # outside the except clause, so that `__context__` doesn't keep the address
