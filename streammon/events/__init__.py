"""Evidence of alerts that lasts: clips, snapshots, heatmaps, side-cars and their index, with retention.

Live, an `EventRecorder` writes; `read_index` reads, in any process.
"""

from streammon.events.archive import require_events
from streammon.events.export import export_events
from streammon.events.index import EventRow, read_index
from streammon.events.recorder import EventRecorder

__all__ = ["EventRecorder", "EventRow", "export_events", "read_index", "require_events"]
