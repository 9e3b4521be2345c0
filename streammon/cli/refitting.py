"""`fit --from-review` and `fit --undo`."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from streammon.cli.options import (
    MODEL_OPTIONS,
    model_of,
    scene_folder,
    scenes_of,
)
from streammon.cli.output import EXIT_INPUT_WRONG, complain, console_of, write_json
from streammon.config import Config
from streammon.errors import InputError


def undo_fit(folder: Path, json_file: str | None) -> int:
    """Put a scene's previous files back, say so, and return the exit code.

    Raises:
        InputError: There are none, or they can't be moved.
    """
    from streammon.padim import Bank
    from streammon.scene import put_back

    put_back(folder)
    frames = Bank.load(folder).facts.frames
    console_of(json_file).print(f"scene {folder.name}: its previous files are back, learned from {frames:,} frames")
    write_json(json_file, {"scene": folder.name, "frames": frames})
    return 0


def fit_from_review(
    scene: str | None, config: Config | None, options: dict[str, Any], json_file: str | None, confirmed: bool | None
) -> int:
    """Learn what was judged normal, tell its effects first, and return the exit code.

    Args:
        scene: Name of the scene; None for all.
        config: The configuration; None without one.
        options: Values of the options of `fit`.
        json_file: File for the reports as JSON; `-` for standard output.
        confirmed: Answer to the question whether to replace the scene; None to ask.
    """
    scenes = options["scenes"]
    model = model_of(config.model if config else None, **{name: options[name] for name in MODEL_OPTIONS})
    from streammon import learn_from_review
    from streammon.cli.display import WorkBar
    from streammon.refit import RefitReport, print_refit, scenes_with_marks

    console = console_of(json_file)

    def confirm(report: RefitReport) -> bool:
        bar.stop()
        print_refit(report, console)
        if confirmed is None:
            return click.confirm(f"Learn this for scene {report.scene}?", err=True)
        return confirmed

    reports, code = [], 0
    folders = [scene_folder(scenes, config, scene)] if scene else scenes_with_marks(scenes_of(scenes, config))
    for folder in folders:
        try:
            with WorkBar(console, "steps") as bar:
                report = learn_from_review(
                    folder,
                    model=model,
                    alerting=config.alerting if config else None,
                    events=config.events.folder if config and config.events else None,
                    fps=options["image_fps"],
                    jobs=options["jobs"],
                    confirm=confirm,
                    progress=bar,
                )
        except InputError as error:  # the other scenes are learned all the same
            code = complain(str(error), EXIT_INPUT_WRONG)
            continue
        if report is not None:
            reports.append(report)
            done = "`streammon fit --undo` takes it back" if report.written else "nothing was replaced"
            console.print(f"scene {folder.name}: {done}", highlight=False)
    if not reports and not code:
        console.print("nothing new was judged normal")
    write_json(json_file, [asdict(report) for report in reports])
    return code
