"""A made-up plaza, played as a camera: what streammon does, with nothing but the package."""
