"""Web preview: live streams by WebRTC and HTTP, the page with its alerts, health checks and metrics.

`server` assembles the sub-rooms: `streams` serves the live pictures, `board` the state of the page and its alerts,
`guard` authorises and limits requests, `operations` serves supervisors and Prometheus. `page` contains the page's
files.
"""

from streammon.preview.guard import hash_password
from streammon.preview.operations import Gauges
from streammon.preview.server import Preview
from streammon.preview.streams import LivePictures

__all__ = ["Gauges", "LivePictures", "Preview", "hash_password"]
