"""An OpenAI-compatible endpoint on 127.0.0.1 whose faults are scripted for each request."""

import inspect
import json
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import contextmanager
from dataclasses import dataclass, field

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

Answer = Callable[["ReceivedRequest"], Response | Awaitable[Response]]


@dataclass
class ReceivedRequest:
    """One request as it arrived; ``number`` counts those with the same messages."""

    body: dict
    headers: dict
    number: int
    at: float

    @property
    def text(self) -> str:
        content = next(turn["content"] for turn in self.body["messages"] if turn["role"] == "user")
        return content if isinstance(content, str) else " ".join(p.get("text", "") for p in content)


@dataclass
class Endpoint:
    """A running endpoint, and all it was asked."""

    answer: Answer
    url: str = ""
    asked: list[ReceivedRequest] = field(default_factory=list)
    open_now: int = 0
    max_connections: int = 0
    stop: Callable[[], None] = lambda: None


def completion(content: object, finish: str | None = "stop", usage: object = ..., **message) -> Response:
    return JSONResponse(
        {
            "choices": [{"message": {"role": "assistant", "content": content, **message}, "finish_reason": finish}],
            "usage": {"prompt_tokens": 100, "completion_tokens": 20} if usage is ... else usage,
        }
    )


@contextmanager
def serve(answer: Answer, owner: str = "", port: int = 0, model: str = "some/model", tokens=None):
    """Run the endpoint while the block lasts.

    With an ``owner``, it lists a model of that server software; with ``tokens``, it tells those of these texts.
    """
    endpoint = Endpoint(answer)
    lock, counts = threading.Lock(), {}

    async def complete(request: Request) -> Response:
        body = await request.json()
        key = json.dumps(body["messages"], sort_keys=True)
        with lock:
            counts[key] = counts.get(key, 0) + 1
            asked = ReceivedRequest(body, dict(request.headers), counts[key], time.monotonic())
            endpoint.asked.append(asked)
            endpoint.open_now += 1
            endpoint.max_connections = max(endpoint.max_connections, endpoint.open_now)
        try:
            answered = endpoint.answer(asked)
            return await answered if inspect.isawaitable(answered) else answered
        finally:
            with lock:
                endpoint.open_now -= 1

    def models(_: Request) -> Response:
        return JSONResponse({"object": "list", "data": [{"id": model, "object": "model", "owned_by": owner}]})

    async def tokenize(request: Request) -> Response:
        return JSONResponse({"tokens": tokens[(await request.json())["prompt"]]})

    routes = [Route("/tokenize", tokenize, methods=["POST"])] if tokens else []
    routes += [Route("/v1/chat/completions", complete, methods=["POST"])]
    app = Starlette(routes=[*routes, Route("/v1/models", models)] if owner else routes)
    config = uvicorn.Config(app, host="127.0.0.1", port=port, log_level="critical", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    endpoint.url = f"http://127.0.0.1:{port}/v1"

    def stop() -> None:
        server.should_exit = True
        thread.join(timeout=10)

    endpoint.stop = stop
    try:
        yield endpoint
    finally:
        stop()
