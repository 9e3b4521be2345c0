"""Endpoints for supervisors and Prometheus: liveness, readiness and metrics."""

from collections.abc import Iterator, Mapping

from aiohttp import hdrs, web

from streammon.preview.operations.metrics import Metrics
from streammon.records import CameraFigures, CameraState


class Health:
    """HTTP handlers of `/healthz`, `/readyz` and `/metrics`.

    Args:
        figures: Each camera's figures.
        metrics: Metrics for Prometheus.
    """

    def __init__(self, figures: Mapping[str, CameraFigures], metrics: Metrics) -> None:
        self._figures = figures
        self._metrics = metrics

    def routes(self) -> list[web.AbstractRouteDef]:
        """Routes of the three endpoints."""
        return [
            web.get("/healthz", self._alive),
            web.get("/readyz", self._ready),
            web.get("/metrics", self._measure),
        ]

    async def _alive(self, _request: web.Request) -> web.Response:
        """Respond with 200 while the event loop runs; a stalled loop does not respond."""
        return web.json_response({"alive": True})

    async def _ready(self, _request: web.Request) -> web.Response:
        """Respond with 200 if at least one camera is online, else 503, with a reason for each other camera."""
        ready = any(figures.status.state is CameraState.ONLINE for figures in self._figures.values())
        reasons = list(unready(self._figures))
        return web.json_response({"ready": ready, "reasons": reasons}, status=200 if ready else 503)

    async def _measure(self, request: web.Request) -> web.Response:
        """Respond with the metrics in the format that the client accepts."""
        text, content_type = self._metrics.exposition(request.headers.get(hdrs.ACCEPT, ""))
        return web.Response(body=text, headers={hdrs.CONTENT_TYPE: content_type})


def unready(figures: Mapping[str, CameraFigures]) -> Iterator[str]:
    """One line for each camera that is not online: state, reason and learning progress."""
    for camera, each in figures.items():
        status = each.status
        if status.state is CameraState.ONLINE:
            continue
        progress = "" if status.progress is None else f", its scene is {status.progress:.0%} learned"
        reason = f" ({status.reason})" if status.reason else ""
        yield f"camera '{camera}' is {status.state}{reason}{progress}"
