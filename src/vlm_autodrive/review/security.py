"""Who may talk to the server: checked of every request before any route sees it.

The page shows a person's own videos, so another site, another program of another user, or another machine must not
read it, and above all must not decide in the person's name. The checks are those of a browser's own rules: the name
that was asked (Host), the page that asks (Origin, Sec-Fetch-Site), and a header that no form can send.
"""

import hmac
import ipaddress
import secrets
import socket
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vlm_autodrive.errors import UserError

MUTATION_HEADER = "x-autodrive-review"
TOKEN = "token"
COOKIE = "autodrive_review"
MAX_BODY = 1 << 20

CONTENT_POLICY = (
    "default-src 'self'; script-src 'self'; object-src 'none'; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'self'"
)
HEADERS = {
    "content-security-policy": CONTENT_POLICY,
    "x-content-type-options": "nosniff",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}
_SAFE_METHODS = frozenset(("GET", "HEAD"))
_LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")


@dataclass
class Access:
    """Who may talk to the server.

    Attributes:
        host: The address that it listens on.
        port: Its port.
        token: The secret of the address that is printed; None where only this computer can reach the server. It opens
            one session, and no second one.
        session: The secret in that session's cookie.
        names: Further host names by which the server may be asked.
    """

    host: str
    port: int
    token: str | None = None
    session: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    names: tuple[str, ...] = ()
    _is_used: bool = False

    def address(self) -> str:
        """The address to open."""
        name = socket.gethostname() if _is_wildcard(self.host) else f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{name}:{self.port}/" + (f"?{urlencode({TOKEN: self.token})}" if self.token else "")

    def allows_host(self, host: str) -> bool:
        """Whether the server may be asked by this name, as a Host header has it."""
        name, port = _split_host(host)
        if port != self.port:
            return False
        own = f"[{self.host}]" if ":" in self.host else self.host
        if name in (*_LOOPBACK_NAMES, own.lower(), *(each.lower() for each in self.names)):
            return True
        # All addresses of the machine are listened on. A page of another site can make its own name mean this machine
        # (DNS rebinding), but not an address in digits.
        return _is_wildcard(self.host) and (_is_address(name) or name == socket.gethostname().lower())

    def session_is_open(self, headers: Headers) -> bool:
        """Whether a request needs no token, or belongs to the session that the token opened."""
        if self.token is None and not self._is_used:
            return True
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        except CookieError:
            return False
        return cookie is not None and hmac.compare_digest(cookie.value.encode(), self.session.encode())

    def take_token(self, given: str) -> bool:
        """Whether it is the token; if so, it opens no second session."""
        if self.token is None or not hmac.compare_digest(given.encode(), self.token.encode()):
            return False
        self.token, self._is_used = None, True
        return True


def check_host(host: str, *, with_token: bool) -> None:
    """Refuse to listen where other machines can reach the server, unless a token keeps them out.

    Raises:
        UserError: If it is refused.
    """
    if not with_token and not is_loopback(host):
        raise UserError(
            f"{host} can be reached from other machines, which could then watch your videos and decide in your name; "
            "add --token, so that only who has the printed address can open the page."
        )


def is_loopback(host: str) -> bool:
    """Whether only this computer can reach an address; a name counts if it is ``localhost``."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Guard:
    """The middleware that checks each request, and puts the security headers on each answer."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        """Guard ``app``."""
        self._app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("cache-control", "no-store")
            await send(message)

        headers = Headers(scope=scope)
        refusal = self._refusal(scope, headers) or self._sign_in(scope, headers)
        if refusal is not None:
            await refusal(scope, receive, send_with_headers)
            return
        if scope["method"] in _SAFE_METHODS:
            await self._app(scope, receive, send_with_headers)
            return
        body = await _read_body(receive)
        if body is None:
            await _error(scope, 413, "the request is too large.")(scope, receive, send_with_headers)
            return
        await self._app(scope, _replay(body, receive), send_with_headers)

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        if len(headers.getlist("host")) != 1 or not self._access.allows_host(headers["host"]):
            return _error(scope, 421, "this server is not asked by this name; open the address that it printed.")
        if "\0" in scope["path"] or b"\0" in scope.get("raw_path", b""):
            return _error(scope, 400, "the address has a character that no address can have.")
        site = headers.get("sec-fetch-site", "same-origin")
        origin = headers.get("origin")
        is_own = origin is None or _is_own_origin(origin, headers["host"])
        if scope["method"] in _SAFE_METHODS:
            # A link from another page may lead here; no other page may load anything from here.
            follows_link = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
            if not is_own or (site not in ("same-origin", "none") and not follows_link):
                return _error(scope, 403, "another site asked for this; open the address that the server printed.")
            return None
        if not is_own or site != "same-origin":
            return _error(scope, 403, "another site asked for this; decide on the page itself.")
        if headers.get(MUTATION_HEADER) != "1":
            return _error(scope, 403, f"the header {MUTATION_HEADER}: 1 is missing; decide on the page itself.")
        if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return _error(scope, 415, "the request must be JSON.")
        return None

    def _sign_in(self, scope: Scope, headers: Headers) -> Response | None:
        """Let a session's requests through, and open it for who has the token; else a refusal."""
        if self._access.session_is_open(headers):
            return None
        parameters = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        given = dict(parameters).get(TOKEN)
        if given is None or scope["method"] != "GET" or not self._access.take_token(given):
            return _error(scope, 401, "open the address that the server printed; each opens the page once.")
        rest = urlencode([(name, value) for name, value in parameters if name != TOKEN])
        # The address without the token is what stays in the history.
        answer = RedirectResponse(scope["path"] + (f"?{rest}" if rest else ""), status_code=303)
        answer.set_cookie(COOKIE, self._access.session, httponly=True, samesite="strict", path="/")
        return answer


def _error(scope: Scope, status: int, message: str) -> Response:
    if scope["path"].startswith("/api/"):
        return JSONResponse({"error": message}, status)
    return PlainTextResponse(f"{message}\n", status)


def _is_own_origin(origin: str, host: str) -> bool:
    parts = urlsplit(origin)
    return parts.scheme == "http" and parts.netloc.lower() == host.lower()


def _split_host(host: str) -> tuple[str, int]:
    name, colon, port = host.lower().rpartition(":")
    if not colon or port.endswith("]"):
        return host.lower(), 80
    return name, int(port) if port.isascii() and port.isdigit() else -1


def _is_wildcard(host: str) -> bool:
    return host in ("0.0.0.0", "::")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True


async def _read_body(receive: Receive) -> bytes | None:
    """The whole body; None if it is too large."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return bytes(body)
        body += message.get("body", b"")
        if len(body) > MAX_BODY:
            return None
        if not message.get("more_body", False):
            return bytes(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return messages.pop() if messages else await receive()

    return again
