"""A network in int8 is made once, on normal footage, and used by all scenes of its folder."""

import logging
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from streammon.config import ModelConfig
from streammon.errors import ConfigError, StorageError, WeightsError
from streammon.padim import Backbone, load_backbone, quantise_backbone
from streammon.padim import backbones as backbones_module
from streammon.padim import quantised as quantised_module
from streammon.padim.engine_trial import Trial, fastest
from streammon.padim.openvino_engine import openvino_module
from streammon.padim.probe import difference, probe_pictures
from streammon.padim.quantised import load_quantised

INT8 = ModelConfig(precision="int8")
NAME = "efficientnet_lite0-int8-579344248a93.safetensors"


def pictures(count: int = 8) -> list[Tensor]:
    made = probe_pictures(count)
    return [made[number : number + 1] for number in range(count)]


def never() -> Sequence[Tensor]:
    raise AssertionError("no footage is needed")


@pytest.fixture(scope="module")
def handler_of_another() -> Iterator[logging.Handler]:
    """A handler that another program has given NNCF's logger, as pytest does."""
    openvino_module()  # without its telemetry, which is NNCF's too
    import nncf  # noqa: F401 (its logger has to be of its own class)

    handler = logging.NullHandler()
    logging.getLogger("nncf").addHandler(handler)
    yield handler
    logging.getLogger("nncf").removeHandler(handler)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory, handler_of_another: logging.Handler) -> Path:
    """A folder of scenes with a network in int8."""
    folder = tmp_path_factory.mktemp("scenes")
    quantise_backbone(INT8, folder, pictures)
    return folder


@pytest.fixture(scope="module")
def lite0() -> Backbone:
    return load_backbone(ModelConfig(engine="openvino", precision="float32"))


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(3, 256, 256, 3), (1, 128, 128, 3), (2, 100, 75, 3)])
def test_the_maps_are_those_of_float32_for_every_size_and_batch(
    shape: tuple[int, ...], scenes: Path, lite0: Backbone
) -> None:
    int8 = load_backbone(INT8, scenes)
    assert (int8.engine.name, int8.precision) == ("openvino", "int8")
    seen = torch.nn.functional.interpolate(probe_pictures(shape[0]).permute(0, 3, 1, 2).float(), shape[1:3])
    batch = seen.permute(0, 2, 3, 1).contiguous().to(torch.uint8)
    expected = lite0.maps(batch)
    assert [each.shape for each in int8.maps(batch)] == [each.shape for each in expected]
    assert 1e-3 < difference(int8.maps(batch), expected) < 0.3
    assert difference(int8.maps(batch, 1), expected[:1]) < 0.3


def test_handlers_of_other_programs_keep_their_level(scenes: Path, handler_of_another: logging.Handler) -> None:
    assert (scenes / NAME).exists()
    assert handler_of_another.level == logging.NOTSET


def test_its_weights_take_a_quarter_of_the_memory(scenes: Path, lite0: Backbone) -> None:
    assert load_backbone(INT8, scenes).engine.weights_bytes < 0.3 * lite0.engine.weights_bytes


def test_it_is_made_once_and_used_without_nncf(scenes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantised_module, "find_spec", lambda name: None)
    before = (scenes / NAME).read_bytes()
    quantise_backbone(INT8, scenes, never)
    assert [each.name for each in scenes.iterdir()] == [NAME]
    assert (scenes / NAME).read_bytes() == before
    assert load_backbone(INT8, scenes).precision == "int8"


def test_another_precision_needs_no_such_network(tmp_path: Path) -> None:
    quantise_backbone(ModelConfig(precision="float32"), tmp_path, never)
    assert not list(tmp_path.iterdir())


