"""State of the page: cameras, scores of the last minutes and alerts, published as JSON and server-sent events.

`board` updates the state with the monitor's events: `timeline` contains a camera's scores, `journal` the alerts with
their pictures and verdicts, and `normal_footage` saves the footage of alerts judged normal. `kept` queries the events
whose evidence is kept, and `evidence` serves them. `api` serves the other routes, `changes` the server-sent events.
"""

from streammon.preview.board.board import Board
from streammon.preview.board.evidence import EventList, ShownEvent
from streammon.preview.board.kept import ReviewedEvents

__all__ = ["Board", "EventList", "ReviewedEvents", "ShownEvent"]
