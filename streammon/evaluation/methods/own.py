"""Methods of one's own: found by their entry points, checked, and adapted to the harness."""

import hashlib
import inspect
import sys
import uuid
from collections.abc import Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from streammon.errors import ConfigError, MethodError
from streammon.evaluation.anomaly_method import AnomalyMethod
from streammon.evaluation.methods.base import Batch, Progress, Scored
from streammon.padim import Backbone
from streammon.records import Frame

GROUP = "streammon.methods"
"""Group of entry points."""

OPTION = "--method"
ONE_EACH = "return one finite number for each frame, in order"
REGISTER = f"register a class with `learn` and `score` in the group {GROUP}"


class OwnMethod:
    """A method of one's own, as the harness runs it.

    Args:
        made: Class of the method, which is made without arguments.
        name: Name of the method, as it was asked for.
        origin: Package and version that registered it; empty for none.

    Attributes:
        short_name: Name of the method.
        name: Name in the report, such as `brightness (my-package 1.0)`.
        key: Name and hash of the source: results of changed code are not taken from the cache.
        needs_maps: False, the models read pictures.
        needs_details: False, the models don't read the frames' details.

    Raises:
        ConfigError: The class has no `learn` or no `score`.
    """

    def __init__(self, made: type[AnomalyMethod], name: str, origin: str = "") -> None:
        for needed in ("learn", "score"):
            if not inspect.isclass(made):
                raise ConfigError(OPTION, f"{name!r} is no class", REGISTER)
            if not callable(getattr(made, needed, None)):
                raise ConfigError(OPTION, f"{name!r} has no method `{needed}`", REGISTER)
        self._made = made
        self.short_name = name
        self.name = f"{name} ({origin})" if origin else name
        self.key = f"{self.name}, source {source_hash(made)}"
        self.needs_maps = False
        self.needs_details = False

    def model(self, scene: str, backbone: Backbone, side: int) -> "OwnModel":
        """A model of one scene."""
        return OwnModel(self._made, self.short_name)


class OwnModel:
    """A method of one's own for one scene.

    Attributes:
        passes: 1.
    """

    def __init__(self, made: type[AnomalyMethod], name: str) -> None:
        self.passes = 1
        self._made = made
        self._name = name
        self._own: AnomalyMethod | None = None

    @property
    def _method(self) -> AnomalyMethod:
        """The method's object, made with the first frame: some models never learn."""
        if self._own is None:
            self._own = self._made()
        return self._own

    def learn(self, batch: Batch) -> None:
        """Learn normal frames."""
        self._method.learn(batch.frames)

    def end_pass(self) -> None:
        """Do nothing: there is one pass."""

    def finish(self, progress: Progress) -> None:
        """Do nothing: the method itself knows when it is first asked for scores."""

    def score(self, batch: Batch) -> Scored:
        """Scores of a batch, without maps.

        Raises:
            MethodError: There is not one finite number for each frame.
        """
        return Scored(required_scores(self._method.score(batch.frames), batch.frames, self._name), ())

    def state(self) -> None:
        """None: the method's object can't be saved, so an interrupted fit begins anew."""

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Never called, since there is no state."""
        raise NotImplementedError

    def scoring_bytes(self) -> int:
        """0: not known."""
        return 0


def required_scores(found: object, frames: Sequence[Frame], name: str) -> NDArray[np.float64]:
    """(B,) float64 scores of B frames, as a method returned them.

    Raises:
        MethodError: There is not one finite number for each frame.
    """
    first, last, where = frames[0], frames[-1], f"method {name!r}"
    asked = f"the {len(frames)} frames {first.seq} to {last.seq} of clip '{first.camera}'"
    try:
        scores = np.asarray(found, np.float64)
    except (TypeError, ValueError):
        raise MethodError(where, f"it returned a {type(found).__name__} for {asked}", ONE_EACH) from None
    if scores.shape != (len(frames),):
        returned = f"{len(scores)} scores" if scores.ndim == 1 else f"scores of the shape {scores.shape}"
        raise MethodError(where, f"it returned {returned} for {asked}", ONE_EACH)
    if not np.isfinite(scores).all():
        wrong = int(np.flatnonzero(~np.isfinite(scores))[0])
        returned = f"it returned {scores[wrong]} for frame {frames[wrong].seq} of clip '{first.camera}'"
        raise MethodError(where, returned, ONE_EACH)
    return scores


def registered() -> dict[str, list[EntryPoint]]:
    """Entry points of the group by name; several of one name are a conflict."""
    found: dict[str, list[EntryPoint]] = {}
    for entry in entry_points(group=GROUP):
        found.setdefault(entry.name, []).append(entry)
    return found


def registered_method(name: str, built_in: Sequence[str]) -> OwnMethod:
    """The method that a package registered under a name.

    Args:
        name: The name.
        built_in: Names of the built-in methods, for messages.

    Raises:
        ConfigError: No package registered the name, or several did, or its module can't be imported.
    """
    known = registered()
    if name not in known:
        raise ConfigError(OPTION, f"it is {name!r}", f"choose one of {', '.join([*built_in, *sorted(known)])}")
    entry, *others = known[name]
    if others:
        packages = ", ".join(_origin(each) for each in known[name])
        raise ConfigError(OPTION, f"{name!r} is registered by several packages ({packages})", "uninstall all but one")
    try:
        made = entry.load()
    except Exception as error:  # a package of somebody else may raise anything while it is imported
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        found = f"{name!r} can't be imported from {entry.value} ({reason})"
        raise ConfigError(OPTION, found, f"mend or uninstall {_origin(entry)}") from None
    return OwnMethod(made, name, _origin(entry))


def _origin(entry: EntryPoint) -> str:
    """Package and version of an entry point."""
    package = entry.dist
    return "its package" if package is None else f"{package.name} {package.version}"


def source_hash(made: type) -> str:
    """Hash of the source of a class: of all modules of its package, or of its module; random if there is no source.

    >>> source_hash(ConfigError) == source_hash(ConfigError), source_hash(ConfigError) == source_hash(MethodError)
    (True, False)
    """
    package = made.__module__.partition(".")[0]
    folders = [Path(each) for each in getattr(sys.modules.get(package), "__path__", ())]
    sources = sorted(source for folder in folders for source in folder.rglob("*.py"))
    if not sources:
        try:
            sources = [Path(inspect.getfile(made))]
        except (OSError, TypeError):  # defined in an interactive session
            return uuid.uuid4().hex
    digest = hashlib.sha256(made.__qualname__.encode())
    for source in sources:
        digest.update(source.name.encode() + source.read_bytes())
    return digest.hexdigest()[:20]