def test_of_two_fits_at_once_the_first_one_s_network_stays(
    scenes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def meanwhile(*_: object) -> None:
        (tmp_path / NAME).write_bytes((scenes / NAME).read_bytes())

    monkeypatch.setattr(backbones_module, "quantised", meanwhile)
    quantise_backbone(INT8, tmp_path, pictures)
    assert (tmp_path / NAME).read_bytes() == (scenes / NAME).read_bytes()


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            INT8,
            f"model.precision: it is int8, and scenes has no {NAME}; "
            "make it with `streammon fit --precision int8`, or use auto",
        ),
        (
            ModelConfig(precision="int8", engine="torch"),
            "model.engine: it is torch, and only openvino computes in int8; use auto",
        ),
    ],
)
def test_what_can_t_be_computed_is_refused(model: ModelConfig, message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load_backbone(model)
    assert str(refused.value) == message


def test_without_openvino_it_is_refused(scenes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backbones_module, "find_spec", lambda name: None)
    with pytest.raises(ConfigError) as refused:
        load_backbone(INT8, scenes)
    assert str(refused.value) == "model.precision: it is int8, and the package openvino is not installed; use auto"


def test_without_nncf_none_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantised_module, "find_spec", lambda name: None)
    with pytest.raises(ConfigError) as refused:
        quantise_backbone(INT8, tmp_path / "scenes", never)
    assert str(refused.value) == (
        "model.precision: it is int8, and the package nncf, which quantises the backbone, is not installed; "
        "install `streammon[int8]`, or use auto"
    )
    assert not (tmp_path / "scenes").exists()


def test_a_folder_that_can_t_be_written_is_refused_before_the_footage_is_read(tmp_path: Path) -> None:
    (tmp_path / "scenes").touch()
    with pytest.raises(StorageError, match=r"scenes: it can't be written"):
        quantise_backbone(INT8, tmp_path / "scenes", never)


def damaged(scenes: Path, folder: Path, length: int) -> Path:
    file = folder / NAME
    file.write_bytes((scenes / NAME).read_bytes()[:length])
    return file


@pytest.mark.parametrize("length", [0, 100, 100_000])
def test_a_damaged_file_is_refused(length: int, scenes: Path, tmp_path: Path) -> None:
    file = damaged(scenes, tmp_path, length)
    with pytest.raises(WeightsError) as refused:
        load_backbone(INT8, tmp_path)
    found = "it holds no quantised network, or is cut short"
    assert str(refused.value) == f"{file}: {found}; restore it, or delete it and fit all its scenes again"


@pytest.mark.parametrize("parts", [{}, {"xml": torch.zeros(9, dtype=torch.uint8), "bin": torch.zeros(9)}])
def test_a_file_of_something_else_is_refused(parts: dict[str, Tensor], tmp_path: Path) -> None:
    save_file(parts, tmp_path / NAME)
    with pytest.raises(WeightsError, match="it holds no quantised network, or is cut short"):
        load_quantised(tmp_path / NAME)


def test_auto_never_takes_int8() -> None:
    trials = [Trial("torch", "float32", 5.0, 5.0, 0.0), Trial("openvino", "int8", 1.0, 1.0, 0.01)]
    assert fastest(trials) is trials[0]


@pytest.mark.slow
def test_a_trial_has_int8_where_its_network_is(scenes: Path, tmp_path: Path) -> None:
    trials = partial(backbones_module.engine_trials, ModelConfig(precision="float32", batch=1))
    assert [(each.engine, each.precision) for each in trials(tmp_path)] == [
        ("torch", "float32"),
        ("openvino", "float32"),
    ]
    int8 = trials(scenes)[-1]
    assert (int8.engine, int8.precision) == ("openvino", "int8")
    assert int8.difference > 1e-3


WATCHED = """
import sys
reached = []
sys.addaudithook(lambda event, args: reached.append(event) if event.startswith("socket.") else None)
from pathlib import Path
from streammon.config import ModelConfig
from streammon.padim import load_backbone, quantise_backbone
from streammon.padim.probe import probe_pictures
model = ModelConfig(precision="int8")
quantise_backbone(model, Path("scenes"), lambda: probe_pictures(2).split(1))
load_backbone(model).probe
assert "nncf.telemetry" in sys.modules
print(sys.modules.get("openvino_telemetry"), reached)
"""


@pytest.mark.slow
def test_quantisation_tells_nobody_and_prints_nothing(tmp_path: Path) -> None:
    """NNCF would report it to Google Analytics, and show progress bars on standard output."""
    apart = os.environ | {"XDG_CACHE_HOME": str(tmp_path), "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", WATCHED], env=apart, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "None []\n"), done.stderr
    assert sorted(each.name for each in tmp_path.iterdir()) == ["scenes", "streammon"]
