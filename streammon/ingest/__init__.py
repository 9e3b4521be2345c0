"""Frames from a stream, device, file or folder: the only package that opens video.

Live, a `CameraReader` per camera puts frames into `LatestFrames`, and a `MainStreamReader` reads the main stream of a
camera whose sub-stream is scored. A `PacketRing` has a camera's latest packets, for clips. Offline, `clips` lists the
clips at a path, `Clip.frames` reads their frames, and `frames_ahead` those of several clips at once. `GivenPictures`
makes frames of pictures in memory.
"""

from streammon.ingest.ahead import default_jobs, frames_ahead
from streammon.ingest.contents import Length, Pace
from streammon.ingest.footage import DEFAULT_IMAGE_FPS, Clip, batched
from streammon.ingest.given import GivenPicture, GivenPictures
from streammon.ingest.glance import Glance, glance_at, likeness
from streammon.ingest.images import Size
from streammon.ingest.latest import LatestFrames
from streammon.ingest.listing import clips
from streammon.ingest.main_stream import MainStreamReader
from streammon.ingest.packets import EncodedPacket, EncodedStream, PacketRing, copied_stream
from streammon.ingest.probe import VideoFormat, probe
from streammon.ingest.reader import CameraReader

__all__ = [
    "DEFAULT_IMAGE_FPS",
    "CameraReader",
    "Clip",
    "EncodedPacket",
    "EncodedStream",
    "GivenPicture",
    "GivenPictures",
    "Glance",
    "LatestFrames",
    "Length",
    "MainStreamReader",
    "Pace",
    "PacketRing",
    "Size",
    "VideoFormat",
    "batched",
    "clips",
    "copied_stream",
    "default_jobs",
    "frames_ahead",
    "glance_at",
    "likeness",
    "probe",
]
