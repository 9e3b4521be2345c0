"""Operation of the server: health checks, metrics for Prometheus, and the OpenAPI description of the routes."""

from streammon.preview.operations.health import Health
from streammon.preview.operations.metrics import Gauges, Metrics
from streammon.preview.operations.openapi import describe

__all__ = ["Gauges", "Health", "Metrics", "describe"]
