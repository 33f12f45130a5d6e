"""A served teacher that counts what it is asked."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from zlib import crc32

_LATENCY_S = 0.3


class CountingTeacher(ThreadingHTTPServer):
    """An OpenAI-compatible endpoint on 127.0.0.1.

    Attributes:
        asked: How often it was asked each prompt.
        url: Its address.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answering)
        self.asked: Counter[str] = Counter()
        self.lock = Lock()
        self.url = f"http://127.0.0.1:{self.server_port}/v1"


@contextmanager
def counting_teacher() -> Iterator[CountingTeacher]:
    """The teacher, for as long as the block lasts."""
    with CountingTeacher() as teacher:
        Thread(target=teacher.serve_forever, daemon=True).start()
        try:
            yield teacher
        finally:
            teacher.shutdown()


class _Answering(BaseHTTPRequestHandler):
    server: CountingTeacher

    def do_POST(self) -> None:
        """Describe, in words that depend on the prompt alone."""
        prompt = json.dumps(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["messages"])
        with self.server.lock:
            self.server.asked[prompt] += 1
        time.sleep(_LATENCY_S)
        said = {
            "scene": f"a road beside house {crc32(prompt.encode())}",
            "ego_motion": "the ego vehicle drives on",
            "road_users": ["a grey lorry ahead"],
            "happenings": [{"time_s": 0.3, "what": "a grey lorry ahead goes slower"}],
            "ego_response": None,
            "event": None,
            "cause": None,
        }
        choice = {"message": {"role": "assistant", "content": json.dumps(said)}, "finish_reason": "stop"}
        body = json.dumps({"choices": [choice], "usage": {"prompt_tokens": 100, "completion_tokens": 20}}).encode()
        with suppress(OSError):  # who asked may have been killed meanwhile
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""
