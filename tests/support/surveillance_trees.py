"""Small copies of NWPU Campus, IITB-Corridor, Street Scene, ComplexVAD, UBnormal and STC's weakly labelled split."""

from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from streammon.records import Picture
from support.dataset_trees import Tree, encode_video, inject, stc_tree, wall, write_images

SIZE = (96, 64)
FRAMES = 9
TOUCHING = [
    *((frame, 0, 10, 8, 26, 20) for frame in (2, 3, 4)),
    *((frame, 1, 26, 8, 42, 20) for frame in (4, 5, 6)),
]
"""Frame, track, left, top, right and bottom of two objects that touch in frame 4: one region of the masks there."""
RETURNING = [(frame, 0, 60, 30, 80, 50) for frame in (1, 2, 6, 7)]
"""One object that is out of sight in frames 3 to 5: two tracks of the masks."""


def footage(seed: int) -> list[Picture]:
    return list(islice(wall(seed, SIZE), FRAMES))


def nwpu_tree(root: Path) -> Tree:
    """NWPU Campus: two scenes, and a test clip of D094, which has no training clip; one test clip as frames."""
    tree = Tree(root)
    for seed, name in enumerate(("D001_01", "D002_01")):
        tree.training[encode_video(root / "videos" / "Train" / f"{name}.avi", footage(seed), 25)] = FRAMES
    for seed, name in enumerate(("D001_01", "D002_02", "D094_01")):
        clip = footage(seed)
        _, tree.masks[name] = inject(name, clip, 3, 3, seed)
        if name == "D002_02":
            write_images(root / "videos" / "Test" / name, clip)
        else:
            encode_video(root / "videos" / "Test" / f"{name}.avi", clip, 25)
    (root / "groundtruth").mkdir()
    labels = {name: tree.labels(name).astype(np.uint8) for name in tree.masks}
    np.savez(root / "groundtruth" / "NWPU_Campus_gt.npz", allow_pickle=False, **labels)
    return tree


def corridor_tree(root: Path) -> Tree:
    """IITB-Corridor."""
    tree, test = Tree(root), root / "Test_IITB-Corridor"
    for seed, name in enumerate(("000001", "000002")):
        path = root / "Train_IITB_Corridor" / "Train" / name / f"{name}.avi"
        tree.training[encode_video(path, footage(seed), 25)] = FRAMES
    for seed, name in enumerate(("000209", "000210")):
        clip = footage(seed)
        _, tree.masks[name] = inject(name, clip, 2, 4, seed)
        encode_video(test / "Test" / name / f"{name}.avi", clip, 25)
        annotation = test / "Test_Annotation" / "Annotation" / name
        annotation.mkdir(parents=True)
        np.save(annotation / f"{name}.npy", tree.labels(name).astype(np.float64))
    return tree


def street_scene_tree(root: Path) -> Tree:
    """Street Scene: clips as folders of frames, the tracks in them."""
    tree = Tree(root)
    tree.training[write_images(root / "Train" / "Train001", footage(0), first=1)] = FRAMES
    for number, boxes in ((1, TOUCHING), (2, RETURNING)):
        name = f"Test{number:03}"
        folder = write_images(root / "Test" / name, abnormal_footage(tree, name, boxes), first=1)
        write_tracks(folder / f"{name}_gt.txt", boxes, f"Test/{name}/{{:03}}.jpg")
    return tree


def complexvad_tree(root: Path) -> Tree:
    """ComplexVAD, in the layout that is assumed of it: videos, and the tracks beside them."""
    tree = Tree(root)
    tree.training[encode_video(root / "Train" / "01.mp4", footage(0), 30, "libx264")] = FRAMES
    for name, boxes in (("01", TOUCHING), ("02", RETURNING)):
        encode_video(root / "Test" / f"{name}.mp4", abnormal_footage(tree, name, boxes), 30, "libx264")
        write_tracks(root / "Test" / f"{name}_gt.txt", boxes, "{:06}.jpg")
    return tree


