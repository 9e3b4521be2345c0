"""Engines compute the same feature maps, the fastest is chosen, and a bank is refused where maps are not its own."""

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision

from streammon.config import ModelConfig
from streammon.errors import ConfigError
from streammon.padim import Backbone, load_backbone
from streammon.padim import backbones as backbones_module
from streammon.padim.cuda_engine import CudaEngine
from streammon.padim.devices import allowed_precisions, multiplies_bfloat16
from streammon.padim.engine_trial import ROUNDS, Trial, fastest, kept_trials
from streammon.padim.engines import Engine, StagedNetwork, TorchEngine
from streammon.padim.facts import facts_for
from streammon.padim.openvino_engine import EXAMPLE, OpenVinoEngine, converted_network, openvino_module
from streammon.padim.probe import MOST_DIFFERENCE, difference, probe_pictures, probes_agree
from streammon.padim.reduction import make_reduction


def computed_by(engine: str, precision: str = "float32", **model: object) -> Backbone:
    return load_backbone(ModelConfig.model_validate({"engine": engine, "precision": precision} | model))


@pytest.fixture(scope="module")
def lite0() -> Backbone:
    return computed_by("torch")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["efficientnet_lite0", "resnet18", "efficientnet_b5"])
def test_openvino_computes_torchs_maps_for_every_size_and_batch(name: str, tmp_path: Path) -> None:
    weights = None
    if name != "efficientnet_lite0":
        torch.manual_seed(0)
        weights = tmp_path / "weights.pth"
        torch.save(getattr(torchvision.models, name)(weights=None).state_dict(), weights)
    ours, reference = (computed_by(engine, backbone=name, weights=weights) for engine in ("openvino", "torch"))
    for shape in ((3, 128, 128, 3), (1, 128, 128, 3), (2, 100, 75, 3)):
        pictures = torch.randint(0, 256, shape, dtype=torch.uint8)
        expected = reference.maps(pictures)
        assert [each.shape for each in ours.maps(pictures)] == [each.shape for each in expected]
        assert difference(ours.maps(pictures), expected) < 1e-5
        assert difference(ours.maps(pictures, 1), expected[:1]) < 1e-5


def test_both_engines_have_the_same_weights(lite0: Backbone) -> None:
    """OpenVINO's constants also have the mean, the deviation and some shapes."""
    assert computed_by("openvino").engine.weights_bytes == pytest.approx(lite0.engine.weights_bytes, rel=0.01)


@pytest.mark.parametrize("count", [1, 5, 12, 21])
def test_first_stages_of_a_batch_are_those_of_each_picture(count: int) -> None:
    backbone = computed_by("openvino")
    crops = torch.randint(0, 256, (count, 64, 64, 3), dtype=torch.uint8)
    singly = torch.cat([backbone.maps(crops[number : number + 1], 1)[0] for number in range(count)])
    assert difference(backbone.maps(crops, 1), [singly]) < 1e-5


def test_maps_stay_what_they_were_when_others_are_computed() -> None:
    backbone, pictures = computed_by("openvino"), probe_pictures(2)
    first = backbone.maps(pictures[:1])
    kept = [each.clone() for each in first]
    backbone.maps(pictures[1:])
    assert all(torch.equal(one, other) for one, other in zip(first, kept, strict=True))


def test_beyond_its_memory_one_network_serves_every_batch_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streammon.padim.openvino_engine.OWN_SIZE_BYTES", 0)
    backbone, pictures = computed_by("openvino"), probe_pictures(3)
    singly = [backbone.maps(pictures[number : number + 1]) for number in range(3)]
    together = backbone.maps(pictures)
    engine = backbone.engine
    assert isinstance(engine, OpenVinoEngine)
    assert len(set(map(id, engine._requests.values()))) == 1
    assert difference(together, [torch.cat(each) for each in zip(*singly, strict=True)]) < 1e-5


@pytest.mark.skipif(not multiplies_bfloat16(), reason="the processor doesn't multiply in bfloat16")
@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_bfloat16_agrees_with_float32(engine: str, lite0: Backbone) -> None:
    backbone = computed_by(engine, "bfloat16")
    pictures = probe_pictures(2)
    assert 1e-4 < difference(backbone.maps(pictures), lite0.maps(pictures)) < MOST_DIFFERENCE
    assert probes_agree(backbone.probe, lite0.probe)


