"""Clips and frames of alerts judged normal, kept with their times as footage for the next fit."""

import errno
import os
import shutil
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

from streammon import storage
from streammon.errors import StorageError
from streammon.preview.streams import Still

LEAST_STEP_S = 0.001
CUT_S = 1.0
"""Time step between pictures of two connections, whose clocks are unrelated: too long to measure motion over."""

FULL = frozenset((errno.ENOSPC, errno.EDQUOT))


def keep_as_normal(scenes: Path, scene: str, clip: str, stills: Sequence[Still]) -> int:
    """Write pictures as one clip, all of them or none.

    The folder `<scenes>/<scene>/normal/<clip>/` receives `0000.jpg`, `0001.jpg`, ..., and their times in `times.csv`.
    `streammon fit --from-review` learns such clips, each as its own recording.

    Args:
        scenes: Folder with one folder per scene.
        scene: Name of the scene.
        clip: Name of the clip; an existing clip is left unchanged.
        stills: The pictures in order.

    Returns:
        Number of pictures in the clip.

    Raises:
        StorageError: The clip can't be written. The message contains no path, since it is shown in a browser.
    """
    place, beside = _places(scenes, scene, clip)

    def write() -> None:
        lines = [",".join(storage.TIMES_HEADER)]
        for index, (still, time_s) in enumerate(zip(stills, times_of(stills), strict=True)):
            name = f"{index:04d}.jpg"
            (beside / name).write_bytes(still.jpeg)
            lines.append(f"{name},{time_s:.6f}")
        (beside / storage.TIMES_FILE).write_text("\n".join(lines) + "\n", encoding="utf-8")

    _write_whole(scene, place, beside, write)
    return sum(file.suffix == ".jpg" for file in place.iterdir())


def keep_clip_as_normal(scenes: Path, scene: str, clip: str, parts: Sequence[Path]) -> None:
    """Keep video files as normal footage, in the folder of `keep_as_normal`, all of them or none.

    The files become hard links, so they take no room while the originals exist, and one that is still being written
    becomes whole; on another disk they are copied.

    Args:
        scenes: Folder with one folder per scene.
        scene: Name of the scene.
        clip: Name of the folder; an existing folder is left unchanged.
        parts: The video files.

    Raises:
        StorageError: The files can't be written. The message contains no path.
    """
    place, beside = _places(scenes, scene, clip)

    def write() -> None:
        for part in parts:
            try:
                os.link(part, beside / part.name)
            except OSError as error:
                if is_full(error):
                    raise
                shutil.copyfile(part, beside / part.name)

    _write_whole(scene, place, beside, write)


def _write_whole(scene: str, place: Path, beside: Path, write: Callable[[], None]) -> None:
    """Let `write` fill the folder `beside`, then rename it to `place`, unless that exists."""
    try:
        if place.is_dir():
            return
        shutil.rmtree(beside, ignore_errors=True)  # what an earlier attempt left
        beside.mkdir(parents=True)
        write()
        beside.rename(place)
    except OSError as error:
        shutil.rmtree(beside, ignore_errors=True)
        raise _storage_error(scene, "it can't be written", error) from error


def remove_from_normal(scenes: Path, scene: str, clip: str) -> None:
    """Remove a clip of normal footage, if it exists; readers of the folder see all of it or nothing.

    Raises:
        StorageError: The clip can't be removed. The message contains no path.
    """
    place, beside = _places(scenes, scene, clip)
    try:
        if place.is_dir():
            shutil.rmtree(beside, ignore_errors=True)
            place.rename(beside)
            shutil.rmtree(beside)
    except OSError as error:
        raise _storage_error(scene, "it can't be removed", error) from error


def times_of(stills: Sequence[Still]) -> list[float]:
    """Seconds of each picture since the first, with a step of `CUT_S` where the stream's clock restarted.

    >>> [round(time_s, 3) for time_s in times_of([Still(b"", time_s) for time_s in (7.0, 7.2, 7.401, 0.0, 0.2)])]
    [0.0, 0.2, 0.401, 1.401, 1.601]
    """
    times_s = [0.0][: len(stills)]
    for before, after in pairwise(stills):
        step_s = after.stream_time_s - before.stream_time_s
        times_s.append(times_s[-1] + (step_s if step_s >= LEAST_STEP_S else CUT_S))
    return times_s


def _places(scenes: Path, scene: str, clip: str) -> tuple[Path, Path]:
    """Folder of a clip, and a temporary folder beside it that no fit reads.

    Raises:
        StorageError: A name is not that of a single file, and would lead to another folder.
    """
    for name in (scene, clip):
        if name in ("", ".", "..") or set(name) & {"/", "\\", "\0"}:
            raise StorageError(
                "normal footage", "a scene or alert name can't be used as a file name", "rename the scene"
            )
    folder = scenes / scene / storage.NORMAL_FOLDER
    return folder / clip, folder / f".{clip}.{os.getpid()}"


def _storage_error(scene: str, what: str, error: OSError) -> StorageError:
    found = f"{what} ({os.strerror(error.errno or errno.EIO)})"
    remedy = "make room on its disk" if is_full(error) else "make its scene's folder writable"
    return StorageError(f"normal footage of scene '{scene}'", found, remedy)


def is_full(error: BaseException | None) -> bool:
    """True for the error of a full disk or an exhausted quota.

    >>> is_full(OSError(errno.ENOSPC, "No space left on device")), is_full(None)
    (True, False)
    """
    return isinstance(error, OSError) and error.errno in FULL