def abnormal_footage(tree: Tree, name: str, boxes: list[tuple[int, int, int, int, int, int]]) -> list[Picture]:
    """Footage with a green object in each box, and its truth in the tree."""
    clip = footage(3)
    tree.boxes[name] = boxes
    tree.masks[name] = np.zeros((FRAMES, SIZE[1], SIZE[0]), bool)
    for frame, _, left, top, right, bottom in boxes:
        clip[frame][top:bottom, left:right] = (20, 255, 60)
        tree.masks[name][frame, top:bottom, left:right] = True
    return clip


def write_tracks(path: Path, boxes: list[tuple[int, int, int, int, int, int]], image: str) -> None:
    """A file of tracks, with images numbered from 1 and the centre of each box."""
    lines = [
        f"{image.format(frame + 1)} {track} {(left + right) / 2} {(top + bottom) / 2} {right - left} {bottom - top}"
        for frame, track, left, top, right, bottom in boxes
    ]
    path.write_text("\n".join(lines) + "\n")


def ubnormal_tree(root: Path) -> Tree:
    """UBnormal: two scenes; in its abnormal clip objects 3 and 7 are abnormal, 7 in two parts, and 9 is normal."""
    tree = Tree(root)
    lists = {
        "normal_training": ["normal_scene_1_scenario_1", "normal_scene_2_scenario1_1"],
        "normal_test": ["normal_scene_1_scenario_2_fog"],
        "abnormal_test": ["abnormal_scene_2_scenario_1"],
    }
    (root / "scripts").mkdir(parents=True)
    for seed, (part, names) in enumerate(lists.items()):
        (root / "scripts" / f"{part}_video_names.txt").write_text("\n".join(names) + "\n")
        for name in names:
            path = root / f"Scene{name.split('_')[2]}" / f"{name}.mp4"
            encode_video(path, footage(seed), 30, "libx264")
            if part == "normal_training":
                tree.training[path] = FRAMES
            else:
                tree.masks[name], tree.boxes[name] = np.zeros((FRAMES, SIZE[1], SIZE[0]), bool), []
    [name] = lists["abnormal_test"]
    folder = root / "Scene2" / f"{name}_annotations"
    folder.mkdir()
    (folder / f"{name}_tracks.txt").write_text("3.0,2.0,5.0\n7.0,5.0,6.0\n")
    for frame in range(FRAMES):
        objects = np.zeros((SIZE[1], SIZE[0]), np.uint8)
        objects[40:60, 5:15] = 9
        objects[10:30, 20 + frame : 30 + frame] = 3
        objects[32:36, 70:74], objects[20:30, 60:80] = 7, 7
        cv2.imwrite(str(folder / f"{name}_{frame:04}_gt.png"), objects)
        if 2 <= frame <= 5:
            tree.masks[name][frame] |= objects == 3
            tree.boxes[name].append((frame, 0, 20 + frame, 10, 30 + frame, 30))
        if 5 <= frame <= 6:
            tree.masks[name][frame] |= objects == 7
            tree.boxes[name].append((frame, 1, 60, 20, 80, 30))
    return tree


def stc_weakly_tree(root: Path) -> Tree:
    """STC with the lists of its weakly supervised split.

    Each list has a normal clip of either scene; the training list has one abnormal clip, the test list three.
    """
    tree = stc_tree(root)
    normal = {path.stem: path for path in tree.training}
    (root / "SH_Train.txt").write_text("01_001\n02_001.avi\n01_0001\n")
    (root / "SH_Test.txt").write_text("01_002,0,12\n01_0002,1,764\n02_002.avi 0 12\n02_0001 1\n02_0002\n")
    weak = Tree(root, {normal[name]: 12 for name in ("01_001", "02_001")})
    weak.masks.update({name: tree.masks[name] for name in ("01_0002", "02_0001", "02_0002")})
    weak.masks.update({name: np.zeros((12, SIZE[1], SIZE[0]), bool) for name in ("01_002", "02_002")})
    return weak
