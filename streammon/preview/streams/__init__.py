"""Live streams: newest picture and heatmap of each camera, their encoders, and WebRTC, MJPEG and JPEG endpoints.

`pictures` contains the newest pictures and the shared streams, which `compose` and `colours` draw, `encoder` encodes
and `fanout` passes to the viewers; `whep` (with `offers` and `ice`) serves WebRTC, `stills` MJPEG and JPEG.
"""

from streammon.preview.streams.pictures import STREAMS, LivePictures, Still
from streammon.preview.streams.stills import still_routes
from streammon.preview.streams.whep import WhepSessions

__all__ = ["STREAMS", "LivePictures", "Still", "WhepSessions", "still_routes"]
