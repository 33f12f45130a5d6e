"""The web application: routes behind the guard."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from vlm_autodrive.review.api import api_routes, error_answer
from vlm_autodrive.review.pages import page_routes
from vlm_autodrive.review.security import Access, Guard
from vlm_autodrive.review.session import Review

_UNEXPECTED = "the server met an error of its own; nothing was saved by this request. The terminal has the details."


def create_app(review: Review, access: Access) -> Guard:
    """The application for an open review, which is closed when the server stops."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        del app
        yield
        review.close()

    routes = [*page_routes(review), *api_routes(review)]
    handlers: Any = {HTTPException: _http_error, 500: _unexpected_error}
    # The guard stands around all else, so that its headers are on errors too.
    return Guard(Starlette(routes=routes, exception_handlers=handlers, lifespan=lifespan), access)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    message = {404: "there is no such address.", 405: "this address does not take such a request."}
    return _answer(request, error.status_code, message.get(error.status_code, error.detail))


async def _unexpected_error(request: Request, error: Exception) -> Response:
    del error
    return _answer(request, 500, _UNEXPECTED)


def _answer(request: Request, status: int, message: str) -> Response:
    if request.url.path.startswith("/api/"):
        return error_answer(status, message)
    return PlainTextResponse(f"{message}\n", status)
