"""Score files matched to the clips of a data set: by name or, where no name matches, in natural order."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from streammon.errors import DatasetError, system_reason
from streammon.evaluation.datasets.checking import Defects
from streammon.ingest.images import natural_key

MAPS = "maps"
"""Folder of the anomaly maps in a folder of scores."""

RENAME = "name it as the clip"
GIVE_FOLDER = "give the folder with one file for each clip"

Named = tuple[str, Path]
"""Name, and the file to which it belongs."""


@dataclass(frozen=True)
class Matches:
    """Files of the clips.

    Attributes:
        of: Name and file of each clip that has one, by clip name, in the data set's order.
        by_number: True if nothing had the name of a clip, so that names were assigned in natural order.
    """

    of: dict[str, Named]
    by_number: bool


def files_in_folder(folder: Path, suffixes: Sequence[str], nested: bool) -> list[Named]:
    """Files with one of the suffixes, by name without suffix, in natural order.

    Hidden files and the folder `maps` are left out.

    Args:
        folder: Folder to list.
        suffixes: Accepted suffixes; other files are ignored.
        nested: Also list files in folders, with `/` in their names.

    Raises:
        DatasetError: The folder can't be read, or has no such file.
    """
    try:
        if folder.is_file():
            raise DatasetError(str(folder), "a file, not a folder", GIVE_FOLDER)
        folder.stat()  # a folder that doesn't exist seems empty to rglob
        entries = [path for path in (folder.rglob("*") if nested else folder.iterdir()) if path.is_file()]
    except OSError as error:
        found = f"it can't be read as a folder ({system_reason(error)})"
        raise DatasetError(str(folder), found, GIVE_FOLDER) from None
    named = []
    for path in entries:
        inside = path.relative_to(folder)
        if path.suffix.lower() in suffixes and path.name[0] != "." and inside.parts[0] != MAPS:
            named.append((inside.with_suffix("").as_posix(), path))
    if not named:
        endings = " or ".join(filter(None, (", ".join(suffixes[:-1]), suffixes[-1])))
        raise DatasetError(str(folder), f"no file in it that ends in {endings}", GIVE_FOLDER)
    return sorted(named, key=lambda pair: (natural_key(pair[0]), pair[1].suffix))


def matched(
    place: Path,
    named: Sequence[Named],
    dataset: str,
    clips: Sequence[str],
    defects: Defects,
    needed: Collection[str] | None = None,
) -> Matches:
    """The file of each clip.

    Names are compared without leading zeros of their numbers, so `1` is the clip `01`.

    Args:
        place: Folder or file of the names, for messages.
        named: Names and files, in natural order; at least one.
        dataset: Name of the data set, for messages.
        clips: Names of the clips, in natural order.
        defects: Receives clips without a file, and files without a clip.
        needed: Names of the clips that must have a file; None for all.

    Raises:
        DatasetError: Two files are of one clip or, without `allow_partial`, a clip has no file or a file no clip.
    """
    clip_of = _clips_by_key(clips)
    own: dict[str, Named] = {}
    strays = []
    for name, path in named:
        clip = clip_of.get(name if name in clip_of else _key(name))
        if clip is None:
            strays.append((name, path))
        elif clip in own:
            raise DatasetError(str(path), f"a second file of the clip '{clip}'", f"keep it or {own[clip][1]}")
        else:
            own[clip] = name, path
    if not own:
        return Matches(_by_number(place, named, dataset, clips), by_number=True)
    for name, path in strays:
        found = f"no clip of {dataset} has the name '{name}'"
        defects.record(DatasetError(str(path), found, f"remove it, or {RENAME}, as '{clips[0]}'"), "it is not read")
    needed = clips if needed is None else needed
    if absent := [clip for clip in clips if clip in needed and clip not in own]:
        found = f"nothing for {len(absent)} of {len(needed)} clips, first '{absent[0]}'"
        remedy = "add what lacks, or leave out these clips with --allow-partial"
        defects.record(DatasetError(str(place), found, remedy), "they are left out")
    return Matches({clip: own[clip] for clip in clips if clip in own}, by_number=False)


def _key(name: str) -> str:
    """A name without leading zeros of its numbers and in lower case: equal for `Test001` and `test1`."""
    return re.sub(r"\d+", lambda digits: str(int(digits[0])), name).lower()


def _clips_by_key(clips: Sequence[str]) -> dict[str, str]:
    """Clips by name and, where all of them differ in `_key`, also by that."""
    by_key = {_key(clip): clip for clip in clips}
    return {clip: clip for clip in clips} | (by_key if len(by_key) == len(clips) else {})


def _by_number(place: Path, named: Sequence[Named], dataset: str, clips: Sequence[str]) -> dict[str, Named]:
    """Names assigned to the clips in natural order.

    Raises:
        DatasetError: A name has no number, two are alike, or there are more or fewer than clips.
    """
    none = f"nothing has the name of a clip of {dataset}, such as '{clips[0]}'"
    seen: dict[str, Path] = {}
    for name, path in named:
        if not re.search(r"\d", name):
            raise DatasetError(str(path), f"{none}, and '{name}' has no number to order it by", RENAME)
        if _key(name) in seen:
            raise DatasetError(str(path), "a second file with this number", f"keep it or {seen[_key(name)]}")
        seen[_key(name)] = path
    if len(named) != len(clips):
        raise DatasetError(str(place), f"scores of {len(named)} for {len(clips)} clips, and {none}", RENAME)
    return dict(zip(clips, named, strict=True))
