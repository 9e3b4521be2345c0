"""streammon watches surveillance cameras and says when, where and why the picture stops being normal."""

__version__ = "0.1.0"
