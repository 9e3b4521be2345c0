"""Methods of one's own: found by their entry points, evaluated as the built-in ones, refused in one line."""

import json
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from streammon import evaluate
from streammon.errors import ConfigError, MethodError
from streammon.evaluation.methods import OwnMethod
from streammon.evaluation.methods.own import source_hash
from streammon.evaluation.results import EvaluationReport
from streammon.ingest import clips
from streammon.padim import INPUT_SIZE
from streammon.records import Frame
from support.commands import command_apart, command_here
from support.dataset_trees import Tree, folder_tree
from support.own_methods import BRIGHTNESS, install
from support.precision import COMPUTED


@pytest.fixture(scope="module")
def lobby(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    return folder_tree(tmp_path_factory.mktemp("own") / "lobby")


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Path]]:
    """`installed("package", source, name="Class")`: on the path of this process until the test ends."""
    folder = tmp_path / "site"

    def installed(*package: str, **methods: str) -> Path:
        install(folder, *package, **methods)
        monkeypatch.syspath_prepend(str(folder))
        return folder

    yield installed
    for module in folder.glob("*.py"):
        sys.modules.pop(module.stem, None)


def brightness(path: Path) -> NDArray[np.float64]:
    """(T,) mean of each frame's picture."""
    (clip,) = clips(path)
    return np.array([float(frame.picture.mean()) for frame in clip.frames(INPUT_SIZE)])


def auroc(tree: Tree) -> float:
    """Micro AUROC of |brightness - usual brightness| over the two test clips."""
    usual = np.concatenate([brightness(path) for path in tree.training]).mean()
    test = {"noon": tree.root / "test" / "noon.mp4", "night": tree.root / "test" / "night"}
    scores = [np.abs(brightness(path) - usual) for path in test.values()]
    return float(roc_auc_score(np.concatenate([tree.labels(name) for name in test]), np.concatenate(scores)))


def micro(report: dict[str, Any]) -> dict[str, Any]:
    (figure,) = [each for each in report["measures"][0]["measures"] if each["name"] == "AUROC, micro"]
    return dict(figure)


