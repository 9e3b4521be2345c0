"""Frames, maps and alerts → a browser: the room of WebRTC and HTTP.

`server` puts it together: `pictures` hold what is newest, `whep` and `stills` show it, `board` says what happens,
`access` decides who may ask, `health` and `metrics` answer to supervisors.
"""

from streammon.preview.metrics import Gauges
from streammon.preview.server import Preview

__all__ = ["Gauges", "Preview"]
