"""Pictures that somebody called normal, kept as footage for the next fit."""

import errno
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from streammon.errors import StorageError

FOLDER = "normal"
FULL = frozenset((errno.ENOSPC, errno.EDQUOT))


def keep_as_normal(scenes: Path, scene: str, clip: str, pictures: Sequence[bytes]) -> int:
    """Write pictures as one clip: `<scenes>/<scene>/normal/<clip>/0000.jpg` and on, all of them or none.

    A folder of such clips is what `streammon fit <scenes>/<scene>/normal --scene <scene> --add` reads.

    Args:
        scenes: Folder with one folder per scene.
        scene: Name of the scene.
        clip: Name of the clip; one that is there already is left as it is.
        pictures: JPEG, in order of time.

    Returns:
        How many pictures the clip has.

    Raises:
        StorageError: It can't be written. The message names no path: it is read in a browser.
    """
    folder = scenes / scene / FOLDER
    place, beside = folder / clip, folder / f".{clip}.{os.getpid()}"  # hidden: a fit that runs now passes it by
    try:
        if place.is_dir():
            return sum(file.suffix == ".jpg" for file in place.iterdir())
        beside.mkdir(parents=True, exist_ok=True)
        for index, picture in enumerate(pictures):
            (beside / f"{index:04d}.jpg").write_bytes(picture)
        beside.rename(place)
    except OSError as error:
        shutil.rmtree(beside, ignore_errors=True)
        found = f"it can't be written ({os.strerror(error.errno or errno.EIO)})"
        remedy = "make room on its disk" if is_full(error) else "make its scene's folder writable"
        raise StorageError(f"normal footage of scene '{scene}'", found, remedy) from error
    return len(pictures)


def is_full(error: BaseException | None) -> bool:
    """Whether there was no room left.

    >>> is_full(OSError(errno.ENOSPC, "No space left on device")), is_full(None)
    (True, False)
    """
    return isinstance(error, OSError) and error.errno in FULL
