"""The served engine: a model behind any OpenAI-compatible endpoint, such as vLLM, NIM or ``transformers serve``.

Frames are decoded here and sent with their true times, to vLLM as the very pixels of training. No name is ever given to
what is sent: vLLM takes such a name for the content.
"""

import asyncio
import re
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from vlm_autodrive.artifacts import artifact_key
from vlm_autodrive.engines.answers.codes import (
    code_in,
    code_mass,
    code_probabilities,
    is_bare,
    unlisted_share,
    vote_shares,
)
from vlm_autodrive.engines.answers.observations import seen_in_reply, seen_in_verdict
from vlm_autodrive.engines.endpoint.attempt import CONTEXT_FULL
from vlm_autodrive.engines.endpoint.chat import (
    ChatRequest,
    FrameForm,
    body_of,
    frame_parts,
    media_io_kwargs,
    text_part,
)
from vlm_autodrive.engines.endpoint.client import EndpointClient, open_client
from vlm_autodrive.engines.endpoint.completion import Completion, TokenLogprobs
from vlm_autodrive.engines.endpoint.refusals import Hint
from vlm_autodrive.engines.endpoint.served_template import ServedTemplate, find_served_template
from vlm_autodrive.engines.endpoint.settings import SERVED_MODEL, ServedModelSettings
from vlm_autodrive.engines.endpoint.tokens import least_picture_tokens, max_usage, picture_tokens
from vlm_autodrive.engines.endpoint.usage import EndpointUsage
from vlm_autodrive.engines.protocol import ENDED_WITHIN_THOUGHTS, InferenceRequest, InferenceResponse
from vlm_autodrive.progress import SILENT, Reporter
from vlm_autodrive.records import Outcome
from vlm_autodrive.video import Frames, SamplingSettings

T = TypeVar("T")
_Wait = Callable[[Coroutine[Any, Any, T]], T]

_VERDICT_TOKENS = 16  # a code, and a model that puts a few words beside it
_VOTE_TEMPERATURE = 0.7
_CHOICE = "structured_outputs"  # of vLLM from 0.12 on, which names no older word for it
_TOKEN_ID = re.compile(r"token(?:_id)?:(\d+)")
_MEDIA = "media_io_kwargs"
_HINTS = (
    Hint("max_completion_tokens", "it knows the bound by another name; set endpoint.token_limit"),
    Hint(
        "xtra inputs|nrecognized|nexpected field", "it may take no structured_outputs; set endpoint.constrained: false"
    ),
    Hint("logprob", "it may give no log-probabilities; set endpoint.top_logprobs: 0, and perhaps endpoint.votes"),
    Hint("HTTP 413|context|too (long|large)", "show it fewer or smaller frames; set endpoint.sampling", of_frames=True),
    Hint("context|too (long|large)", "raise the server's context length"),
    Hint("top_p", "it may take no top_p beside a temperature; set endpoint.extra: {top_p: null}"),
    Hint("continue_final_message|prefill", "it may go on from no begun answer; set endpoint.thinking: none"),
    Hint("trust-request-mm-kwargs", "start it so, or set endpoint.frames_as: video"),
    Hint("image|video", "it may not take those; set endpoint.frames_as", of_frames=True),
)


