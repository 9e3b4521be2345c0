"""Output of the commands: errors, exit codes, JSON files and the console."""

import json
import sys
from pathlib import Path
from typing import Any

from rich.console import Console

from streammon.config import without_logins
from streammon.errors import StorageError, system_reason

EXIT_WORK_FAILED = 1
EXIT_INPUT_WRONG = 2


def complain(text: str, code: int) -> int:
    """Print an error on standard error, without the passwords of URLs that it quotes, and return the exit code."""
    print(f"streammon: {without_logins(text)}", file=sys.stderr)
    return code


def write_json(json_file: str | None, facts: Any) -> None:
    """Write facts as JSON to a file, or to standard output for `-`; nothing without a file.

    Raises:
        StorageError: The file can't be written.
    """
    if json_file is None:
        return
    text = json.dumps(facts, indent=2, default=str)
    if json_file == "-":
        print(text, flush=True)
        return
    try:
        Path(json_file).write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        found = f"it can't be written ({system_reason(error)})"
        raise StorageError(json_file, found, "choose another --json FILE") from None


def console_of(json_file: str | None) -> Console:
    """Console of tables and progress: standard error when JSON goes to standard output."""
    return Console(stderr=json_file == "-")
