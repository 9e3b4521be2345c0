"""A hash of the source code on a frame's way to its score: scores of other code are stale."""

from hashlib import sha256
from importlib.resources import files

SCORING_ROOMS = ("calibration", "ingest", "motion", "padim", "scene")


def _source_hash() -> str:
    digest = sha256()
    for room in SCORING_ROOMS:
        sources = [each for each in files(f"streammon.{room}").iterdir() if each.name.endswith(".py")]
        for source in sorted(sources, key=lambda each: each.name):
            digest.update(source.name.encode() + source.read_bytes())
    return digest.hexdigest()[:12]


SCORING_SOURCE = _source_hash()  # at import: of the code that runs, whatever is edited while it does
