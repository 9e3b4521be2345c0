"""`score`: footage in, scores out."""

import sys
from collections.abc import Generator
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from streammon.cli.output import EXIT_INPUT_WRONG, complain
from streammon.config import ModelConfig
from streammon.errors import FootageError
from streammon.ingest import Clip, Pace, clips
from streammon.records import ScoreRecord
from streammon.score_files import json_line, require_score_path, save_scores, saving_maps
from streammon.storage import require_writable

ANOTHER_FOLDER = "choose another --maps DIR"


def score_footage(
    footage: tuple[Path, ...],
    scene: Path,
    model: ModelConfig,
    out: Path | None,
    maps: Path | None,
    image_fps: float,
    false_alarms_per_day: float,
) -> int:
    """Score footage, write or print the scores, and return the exit code.

    A clip that turns out to be unreadable is reported, its rows so far are kept, and the others are scored.

    Args:
        footage: Files and folders.
        scene: Folder of the scene.
        model: The configured model.
        out: File for the scores, or an existing folder; None to print JSON Lines.
        maps: Folder for the anomaly maps; None for none.
        image_fps: Frames a second of image folders without `times.csv`.
        false_alarms_per_day: Rate of false alarms from which a frame has boxes.

    Raises:
        InputError: Footage, the scene or a file can't be read or written.
    """
    if out is not None:
        require_score_path(out)
    if maps is not None:
        require_writable(maps, ANOTHER_FOLDER)
    pieces = named_apart([clip for path in footage for clip in clips(path, image_fps)])
    from streammon import load_scene
    from streammon.cli.display import WorkBar

    loaded = load_scene(scene, model=model, false_alarms_per_day=false_alarms_per_day, scenes=scene.parent)
    stdout, code = sys.stdout, 0  # the one of now, since the bar diverts what is printed on a terminal
    bar: AbstractContextManager[WorkBar | None] = WorkBar(Console(stderr=True))
    if out is None and stdout.isatty():  # a bar and rows would mix
        bar = nullcontext()

    def scored() -> Generator[ScoreRecord]:
        nonlocal code
        total, done = sum(_frames(clip, loaded.score_fps) for clip in pieces), 0
        for clip in pieces:
            try:
                for record in loaded.score_clip(clip, maps=maps is not None):
                    yield record
                    done += 1
                    if shown is not None:
                        shown(f"scoring {clip.name}", min(done, total), total)
            except FootageError as error:
                code = complain(str(error), EXIT_INPUT_WRONG)

    with (
        bar as shown,
        closing(scored()) as computed,
        closing(computed if maps is None else saving_maps(computed, maps)) as records,
    ):
        if out is not None:
            save_scores(records, out)
        else:
            for record in records:
                print(json_line(record), file=stdout, flush=True)
    return code


def named_apart(pieces: list[Clip]) -> list[Clip]:
    """The clips with a name each: those of one name are numbered from the second on.

    >>> lane, yard = Clip("lane", Path("monday/lane.mp4")), Clip("yard", Path("yard.mp4"))
    >>> [clip.name for clip in named_apart([lane, yard, lane, lane])]
    ['lane', 'yard', 'lane-2', 'lane-3']
    """
    found: dict[str, Clip] = {}
    for clip in pieces:
        name, number = clip.name, 1
        while name in found:
            number += 1
            name = f"{clip.name}-{number}"
        found[name] = replace(clip, name=name)
    return list(found.values())


def _frames(clip: Clip, fps: float | None) -> int:
    """Frames that will be scored, about."""
    try:
        return clip.length(Pace(1, fps)).taken
    except FootageError:  # reported when the clip is scored
        return 0
