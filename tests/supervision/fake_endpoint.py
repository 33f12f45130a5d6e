"""An OpenAI-compatible endpoint on 127.0.0.1 whose faults are scripted for each request."""

import json
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

Answer = Callable[["Asked"], Response]


@dataclass
class Asked:
    """One request as it arrived; ``number`` counts those with the same messages."""

    body: dict
    headers: dict
    number: int
    at: float

    @property
    def kind(self) -> str:
        return self.body["response_format"]["json_schema"]["name"]

    @property
    def repair(self) -> bool:
        return len(self.body["messages"]) > 2

    @property
    def text(self) -> str:
        content = self.body["messages"][1]["content"]
        return content if isinstance(content, str) else " ".join(p.get("text", "") for p in content)


@dataclass
class Endpoint:
    """A running endpoint, and all it was asked."""

    answer: Answer
    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    most_at_once: int = 0


def completion(content: str | None, finish: str = "stop", **message) -> Response:
    return JSONResponse(
        {
            "choices": [{"message": {"role": "assistant", "content": content, **message}, "finish_reason": finish}],
            "usage": {"prompt_tokens": 100, "completion_tokens": 20},
        }
    )


def data_of(asked: Asked) -> dict:
    """The facts that the prompt holds."""
    return json.loads(asked.text.split("<data>\n")[1].split("\n</data>")[0])


def honest(asked: Asked) -> Response:
    """What a good teacher answers."""
    data = data_of(asked)
    event_time = data.get("event_time_s")
    if asked.kind == "description":
        ending = "All stays calm." if event_time is None else f"At {event_time} s it comes to the {data['class']}."
        return completion(json.dumps({"description": f"A drive on a road. {ending}"}))
    code = {"Collision": "A", "Near-Collision": "B", "Normal": "C"}[data["class"]]
    steps = ["A road user is seen.", "[t=0.4] the gap shrinks."]
    return completion(json.dumps({"steps": steps, "verdict": code, "event_time_s": event_time}))


@contextmanager
def serve(answer: Answer):
    """Run the endpoint while the block lasts."""
    endpoint = Endpoint(answer)
    lock, open_now, counts = threading.Lock(), [0], {}

    async def complete(request: Request) -> Response:
        body = await request.json()
        key = json.dumps(body["messages"], sort_keys=True)
        with lock:
            counts[key] = counts.get(key, 0) + 1
            asked = Asked(body, dict(request.headers), counts[key], time.monotonic())
            endpoint.asked.append(asked)
            open_now[0] += 1
            endpoint.most_at_once = max(endpoint.most_at_once, open_now[0])
        try:
            return endpoint.answer(asked)
        finally:
            with lock:
                open_now[0] -= 1

    app = Starlette(routes=[Route("/v1/chat/completions", complete, methods=["POST"])])
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    endpoint.url = f"http://127.0.0.1:{port}/v1"
    try:
        yield endpoint
    finally:
        server.should_exit = True
        thread.join(timeout=10)
