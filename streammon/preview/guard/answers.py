"""Parts of every HTTP response: security headers, and errors as one line of JSON without internals."""

import json
import logging
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

SECURITY_HEADERS = {
    "Server": "streammon",  # aiohttp's default reveals its version and Python's
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
        "media-src 'self' blob:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
PAGE_FILES = "/page/"
NO_STORE = {"Cache-Control": "no-store"}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Refusal(Exception):  # noqa: N818 (an answer, not a failure)
    """Refusal of a request, which becomes an error response.

    Args:
        status: HTTP status.
        error: Reason, in words for the client.
        headers: Further headers of the response.
    """

    def __init__(self, status: int, error: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(error)
        self.status = status
        self.headers = headers


log = logging.getLogger(__name__)


def error_answer(status: int, error: str, headers: Mapping[str, str] | None = None) -> web.Response:
    """Error response of one line of JSON.

    Args:
        status: HTTP status.
        error: Reason, in words for the client, without path, password or stack trace.
        headers: Further headers.

    >>> error_answer(404, "there is nothing here").text
    '{"error": "there is nothing here"}'
    """
    text = json.dumps({"error": error}, ensure_ascii=False)
    return web.Response(status=status, text=text, content_type="application/json", headers=headers)


def add_security_headers(path: str, answer: web.StreamResponse) -> None:
    """Add the security headers to a response; a Cache-Control of its own is kept."""
    answer.headers.update(SECURITY_HEADERS)
    answer.headers.setdefault("Cache-Control", "no-cache" if path.startswith(PAGE_FILES) else "no-store")


async def on_prepare(request: web.Request, response: web.StreamResponse) -> None:
    """Signal handler that adds the security headers to every response of the application, streams included."""
    add_security_headers(request.path, response)


@web.middleware
async def errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn exceptions of a handler into error responses; a bug ends the request, not the monitor."""
    try:
        return await handler(request)
    except Refusal as refusal:
        return error_answer(refusal.status, str(refusal), refusal.headers)
    except web.HTTPException as answer:
        if answer.status < 400 or answer.content_type == "application/json":
            raise
        kept = {name: value for name, value in answer.headers.items() if not name.startswith("Content-")}
        is_said = answer.text and answer.text != f"{answer.status}: {answer.reason}"
        return error_answer(answer.status, str(answer.text) if is_said else answer.reason.lower(), kept)
    except (ConnectionError, TimeoutError):
        raise
    except Exception as error:
        log.exception("preview: %s %s failed (%s)", request.method, route_of(request) or "?", type(error).__name__)
        return error_answer(500, "internal error; the monitor's log says more")


def route_of(request: web.Request) -> str:
    """Pattern of the matched route, such as `/snapshot/{camera}.jpg`; empty if none matched."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else ""
