"""HTTP connections for many concurrent requests, at constant cost per request.

The pool of httpx looks at every connection for every request, and at every other one for each that is
idle: with some dozens in flight it keeps a processor busy with that alone. Here each request takes the
connection that was given back last, or a new one.
"""

from collections.abc import AsyncIterator, Callable

import httpx


class StackedTransport(httpx.AsyncBaseTransport):
    """A stack of transports of one connection each; those in use are off the stack."""

    def __init__(self, keepalive_expiry_s: float) -> None:
        self._context = httpx.create_ssl_context()  # reads all certificates, so one for all
        self._limits = httpx.Limits(max_connections=1, keepalive_expiry=keepalive_expiry_s)
        self._free: list[httpx.AsyncHTTPTransport] = []
        self._all: list[httpx.AsyncHTTPTransport] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; its connection is free again when the response is closed."""
        transport = self._free.pop() if self._free else self._made()
        try:
            response = await transport.handle_async_request(request)
        except BaseException:
            self._free.append(transport)  # which has closed its connection, and opens another next time
            raise
        assert isinstance(response.stream, httpx.AsyncByteStream)
        response.stream = _Watched(response.stream, lambda: self._free.append(transport))
        return response

    async def aclose(self) -> None:
        """Close all connections."""
        for transport in self._all:
            await transport.aclose()

    def _made(self) -> httpx.AsyncHTTPTransport:
        transport = httpx.AsyncHTTPTransport(verify=self._context, limits=self._limits)
        self._all.append(transport)
        return transport


class _Watched(httpx.AsyncByteStream):
    """A response's content that tells, once, when it is closed."""

    def __init__(self, stream: httpx.AsyncByteStream, closed: Callable[[], None]) -> None:
        self._stream = stream
        self._closed: Callable[[], None] | None = closed

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._stream.__aiter__()

    async def aclose(self) -> None:
        closed, self._closed = self._closed, None
        try:
            await self._stream.aclose()
        finally:
            if closed is not None:
                closed()
