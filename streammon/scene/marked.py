"""Footage of alerts that operators called normal: the folder `normal` of a scene, and the clips in it."""

from pathlib import Path

from streammon.ingest import Clip, clips
from streammon.storage import NORMAL_FOLDER


def marked_clips(folder: Path, image_fps: float) -> dict[str, Clip]:
    """The clips in a scene's folder `normal`, in order of time, by their names (`marked_name`).

    Args:
        folder: Folder of the scene.
        image_fps: Frames a second of image folders without `times.csv`.

    Raises:
        FootageError: There are clips, and none can be read.
    """
    marked = folder / NORMAL_FOLDER
    if not marked.is_dir() or all(entry.name.startswith(".") for entry in marked.iterdir()):
        return {}
    found = {marked_name(folder, clip): clip for clip in clips(marked, image_fps)}
    return {name: clip for name, clip in found.items() if name is not None}


def marked_name(folder: Path, clip: Clip) -> str | None:
    """Path of a clip from the scene's folder `normal`, without a file's ending; None for other footage.

    The name of an alert's clip begins with the alert's id.

    >>> marked_name(Path("scenes/lobby"), Clip("x", Path("scenes/lobby/normal/018bcf.mp4")))
    '018bcf'
    >>> marked_name(Path("scenes/lobby"), Clip("x", Path("recordings/lobby.mp4")))
    """
    marked, path = (folder / NORMAL_FOLDER).resolve(), clip.path.resolve()
    if not path.is_relative_to(marked) or path == marked:
        return None
    relative = path.relative_to(marked)
    return (relative if clip.images else relative.with_suffix("")).as_posix()