@pytest.mark.parametrize("name", ["efficientnet_lite0", "resnet18"])
def test_float16_agrees_more_closely_than_bfloat16_could(name: str, tmp_path: Path) -> None:
    """Computed by the CPU, the arithmetic that CUDA devices are given: no activation leaves the range of float16."""
    weights = None
    if name == "resnet18":
        torch.manual_seed(0)
        weights = tmp_path / "weights.pth"
        torch.save(torchvision.models.resnet18(weights=None).state_dict(), weights)
    model = ModelConfig.model_validate({"backbone": name, "weights": weights, "engine": "torch"})
    source = backbones_module._Engines(model, tmp_path)
    computed = {
        precision: TorchEngine(source._network(precision), torch.device("cpu"), precision)
        for precision in ("float32", "float16", "bfloat16")
    }
    maps = {precision: engine.maps(probe_pictures(1), 3) for precision, engine in computed.items()}
    found = difference(maps["float16"], maps["float32"])
    assert found < 0.01
    assert found < difference(maps["bfloat16"], maps["float32"])


def test_float16_is_for_cuda_alone() -> None:
    for device in ("cpu", "mps"):
        with pytest.raises(ConfigError) as refused:
            allowed_precisions("float16", torch.device(device))
        found = f"it is float16, and the backbone is computed on {device}"
        assert str(refused.value) == f"model.precision: {found}; use auto; float16 is for CUDA"


def test_a_cpu_has_the_plain_engine(lite0: Backbone) -> None:
    assert type(lite0.engine) is TorchEngine


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_cuda_graphs_compute_what_their_operations_do() -> None:
    """Before a shape's graph, while it is captured, and after it; earlier maps stay as they were."""
    backbone, pictures = computed_by("torch", "auto", device="cuda"), probe_pictures(8)
    engine = backbone.engine
    assert isinstance(engine, CudaEngine)
    seen = [pictures[number : number + 1] for number in range(8)]
    found = [engine.maps(each, 3) for each in seen]
    assert list(engine._graphs) == [(3, seen[0].shape)]
    for maps, each in zip(found, seen, strict=True):
        assert difference(maps, TorchEngine.maps(engine, each, 3)) < 1e-3


WATCHED = """
import sys
reached = []
sys.addaudithook(lambda event, args: reached.append(event) if event.startswith("socket.") else None)
from streammon.config import ModelConfig
from streammon.padim import load_backbone
load_backbone(ModelConfig(engine="openvino", precision="float32")).probe
assert "openvino.tools.ovc" in sys.modules
print(sys.modules.get("openvino_telemetry"), reached)
"""


@pytest.mark.slow
def test_openvino_tells_nobody_that_it_is_used(tmp_path: Path) -> None:
    """Its telemetry would report each import and each conversion to Google Analytics."""
    apart = os.environ | {"XDG_CACHE_HOME": str(tmp_path), "HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", WATCHED], env=apart, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "None []\n"), done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["streammon"]


def convert(folder: Path, load: Callable[[], object]) -> OpenVinoEngine:
    return OpenVinoEngine(converted_network(folder, "net", load), "float32", 1)  # type: ignore[arg-type]


def small_network() -> StagedNetwork:
    """A network of three layers, which is converted in a moment."""
    torch.manual_seed(0)
    stages = [torch.nn.Conv2d(channels, channels + 1, 3, 2, 1) for channels in (3, 4, 5)]
    return StagedNetwork(stages, (120.0, 110.0, 100.0), (60.0, 60.0, 60.0), torch.float32).eval()


def never() -> object:
    raise AssertionError("it was kept, and is built again")


def test_a_converted_network_is_kept_and_converted_again_if_damaged(tmp_path: Path) -> None:
    pictures = probe_pictures(1)
    expected = convert(tmp_path, small_network).maps(pictures, 3)
    assert difference(convert(tmp_path, never).maps(pictures, 3), expected) < 1e-6
    (kept,) = tmp_path.glob("*/*.xml")
    assert list(tmp_path.iterdir()) == [kept.parent]  # nothing half made beside it
    kept.write_text(kept.read_text()[:1000])
    assert difference(convert(tmp_path, small_network).maps(pictures, 3), expected) < 1e-6
    assert difference(convert(tmp_path, never).maps(pictures, 3), expected) < 1e-6


def test_a_network_that_can_t_be_kept_is_used_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    engine = convert(tmp_path / "file", small_network)
    reference, pictures = TorchEngine(small_network(), torch.device("cpu"), "float32"), probe_pictures(1)
    assert difference(engine.maps(pictures, 3), reference.maps(pictures, 3)) < 1e-5


@pytest.mark.slow
def test_a_user_without_a_home_has_no_cache_and_every_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    monkeypatch.setattr(backbones_module, "compare", lambda *_: [trial("torch", 2.0), trial("openvino", 5.0)])
    assert computed_by("openvino").engine.name == "openvino"
    assert computed_by("auto").engine.name == "torch"


def trial(engine: str, ms: float, differs: float = 0.0, precision: str = "float32") -> Trial:
    return Trial(engine, precision, ms, ms, differs)


