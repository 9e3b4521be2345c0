"""Is it alive, is it ready, and how is it doing: what supervisors and Prometheus ask."""

from collections.abc import Iterator, Mapping

from aiohttp import hdrs, web

from streammon.preview.metrics import Metrics
from streammon.records import CameraFigures, CameraState


class Health:
    """Answers at `/healthz`, `/readyz` and `/metrics`.

    Args:
        figures: Each camera's figures.
        metrics: What Prometheus is told.
    """

    def __init__(self, figures: Mapping[str, CameraFigures], metrics: Metrics) -> None:
        self._figures = figures
        self._metrics = metrics

    def routes(self) -> list[web.AbstractRouteDef]:
        """The three."""
        return [
            web.get("/healthz", self._alive),
            web.get("/readyz", self._ready),
            web.get("/metrics", self._measure),
        ]

    async def _alive(self, _request: web.Request) -> web.Response:
        """200 while the event loop runs: no answer is the only other one."""
        return web.json_response({"alive": True})

    async def _ready(self, _request: web.Request) -> web.Response:
        """200 while at least one camera is watched; 503 and why not otherwise."""
        ready = any(figures.status.state is CameraState.ONLINE for figures in self._figures.values())
        reasons = list(unready(self._figures))
        return web.json_response({"ready": ready, "reasons": reasons}, status=200 if ready else 503)

    async def _measure(self, request: web.Request) -> web.Response:
        """Metrics as Prometheus wants them."""
        text, content_type = self._metrics.exposition(request.headers.get(hdrs.ACCEPT, ""))
        return web.Response(body=text, headers={hdrs.CONTENT_TYPE: content_type})


def unready(figures: Mapping[str, CameraFigures]) -> Iterator[str]:
    """Why each camera that isn't watched isn't, in a line."""
    for camera, each in figures.items():
        status = each.status
        if status.state is CameraState.ONLINE:
            continue
        progress = "" if status.progress is None else f", its scene is {status.progress:.0%} learned"
        reason = f" ({status.reason})" if status.reason else ""
        yield f"camera '{camera}' is {status.state}{reason}{progress}"
