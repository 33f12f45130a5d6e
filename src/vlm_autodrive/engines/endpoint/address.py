"""Address of an endpoint, permission to send data to it, and its API key, which is kept secret."""

import ipaddress
import os
import re
from dataclasses import dataclass, field
from urllib.request import getproxies

import httpx

from vlm_autodrive.engines.endpoint.connections import StackedTransport
from vlm_autodrive.engines.endpoint.settings import EndpointNames, EndpointSettings
from vlm_autodrive.errors import UserError

_SHORTEST_SECRET = 8  # shorter "keys", such as EMPTY, are words: hiding those would spoil texts
_OF_REQUESTS = ("/chat/completions", "/completions", "/models", "/responses")
_HIDDEN = "[the key]"
_KEPT_OPEN_S = 4.0  # less than the 5 s after which the common servers close a connection that is not used


@dataclass(frozen=True)
class Endpoint:
    """An endpoint that may be sent requests.

    Attributes:
        url: The URL of chat completions.
        models_url: The URL of the list of models.
        host: Its host, for messages.
        is_local: Whether that is this machine.
        key: The key, or nothing.
    """

    url: str
    models_url: str
    host: str
    is_local: bool
    key: str = field(default="", repr=False)

    def client(self, max_connections: int) -> httpx.AsyncClient:
        """A client that holds a connection for every request in flight, and follows no redirect."""
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        through_proxy = not self.is_local and bool(getproxies())  # those are for the way out
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=max_connections)
        return httpx.AsyncClient(
            headers=headers,
            timeout=None,  # a request has one limit for all of it, which also ends one that drips
            limits=limits,
            transport=None if through_proxy else StackedTransport(_KEPT_OPEN_S),
            trust_env=through_proxy,
        )

    def hide_key(self, text: str) -> str:
        """The text without the key, should an endpoint have repeated it."""
        return text.replace(self.key, _HIDDEN) if len(self.key) >= _SHORTEST_SECRET else text


def endpoint_of(settings: EndpointSettings, names: EndpointNames) -> Endpoint:
    """The endpoint that settings name.

    Raises:
        UserError: If it is no usable address, or on another machine without leave, or its key is missing.
    """
    try:
        url = httpx.URL(settings.base_url)
    except httpx.InvalidURL:
        url = httpx.URL("")
    if url.scheme not in ("http", "https") or not url.host:
        raise UserError(f"{names.address} is no address; write it as http://127.0.0.1:8000/v1.")
    if url.userinfo or url.query:
        raise UserError(
            f"{names.address} holds a user, a password or a query, which would be kept with the results; "
            f"leave them out, and put a key into the environment variable that {names.keys}api_key_env names."
        )
    base = str(url).rstrip("/")
    if base.endswith(_OF_REQUESTS):
        begin = base.removesuffix(next(path for path in _OF_REQUESTS if base.endswith(path)))
        raise UserError(f"{names.address} is the address of one kind of request; write {begin}, and that is added.")
    is_local = _is_this_machine(url.host)
    if not (settings.allow_remote or is_local):
        raise UserError(
            f"{names.who} at {url.host} is not on this machine, and would be sent {names.sent}; "
            f"set {names.keys}allow_remote: true if that is wanted."
        )
    key = _key(settings.api_key_env, names)
    return Endpoint(f"{base}/chat/completions", f"{base}/models", url.host, is_local, key)


def _is_this_machine(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
        return address.is_loopback or address.is_unspecified  # 0.0.0.0, as servers print theirs, connects to this one
    except ValueError:
        return host == "localhost"


def _key(variable: str, names: EndpointNames) -> str:
    if not variable:
        return ""
    key = os.environ.get(variable, "").strip()
    if not key:
        raise UserError(f"the environment variable {variable} is not set; put {names.who}'s key there.")
    if not re.fullmatch(r"[!-~]+", key):  # it would fail as a header, in an exception that shows it
        raise UserError(f"the environment variable {variable} holds blanks or letters that no key has; correct it.")
    return key
