"""Copies of the evidence of alerts, to hand on."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from streammon.errors import StorageError, system_reason
from streammon.records import EventRow


def export_events(rows: Sequence[EventRow], source: Path, target: Path) -> int:
    """Copy the files of alerts, in their folders of day and camera. Files that are in the target are replaced.

    Of an alert that is still recorded, what was written so far is copied. Files that are removed meanwhile are left
    out.

    Args:
        rows: The alerts.
        source: Folder of the evidence.
        target: Folder to copy to, created if missing.

    Returns:
        Number of files copied.

    Raises:
        StorageError: A file can't be read or written.
    """
    copied = 0
    for row in rows:
        names = row.files or sorted(file.name for file in (source / row.folder).glob(f"{row.id}*"))
        for name in names:
            try:
                (target / row.folder).mkdir(parents=True, exist_ok=True)
                if (source / row.folder / name).exists():
                    shutil.copy2(source / row.folder / name, target / row.folder / name)
                    copied += 1
            except OSError as error:
                found = f"{name} can't be copied there ({system_reason(error)})"
                raise StorageError(str(target), found, "choose another --export DIR, or make room") from None
    return copied
