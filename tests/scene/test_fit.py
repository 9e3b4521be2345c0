"""A fit learns the same whatever runs ahead of it, and ends its threads whatever happens."""

import threading
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import pytest
import torch

from streammon.config import ModelConfig
from streammon.ingest import batched, clips
from streammon.motion import Observer
from streammon.padim import INPUT_SIZE, Backbone, as_batch, cpu_threads, load_backbone, one_cpu_thread, read_tensors
from streammon.padim.devices import set_cpu_threads
from streammon.records import Frame
from streammon.scene import MOTION_FILE, SceneLearner, configured_observer, save_scene, save_statistics, with_maps
from streammon.scene.fit import FitOptions, fit_scene
from support.courtyard import courtyard, encode
from support.precision import COMPUTED

MODEL = ModelConfig.model_validate({"dimensions": 8, "batch": 5, **COMPUTED})
FPS = 5.0
FILES = ("bank.safetensors", MOTION_FILE, "statistics.safetensors")


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three clips of 8, 1 and 5 seconds at 10 frames a second, in which a box moves."""
    folder = tmp_path_factory.mktemp("footage")
    for number, seconds in enumerate((8, 1, 5)):
        encode(folder / f"{number}.mp4", courtyard(seconds, (0.3, 4.5), seed=number))
    return folder


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return load_backbone(MODEL)


def learned_plainly(footage: Path, backbone: Backbone, folder: Path) -> None:
    """The scene learned in one thread: one batch is decoded, computed and learned after the other."""
    pieces = clips(footage)
    total_s = sum(clip.seconds() - 1 / FPS for clip in pieces)
    observer = configured_observer(MODEL, backbone)
    learner = SceneLearner("courtyard", backbone, MODEL, observer, total_s=total_s, score_fps=FPS)
    frames = (frame for clip in pieces for frame in clip.frames(INPUT_SIZE, detail=True, fps=FPS))
    for batch in batched(frames, MODEL.batch):
        learner.learn(batch, backbone.maps(as_batch([frame.picture for frame in batch])))
    save_scene(folder, learner.finish(), [str(footage)])
    save_statistics(folder, learner)


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 3])
def test_a_scene_is_that_of_frames_learned_in_one_thread(
    footage: Path, backbone: Backbone, tmp_path: Path, jobs: int
) -> None:
    done: list[tuple[int, int]] = []
    options = FitOptions(score_fps=FPS, jobs=jobs)
    fit_scene("courtyard", [footage], tmp_path / "ahead", MODEL, options, lambda *each: done.append(each))
    learned_plainly(footage, backbone, tmp_path / "plain")
    assert done[-1] == (70, 70)
    for name in FILES:
        (_, ahead), (_, plain) = (read_tensors(tmp_path / folder / name) for folder in ("ahead", "plain"))
        assert ahead.keys() == plain.keys()
        assert [key for key in plain if not torch.equal(ahead[key], plain[key])] == []


def test_a_fit_that_is_interrupted_leaves_no_thread(footage: Path, tmp_path: Path) -> None:
    def interrupt(_done: int, _total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit_scene("courtyard", [footage], tmp_path / "scene", MODEL, FitOptions(score_fps=FPS, jobs=2), interrupt)
    assert not [each.name for each in threading.enumerate() if "decoding" in each.name or "features" in each.name]


class Network:
    """Stands for a backbone: a picture's map is its mean."""

    def maps(self, pictures: torch.Tensor, stages: int = 3) -> list[torch.Tensor]:
        return [pictures.float().mean((1, 2))] * stages


def grey(number: int) -> Frame:
    picture = torch.full((4, 4, 3), number, dtype=torch.uint8).numpy()
    return Frame("lobby", number, picture, (4, 4), number / FPS, 0.0)


def test_each_batch_comes_with_its_own_maps_and_an_empty_one_with_none() -> None:
    batches: list[Sequence[Frame]] = [[grey(1), grey(2)], [], [grey(3)]]
    found = list(with_maps(iter(batches), Network(), None))  # type: ignore[arg-type]
    assert [list(frames) for frames, _ in found] == batches
    assert [[map_[:, 0].tolist() for map_ in maps] for _, maps in found] == [[[1.0, 2.0]] * 3, [], [[3.0]] * 3]


def test_an_observer_has_every_thread_even_if_it_is_made_while_torch_has_one(
    footage: Path, backbone: Backbone
) -> None:
    threads, running = cpu_threads(), threading.enumerate()
    set_cpu_threads(2)
    try:
        with one_cpu_thread():
            observer = configured_observer(MODEL, backbone)
    finally:
        set_cpu_threads(threads)
    assert observer is not None
    observer.motions(list(clips(footage)[1].frames(INPUT_SIZE, detail=True, fps=FPS)))
    assert [each.name for each in threading.enumerate() if each not in running and each.name.startswith("flow")]


def test_what_fails_ahead_is_raised_after_the_batches_before_it() -> None:
    def batches() -> Iterator[list[Frame]]:
        yield [grey(1)]
        yield [grey(2)]
        raise RuntimeError("no more")

    ahead = with_maps(batches(), Network(), None)  # type: ignore[arg-type]
    assert [frames[0].seq for frames, _ in islice(ahead, 2)] == [1, 2]
    with pytest.raises(RuntimeError, match="no more"):
        next(ahead)


def test_the_motion_of_the_next_batch_is_begun_while_one_is_used(backbone: Backbone, footage: Path) -> None:
    observer = Observer(backbone)
    frames = list(clips(footage)[0].frames(INPUT_SIZE, detail=True, fps=FPS))
    with_next = with_maps(batched(iter(frames), 5), backbone, observer)
    for frames_now, maps in with_next:
        assert any(frames_now[0] in batch for batch in observer._begun)
        assert len(observer.observe(frames_now, maps)) == 5
