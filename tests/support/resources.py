"""Threads and open files of this process, which what came and went may not leave behind."""

import gc
import os
import time
from typing import NamedTuple

from support.deadlines import DEADLINE_S


class Resources(NamedTuple):
    """Numbers of threads and of open files."""

    threads: int
    files: int


def resources() -> Resources:
    gc.collect()  # a monitor and its threads refer to each other, and hold a network until they are collected
    return Resources(len(os.listdir("/proc/self/task")), len(os.listdir("/proc/self/fd")))  # noqa: PTH208 - /proc


def require_no_more_than(before: Resources) -> None:
    """A thread that was joined is the kernel's for a moment more, which is waited for."""
    deadline_s = time.monotonic() + DEADLINE_S
    while resources().threads > before.threads and time.monotonic() < deadline_s:
        time.sleep(0.02)
    now = resources()
    assert now.threads <= before.threads
    assert now.files <= before.files