@pytest.mark.slow
def test_eval_evaluates_a_method_of_an_installed_package(
    lobby: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = install(tmp_path / "site", "toy-methods", BRIGHTNESS, brightness="Brightness")
    monkeypatch.setenv("PYTHONPATH", str(folder), prepend=":")
    words = ("--dataset", "folder", "--root", lobby.root, "--method", "brightness", "--cache", tmp_path / "cache")
    ended = command_apart("eval", *words, "--json", "-", folder=tmp_path)
    assert ended.code == 0, ended
    report = json.loads(ended.stdout)
    assert report["title"] == "folder: brightness (toy-methods 1.5)"
    assert report["facts"]["method"] == "brightness (toy-methods 1.5)"
    assert [table["title"] for table in report["measures"]] == ["Frame level"]
    figure = micro(report)
    assert figure["value"] == pytest.approx(auroc(lobby))
    assert figure["low"] <= figure["value"] <= figure["high"]
    assert (figure["constant"], figure["noise"]) == (0.5, pytest.approx(0.5, abs=0.15))
    unknown = command_apart("eval", *words, "--method", "bright", folder=tmp_path).complaint
    assert unknown == ("--method: it is 'bright'; choose one of motion, padim, spade, vae, mahalanobisad, brightness")


class Recorded:
    """Notes what it is given; scores are the frames' numbers."""

    made: ClassVar[list["Recorded"]] = []

    def __init__(self) -> None:
        self.learned: list[Frame] = []
        self.scored: list[Frame] = []
        Recorded.made.append(self)

    def learn(self, frames: list[Frame], /) -> None:
        assert not self.scored
        self.learned += frames

    def score(self, frames: list[Frame], /) -> NDArray[np.int64]:
        self.scored += frames
        return np.array([frame.seq for frame in frames])


@pytest.fixture
def recorded() -> Iterator[list[Recorded]]:
    Recorded.made.clear()
    yield Recorded.made
    Recorded.made.clear()


def evaluated(tree: Tree, method: Any, folder: Path, **options: Any) -> EvaluationReport:
    return evaluate("folder", tree.root, method=method, model=COMPUTED, cache=folder / "cache", **options)


def test_each_scene_has_an_object_that_sees_its_clips_in_order(tmp_path: Path, recorded: list[Recorded]) -> None:
    tree = folder_tree(tmp_path / "campus", scenes=("gate", "yard"))
    evaluated(tree, Recorded, tmp_path, scores_out=tmp_path / "scores")
    assert len(recorded) == 2
    for made, scene in zip(recorded, ("gate", "yard"), strict=True):
        assert [(frame.camera, frame.seq) for frame in made.learned] == [(f"{scene}/day", n) for n in range(9)]
        names = (f"{scene}/night", f"{scene}/noon")
        assert [(frame.camera, frame.seq) for frame in made.scored] == [(name, n) for name in names for n in range(9)]
        assert [frame.stream_time_s for frame in made.learned] == pytest.approx([n / 25 for n in range(9)])
        assert {(frame.picture.shape, str(frame.picture.dtype)) for frame in made.scored} == {
            ((INPUT_SIZE, INPUT_SIZE, 3), "uint8")
        }


def test_a_class_is_evaluated_as_it_is(lobby: Tree, tmp_path: Path, recorded: list[Recorded]) -> None:
    report = evaluated(lobby, Recorded, tmp_path)
    assert report.title == "folder: Recorded"
    labels = np.concatenate([lobby.labels(name) for name in ("noon", "night")])
    (value,) = [each.value for each in report.measures[0].measures if each.name == "AUROC, micro"]
    assert value == pytest.approx(roc_auc_score(labels, np.tile(np.arange(9), 2)))
    evaluated(lobby, Recorded, tmp_path)
    assert len(recorded) == 1  # the second time from the cache


class Broken(Recorded):
    """Gives up at the first score."""

    def score(self, frames: list[Frame], /) -> NDArray[np.int64]:
        raise RuntimeError("out of ideas")


def test_an_interrupted_run_learns_anew_since_the_object_can_t_be_saved(
    lobby: Tree, tmp_path: Path, recorded: list[Recorded]
) -> None:
    for _ in range(2):
        with pytest.raises(RuntimeError, match="out of ideas"):
            evaluated(lobby, Broken, tmp_path)
    assert [len(made.learned) for made in recorded] == [9, 9]
    assert not list((tmp_path / "cache").rglob("*.fit.safetensors"))


def returning(what: Callable[[int], object]) -> type:
    """A method whose scores of n frames are `what(n)`."""

    class Returning(Recorded):
        def score(self, frames: list[Frame], /) -> Any:
            return what(len(frames))

    return Returning


EACH = "return one finite number for each frame, in order"


@pytest.mark.parametrize(
    ("what", "complaint"),
    [
        (lambda n: [0.5] * (n - 1), f"it returned 7 scores for the 8 frames 0 to 7 of clip 'night'; {EACH}"),
        (lambda n: [], f"it returned 0 scores for the 8 frames 0 to 7 of clip 'night'; {EACH}"),
        (lambda n: 0.5, f"it returned scores of the shape () for the 8 frames 0 to 7 of clip 'night'; {EACH}"),
        (
            lambda n: np.zeros((n, 1)),
            f"it returned scores of the shape (8, 1) for the 8 frames 0 to 7 of clip 'night'; {EACH}",
        ),
        (lambda n: [0.0, float("nan")] * (n // 2), f"it returned nan for frame 1 of clip 'night'; {EACH}"),
        (lambda n: [float("inf")] * n, f"it returned inf for frame 0 of clip 'night'; {EACH}"),
        (lambda n: ["high"] * n, f"it returned a list for the 8 frames 0 to 7 of clip 'night'; {EACH}"),
        (lambda n: [[0.0], []] * (n // 2), f"it returned a list for the 8 frames 0 to 7 of clip 'night'; {EACH}"),
    ],
)
def test_scores_that_are_not_one_number_a_frame_are_refused(
    lobby: Tree, tmp_path: Path, what: Callable[[int], object], complaint: str
) -> None:
    with pytest.raises(MethodError) as told:
        evaluated(lobby, returning(what), tmp_path, allow_partial=True)
    assert str(told.value) == f"method 'Returning': {complaint}"


def test_none_is_no_score(lobby: Tree, tmp_path: Path) -> None:
    with pytest.raises(MethodError, match="method 'Returning': it returned nan for frame 0 of clip 'night'"):
        evaluated(lobby, returning(lambda n: [None] * n), tmp_path)


@pytest.mark.parametrize(
    ("source", "attribute", "complaint"),
    [
        (
            "import nowhere_at_all",
            "Toy",
            "'toy' can't be imported from toy_methods:Toy (ModuleNotFoundError: No module named 'nowhere_at_all'); "
            "mend or uninstall toy-methods 1.5",
        ),
        (
            "1 / 0",
            "Toy",
            "'toy' can't be imported from toy_methods:Toy (ZeroDivisionError: division by zero); mend or uninstall "
            "toy-methods 1.5",
        ),
        (
            "",
            "Toy",
            "'toy' can't be imported from toy_methods:Toy (AttributeError: module 'toy_methods' has no attrib",
        ),
        (
            "def Toy():\n    pass\n",
            "Toy",
            "'toy' is no class; register a class with `learn` and `score` in the group ",
        ),
        ("class Toy:\n    learn = print\n", "Toy", "'toy' has no method `score`; register a class with `learn` and "),
        ("class Toy:\n    score = print\n", "Toy", "'toy' has no method `learn`; register a class with `learn` and "),
    ],
)
def test_a_method_that_can_t_be_used_is_told_in_one_line(
    lobby: Tree,
    installed: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    source: str,
    attribute: str,
    complaint: str,
) -> None:
    installed("toy-methods", source, toy=attribute)
    command = command_here(monkeypatch, capfd)
    told = command("eval", "--dataset", "folder", "--root", lobby.root, "--method", "toy").complaint
    assert told.startswith(f"--method: {complaint}")


def test_a_name_that_two_packages_register_is_refused(lobby: Tree, installed: Callable[..., Path]) -> None:
    installed("toy-methods", BRIGHTNESS, toy="Brightness")
    installed("other-methods", BRIGHTNESS, toy="Brightness")
    with pytest.raises(ConfigError) as told:
        evaluate("folder", lobby.root, method="toy")
    assert str(told.value) in {
        f"--method: 'toy' is registered by several packages ({one} 1.5, {other} 1.5); uninstall all but one"
        for one, other in (("toy-methods", "other-methods"), ("other-methods", "toy-methods"))
    }


@pytest.mark.slow
def test_a_built_in_method_can_t_be_replaced(lobby: Tree, tmp_path: Path, installed: Callable[..., Path]) -> None:
    installed("toy-methods", "raise SystemExit('never imported')", padim="Toy")
    report = evaluated(lobby, "padim", tmp_path, seeds=1)
    assert report.title == "folder: PaDiM efficientnet_lite0 Rd100"


def test_results_of_changed_sources_are_other_results(installed: Callable[..., Path]) -> None:
    folder = installed("toy-methods", BRIGHTNESS, toy="Brightness")
    made = import_module("toy_methods").Brightness
    before = source_hash(made)
    assert OwnMethod(made, "toy").key == f"toy, source {before}"
    (folder / "toy_methods.py").write_text(BRIGHTNESS + "\n")
    assert source_hash(made) != before