def test_the_fastest_whose_maps_agree_is_chosen() -> None:
    slow, fast, wrong = trial("torch", 5.0), trial("openvino", 2.0), trial("openvino", 1.0, MOST_DIFFERENCE + 0.01)
    assert fastest([slow, fast, wrong]) is fast
    assert fastest([slow, wrong]) is slow
    assert fastest([wrong]) is None


@pytest.mark.parametrize("faster", ["float32", "bfloat16"])
@pytest.mark.parametrize("engine", ["openvino", "torch"])
def test_auto_takes_the_precision_that_is_faster_on_this_machine(
    engine: str, faster: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def compared(engines: Sequence[Engine], *_: object) -> list[Trial]:
        assert [(each.name, each.precision) for each in engines] == [(engine, "float32"), (engine, "bfloat16")]
        return [trial(engine, 1.0 if each.precision == faster else 2.0, precision=each.precision) for each in engines]

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    monkeypatch.setattr(backbones_module, "compare", compared)
    assert computed_by(engine, "auto").precision == faster


@pytest.mark.slow
def test_auto_tries_once_and_keeps_what_it_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    tried = []

    def slow_torch(*engines: object) -> list[Trial]:
        tried.append(engines)
        return [trial("torch", 5.0), trial("openvino", 2.0)]

    monkeypatch.setattr(backbones_module, "compare", slow_torch)
    for _ in range(2):
        assert computed_by("auto").engine.name == "openvino"
    assert len(tried) == 1
    assert computed_by("auto", batch=3).engine.name == "openvino"  # another question
    assert len(tried) == 2


def test_a_kept_trial_that_can_t_be_read_is_made_again(tmp_path: Path) -> None:
    file = tmp_path / "engines.json"
    file.write_text("{")
    assert kept_trials(file, "which?", lambda: [trial("torch", 5.0)]) == [trial("torch", 5.0)]
    assert kept_trials(file, "which?", list) == [trial("torch", 5.0)]


def test_a_trial_measures_both_and_their_agreement(tmp_path: Path) -> None:
    trials = backbones_module.engine_trials(ModelConfig(precision="float32", batch=2), tmp_path)
    assert [each.engine for each in trials] == ["torch", "openvino"]
    assert all(each.agrees and each.difference < 1e-5 for each in trials)
    assert all(each.ms_batch > 0 and each.ms_single > 0 for each in trials)


def test_engines_are_timed_beside_a_busy_core(monkeypatch: pytest.MonkeyPatch) -> None:
    beside: list[int] = []
    maps = TorchEngine.maps

    def counted(engine: TorchEngine, pictures: torch.Tensor, stages: int) -> list[torch.Tensor]:
        beside.append(sum(thread.name == "streammon-busy" for thread in threading.enumerate()))
        return maps(engine, pictures, stages)

    monkeypatch.setattr(TorchEngine, "maps", counted)
    backbones_module.engine_trials(ModelConfig(engine="torch", precision="float32", batch=2))
    assert beside[-3 * ROUNDS :] == [1] * 3 * ROUNDS
    assert set(beside[: -3 * ROUNDS]) == {0}
    assert "streammon-busy" not in {thread.name for thread in threading.enumerate()}


def test_engines_are_timed_with_the_threads_that_a_scorer_gives_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: dict[str, set[int]] = {"torch": set(), "openvino": set()}

    def noted(maps: Callable[..., list[torch.Tensor]]) -> Callable[..., list[torch.Tensor]]:
        def call(engine: Engine, pictures: torch.Tensor, stages: int) -> list[torch.Tensor]:
            if any(thread.name == "streammon-busy" for thread in threading.enumerate()):
                threads[engine.name].add(torch.get_num_threads())
            return maps(engine, pictures, stages)

        return call

    for kind in (TorchEngine, OpenVinoEngine):
        monkeypatch.setattr(kind, "maps", noted(kind.maps))
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        backbones_module.engine_trials(ModelConfig(precision="float32", batch=2))
    finally:
        torch.set_num_threads(before)
    assert threads == {"torch": {2}, "openvino": {1}}


def test_openvino_is_refused_where_it_would_compute_in_something_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    with pytest.raises(ConfigError, match=r"openvino computes in bfloat16 only where the processor does; use auto"):
        computed_by("openvino", "bfloat16")
    assert computed_by("auto", "bfloat16").engine.name == "torch"
    assert allowed_precisions("auto", torch.device("cpu")) == ("float32",)


@pytest.mark.slow
@pytest.mark.parametrize("error", [RuntimeError, ImportError, AttributeError, TypeError])
def test_auto_is_torch_where_the_network_can_t_be_converted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: type[Exception]
) -> None:
    """Another version of OpenVINO may know less, or lack a part by which networks are converted."""

    def unconverted(*_: object) -> None:
        raise error("Model wasn't fully converted.")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(backbones_module, "converted_network", unconverted)
    assert computed_by("auto").engine.name == "torch"
    (record,) = caplog.records
    assert record.getMessage().startswith(f"the engine openvino can't be used: {error.__name__} in ")
    with pytest.raises(error, match="fully converted"):
        computed_by("openvino")


