"""What every layout is checked for, and how a flaw is told."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from streammon.errors import DatasetError, FootageError
from streammon.evaluation.labelled import Labels
from streammon.ingest import Clip

COPY_AGAIN = "copy it again, or go on without it by --allow-partial"
COMPLETE = "complete the data set, or go on without this clip by --allow-partial"
INCOMPLETE = "get what is missing, or evaluate what is there by --allow-partial"

ESTIMATE_SLACK_FRAMES = 2
"""How far a video's announced frame count may be off: some containers hold a duration, and no count."""


class Gaps:
    """What a data set lacks: refused at once, or told in one line each where a partial one is allowed.

    Attributes:
        allow_partial: Which of the two.
        lines: One for each flaw that was let pass.
    """

    def __init__(self, allow_partial: bool) -> None:
        self.allow_partial = allow_partial
        self.lines: list[str] = []

    def tell(self, flaw: DatasetError, consequence: str = "") -> None:
        """Let a flaw pass, if that is allowed.

        Raises:
            DatasetError: The flaw, when it isn't.
        """
        if not self.allow_partial:
            raise flaw
        self.lines.append("; ".join(filter(None, (f"{flaw.where}: {flaw.found}", consequence))))

    @contextmanager
    def leaving_out(self, what: str = "the clip") -> Iterator[None]:
        """Leave something out when the block finds a flaw in it, if that is allowed.

        Raises:
            DatasetError: The flaw, when it isn't; footage that can't be read is one.
        """
        try:
            yield
        except (DatasetError, FootageError) as error:
            flaw = error if isinstance(error, DatasetError) else DatasetError(error.where, error.found, COPY_AGAIN)
            try:
                self.tell(flaw, f"{what} is left out")
            except DatasetError:
                raise flaw from None


@dataclass(frozen=True)
class Extent:
    """How large a data set is.

    Attributes:
        training_clips: Clips to learn from.
        training_frames: Their frames.
        test_clips: Clips to score.
        test_frames: Their frames.
    """

    training_clips: int
    training_frames: int
    test_clips: int
    test_frames: int

    def differences(self, official: "Extent", slack: int = 0) -> list[str]:
        """In words, where it isn't of the official size; training frames may be off by `slack`.

        >>> Extent(3, 90, 107, 40_792).differences(Extent(330, 274_515, 107, 40_791))
        ['3 of 330 training clips', '90 of 274,515 training frames', '40,792 test frames instead of 40,791']
        """
        found = []
        for noun in ("training_clips", "training_frames", "test_clips", "test_frames"):
            here, there = getattr(self, noun), getattr(official, noun)
            if abs(here - there) <= (slack if noun == "training_frames" else 0):
                continue
            words = noun.replace("_", " ")
            found.append(
                f"{here:,} of {there:,} {words}" if here < there else f"{here:,} {words} instead of {there:,}"
            )
        return found


def hold_extent(root: Path, found: Extent, official: Extent, slack: int, gaps: Gaps) -> None:
    """A copy of another size than the official one is incomplete.

    Raises:
        DatasetError: It is, and that isn't allowed.
    """
    if differences := found.differences(official, slack):
        gaps.tell(DatasetError(str(root), f"{', '.join(differences)}; it isn't the whole data set", INCOMPLETE))


def hold_frame_count(clip_name: str, path: Path, announced: int | None, decoded: int, slack: int = 0) -> None:
    """A clip must decode to as many frames as were announced: some decoders drop or repeat some.

    Args:
        clip_name: The clip.
        path: Its file or folder.
        announced: The labels it has, or for training footage what its header says; None if nothing is known.
        decoded: The frames that came.
        slack: How far the two may lie apart, for a count that was estimated from a duration.

    Raises:
        DatasetError: They don't agree.

    >>> hold_frame_count("01_0014", Path("testing/videos/01_0014.avi"), 265, 264)
    Traceback (most recent call last):
    streammon.errors.DatasetError: testing/videos/01_0014.avi: clip '01_0014' decodes to 264 frames, 265 are \
announced by its labels or its header; copy it again, or go on without it by --allow-partial
    """
    if announced is not None and abs(announced - decoded) > slack:
        raise DatasetError(
            str(path),
            f"clip '{clip_name}' decodes to {decoded} frames, {announced} are announced by its labels or its header",
            COPY_AGAIN,
        )


def hold_footage(clip: Clip) -> None:
    """A clip can be opened, every file of it is there and not empty, and its first image can be read.

    Raises:
        DatasetError: A file is empty or only a link to nowhere.
        FootageError: A file can't be read.
    """
    hold_files(clip.images or (clip.path,))
    if clip.images:
        frame_size(clip)
    else:
        clip.frame_count()


def hold_files(paths: Iterable[Path]) -> None:
    """Files are there and not empty: of a copy that was broken off, or whose links lead nowhere, they aren't.

    Raises:
        DatasetError: One isn't.
    """
    for path in paths:
        try:
            size = path.stat().st_size
        except OSError as error:
            raise DatasetError(str(path), f"it can't be read ({error.strerror})", COPY_AGAIN) from None
        if size == 0:
            raise DatasetError(str(path), "an empty file", COPY_AGAIN)


def frame_size(clip: Clip) -> tuple[int, int]:
    """Width and height of its first frame, in pixels.

    Raises:
        FootageError: It can't be read.
    """
    return next(clip.frames(size=None)).source_size


def hold_label_count(source: Path, labels: Labels, clip: Clip) -> None:
    """There is a label for every frame; of a video, that shows only when it is decoded.

    Raises:
        DatasetError: There isn't.
        FootageError: The clip can't be opened.
    """
    frames = clip.frame_count()
    slack = 0 if clip.images else ESTIMATE_SLACK_FRAMES
    if frames is not None and abs(frames - len(labels)) > slack:
        raise DatasetError(str(source), f"{len(labels)} labels for the {frames} frames of {clip.path}", COPY_AGAIN)


def hold_mask_count(source: Path, masks: int, frames: int) -> None:
    """There is a mask for every frame.

    Raises:
        DatasetError: There isn't.
    """
    if masks != frames:
        raise DatasetError(str(source), f"{masks} masks for {frames} frames", COPY_AGAIN)


def hold_mask_size(source: Path, mask: tuple[int, int], frame: tuple[int, int]) -> None:
    """A mask, of width and height, is as large as its frame.

    Raises:
        DatasetError: It isn't.
    """
    if mask != frame:
        found = f"a mask of {mask[0]}x{mask[1]} for a frame of {frame[0]}x{frame[1]}"
        raise DatasetError(str(source), found, COPY_AGAIN)


def hold_names(clips: Iterable[Clip], truths: dict[str, Path], expected: str, gaps: Gaps) -> Iterator[Clip]:
    """The clips that have labels; whoever has only one of the two is told.

    Args:
        clips: All clips.
        truths: Where the labels of each clip lie.
        expected: Where the labels of the clip `{}` should lie.
        gaps: What is told.

    Raises:
        DatasetError: A clip has no labels or labels have no clip, and that isn't allowed.
    """
    here = {clip.name: clip for clip in clips}
    for name, path in truths.items():
        if name not in here:
            gaps.tell(DatasetError(str(path), f"labels of a clip that isn't there ('{name}')", COMPLETE))
    for name, clip in here.items():
        if name in truths:
            yield clip
        else:
            lacking = DatasetError(str(clip.path), f"no labels for this clip ({expected.format(name)})", COMPLETE)
            gaps.tell(lacking, "the clip is left out")
