"""Access control of requests: Host and Origin checks, authentication, and routes to log in and out."""

import base64
import binascii
import math
from urllib.parse import urlsplit

from aiohttp import hdrs, web

from streammon.config import PreviewConfig, is_loopback
from streammon.preview.guard.answers import PAGE_FILES, Handler, Refusal, route_of
from streammon.preview.guard.connections import client_of, read_body
from streammon.preview.guard.logins import IDLE_S, FailedLogins, Sessions
from streammon.preview.guard.origins import canonical_origin, canonical_origins, is_own_origin
from streammon.preview.guard.passwords import PasswordBook, TooManyChecksError, is_same_token

COOKIE = "streammon_session"
TOKEN_USER = "token"  # user name of a client that logs in with the token
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
OPEN_ROUTES = ("/healthz", "/login")  # besides the page and its files, which logging in needs
PAGE_ROUTES = ("/", "/favicon.ico")
OFFERS = "/whep/"  # the handler reads the body itself, so that errors have the CORS headers
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
USER = web.RequestKey("user", str)
"""Key of the name of the user who sent a request; missing where nobody has to log in."""

CHALLENGE = 'Bearer realm="streammon"'


class Access:
    """Authorises the requests to every route of the preview.

    If a token or users are configured, every route but the page, `/healthz` and `/login` requires the token (as
    Bearer), a user's password (as Basic) or the cookie of a session.

    Args:
        preview: Token, users and allowed origins.

    Attributes:
        failures: Number of wrong passwords and tokens so far.
    """

    def __init__(self, preview: PreviewConfig) -> None:
        self.failures = 0
        self._preview = preview
        self._token = preview.token.get_secret_value() if preview.token else None
        self._passwords = PasswordBook(preview.users)
        self._sessions = Sessions()
        self._failed = FailedLogins()
        self._origins = canonical_origins(preview)
        self._names = frozenset((*LOOPBACK_NAMES, preview.host.lower(), *map(_host, self._origins)))

    def routes(self) -> list[web.AbstractRouteDef]:
        """Routes to log in and out."""
        return [
            web.get("/login", self._ways_in, allow_head=False),
            web.post("/login", self._log_in),
            web.post("/logout", self._log_out),
        ]

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Authorise a request and read its whole body, or refuse it."""
        self._require_known_host(request)
        self._require_own_origin(request)
        if not self._is_open(request):
            user = await self._user(request)
            if user is None:
                raise Refusal(401, "log in, or send the token", self._challenge(request))
            request[USER] = user
        if request.can_read_body and not route_of(request).startswith(OFFERS):
            await read_body(request)
        return await handler(request)

    def _require_known_host(self, request: web.Request) -> None:
        """Refuse an unknown Host on loopback: a page's own name could resolve to this machine (DNS rebinding)."""
        if is_loopback(self._preview.host) and _host(f"//{request.host}") not in self._names:
            raise Refusal(421, "unknown Host header; add it to preview.allow_origins")

    def _require_own_origin(self, request: web.Request) -> None:
        """Refuse changes requested by another site's page (CSRF); browsers already prevent it from reading."""
        origin = request.headers.get(hdrs.ORIGIN, "")
        if request.method in SAFE_METHODS or not origin or is_own_origin(origin, request.host):
            return
        if request.headers.get("Sec-Fetch-Site") == "same-origin":  # a browser's word, whatever Host a proxy puts
            return
        if canonical_origin(origin) not in self._origins:
            raise Refusal(403, "cross-origin request refused; add the origin to preview.allow_origins")

    def _is_open(self, request: web.Request) -> bool:
        if not self._preview.is_guarded:
            return True
        route = route_of(request)
        if route in OPEN_ROUTES or _is_preflight(request):
            return True
        return (route in PAGE_ROUTES or route.startswith(PAGE_FILES)) and request.method in SAFE_METHODS

    async def _user(self, request: web.Request) -> str | None:
        """The user of a request, by session cookie, else by Authorization header; None if neither is valid."""
        user = self._sessions.user(request.cookies.get(COOKIE, ""))
        kind, _, credentials = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
        if user is not None or not credentials:
            return user
        name, password = TOKEN_USER, credentials.strip()
        if kind.lower() == "basic":
            name, password = _basic(password)
        elif kind.lower() != "bearer":
            return None
        return await self._checked(request, name, password, is_token=kind.lower() == "bearer")

    async def _checked(self, request: web.Request, user: str, password: str, is_token: bool) -> str | None:
        """The user if the password or token is correct, else None; wrong ones count towards the client's limit."""
        client = client_of(request.remote or "")
        wait_s = self._failed.take(client)
        if wait_s > 0:
            raise Refusal(429, "too many wrong passwords; wait", {"Retry-After": str(math.ceil(wait_s))})
        try:
            if is_token:
                is_right = self._token is not None and is_same_token(password, self._token)
            else:
                is_right = await self._passwords.is_right(user, password)
        except TooManyChecksError:
            raise Refusal(429, "too many log-ins at once; wait", {"Retry-After": "1"}) from None
        if is_right:
            self._failed.give_back(client)
            return user
        self.failures += 1
        return None

    def _challenge(self, request: web.Request) -> dict[str, str]:
        """Authentication challenge, without Basic for browsers, which would open a dialog over the page's own."""
        is_browser = "Sec-Fetch-Mode" in request.headers
        basic = ', Basic realm="streammon", charset="UTF-8"' if self._preview.users and not is_browser else ""
        return {"WWW-Authenticate": CHALLENGE + basic}

    async def _ways_in(self, request: web.Request) -> web.Response:
        """Respond with the available ways to log in, and the user of the session."""
        user = self._sessions.user(request.cookies.get(COOKIE, ""))
        ways = {"required": self._preview.is_guarded, "users": bool(self._preview.users)}
        return web.json_response(ways | {"token": self._token is not None, "user": user})

    async def _log_in(self, request: web.Request) -> web.Response:
        """Exchange a password, or the token, for a session."""
        if not self._preview.is_guarded:
            return web.Response(status=204)
        user, password, is_token = await _credentials(request)
        if await self._checked(request, user, password, is_token) is None:
            raise Refusal(401, "wrong token" if is_token else "wrong user or password", self._challenge(request))
        answer = web.Response(status=204)
        answer.set_cookie(
            COOKIE,
            self._sessions.open(user),
            max_age=int(IDLE_S),
            path="",  # the browser's own path to `login`, which a proxy may have put under a sub-path
            httponly=True,
            samesite="Strict",
            secure=self._preview.tls_certificate is not None,
        )
        return answer

    async def _log_out(self, request: web.Request) -> web.Response:
        """End the session and delete its cookie."""
        self._sessions.close(request.cookies.get(COOKIE, ""))
        answer = web.Response(status=204)
        answer.del_cookie(COOKIE, path="", httponly=True, samesite="Strict")
        return answer


def _host(url: str) -> str:
    """Host of an origin, without its port, in the form of a Host header; empty if invalid.

    >>> _host("https://wall.example:8443"), _host("//[::1]:8088"), _host("//[")
    ('wall.example', '[::1]', '')
    """
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return ""
    return f"[{host}]" if ":" in host else host


def _is_preflight(request: web.Request) -> bool:
    """True for a CORS preflight request, which never has credentials."""
    return request.method == "OPTIONS" and hdrs.ACCESS_CONTROL_REQUEST_METHOD in request.headers


def _basic(credentials: str) -> tuple[str, str]:
    """User and password of a Basic header; both empty if it is invalid."""
    try:
        user, _, password = base64.b64decode(credentials, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return user, password


async def _credentials(request: web.Request) -> tuple[str, str, bool]:
    """User, password or token, and True for a token, from the JSON body of a request."""
    try:
        body = await request.json()
    except (ValueError, RecursionError):
        body = None
    match body:
        case {"token": str(token)}:
            return TOKEN_USER, token, True
        case {"user": str(user), "password": str(password)}:
            return user, password, False
    raise Refusal(400, 'send {"user": …, "password": …} or {"token": …} as JSON')
