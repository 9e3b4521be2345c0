"""Checks before the first frame: what would fail later is refused at the start."""

from streammon.config import Config
from streammon.ingest import probe
from streammon.live.scenes import missing_banks
from streammon.padim import require_writable


def require_footage_readable(config: Config) -> None:
    """Refuse a file or folder without video at the start: unlike for a lost camera, retrying would not help.

    Raises:
        FootageError: A camera's url or score_url names a file or folder from which no picture can be decoded.
    """
    for name, camera in config.cameras.items():
        for key, stream in camera.streams().items():
            if not stream.is_live:
                probe(stream, name, key=key)


def require_banks_writable(config: Config) -> None:
    """Check at the start, not after ten minutes of learning, that banks can be written.

    Raises:
        StorageError: The folder of a scene that will be learned live can't be written.
    """
    for file in missing_banks(config):
        require_writable(file.parent)
