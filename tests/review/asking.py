"""Requests as no client library would send them: any path, any header, nothing added or put right."""

import http.client
import json
from urllib.parse import urlsplit

OWN = {"x-autodrive-review": "1", "content-type": "application/json", "sec-fetch-site": "same-origin"}
"""What the page itself sends with a decision, beside the entity tag."""


def ask(address, path, method="GET", headers=None, body=None, host=None):
    """Send one request; returns the status, the headers and the body."""
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
    try:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        if host != "":
            connection.putheader("Host", host or parts.netloc)
        content = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        for name, value in (headers or {}).items():
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(content)))
        connection.endheaders(content or None)
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def ask_json(address, path, method="GET", headers=None, body=None):
    """The same of a JSON route; returns the status and the value."""
    status, _, content = ask(address, path, method, headers, body)
    return status, json.loads(content)


def decide(address, item_id, body, etag='"0"'):
    """Send a decision as the page does."""
    return ask_json(address, f"/api/items/{item_id}/decisions", "POST", {**OWN, "if-match": etag}, body)


def undo(address, item_id, etag):
    """Take a decision back as the page does."""
    return ask_json(address, f"/api/items/{item_id}/undo", "POST", {**OWN, "if-match": etag}, {})


def first_item(address, query=""):
    """The id of the first item in the queue."""
    _, _, page = ask(address, f"/queue?{query}")
    return page.decode().split("/items/")[1][:16]
