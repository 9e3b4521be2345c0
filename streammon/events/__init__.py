"""Evidence of alerts that lasts: clips, snapshots, heatmaps, side-cars and their index, with retention.

Live, an `EventRecorder` writes; `read_index` reads, in any process; `EventReview` is for the page.
"""

from streammon.events.archive import require_events
from streammon.events.export import export_events
from streammon.events.index import INDEX_FILE, read_index
from streammon.events.recorder import EventRecorder
from streammon.events.review import EventReview
from streammon.records import EventRow

__all__ = ["INDEX_FILE", "EventRecorder", "EventReview", "EventRow", "export_events", "read_index", "require_events"]
