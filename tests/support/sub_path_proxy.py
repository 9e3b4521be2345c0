"""A small reverse proxy that serves another server under a sub-path, as nginx's `location /cams/` does."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web
from yarl import URL

HOP_BY_HOP = frozenset(
    ("connection", "keep-alive", "transfer-encoding", "upgrade", "content-length", "server", "date")
)


@dataclass
class SubPathProxy:
    """Where the proxy serves, and what it was asked.

    Attributes:
        url: Address of the other server's root behind the proxy.
        passed: Method and path of each request that was passed on.
        astray: Paths outside the sub-path that were asked for; they get 404.
    """

    url: str = ""
    passed: list[tuple[str, str]] = field(default_factory=list)
    astray: list[str] = field(default_factory=list)


@asynccontextmanager
async def sub_path_proxy(upstream: str, prefix: str, *, keeps_host: bool) -> AsyncIterator[SubPathProxy]:
    """Serve `upstream` (a URL without path) under `prefix`, such as `/cams/`, on a free port of loopback.

    Args:
        upstream: The server behind.
        prefix: The sub-path, with a slash at either end.
        keeps_host: Pass the client's Host header on; otherwise the upstream sees its own, as nginx does by default.
    """
    proxy = SubPathProxy()
    async with aiohttp.ClientSession(auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()) as http:

        async def passed_on(request: web.Request) -> web.StreamResponse:
            if not request.raw_path.startswith(prefix):
                proxy.astray.append(request.raw_path)
                raise web.HTTPNotFound
            path = "/" + request.raw_path.removeprefix(prefix)
            proxy.passed.append((request.method, path))
            headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP_BY_HOP}
            if not keeps_host:
                headers.pop("Host", None)
            body = await request.read()
            timeout = aiohttp.ClientTimeout(total=None)
            async with http.request(
                request.method,
                URL(upstream.rstrip("/") + path, encoded=True),
                headers=headers,
                data=body or None,
                timeout=timeout,
                allow_redirects=False,
            ) as answer:
                response = web.StreamResponse(status=answer.status)
                for name, value in answer.headers.items():
                    if name.lower() not in HOP_BY_HOP:
                        response.headers.add(name, value)
                await response.prepare(request)
                async for chunk in answer.content.iter_any():
                    await response.write(chunk)
                await response.write_eof()
                return response

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", passed_on)
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.2)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            proxy.url = f"http://127.0.0.1:{runner.addresses[0][1]}{prefix}"
            yield proxy
        finally:
            await runner.cleanup()
