"""JSON responses of the page's routes, and the user who asks."""

from aiohttp import web

from streammon.preview.board.changes import as_json
from streammon.preview.guard import NO_STORE, USER


def json_response(body: object, status: int = 200) -> web.Response:
    """Response of compact JSON, which is not stored."""
    return web.Response(status=status, text=as_json(body), content_type="application/json", headers=NO_STORE)


def refusal(kind: type[web.HTTPException], why: str) -> web.HTTPException:
    """Error response to raise, with its reason as JSON."""
    return kind(text=as_json({"error": why}), content_type="application/json", headers=NO_STORE)


def user_of(request: web.Request) -> str:
    """Name of the user who sent a request; empty where nobody has to log in."""
    user: str = request.get(USER, "")
    return user
