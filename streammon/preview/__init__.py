"""Frames, maps and alerts → a browser: the room of WebRTC and HTTP."""
