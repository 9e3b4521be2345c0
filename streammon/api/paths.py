"""Files and folders, as the API's functions take them."""

from collections.abc import Sequence
from pathlib import Path

from streammon.errors import ConfigError

Paths = str | Path | Sequence[str | Path]
"""A file or folder, or several in order of time."""


def paths_of(given: Paths, where: str) -> list[Path]:
    """The files and folders, at least one.

    Args:
        given: One or several.
        where: Beginning of the error message.

    Raises:
        ConfigError: There is none.

    >>> [str(path) for path in paths_of("monday.mp4", "validate_scene")]
    ['monday.mp4']
    """
    paths = [Path(given)] if isinstance(given, str | Path) else [Path(each) for each in given]
    if not paths:
        raise ConfigError(where, "no file or folder is given", "give at least one")
    return paths


def scene_folder(scene: str | Path, scenes: str | Path) -> Path:
    """Folder of a scene.

    Args:
        scene: The folder, or the scene's name in `scenes`; a name has no `/`.
        scenes: Folder of all scenes.

    >>> [str(scene_folder(scene, "scenes")) for scene in ("lobby", "monday/lobby", Path("lobby"))]
    ['scenes/lobby', 'monday/lobby', 'lobby']
    """
    return Path(scene) if isinstance(scene, Path) or "/" in scene else Path(scenes) / scene
