"""PaDiM (arXiv:2011.08785): from a frame to an anomaly map, computed with torch.

`backbones` turns pictures into feature maps, `reduction` turns maps into patch embeddings, `gaussian` fits Gaussians
to the embeddings and measures distances, `anomaly_map` turns distances into an anomaly map and a frame score.
`statistics` are the running sums of a fit, `bank` the fitted Gaussians that score.
"""

from streammon.padim.anomaly_map import MapSmoother, frame_scores
from streammon.padim.architectures import ARCHITECTURES, Architecture
from streammon.padim.backbones import (
    Backbone,
    as_batch,
    engine_trials,
    is_quantised,
    load_backbone,
    quantise_backbone,
)
from streammon.padim.bank import Bank, restored_bank, scoring_tensors
from streammon.padim.devices import (
    allowed_precisions,
    cpu_threads,
    device_memory_bytes,
    one_cpu_thread,
    processor_name,
)
from streammon.padim.engine_trial import Trial, fastest
from streammon.padim.engines import torch_threads
from streammon.padim.facts import INPUT_SIZE, BankFacts, facts_for, format_rate, reduced_dimensions
from streammon.padim.gaussian import RunningGaussian, mahalanobis, pack_lower, unpack_lower
from streammon.padim.quantised import CALIBRATION_PICTURES
from streammon.padim.reduction import PrincipalComponents, Reduction, make_reduction
from streammon.padim.scene_files import (
    BANK_FILE,
    STATISTICS_FILE,
    read_facts,
    read_tensors,
    require_writable,
    save_tensors,
    stored_reduction,
    write_tensors,
    write_text,
)
from streammon.padim.scene_summary import SCENE_FILE, thresholds, write_scene_file
from streammon.padim.statistics import Statistics
from streammon.padim.weights import load_state, sha256

__all__ = [
    "ARCHITECTURES",
    "BANK_FILE",
    "CALIBRATION_PICTURES",
    "INPUT_SIZE",
    "SCENE_FILE",
    "STATISTICS_FILE",
    "Architecture",
    "Backbone",
    "Bank",
    "BankFacts",
    "MapSmoother",
    "PrincipalComponents",
    "Reduction",
    "RunningGaussian",
    "Statistics",
    "Trial",
    "allowed_precisions",
    "as_batch",
    "cpu_threads",
    "device_memory_bytes",
    "engine_trials",
    "facts_for",
    "fastest",
    "format_rate",
    "frame_scores",
    "is_quantised",
    "load_backbone",
    "load_state",
    "mahalanobis",
    "make_reduction",
    "one_cpu_thread",
    "pack_lower",
    "processor_name",
    "quantise_backbone",
    "read_facts",
    "read_tensors",
    "reduced_dimensions",
    "require_writable",
    "restored_bank",
    "save_tensors",
    "scoring_tensors",
    "sha256",
    "stored_reduction",
    "thresholds",
    "torch_threads",
    "unpack_lower",
    "write_scene_file",
    "write_tensors",
    "write_text",
]
