"""The clips at a path: files, folders of images, and folders as recorders lay them out, in order of time."""

import logging
import re
import stat
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path, PurePath

import av

from streammon.errors import FootageError
from streammon.ingest.faults import StreamFault, call_translated
from streammon.ingest.footage import DEFAULT_IMAGE_FPS, Clip, unreadable
from streammon.ingest.images import images_in, is_image, natural_key, recorded_times
from streammon.ingest.stream import video_stream
from streammon.storage import TIMES_FILE

# fmt: off
VIDEO_SUFFIXES = frozenset((
    ".264", ".265", ".3g2", ".3gp", ".amv", ".asf", ".avc", ".avi", ".dav", ".divx", ".dv", ".f4v", ".flv",
    ".h264", ".h265", ".h26l", ".hevc", ".ismv", ".ivf", ".m1v", ".m2p", ".m2t", ".m2ts", ".m2v", ".m4v",
    ".mjpeg", ".mjpg", ".mk3d", ".mkv", ".mod", ".mov", ".mp4", ".mp4v", ".mpe", ".mpeg", ".mpg", ".mpg4", ".mts",
    ".mxf", ".nut", ".ogm", ".ogv", ".ps", ".qt", ".tod", ".tp", ".trp", ".ts", ".vob", ".webm", ".wmv", ".y4m",
))
# fmt: on
"""Endings of video files, in lower case: of cameras, recorders and camcorders too."""

NO_FOOTAGE = frozenset((TIMES_FILE, "Thumbs.db", "desktop.ini"))
"""Names of files that aren't counted as left out."""

DATE = re.compile(r"(?<!\d)((?:19|20)\d\d)([-_./ ]?)(0[1-9]|1[0-2])\2(0[1-9]|[12]\d|3[01])")
TIMES_REMEDY = "give each image a line with its name and time, in order, or remove the file and say --image-fps"

logger = logging.getLogger(__name__)


def clips(path: Path, image_fps: float = DEFAULT_IMAGE_FPS) -> list[Clip]:
    """The clips at a path, in order of time.

    A video file or a folder of images is one clip. In a folder, with its sub-folders, each video and each folder of
    images is a clip. Left out, and counted in one warning, are: files with other endings, videos that are empty or
    can't be opened, and images beside videos, which are a recorder's previews. Not counted are hidden files, and
    folders that end in `_gt`, which hold ground truth in UCSD's layout.

    The clips of a folder come in the order of the dates in their paths, such as `2026-01-31/07/x.mp4` or
    `cam_20260131070000.dav`, and of the numbers after the date. If a path has no date, they come in the order of the
    creation times in the files; if a file has none, in the natural order of their paths.

    Args:
        path: File or folder.
        image_fps: Frames a second of image folders without `times.csv`.

    Raises:
        FootageError: The path doesn't exist, has no video or images, or a `times.csv` doesn't fit its images.
    """
    try:
        if not stat.S_ISDIR(call_translated(path.stat).st_mode):
            return [_clip_of_file(path, image_fps)]
        return _Listing(path, image_fps).clips()
    except StreamFault as fault:
        raise unreadable(path, fault) from None


@dataclass(frozen=True)
class _Found:
    """A clip in a folder.

    Attributes:
        clip: The clip.
        relative: Path of the file or folder from the listed folder.
        created: Creation time in the file, in ISO 8601; empty without one.
    """

    clip: Clip
    relative: PurePath
    created: str = ""

    @property
    def place(self) -> tuple[object, ...]:
        """Key of the natural order of paths."""
        return tuple(map(natural_key, self.relative.parts))

    @property
    def date(self) -> tuple[object, ...] | None:
        """Key of the order of dates: year, month, day and what follows them in the path; None without a date."""
        path = self.relative.as_posix()
        found = DATE.search(path)
        return None if found is None else (found[1], found[3], found[4], natural_key(path[found.end() :]))