@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_several_threads_may_ask_for_maps_of_one_shape(engine: str) -> None:
    backbone = computed_by(engine)
    pictures = [torch.randint(0, 256, (2, 64, 64, 3), dtype=torch.uint8) for _ in range(24)]
    expected = [backbone.maps(each) for each in pictures]
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(backbone.maps, pictures))
    for ours, wanted in zip(found, expected, strict=True):
        assert all(torch.equal(one, other) for one, other in zip(ours, wanted, strict=True))


class Unconvertible(torch.nn.Module):
    """Exported by torch, unknown to OpenVINO."""

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        squares = pictures.double()[..., 0]
        return torch.linalg.eigvals(squares @ squares.mT).real  # type: ignore[no-any-return]


class Doubled(torch.nn.Module):
    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        return pictures.float() * 2


@pytest.mark.parametrize("handlers", ["some", "none"])
def test_a_conversion_leaves_logging_as_it_was(
    handlers: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that fails, and two at once: the program's warnings must not be lost."""
    root = logging.getLogger()
    if handlers == "none":
        monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setattr(root, "level", logging.WARNING)
    before = root.handlers, root.handlers[:], root.filters[:]
    with pytest.raises(Exception, match="linalg_eig"):
        converted_network(tmp_path, "fails", Unconvertible)  # type: ignore[arg-type]
    threads = [
        threading.Thread(target=converted_network, args=(tmp_path, f"net{number}", Doubled)) for number in (1, 2)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert (root.handlers, root.handlers[:], root.filters) == before
    assert root.handlers is before[0]
    assert root.level == logging.WARNING


def test_a_conversion_changes_no_level_meanwhile(tmp_path: Path) -> None:
    converting = threading.Thread(target=converted_network, args=(tmp_path, "net", Doubled))
    root, ours = logging.getLogger(), logging.getLogger("streammon")
    found = set()
    converting.start()
    while converting.is_alive():
        found.add((root.level, ours.level))
    assert found == {(root.level, ours.level)}


def test_a_network_is_the_one_that_openvino_s_own_function_makes(tmp_path: Path) -> None:
    """The conversion goes by parts of OpenVINO that are not in its documentation."""
    openvino = openvino_module()
    pictures = torch.zeros(*EXAMPLE, 3, dtype=torch.uint8)
    free = dict.fromkeys(range(3), torch.export.Dim.AUTO)
    its = openvino.convert_model(torch.export.export(small_network(), (pictures,), dynamic_shapes={"pictures": free}))
    ours = converted_network(tmp_path, "net", small_network)
    kinds = [[each.get_type_name() for each in model.get_ordered_ops()] for model in (ours, its)]
    assert kinds[0] == kinds[1]
    assert str(ours.inputs) == str(its.inputs)
    outputs = [openvino.Core().compile_model(model, "CPU")(probe_pictures(2).numpy()) for model in (ours, its)]
    for ours_of_stage, its_of_stage in zip(*(each.values() for each in outputs), strict=True):
        np.testing.assert_array_equal(ours_of_stage, its_of_stage)


def test_without_openvino_auto_is_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backbones_module, "find_spec", lambda name: None)
    assert computed_by("auto").engine.name == "torch"
    with pytest.raises(ConfigError, match="the package openvino is not installed"):
        computed_by("openvino")


def test_a_bank_knows_the_maps_it_was_fitted_with(lite0: Backbone) -> None:
    reduction = make_reduction("random", 232, 8, seed=0)
    wanted = facts_for("lobby", lite0, reduction, 64, 64)
    assert wanted.mismatch(facts_for("lobby", computed_by("openvino"), reduction, 64, 64)) is None
    noise = torch.randn(len(wanted.probe), generator=torch.Generator().manual_seed(0)) * 2 * MOST_DIFFERENCE + 1
    others = tuple((torch.tensor(wanted.probe) * noise).tolist())
    other = replace(wanted, engine="openvino", precision="bfloat16", probe=others)
    assert other.mismatch(wanted) == (
        "efficientnet_lite0 computed by openvino in bfloat16",
        "efficientnet_lite0 computed by torch in float32, whose feature maps differ",
    )
    assert replace(other, probe=wanted.probe[:10]).mismatch(wanted) is not None  # of a damaged file
    assert replace(other, probe=(float("nan"), *wanted.probe[1:])).mismatch(wanted) is not None
    assert replace(other, probe=()).mismatch(wanted) is None  # of a file that has none