@contextmanager
def open_served_engine(
    settings: ServedModelSettings, model: str, job: str, reporter: Reporter = SILENT
) -> Iterator["ServedEngine"]:
    """Open the engine of a served model for as long as the block lasts. Nothing is sent before the first request.

    Args:
        settings: The endpoint.
        model: The model's name there.
        job: Whose budget is spent.
        reporter: Receives warnings.

    Raises:
        UserError: If the endpoint may not be used.
    """
    loop = asyncio.new_event_loop()  # of its own, so that it also works in a notebook, where one is running already
    thread = threading.Thread(target=loop.run_forever, name="endpoint", daemon=True)
    thread.start()

    def wait(work: Coroutine[Any, Any, T]) -> T:
        under_way = asyncio.run_coroutine_threadsafe(work, loop)
        try:
            return under_way.result()
        except BaseException:
            under_way.cancel()
            raise

    stack = AsyncExitStack()
    try:
        client = wait(
            stack.enter_async_context(open_client(settings, SERVED_MODEL, job, reporter, kept_for=None, hints=_HINTS))
        )
        yield ServedEngine(settings, model, client, wait, reporter)
    finally:
        wait(stack.aclose())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def served_key(settings: ServedModelSettings, model: str) -> str:
    """The key of a served model with the settings that change its responses."""
    return artifact_key("served model", {}, settings, {"model": model})


