"""Live streams: newest picture and heatmap of each camera, their encoders, and WebRTC, MJPEG and JPEG endpoints.

`pictures` contains the newest picture of each camera and the streams shared by its viewers: `compose` and `colours`
draw a stream's pictures, `encoder` encodes them, `fanout` passes them to the viewers. `whep` serves WebRTC, with
`offers` for the SDP and `ice` for the addresses; `stills` serves MJPEG and JPEG.
"""

from streammon.preview.streams.pictures import STREAMS, LivePictures, Still
from streammon.preview.streams.stills import still_routes
from streammon.preview.streams.whep import WhepSessions

__all__ = ["STREAMS", "LivePictures", "Still", "WhepSessions", "still_routes"]
