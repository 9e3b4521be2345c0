"""A user's cache of a test's own."""

from pathlib import Path

from streammon.storage import cache_folder


def cache_without_results(folder: Path) -> str:
    """Value of `$XDG_CACHE_HOME`: a cache with no results, but with networks and trials of engines that are there.

    To convert a network, and to try the engines, takes ten seconds.
    """
    for name in ("networks", "engine_trials.json"):
        link = folder / "streammon" / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(cache_folder() / name)
    (cache_folder() / "networks").mkdir(parents=True, exist_ok=True)
    return str(folder)
