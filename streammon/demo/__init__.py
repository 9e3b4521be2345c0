"""Demo of streammon on a synthetic plaza, played as an RTSP camera; nothing but the package is needed."""
