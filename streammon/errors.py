"""Expected errors. Each message names the place, what was found there and what to do.

```
StreammonError
└── InputError          the user's input is wrong: one line, exit code 2
    ├── ConfigError     config.yaml, a command-line option, an environment variable
    ├── FootageError    a file, folder or stream that can't be read as video
    ├── WeightsError    a backbone's weights are missing or don't fit
    ├── BankError       a scene's bank is missing, broken or doesn't fit
    ├── MethodError     a method of another package, evaluated here, breaks the rules
    ├── DatasetError    a labelled data set, or scores for it, are incomplete, broken or of another layout
    ├── RedisError      the configured Redis can't be used
    └── StorageError    a file or folder can't be written
```

Third-party errors are translated where the library is called: FFmpeg's in `ingest/faults.py`, safetensors' in
`padim/scene_files.py` and `padim/weights.py`, Redis' in `alerting/link.py`.
"""

from pathlib import Path
from traceback import extract_tb

MESSAGE_LENGTH = 200


class StreammonError(Exception):
    """Base class of the expected errors, whose message is meant for the user."""


class InputError(StreammonError):
    """The user's input is wrong.

    Args:
        where: The file, key, camera or scene that is wrong.
        found: The error that was found there.
        remedy: Advice to the user.

    >>> str(InputError("config.yaml", "cameras.lobby.score_fps is -1", "it must be above 0"))
    'config.yaml: cameras.lobby.score_fps is -1; it must be above 0'
    """

    def __init__(self, where: str, found: str, remedy: str) -> None:
        super().__init__(f"{where}: {found}; {remedy}")
        self.where = where
        self.found = found
        self.remedy = remedy

    def __reduce__(self) -> tuple[type["InputError"], tuple[str, str, str]]:
        return type(self), (self.where, self.found, self.remedy)


class ConfigError(InputError):
    """A configuration file, option or environment variable is wrong."""


class FootageError(InputError):
    """A file, folder or stream can't be read as video."""


class WeightsError(InputError):
    """A backbone's weights are missing or don't fit its architecture."""


class BankError(InputError):
    """A scene's bank is missing, broken or doesn't fit the configured backbone."""


class MethodError(InputError):
    """A method of another package, evaluated here, breaks the rules."""


class DatasetError(InputError):
    """A labelled data set, or scores for it, are incomplete, broken or of another layout."""


class RedisError(InputError):
    """The configured Redis can't be used."""


class StorageError(InputError):
    """A file or folder can't be written."""


def bug_in_one_line(error: BaseException) -> str:
    """An unexpected error as one line for the log: kind, place in this package, and message.

    A message with an address is left out, since FFmpeg's contain passwords.

    >>> bug_in_one_line(ZeroDivisionError("division by zero"))
    'ZeroDivisionError (division by zero)'
    >>> bug_in_one_line(OSError("no answer from 'rtsp://admin:s3cret@10.0.0.7/'"))
    'OSError'
    """
    package = str(Path(__file__).parent)
    places = [frame for frame in extract_tb(error.__traceback__) if frame.filename.startswith(package)]
    place = f" in {Path(places[-1].filename).relative_to(package)}, line {places[-1].lineno}" if places else ""
    message = " ".join(str(error).split())[:MESSAGE_LENGTH]
    return type(error).__name__ + place + (f" ({message})" if message and "://" not in str(error) else "")


def system_reason(error: OSError) -> str:
    """The system's reason of an error, in lower case.

    >>> system_reason(OSError(28, "No space left on device", "lobby/bank.safetensors"))
    'no space left on device'
    """
    return (error.strerror or "no reason given").lower()
