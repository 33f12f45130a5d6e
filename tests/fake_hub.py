"""A hub on 127.0.0.1 that answers as huggingface.co does, or refuses, by the name that is asked for."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"
REFUSALS = {
    "org/misspelt": (401, {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"}),
    "org/gated": (403, {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access to model org/gated is restricted"}),
    "org/no-revision": (404, {"X-Error-Code": "RevisionNotFound", "X-Error-Message": "Invalid rev id: main"}),
    "org/wrong-token": (401, {"X-Error-Message": "Invalid credentials in Authorization header"}),
    "org/ill": (500, {}),
}
"""Status and headers with which the hub refuses a name."""


@contextmanager
def fake_hub(repositories: dict[str, Path]):
    """Serve folders as repositories under their names, and the refusals; yields the address."""

    class Hub(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def answer(self, status: int, body: bytes = b"", headers: dict[str, str] = {}) -> None:  # noqa: B006
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def do_GET(self) -> None:
            path = self.path.partition("?")[0].removeprefix("/api/models").strip("/")
            name = "/".join(path.split("/")[:2])
            about = self.path.startswith("/api/")
            # A gated repository is listed to everybody, and gives its files to nobody.
            if name in REFUSALS and not (about and name == "org/gated"):
                status, headers = REFUSALS[name]
                return self.answer(status, b"{}", headers)
            folder = repositories.get(name)
            files = sorted(f for f in folder.iterdir() if f.is_file()) if folder else []
            if about and "/tree/" in path:
                listed = [{"type": "file", "path": f.name, "size": f.stat().st_size, "oid": "1" * 40} for f in files]
                if name == "org/gated":
                    listed = [{"type": "file", "path": "config.json", "size": 2, "oid": "1" * 40}]
                return self.answer(200, json.dumps(listed).encode(), {"Content-Type": "application/json"})
            if about:
                info = {"id": name, "sha": COMMIT, "siblings": [], "tags": [], "downloads": 0, "likes": 0}
                return self.answer(200, json.dumps(info).encode(), {"Content-Type": "application/json"})
            file = folder / path.split("/")[-1]
            return self.answer(200, file.read_bytes(), {"ETag": f'"{file.name}"', "X-Repo-Commit": COMMIT})

        do_HEAD = do_GET

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def use_hub(monkeypatch, url: str, cache: Path) -> None:
    """Send this process's requests for the hub to ``url``, with a cache of its own."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
