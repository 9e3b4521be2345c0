"""A data set in which somebody runs who looks like all who walk."""

from pathlib import Path

import numpy as np

from support.dataset_trees import write_images, write_masks
from support.staging_street import FPS, HEIGHT, WALK_Y, WIDTH, Walker, street

WALK, RUN = 4.0, 13.0  # pixels a frame
TRAINING = (50, 50, 60)  # frames of each clip; the second half of them all is held out
TEST_FRAMES, RUN_FROM, RUN_TO = 34, 8, 30


def runner_tree(root: Path) -> None:
    """Write a street on which all walk; in one of two test clips somebody runs."""
    for number, frames in enumerate(TRAINING):
        both = [*lane(WALK_Y, 8.0 + 31 * number), *lane(WALK_Y - 60, 41.0 + 23 * number)]
        write_images(root / "train" / f"{number}", street(both, frames, 0), "{:03}.png")
    runner = [*lane(WALK_Y, 15.0), *lane(WALK_Y - 60, 10.0), Walker(RUN_FROM, 0.0, WALK_Y, RUN)]
    write_images(root / "test" / "runs", street(runner, TEST_FRAMES, 0), "{:03}.png")
    both = [*lane(WALK_Y, 22.0), *lane(WALK_Y - 60, 3.0)]
    write_images(root / "test" / "walks", street(both, TEST_FRAMES, 0), "{:03}.png")
    for clip, abnormal in (("runs", range(RUN_FROM, RUN_TO)), ("walks", range(0))):
        masks = np.zeros((TEST_FRAMES, HEIGHT, WIDTH), bool)
        for frame in abnormal:
            left = round(RUN * (frame - RUN_FROM))
            masks[frame, WALK_Y : WALK_Y + 30, left : left + 14] = True
        (root / "labels").mkdir(exist_ok=True)
        np.save(root / "labels" / f"{clip}.npy", masks.any((1, 2)))
        write_masks(root / "masks" / clip, masks, "{:03}.png")
    (root / "dataset.yaml").write_text(f"fps: {FPS:g}\n")


def lane(y: int, first: float) -> list[Walker]:
    """Walkers one behind the other, so that somebody is everywhere sooner or later."""
    return [Walker(0, first + 80 * number, y, WALK) for number in range(-3, 4)]
