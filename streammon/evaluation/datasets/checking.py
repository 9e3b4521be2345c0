"""Checks that all layouts share, and the handling of defects."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from streammon.errors import DatasetError, FootageError
from streammon.evaluation.labelled import Labels
from streammon.ingest import Clip

COPY_AGAIN = "copy it again, or leave it out with --allow-partial"
COMPLETE = "complete the data set, or leave out this clip with --allow-partial"
INCOMPLETE = "complete the data set, or evaluate it as it is with --allow-partial"

DEFAULT_FPS = 25.0
LIST_SLACK_FRAMES = 2
"""Tolerance of a video's list of frames: of MPEG-4 with packed frames, an entry or two of an AVI has no picture."""


class Defects:
    """Defects of a data set: recorded if a partial data set is allowed, otherwise raised.

    Attributes:
        allow_partial: Record defects instead of raising them.
        messages: One message for each recorded defect.
    """

    def __init__(self, allow_partial: bool) -> None:
        self.allow_partial = allow_partial
        self.messages: list[str] = []

    def record(self, flaw: DatasetError, consequence: str = "") -> None:
        """Record a defect.

        Raises:
            DatasetError: The defect, without `allow_partial`.
        """
        if not self.allow_partial:
            raise flaw
        self.messages.append("; ".join(filter(None, (f"{flaw.where}: {flaw.found}", consequence))))

    @contextmanager
    def leaving_out(self, what: str = "the clip") -> Iterator[None]:
        """Record a `DatasetError` or `FootageError` of the block, with the note that `what` is left out.

        Raises:
            DatasetError: The error, without `allow_partial`; a `FootageError` is converted.
        """
        try:
            yield
        except (DatasetError, FootageError) as error:
            flaw = error if isinstance(error, DatasetError) else DatasetError(error.where, error.found, COPY_AGAIN)
            try:
                self.record(flaw, f"{what} is left out")
            except DatasetError:
                raise flaw from None


@dataclass(frozen=True)
class Extent:
    """Size of a data set.

    Attributes:
        training_clips: Number of training clips.
        training_frames: Number of frames in the training clips; None in an official size that isn't certain of it.
        test_clips: Number of test clips.
        test_frames: Number of frames in the test clips; None likewise.
    """

    training_clips: int
    training_frames: int | None
    test_clips: int
    test_frames: int | None

    def differences(self, official: "Extent", slack: int = 0) -> list[str]:
        """Differences from the official size as text; training frames may differ by `slack`.

        >>> Extent(3, 90, 107, 40_792).differences(Extent(330, 274_515, 107, 40_791))
        ['3 of 330 training clips', '90 of 274,515 training frames', '40,792 test frames instead of 40,791']
        """
        found = []
        for noun in ("training_clips", "training_frames", "test_clips", "test_frames"):
            here, there = getattr(self, noun), getattr(official, noun)
            if there is None or abs(here - there) <= (slack if noun == "training_frames" else 0):
                continue
            words = noun.replace("_", " ")
            found.append(
                f"{here:,} of {there:,} {words}" if here < there else f"{here:,} {words} instead of {there:,}"
            )
        return found


def require_extent(root: Path, found: Extent, official: Extent, slack: int, defects: Defects) -> None:
    """Require the official size of a data set; training frames may differ by `slack`.

    Raises:
        DatasetError: The size differs, without `allow_partial`.
    """
    if differences := found.differences(official, slack):
        defects.record(
            DatasetError(str(root), f"{', '.join(differences)}; this is not the official size", INCOMPLETE)
        )


def require_frame_count(clip_name: str, path: Path, announced: int | None, decoded: int, slack: int = 0) -> None:
    """Require that a clip decodes to the announced number of frames: some decoders drop or repeat frames.

    Args:
        clip_name: Name of the clip.
        path: File or folder of the clip.
        announced: Number of labels or, for training footage, of frames that the file lists; None if unknown.
        decoded: Number of frames decoded.
        slack: Tolerated difference in frames, for thinned footage.

    Raises:
        DatasetError: The numbers differ by more than `slack`.

    >>> require_frame_count("01_0014", Path("testing/videos/01_0014.avi"), 265, 264)
    Traceback (most recent call last):
    streammon.errors.DatasetError: testing/videos/01_0014.avi: clip '01_0014' decodes to 264 frames, but \
its labels or its header give 265; copy it again, or leave it out with --allow-partial
    """
    if announced is not None and abs(announced - decoded) > slack:
        raise DatasetError(
            str(path),
            f"clip '{clip_name}' decodes to {decoded} frames, but its labels or its header give {announced}",
            COPY_AGAIN,
        )


