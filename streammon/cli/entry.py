"""Entry point of the process: runs a command and turns errors into one line and an exit code."""

import errno
import logging
import os
import re
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

import click

from streammon.cli.commands import commands
from streammon.cli.output import EXIT_INPUT_WRONG, EXIT_WORK_FAILED, complain
from streammon.config import MultipleConfigError
from streammon.errors import InputError


def exit_at_once(code: int) -> NoReturn:
    """Flush the output and exit without the interpreter's shutdown.

    The shutdown takes seconds to free torch's modules, and crashes if a thread is blocked in FFmpeg.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.flush()
    os._exit(code)


def main(leave: Callable[[int], NoReturn] = exit_at_once) -> None:
    """Run a command. Each error of the user is reported in one line on standard error, with exit code 2.

    Args:
        leave: Ends the process with an exit code.
    """
    logging.basicConfig(format="streammon: %(message)s", level=logging.WARNING)
    try:
        code = commands.main(prog_name="streammon", standalone_mode=False) or 0
        sys.stdout.flush()
    except click.exceptions.Exit as request:
        code = request.exit_code
    except click.ClickException as error:
        code = complain(_usage_text(error), EXIT_INPUT_WRONG)
    except MultipleConfigError as error:
        code = max(complain(str(problem), EXIT_INPUT_WRONG) for problem in error.problems)
    except InputError as error:
        code = complain(str(error), EXIT_INPUT_WRONG)
    except (KeyboardInterrupt, click.Abort):
        code = 128 + signal.SIGINT
    except BrokenPipeError:  # the reader of standard output closed the pipe, so a message would not arrive
        _discard_stdout()
        code = EXIT_WORK_FAILED
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        _discard_stdout()
        code = complain("standard output: the disk is full; make room there", EXIT_INPUT_WRONG)
    leave(code)


def _usage_text(error: click.ClickException) -> str:
    """click's message about wrong usage, in one line that ends with what to do."""
    text = " ".join(error.format_message().split()).rstrip(".")
    text = re.sub(r"\. Did you mean (.*)\?$", r", did you mean \1?", text)
    context = error.ctx if isinstance(error, click.UsageError) else None
    return f"{text[:1].lower()}{text[1:]}; see `{context.command_path if context else 'streammon'} --help`"


def _discard_stdout() -> None:
    """Redirect standard output to the null device, so that the last flush doesn't fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
