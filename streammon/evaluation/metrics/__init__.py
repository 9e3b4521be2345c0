"""Figures of frames, pixels, regions and tracks, their null controls and their uncertainty."""
