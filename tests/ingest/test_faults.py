"""FFmpeg's errors become a few words, and the address with its password stays behind."""

import traceback

import av
import av.error
import pytest

from streammon.ingest.faults import FaultKind, StreamFault, call_translated, fault_of

PASSWORD = "s3cr3t-Pa55"
ADDRESS = f"rtsp://admin:{PASSWORD}@10.0.0.7/live?password={PASSWORD}"
NO_REASON_OF_THEIR_OWN = {  # bugs of ours or FFmpeg's, and what no camera causes
    "ArgumentError",
    "BSFNotFoundError",
    "BufferTooSmallError",
    "BugError",
    "EncoderNotFoundError",
    "ExperimentalError",
    "ExternalError",
    "FFmpegError",
    "FilterNotFoundError",
    "InputChangedError",
    "LookupError",
    "MuxerNotFoundError",
    "NotImplementedError",
    "OptionNotFoundError",
    "OutputChangedError",
    "OverflowError",
    "PyAVCallbackError",
    "UndefinedError",
    "UnknownError",
}
ERRORS = [error for error in vars(av.error).values() if isinstance(error, type) and issubclass(error, av.FFmpegError)]


def raised_by(error: type[av.FFmpegError]) -> StreamFault:
    def fail() -> None:
        raise error(5, f"cannot open {ADDRESS}", ADDRESS, (16, ("tcp", ADDRESS, ADDRESS)))  # type: ignore[arg-type]

    with pytest.raises(StreamFault) as fault:
        call_translated(fail)
    return fault.value


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_every_error_of_pyav_has_a_reason_without_the_address(error: type[av.FFmpegError]) -> None:
    fault = raised_by(error)
    assert fault.reason
    shown = "".join(traceback.format_exception(fault))
    assert PASSWORD not in f"{shown} {fault!r} {vars(fault)}"
    assert fault.__context__ is None
    assert fault.__cause__ is None


def test_only_errors_that_no_camera_causes_have_no_words_of_their_own() -> None:
    unnamed = {error.__name__ for error in ERRORS if raised_by(error).reason.startswith("FFmpeg's ")}
    assert unnamed == NO_REASON_OF_THEIR_OWN, "PyAV changed its errors: name the new ones in faults.REASONS"


@pytest.mark.parametrize(
    ("error", "reason", "kind"),
    [
        (av.error.HTTPUnauthorizedError, "wrong user or password", FaultKind.UNAUTHORISED),
        (av.error.HTTPNotFoundError, "not found", FaultKind.LOST),
        (av.error.ConnectionRefusedError, "connection refused", FaultKind.LOST),
        (av.error.ExitError, "no answer", FaultKind.SILENT),
        (av.error.TimeoutError, "no answer", FaultKind.SILENT),
        (av.error.InvalidDataError, "not video", FaultKind.LOST),
        (av.error.HTTPTooManyRequestsError, "too many requests", FaultKind.LOST),
        (av.error.HTTPBadRequestError, "request refused", FaultKind.LOST),
    ],
)
def test_what_a_camera_does_has_a_name(error: type[av.FFmpegError], reason: str, kind: FaultKind) -> None:
    fault = fault_of(error(1, "whatever"))
    assert (fault.reason, fault.kind) == (reason, kind)


def test_pyav_keeps_ffmpegs_log_with_its_addresses_to_itself() -> None:
    import streammon.ingest  # noqa: F401 - must not turn the log on

    assert av.logging.get_level() is None
