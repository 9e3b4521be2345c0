"""RBDC and TBDC of one clip, worked by hand from their definition (Ramachandra and Jones, Street Scene, WACV 2020).

The definition, with alpha = beta = 0.1:

- A true region is detected if a detected region of its frame has an IoU of at least beta with it.
- A detected region is a false positive if its IoU with each true region of the frame is below beta.
- A track is detected if at least the share alpha of its regions is detected.
- At one threshold: detected regions / true regions, detected tracks / true tracks, and false positives / frames.
- RBDC and TBDC are the areas under the two rates over the false positives a frame, from 0 to 1.

Boxes below are (left, top, width, height) in pixels, in frames of 20 x 12.
"""

import numpy as np
import pytest
from numpy.typing import NDArray

from streammon.evaluation.metrics import RegionLevel

FRAMES, HEIGHT, WIDTH = 5, 12, 20
Box = tuple[int, int, int, int]

# Track A: 4 x 4, one pixel further right in each of the frames 0 to 3. Track B: 2 x 2, still, in frames 3 and 4.
# So there are 4 + 2 = 6 true regions, 2 tracks and 5 frames.
TRACK_A: dict[int, Box] = {frame: (frame, 0, 4, 4) for frame in range(4)}
TRACK_B: dict[int, Box] = dict.fromkeys((3, 4), (7, 7, 2, 2))

# The map: (frame, box, value), 0 elsewhere. Later entries are painted over earlier ones.
PAINTED: list[tuple[int, Box, float]] = [
    # frame 0: 2 from edge to edge, and 8 in a quarter of A's 4 x 4: IoU 4 / 16 = 0.25
    (0, (0, 0, 20, 12), 2),
    (0, (0, 0, 2, 2), 8),
    # frame 1: 8 in one pixel of A: IoU 1 / 16 = 0.0625, which is below beta
    (1, (1, 0, 1, 1), 8),
    # frame 2: 6 in all of A: IoU 1; and 6 in one pixel far from A
    (2, (2, 0, 4, 4), 6),
    (2, (19, 11, 1, 1), 6),
    # frame 3: 6 in 3 x 2 pixels, of which 1 x 2 lie in A: IoU 2 / (16 + 6 - 2) = 0.1, just beta; 4 in all of B: IoU 1
    (3, (6, 2, 3, 2), 6),
    (3, (7, 7, 2, 2), 4),
    # frame 4: nothing in B; 4 in two pixels that touch at a corner, which is one region
    (4, (0, 0, 1, 1), 4),
    (4, (1, 1, 1, 1), 4),
]


def inside(box: Box) -> tuple[slice, slice]:
    """Rows and columns of a box."""
    left, top, width, height = box
    return slice(top, top + height), slice(left, left + width)


def clip() -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Maps and masks, (5, 12, 20) each."""
    maps = np.zeros((FRAMES, HEIGHT, WIDTH), dtype=np.float32)
    masks = np.zeros(maps.shape, dtype=np.bool_)
    for track in (TRACK_A, TRACK_B):
        for frame, box in track.items():
            masks[frame][inside(box)] = True
    for frame, box, value in PAINTED:
        maps[frame][inside(box)] = value
    return maps, masks


def criteria(*thresholds: float) -> tuple[float | None, float | None]:
    """RBDC and TBDC of the clip at some thresholds."""
    level = RegionLevel(thresholds)
    level.update_clip(*clip())
    assert (level.frames, level.regions, level.tracks) == (5, 6, 2)
    return level.rbdc(), level.tbdc()


@pytest.mark.parametrize(
    ("threshold", "false_positives", "regions", "tracks"),
    [
        # 8: frame 0 detects A. Frame 1's pixel is below beta, so it is a false positive and A is not detected there.
        #    Regions 1 of 6. Track A has 1 of 4 detected, 0.25 >= alpha; track B has 0 of 2. Tracks 1 of 2.
        (8.0, 1, 1, 1),
        # 6: frames 2 and 3 detect A too. The far pixel of frame 2 is a second false positive.
        #    Regions 3 of 6. Track A has 3 of 4, track B 0 of 2. Tracks 1 of 2.
        (6.0, 2, 3, 1),
        # 4: frame 3 detects B too. The two pixels of frame 4 are one region: a third false positive.
        #    Regions 4 of 6. Track B has 1 of 2. Tracks 2 of 2.
        (4.0, 3, 4, 2),
        # 2: all of frame 0 is one region, whose IoU with A is 16 / 240 = 0.067: A is lost there, and there is a
        #    fourth false positive. Regions 3 of 6. Track A has 2 of 4, track B 1 of 2. Tracks 2 of 2.
        (2.0, 4, 3, 2),
    ],
)
def test_one_threshold(threshold: float, false_positives: int, regions: int, tracks: int) -> None:
    """The curve of one point (x, y): from (0, 0) to (x, y), then level up to x = 1: x y / 2 + (1 - x) y."""
    x = false_positives / 5
    expected = [x * y / 2 + (1 - x) * y for y in (regions / 6, tracks / 2)]
    assert criteria(threshold) == pytest.approx(expected)


def test_all_thresholds() -> None:
    """Four points, one for each threshold from 8 down to 2, and the areas under them.

    ```
    threshold   false positives a frame   regions        tracks
    8           1/5                       1/6            1/2
    6           2/5                       3/6            1/2
    4           3/5                       4/6            2/2
    2           4/5                       3/6 -> 4/6     2/2     the best rate so far counts
    ```

    No threshold is without a false positive, so both curves start at (0, 0). Each of the five strips is 1/5 wide, and
    its area is the mean of its two heights times 1/5; the last strip is level.

    RBDC: 1/5 x (1/12 + 4/12 + 7/12 + 8/12 + 8/12) = 1/5 x 28/12 = 7/15.
    TBDC: 1/5 x (1/4 + 2/4 + 3/4 + 4/4 + 4/4)      = 1/5 x 14/4  = 7/10.
    """
    assert criteria(8, 6, 4, 2) == pytest.approx((7 / 15, 7 / 10))


def test_stricter_limits_detect_less() -> None:
    """With beta = 0.11 frame 3 no longer detects A (0.1), and its 3 x 2 pixels become a false positive.

    At 6: regions A0 and A2, 2 of 6; false positives in frames 1, 2 and 3, 3 of 5 a frame. With alpha = 0.6 track A,
    of which 2 of 4 regions are detected, is not detected.
    """
    level = RegionLevel([6.0], alpha=0.6, beta=0.11)
    level.update_clip(*clip())
    x, y = 3 / 5, 2 / 6
    assert level.rbdc() == pytest.approx(x * y / 2 + (1 - x) * y)
    assert level.tbdc() == 0.0
