"""The JSON routes: items, media, decisions, the summary. Mutations have passed the guard before they come here."""

from collections.abc import Awaitable, Callable
from typing import Any, Literal, TypeVar

from pydantic import Field, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from vlm_autodrive.errors import UserError
from vlm_autodrive.records import Record, first_problem
from vlm_autodrive.review.decisions import DecisionRequest, RefusedDecision
from vlm_autodrive.review.queue import queue_state
from vlm_autodrive.review.session import Review
from vlm_autodrive.review.store import ReviewConflict
from vlm_autodrive.review.views import as_json

Handler = Callable[[Request], Awaitable[Response]]
R = TypeVar("R", bound=Record)


class _Accepted(Record):
    """One item to confirm, and its entity tag on the page."""

    id: str
    etag: str


class _AcceptRequest(Record):
    """Items to confirm at once."""

    items: tuple[_Accepted, ...] = Field(max_length=1000)
    reason: str = Field("", max_length=2000)
    blind: bool = False
    model: str | None = None


class _Accepting(Record):
    """What became of one item."""

    id: str
    outcome: Literal["confirmed", "conflict", "refused", "unknown"]
    etag: str = ""
    error: str = ""


def api_routes(review: Review) -> list[Route]:
    """The routes below ``/api``."""

    async def item(request: Request) -> Response:
        state = queue_state(request.query_params)
        view = await run_in_threadpool(review.view, request.path_params["item_id"], state)
        return JSONResponse(as_json(view), headers={"etag": view.etag})

    async def media(request: Request) -> Response:
        state = await run_in_threadpool(review.media.state, request.path_params["media_id"])
        return JSONResponse(as_json(state))

    async def decide(request: Request) -> Response:
        item_id, wanted = request.path_params["item_id"], await _body(request, DecisionRequest)
        correction, etag = await run_in_threadpool(review.decide, item_id, wanted, _if_match(request))
        return _created(correction, etag)

    async def undo(request: Request) -> Response:
        item_id = request.path_params["item_id"]
        correction, etag = await run_in_threadpool(review.undo, item_id, _if_match(request))
        return _created(correction, etag)

    async def accept(request: Request) -> Response:
        wanted = await _body(request, _AcceptRequest)
        outcomes = await run_in_threadpool(lambda: [_accept(review, each, wanted) for each in wanted.items])
        return JSONResponse({"outcomes": [as_json(outcome) for outcome in outcomes]})

    async def summary(request: Request) -> Response:
        del request
        return JSONResponse(as_json(await run_in_threadpool(review.summary)))

    return [
        Route("/api/items/{item_id}", _plain_errors(review, item), methods=["GET"]),
        Route("/api/items/{item_id}/decisions", _plain_errors(review, decide), methods=["POST"]),
        Route("/api/items/{item_id}/undo", _plain_errors(review, undo), methods=["POST"]),
        Route("/api/media/{media_id}", _plain_errors(review, media), methods=["GET"]),
        Route("/api/accept", _plain_errors(review, accept), methods=["POST"]),
        Route("/api/summary", _plain_errors(review, summary), methods=["GET"]),
    ]


def _plain_errors(review: Review, handler: Handler) -> Handler:
    """Answers what a route raises in one sentence."""

    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except KeyError:
            return error_answer(404, "there is no such item or file; go back to the queue.")
        except ReviewConflict as conflict:
            view = await run_in_threadpool(review.current, request.path_params["item_id"])
            return JSONResponse({"error": str(conflict), "current": view and as_json(view), "etag": conflict.etag}, 409)
        except RefusedDecision as error:
            return error_answer(422, str(error))
        except UserError as error:
            return error_answer(400, str(error))

    return answer


def error_answer(status: int, message: str) -> JSONResponse:
    """An error in one sentence."""
    return JSONResponse({"error": message}, status)


def _created(correction: Record, etag: str) -> Response:
    return JSONResponse({"correction": as_json(correction), "etag": etag}, 201, headers={"etag": etag})


async def _body(request: Request, model: type[R]) -> R:
    try:
        return model.model_validate_json(await request.body())
    except ValidationError as error:
        place, problem = first_problem(error)
        raise RefusedDecision(f"{place or 'the request'} cannot be taken: {problem}.") from None


def _if_match(request: Request) -> str:
    etag = request.headers.get("if-match")
    if etag is None:
        raise UserError("the header If-Match is missing; it names the state of the item that was on the screen.")
    return etag


def _accept(review: Review, each: _Accepted, wanted: _AcceptRequest) -> _Accepting:
    request: dict[str, Any] = {"reason": wanted.reason, "blind": wanted.blind, "model": wanted.model}
    try:
        _, etag = review.decide(each.id, DecisionRequest(decision="confirm", **request), each.etag)
    except KeyError:
        return _Accepting(id=each.id, outcome="unknown", error="there is no such item.")
    except ReviewConflict as conflict:
        return _Accepting(id=each.id, outcome="conflict", etag=conflict.etag, error=str(conflict))
    except RefusedDecision as error:
        return _Accepting(id=each.id, outcome="refused", etag=each.etag, error=str(error))
    return _Accepting(id=each.id, outcome="confirmed", etag=etag)
