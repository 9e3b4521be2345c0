"""State of the page: cameras, scores of the last minutes and alerts, published as JSON and server-sent events.

`board` updates the state with the monitor's events: `timeline` contains a camera's scores, `journal` the alerts with
their pictures and verdicts, and `normal_footage` saves the frames of alerts judged normal. `api` serves the routes,
`changes` the events.
"""

from streammon.preview.board.board import SENDING, Board

__all__ = ["SENDING", "Board"]
