"""PaDiM in all its variants, and the baselines of its paper."""