class ServedEngine:
    """Inference by requests to an endpoint; made by :func:`open_served_engine`."""

    def __init__(
        self, settings: ServedModelSettings, model: str, client: EndpointClient, wait: _Wait[Any], reporter: Reporter
    ) -> None:
        self._settings = settings
        self._model = model
        self._client = client
        self._wait = wait
        self._reporter = reporter
        self._constrained = settings.constrained
        self._ids: dict[str, list[int]] = {}
        self._server: ServedTemplate | None = None
        self._form: FrameForm = "frames" if settings.frames_as == "auto" else settings.frames_as

    @property
    def name(self) -> str:
        """The model's name at the endpoint."""
        return self._model

    @property
    def sampling(self) -> SamplingSettings:
        """How it is shown frames: as the settings say, since an endpoint does not."""
        return self._settings.sampling

    def use(self) -> EndpointUsage:
        """What was used since it was opened."""

        async def used() -> EndpointUsage:  # where the database was opened
            return self._client.use()

        found: EndpointUsage = self._wait(used())
        return found

    def generate(
        self,
        clips: Sequence[Frames],
        requests: Sequence[InferenceRequest],
        own: Sequence[Sequence[InferenceRequest]] = (),
    ) -> list[list[InferenceResponse]]:
        """Respond to every request about every clip; see :class:`vlm_autodrive.engines.protocol.Engine`.

        Raises:
            UserError: If no request could succeed from the first on, or the budget is spent.
        """
        responses: list[list[InferenceResponse]] = self._wait(self._respond(clips, requests, own or [()] * len(clips)))
        return responses

    async def _respond(
        self,
        clips: Sequence[Frames],
        requests: Sequence[InferenceRequest],
        own: Sequence[Sequence[InferenceRequest]],
    ) -> list[list[InferenceResponse]]:
        if self._server is None:
            settings = self._settings
            self._server = await find_served_template(self._client, settings.folder or self._model, settings.thinking)
            if settings.frames_as == "auto" and not self._server.is_vllm:
                self._form = self._form_elsewhere(self._server)
        results = await asyncio.gather(
            *(self._respond_to_clip(frames, [*requests, *also]) for frames, also in zip(clips, own, strict=True)),
            return_exceptions=True,
        )
        for result in results:
            if isinstance(result, BaseException):
                raise result
        return [result for result in results if not isinstance(result, BaseException)]

    async def _respond_to_clip(self, frames: Frames, requests: Sequence[InferenceRequest]) -> list[InferenceResponse]:
        if not len(frames.times_s):
            return await self._respond_to_all(_NO_PICTURES, requests)
        form = self._form
        responses = await self._respond_to_all(await asyncio.to_thread(self._shown, frames, form), requests)
        if self._settings.frames_as != "auto" or form != "frames" or not any(_MEDIA in r.reason for r in responses):
            return responses
        if self._form == "frames":
            self._reporter.say(
                f"{self._model} is not shown what it was trained on: its server takes no times of frames, which go as "
                "MP4 instead; start vLLM with --trust-request-mm-kwargs."
            )
            self._form = "video"
        return await self._respond_to_all(await asyncio.to_thread(self._shown, frames, "video"), requests)

    def _form_elsewhere(self, server: ServedTemplate) -> FrameForm:
        form: FrameForm = "images" if server.takes_images else "video"
        what = (
            "JPEG images with their times in the text" if form == "images" else "one MP4, as its template has no images"
        )
        self._reporter.say(
            f"Frames go to {self._model} as {what}; a model that was trained with this software sees what it was "
            "trained on only through vLLM. endpoint.frames_as sets the form."
        )
        return form

    def _shown(self, frames: Frames, form: FrameForm) -> "_Pictures":
        say_times = form == "images" if self._settings.say_times is None else self._settings.say_times
        count, height, width = frames.pixels.shape[:3]
        tokens = picture_tokens(count, height, width)
        least = least_picture_tokens(count, height, width, self._settings.min_tokens_per_frame)
        fields = {_MEDIA: media_io_kwargs(frames)} if form == "frames" else {}
        return _Pictures(frame_parts(frames, form, say_times=say_times), fields, tokens, least)

    async def _respond_to_all(
        self, pictures: "_Pictures", requests: Sequence[InferenceRequest]
    ) -> list[InferenceResponse]:
        return list(await asyncio.gather(*(self._respond_to_one(pictures, request) for request in requests)))

    async def _respond_to_one(self, pictures: "_Pictures", request: InferenceRequest) -> InferenceResponse:
        if request.codes and self._settings.votes:
            return await self._vote(pictures, request)
        written, constrained = await self._ask(pictures, request, request.temperature, request.seed)
        self._client.tell_once(seen_in_reply(written, self._model))
        if request.codes:
            written = await self._with_texts(written, request.codes)
            asked = self._settings.top_logprobs
            told = seen_in_verdict(written, request.codes, constrained=constrained, top_logprobs=asked)
            self._client.tell_once(told)
        response = self._response_of(written, request)
        if not request.codes or response.outcome is not Outcome.OK:
            return response
        probabilities = code_probabilities(written.places, written.text, request.codes)
        if probabilities is None:
            return response
        text = written.text
        if is_bare(text, request.codes):  # all ways to write a code together may make another one the likeliest
            text = request.codes[probabilities.index(max(probabilities))]
        return InferenceResponse(
            Outcome.OK,
            text,
            probabilities,
            probability_source="code_logprobs",
            code_mass=code_mass(written.places, written.text, request.codes, constrained=constrained),
            unlisted_share=unlisted_share(written.places, written.text, request.codes),
        )

    async def _with_texts(self, written: Completion, codes: Sequence[str]) -> Completion:
        """A completion whose tokens are told by their ids, as vLLM can be set to, with the codes for those of codes."""
        if not any(_TOKEN_ID.fullmatch(place.written) for place in written.places):
            return written
        for code in codes:
            if code not in self._ids:
                self._ids[code] = await self._client.server.token_ids(self._model, code)
        texts = {ids[0]: code for code, ids in self._ids.items() if len(ids) == 1}

        def text_of(token: str) -> str:
            found = _TOKEN_ID.fullmatch(token)
            return texts.get(int(found[1]), token) if found else token

        places = (
            TokenLogprobs(text_of(place.written), {text_of(token): value for token, value in place.logprobs.items()})
            for place in written.places
        )
        return replace(written, places=tuple(places))

    async def _vote(self, pictures: "_Pictures", request: InferenceRequest) -> InferenceResponse:
        seeds = range(request.seed, request.seed + self._settings.votes)
        asked = await asyncio.gather(*(self._ask(pictures, request, _VOTE_TEMPERATURE, seed) for seed in seeds))
        votes = [vote for vote, _ in asked]
        good = [vote for vote in votes if vote.outcome is Outcome.OK]
        if 2 * len(good) <= len(votes):
            return self._response_of(next(vote for vote in votes if vote.outcome is not Outcome.OK), request)
        shares = vote_shares([vote.text for vote in good], request.codes)
        if shares is None:
            return InferenceResponse(Outcome.OK, good[0].text)  # left to whoever reads answers in words
        # Of codes named equally often the one named first counts: the order of the classes must not decide.
        named = (code_in(vote.text, request.codes) for vote in good)
        text = next(code for code in named if code and shares[request.codes.index(code)] == max(shares))
        return InferenceResponse(Outcome.OK, text, shares, probability_source="votes")

    async def _ask(
        self, pictures: "_Pictures", request: InferenceRequest, temperature: float, seed: int
    ) -> tuple[Completion, bool]:
        """The completion, and whether the endpoint was told to hold it to the codes."""
        constrained = bool(request.codes) and self._constrained
        written = await self._client.ask(self._asked(pictures, request, temperature, seed, constrained))
        if not constrained or written.outcome is not Outcome.ERROR or _CHOICE not in written.reason:
            return written, constrained
        if self._constrained:
            self._reporter.say(f"{self._model} is not held to the codes: its endpoint takes no {_CHOICE}.")
            self._constrained = False
        return await self._client.ask(self._asked(pictures, request, temperature, seed, False)), False

    def _asked(
        self,
        pictures: "_Pictures",
        request: InferenceRequest,
        temperature: float,
        seed: int,
        constrained: bool,
    ) -> ChatRequest:
        assert self._server is not None, "asked before the server is known"
        settings, bound = self._settings, _most_tokens(request)
        system = [{"role": "system", "content": request.system}] if request.system else []
        begun = self._server.begun_answer(thinking=request.thinking)
        body: dict[str, Any] = {
            "model": self._model,
            "messages": [*system, {"role": "user", "content": request.prompt}, *begun],
            settings.token_limit: bound,
            "temperature": temperature,
            **self._server.fields(thinking=request.thinking),
        }
        if temperature > 0:
            body["seed"] = seed
        if constrained:
            body[_CHOICE] = {"choice": list(request.codes)}
        if request.codes and settings.top_logprobs and not settings.votes:
            body |= {"logprobs": True, "top_logprobs": settings.top_logprobs}
        body |= pictures.fields | settings.extra
        body = {name: value for name, value in body.items() if value is not None}
        most = max_usage(body_of(body), pictures.tokens, bound)
        if not pictures.parts:
            return ChatRequest(body_of(body), most)
        least = pictures.least_tokens

        def body_with_pictures() -> bytes:
            content = [*pictures.parts, text_part(request.prompt)]
            return body_of(body | {"messages": [*system, {"role": "user", "content": content}, *begun]})

        return ChatRequest(b"", most, body_with_pictures=body_with_pictures, min_prompt_tokens=least)

    def _response_of(self, written: Completion, request: InferenceRequest) -> InferenceResponse:
        """The response of a completion; reasoning that a server returns apart goes back where the prompt wants it."""
        text, reason, outcome = written.text, written.reason, written.outcome
        if written.reasoning and not request.codes:
            text = f"<think>\n{written.reasoning.strip()}\n</think>\n\n{text}"
        if outcome is Outcome.TRUNCATED and not reason.startswith(CONTEXT_FULL):
            reason = f"no end within {_most_tokens(request)} tokens"
        elif outcome is Outcome.OK and request.thinking and self._server and self._server.is_within_thoughts(text):
            outcome, reason = Outcome.TRUNCATED, ENDED_WITHIN_THOUGHTS
        return InferenceResponse(outcome, text, reason=reason)


@dataclass(frozen=True)
class _Pictures:
    """What a clip's requests show: parts of the message, fields that belong to them, their most and least tokens."""

    parts: list[dict[str, Any]]
    fields: dict[str, Any]
    tokens: int
    least_tokens: int


_NO_PICTURES = _Pictures([], {}, 0, 0)


def _most_tokens(request: InferenceRequest) -> int:
    return _VERDICT_TOKENS if request.codes else request.max_new_tokens
