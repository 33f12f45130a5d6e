"""The review server on a free port of this computer, in a thread of the test."""

import contextlib
import socket
import threading
import time

import uvicorn

from vlm_autodrive.review import Access, create_app, open_review


@contextlib.contextmanager
def review_server(path, reviewer="ada", **options):
    """Serve a folder; gives the address, without a slash at its end."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        access = Access(host="127.0.0.1", port=listening.getsockname()[1])
        app = create_app(open_review(path, reviewer, **options), access)
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=2))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            while not server.started:
                assert thread.is_alive()
                time.sleep(0.01)
            yield access.address().rstrip("/")
        finally:
            server.should_exit = True
            thread.join(30)
