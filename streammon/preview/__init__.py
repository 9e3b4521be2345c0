"""Web preview: live streams by WebRTC and HTTP, the page with its alerts, health checks and metrics.

`server` assembles the parts: `pictures` contains the newest picture and heatmap of each camera, `whep` and `stills`
stream them, `board` serves the state of the page, `access` authorises requests, `health` and `metrics` serve
supervisors and Prometheus.
"""

from streammon.preview.metrics import Gauges
from streammon.preview.server import Preview

__all__ = ["Gauges", "Preview"]