@dataclass
class _Listing:
    """Clips in a folder and its sub-folders.

    Attributes:
        root: The folder.
        image_fps: Frames a second of image folders without `times.csv`.
        left_out: Number of files left out, by kind.
        visited: Folders that were read, so that a link to a folder above it ends.
    """

    root: Path
    image_fps: float
    left_out: Counter[str] = field(default_factory=Counter)
    visited: set[Path] = field(default_factory=set)

    def clips(self) -> list[Clip]:
        """The clips, in order of time.

        Raises:
            StreamFault: The folder can't be read, or there are none.
        """
        found = _named(_in_order_of_time(list(self._in_folder(self.root))))
        kinds = ", ".join(f"{number} {kind}" for kind, number in sorted(self.left_out.items()))
        if not found:
            unread = any("(" in kind for kind in self.left_out)
            raise StreamFault("no video and no images in it" + (f" that can be read: {kinds}" if unread else ""))
        if kinds:
            _warn_once(f"{self.root}: {len(found)} {'clip' if len(found) == 1 else 'clips'}; left out: {kinds}")
        return found

    def _in_folder(self, folder: Path) -> Iterator[_Found]:
        self.visited.add(folder.resolve())
        entries = [entry for entry in call_translated(lambda: list(folder.iterdir())) if entry.name[0] != "."]
        files = [entry for entry in entries if entry.is_file() and entry.name not in NO_FOOTAGE]
        videos = [file for file in files if file.suffix.lower() in VIDEO_SUFFIXES]
        images = [] if videos else list(filter(is_image, files))
        self.left_out.update(file.suffix.lower() or "without ending" for file in {*files} - {*videos} - {*images})
        if images:
            name = folder.resolve().name if folder == self.root else self._relative(folder).as_posix()
            yield _Found(_clip_of_images(name, folder, self.image_fps), self._relative(folder))
        for video in videos:
            try:
                yield _Found(Clip(video.stem, video), self._relative(video), _creation_time(video))
            except StreamFault as fault:
                self.left_out[f"{video.suffix.lower()} ({fault.reason})"] += 1
        for inner in entries:
            if inner.is_dir() and not inner.name.endswith("_gt") and inner.resolve() not in self.visited:
                yield from self._in_inner_folder(inner)

    def _in_inner_folder(self, folder: Path) -> Iterator[_Found]:
        try:
            yield from self._in_folder(folder)
        except StreamFault as fault:
            self.left_out[f"folder ({fault.reason})"] += 1

    def _relative(self, path: Path) -> PurePath:
        return PurePath(path.relative_to(self.root))


def _in_order_of_time(found: list[_Found]) -> list[_Found]:
    found = sorted(found, key=lambda each: each.place)
    dated = [each for each in found if each.date is not None]
    if len(dated) == len(found):
        return sorted(dated, key=lambda each: each.date or ())
    created = {each.created for each in found}
    if "" not in created and len(created) == len(found):
        return sorted(found, key=lambda each: each.created)
    return found


def _named(found: list[_Found]) -> list[Clip]:
    """The clips, named by their path from the listed folder, without the ending where that is unique."""
    stems = [each.relative.with_suffix("").as_posix() if not each.clip.images else "" for each in found]
    often = Counter(stems)
    return [
        each.clip
        if each.clip.images
        else replace(each.clip, name=stem if often[stem] == 1 else each.relative.as_posix())
        for each, stem in zip(found, stems, strict=True)
    ]


def _creation_time(video: Path) -> str:
    """Creation time in a video file, in ISO 8601; empty without one.

    Raises:
        StreamFault: The file is empty, or has no video that can be opened.
    """
    if call_translated(video.stat).st_size == 0:
        raise StreamFault("empty file")
    with call_translated(av.open, str(video.absolute())) as container:
        video_stream(container)
        return str(container.metadata.get("creation_time", ""))


def _clip_of_images(name: str, folder: Path, image_fps: float) -> Clip:
    """The images of a folder as a clip, with the times in its `times.csv`, if any.

    Raises:
        FootageError: The folder's `times.csv` can't be read or doesn't fit the images.
    """
    images = images_in(folder)
    try:
        return Clip(name, folder, images, image_fps, recorded_times(folder, images))
    except StreamFault as fault:
        raise FootageError(str(folder / TIMES_FILE), fault.reason, TIMES_REMEDY) from None


def _clip_of_file(path: Path, image_fps: float) -> Clip:
    """A single file as a clip; a video is opened once, so that a file without video fails before the work begins."""
    if is_image(path) and call_translated(path.stat).st_size:
        return Clip(path.stem, path, (path,), image_fps)
    _creation_time(path)
    return Clip(path.stem, path)


@lru_cache(maxsize=64)
def _warn_once(line: str) -> None:
    """Log a warning, once for all the times that a command lists the same folder."""
    logger.warning("%s", line)
