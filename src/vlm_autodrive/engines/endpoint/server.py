"""The server behind an endpoint: what it is called, and what it is asked besides chat completions."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any

import httpx

from vlm_autodrive.engines.endpoint.address import Endpoint
from vlm_autodrive.engines.endpoint.completion import error_text
from vlm_autodrive.engines.endpoint.settings import EndpointNames, EndpointSettings

GATEWAY = frozenset((502, 504))  # a proxy's word for a server that is gone
_PROBE_TIMEOUT_S = 10.0
_LONGEST_QUOTE = 200


@dataclass(frozen=True)
class Server:
    """A server that requests may be sent to.

    Attributes:
        settings: Its endpoint.
        names: How messages speak of it.
        endpoint: Its addresses and key.
        http: The connections to it.
    """

    settings: EndpointSettings
    names: EndpointNames
    endpoint: Endpoint
    http: httpx.AsyncClient

    @property
    def called(self) -> str:
        """What messages call it, such as ``the judge at 127.0.0.1``."""
        return f"{self.names.who} at {self.endpoint.host}"

    def said(self, response: httpx.Response) -> str:
        """What it says in a response that is an error, without the key."""
        said = self.endpoint.hide_key(error_text(response.content))
        return said if len(said) <= _LONGEST_QUOTE else said[: _LONGEST_QUOTE - 4] + " ..."

    async def is_there(self) -> bool:
        """Whether it responds, and not only to say that it is not ready."""
        try:
            async with asyncio.timeout(_PROBE_TIMEOUT_S):
                status = (await self.http.get(self.endpoint.models_url)).status_code
            return status not in GATEWAY and status != 503  # which llama.cpp's server says while it loads
        except (httpx.RequestError, TimeoutError):
            return False

    async def listed_models(self, url: str = "") -> list[dict[str, Any]]:
        """The models that it lists; empty if it lists none.

        Args:
            url: Where the list is; empty for where the settings' address has it.
        """
        try:
            async with asyncio.timeout(_PROBE_TIMEOUT_S):
                listed = (await self.http.get(url or self.endpoint.models_url)).json()["data"]
            return [model for model in listed if isinstance(model["id"], str)]
        except (httpx.RequestError, TimeoutError, ValueError, LookupError, TypeError):
            return []

    async def token_ids(self, model: str, text: str) -> list[int]:
        """The tokens of a text by the ``/tokenize`` of vLLM or llama.cpp's server; empty if there is none."""
        url = f"{self.endpoint.models_url.removesuffix('/models').removesuffix('/v1')}/tokenize"
        words = {"model": model, "prompt": text, "content": text, "add_special_tokens": False}
        try:
            async with asyncio.timeout(_PROBE_TIMEOUT_S):
                found = (await self.http.post(url, content=json.dumps(words))).json()["tokens"]
            return [token for token in found if isinstance(token, int)]
        except (httpx.RequestError, TimeoutError, ValueError, LookupError, TypeError):
            return []
