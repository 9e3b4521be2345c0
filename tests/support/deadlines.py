"""How long a test waits for what must come."""

DEADLINE_S = 120.0
"""Seconds for one event. An idle machine takes a few of them at most; no test measures speed by it."""