def require_footage(clip: Clip) -> None:
    """Require that a clip can be opened, all files exist and are not empty, and the first image can be read.

    Raises:
        DatasetError: A file is empty, missing or a broken link.
        FootageError: A file can't be read.
    """
    require_files(clip.images or (clip.path,))
    if clip.images:
        frame_size(clip)
    else:
        clip.listed_frames()


def require_files(paths: Iterable[Path]) -> None:
    """Require that files exist and are not empty, which detects interrupted copies and broken links.

    Raises:
        DatasetError: A file is missing or empty.
    """
    for path in paths:
        try:
            size = path.stat().st_size
        except OSError as error:
            raise DatasetError(str(path), f"it can't be read ({error.strerror})", COPY_AGAIN) from None
        if size == 0:
            raise DatasetError(str(path), "an empty file", COPY_AGAIN)


def frame_size(clip: Clip) -> tuple[int, int]:
    """Width and height of the first frame of a clip, in pixels.

    Raises:
        FootageError: The frame can't be read.
    """
    return next(clip.frames(size=None)).source_size


def footage_fps(clips: Iterable[Clip]) -> float:
    """Frames a second of the first clip, by its container; 25 without clips.

    Raises:
        FootageError: The clip can't be opened.
    """
    for clip in clips:
        length = clip.length()
        return round(length.frames / length.seconds, 3)
    return DEFAULT_FPS


def require_label_count(source: Path, labels: Labels, clip: Clip) -> None:
    """Require a label for every frame, within a tolerance for video, whose exact length is known only when decoded.

    Of a video whose container lists no frames, the number is checked when the clip is scored.

    Raises:
        DatasetError: The numbers differ.
        FootageError: The clip can't be opened.
    """
    frames = clip.listed_frames()
    slack = 0 if clip.images else LIST_SLACK_FRAMES
    if frames is not None and abs(frames - len(labels)) > slack:
        raise DatasetError(str(source), f"{len(labels)} labels for the {frames} frames of {clip.path}", COPY_AGAIN)


def require_mask_count(source: Path, masks: int, frames: int) -> None:
    """Require a mask for every frame.

    Raises:
        DatasetError: The numbers differ.
    """
    if masks != frames:
        raise DatasetError(str(source), f"{masks} masks for {frames} frames", COPY_AGAIN)


def require_mask_size(source: Path, mask: tuple[int, int], frame: tuple[int, int]) -> None:
    """Require that a mask has the size of its frame; sizes are (width, height).

    Raises:
        DatasetError: The sizes differ.
    """
    if mask != frame:
        found = f"a mask of {mask[0]}x{mask[1]} for a frame of {frame[0]}x{frame[1]}"
        raise DatasetError(str(source), found, COPY_AGAIN)


def labelled_clips(clips: Iterable[Clip], truths: dict[str, Path], expected: str, defects: Defects) -> Iterator[Clip]:
    """The clips that have labels; clips without labels and labels without a clip are defects.

    Args:
        clips: All clips.
        truths: Label file of each clip, by clip name.
        expected: Expected path of a label file, `{}` standing for the clip name, for messages.
        defects: Receives the defects.

    Raises:
        DatasetError: A clip has no labels or labels have no clip, without `allow_partial`.
    """
    here = {clip.name: clip for clip in clips}
    for name, path in truths.items():
        if name not in here:
            defects.record(DatasetError(str(path), f"labels of a missing clip ('{name}')", COMPLETE))
    for name, clip in here.items():
        if name in truths:
            yield clip
        else:
            lacking = DatasetError(str(clip.path), f"no labels for this clip ({expected.format(name)})", COMPLETE)
            defects.record(lacking, "the clip is left out")
