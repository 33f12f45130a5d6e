"""The HTML pages, their pictures and files. Templates get records and escape all text; scripts come from one bundle."""

from importlib.resources import files
from math import ceil

from jinja2 import Environment
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from vlm_autodrive.errors import UserError
from vlm_autodrive.html_pages import page_templates
from vlm_autodrive.palette import css_variables
from vlm_autodrive.progress import format_clock
from vlm_autodrive.records import REJECTION_REASONS
from vlm_autodrive.review.metrics import matrix_rows
from vlm_autodrive.review.queue import PAGE_SIZE, QueueState, queue_state
from vlm_autodrive.review.session import Review
from vlm_autodrive.review.store import etag_of
from vlm_autodrive.video import VideoError

_STATIC = {"app.js": "text/javascript", "app.css": "text/css", "icon.svg": "image/svg+xml"}
_PATIENCE_S = 1.0
_NO_MODELS = "there are no predictions here; open those of one or several models that were evaluated."
_HIDDEN = "the models' answers are hidden in this review; start it without --blind to see their metrics."
_PICTURES = {"cache-control": "private, max-age=3600"}


def page_routes(review: Review) -> list[Route]:
    """The routes that are no JSON.

    The templates get ``review``, ``state`` (the :class:`QueueState`) and ``classes`` (:class:`ClassView`, in order).
    ``queue.html.j2`` also gets ``rows`` (:class:`QueueRow`, of one page), ``matching`` (how many there are on all
    pages), ``pages``, ``slices`` (of each name its values with their counts), ``summary`` (:class:`ReviewSummary`),
    ``acceptance`` (:class:`ReviewResult`; None but of a supervision set), ``reasons`` (for rejecting a sample) and
    ``hidden`` (the ids of items whose answer is hidden); ``item.html.j2`` gets ``item``, and its program asks
    ``/api/items/ID`` for the rest. ``metrics.html.j2`` gets ``problem`` (why there are no metrics; empty if that is not
    so) and ``comparison`` (:class:`~vlm_autodrive.evaluation.Comparison`; None while it is computed).
    """
    templates = _templates()

    async def home(request: Request) -> Response:
        del request
        return RedirectResponse(f"/queue?{review.start}" if review.start else "/queue", status_code=303)

    async def queue_page(request: Request) -> Response:
        try:
            state = queue_state(request.query_params)
        except UserError as error:
            return PlainTextResponse(f"{error}\n", 400)
        return HTMLResponse(await run_in_threadpool(_queue_html, review, templates, state))

    async def item_page(request: Request) -> Response:
        try:
            state = queue_state(request.query_params)
            item = review.item(request.path_params["item_id"])
        except UserError as error:
            return PlainTextResponse(f"{error}\n", 400)
        except KeyError:
            return PlainTextResponse("There is no such item; go back to the queue.\n", 404)
        template = templates.get_template("item.html.j2")
        return HTMLResponse(template.render(review=review, state=state, classes=review.classes, item=item))

    async def metrics_page(request: Request) -> Response:
        del request
        return await run_in_threadpool(_metrics_page, review, templates)

    async def thumbnail(request: Request) -> Response:
        return await _picture(review, request, tenths=request.path_params["tenths"])

    async def strip(request: Request) -> Response:
        return await _picture(review, request, tenths=None)

    async def media(request: Request) -> Response:
        try:
            found = await run_in_threadpool(review.media.file, request.path_params["media_id"])
        except KeyError:
            return PlainTextResponse("There is no such file.\n", 404)
        except UserError as error:
            return PlainTextResponse(f"{error}\n", 404)
        return FileResponse(found.path, media_type=found.media_type, headers={"cache-control": "private, no-cache"})

    async def static(request: Request) -> Response:
        name = request.path_params["name"]
        if name == "palette.css":
            return Response(_palette(review), media_type="text/css")
        if name not in _STATIC:
            return PlainTextResponse("There is no such file.\n", 404)
        content = files("vlm_autodrive.review").joinpath("static", name).read_bytes()
        return Response(content, media_type=_STATIC[name])

    return [
        Route("/", home, methods=["GET"]),
        Route("/queue", queue_page, methods=["GET"]),
        Route("/items/{item_id}", item_page, methods=["GET"]),
        Route("/metrics", metrics_page, methods=["GET"]),
        Route("/pictures/{item_id}/{tenths:int}.jpg", thumbnail, methods=["GET"]),
        Route("/strips/{item_id}.jpg", strip, methods=["GET"]),
        Route("/media/{media_id}", media, methods=["GET"]),
        Route("/static/{name}", static, methods=["GET"]),
    ]


def _palette(review: Review) -> str:
    """The colours of the palette, and of each class by its place in the taxonomy."""
    classes = [f".class-{place} {{ --class: {each.colour}; }}\n" for place, each in enumerate(review.classes)]
    return css_variables() + "".join(classes)


def _templates() -> Environment:
    templates = page_templates("vlm_autodrive.review")
    templates.filters.update(clock=lambda seconds: format_clock(seconds, True), etag=etag_of)
    return templates


def _queue_html(review: Review, templates: Environment, state: QueueState) -> str:
    rows = review.rows(state)
    pages = max(1, ceil(len(rows) / PAGE_SIZE))
    state = state.model_copy(update={"page": min(state.page, pages)})
    shown = rows[(state.page - 1) * PAGE_SIZE : state.page * PAGE_SIZE]
    return templates.get_template("queue.html.j2").render(
        review=review,
        state=state,
        classes=review.classes,
        rows=shown,
        matching=len(rows),
        pages=pages,
        slices=review.slices,
        summary=review.summary(),
        acceptance=review.acceptance(),
        reasons=REJECTION_REASONS,
        hidden={row.item.item_id for row in shown if review.hides_answer(row.decisions)},
    )


def _metrics_page(review: Review, templates: Environment) -> Response:
    from vlm_autodrive.evaluation import headline, main_rows, p_value, signed, signed_interval, with_interval

    templates.filters.update(
        with_interval=with_interval, signed=signed, signed_interval=signed_interval, p_value=p_value
    )
    problem, comparison = "", None
    try:
        if review.shows_metrics:
            comparison = review.metrics.wait(_PATIENCE_S)
        else:
            problem = _HIDDEN if review.blind else _NO_MODELS
    except UserError as error:
        problem = str(error)
    is_computing = comparison is None and not problem
    page = templates.get_template("metrics.html.j2").render(
        review=review,
        state=QueueState(),
        classes=review.classes,
        problem=problem,
        comparison=comparison,
        headline=headline,
        main_rows=main_rows,
        matrix_rows=matrix_rows,
        query=lambda **parameters: QueueState(**parameters).query(),
    )
    headers = {"refresh": "2"} if is_computing else {}
    return HTMLResponse(page, 202 if is_computing else 200, headers=headers)


async def _picture(review: Review, request: Request, tenths: int | None) -> Response:
    try:
        item = review.item(request.path_params["item_id"])
        if tenths is not None:
            content = await run_in_threadpool(review.pictures.thumbnail, item, tenths)
        else:
            plain = review.hides_answer(review.store.decisions(item.item_id))
            content = await run_in_threadpool(review.pictures.strip, item, plain=plain)
    except KeyError:
        return PlainTextResponse("There is no such item.\n", 404)
    except VideoError as error:
        return PlainTextResponse(f"There is no picture: {error.reason}.\n", 404)
    except UserError as error:
        return PlainTextResponse(f"{error}\n", 404)
    return Response(content, media_type="image/jpeg", headers=_PICTURES)
