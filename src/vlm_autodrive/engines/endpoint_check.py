"""What an endpoint can do, by a handful of probes before anything is paid for."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from vlm_autodrive.engines.answers.codes import code_in
from vlm_autodrive.engines.answers.observations import seen_in_reply, seen_in_verdict
from vlm_autodrive.engines.endpoint.chat import (
    ChatRequest,
    FrameForm,
    body_of,
    frame_parts,
    media_io_kwargs,
    text_part,
)
from vlm_autodrive.engines.endpoint.client import EndpointClient, open_client
from vlm_autodrive.engines.endpoint.completion import Completion
from vlm_autodrive.engines.endpoint.in_order import run_async
from vlm_autodrive.engines.endpoint.settings import SERVED_MODEL, ServedModelSettings
from vlm_autodrive.engines.endpoint.tokens import max_usage, picture_tokens
from vlm_autodrive.errors import UserError
from vlm_autodrive.progress import Reporter
from vlm_autodrive.records import Outcome, Record
from vlm_autodrive.video import Frames

_CODES = ("A", "B", "C")
_SIDE = 224
_RED, _GREEN = (220, 20, 20), (20, 200, 20)
_FEW, _MANY = 4, 16
_WHOLE_GROWTH = 3.0  # of the frames' tokens from 4 frames to 16; 4 where none is cut


class EndpointAbility(Record):
    """One thing that an endpoint can or cannot do.

    Attributes:
        name: What.
        found: Whether it can; ``unknown`` if its replies do not tell.
        detail: What was seen, and the setting that helps.
    """

    name: str
    found: Literal["yes", "no", "unknown"]
    detail: str = ""


class EndpointCheck(Record):
    """What the probes of an endpoint found.

    Attributes:
        model: The model that was asked.
        served: The models that the endpoint lists.
        abilities: What it can do.
        requests: HTTP requests that were sent.
    """

    model: str
    served: tuple[str, ...]
    abilities: tuple[EndpointAbility, ...]
    requests: int

    def lines(self) -> list[str]:
        """The check as lines for the terminal."""
        rows = [f"{one.name}: {one.found}{f' ({one.detail})' if one.detail else ''}" for one in self.abilities]
        return [f"{self.model}, {self.requests} requests; the endpoint lists {', '.join(self.served) or 'none'}", *rows]


def check_endpoint(settings: ServedModelSettings, model: str, job: str, reporter: Reporter) -> EndpointCheck:
    """Send probes to an endpoint.

    Args:
        settings: The endpoint.
        model: The model's name there; empty for the first that it lists.
        job: Whose budget is spent.
        reporter: Told of what the client meets.

    Raises:
        UserError: If it cannot be reached or used, or no model is named and none is listed.
    """
    return run_async(_check(settings, model, job, reporter))


async def _check(settings: ServedModelSettings, model: str, job: str, reporter: Reporter) -> EndpointCheck:
    async with open_client(settings, SERVED_MODEL, job, reporter, kept_for=None) as client:
        served = tuple(str(one["id"]) for one in await client.server.listed_models())
        if not model and not served:
            raise UserError(f"{settings.base_url} lists no models; start it, correct the address, or give --model.")
        probes = _Probes(client, settings, model or served[0])
        abilities = [*await probes.verdict(), await probes.order(), await probes.frames(), await probes.times()]
        abilities += await probes.text()
        return EndpointCheck(model=probes.model, served=served, abilities=tuple(abilities), requests=client.use().tries)


class _Probes:
    def __init__(self, client: EndpointClient, settings: ServedModelSettings, model: str) -> None:
        self.client, self.settings, self.model = client, settings, model

    async def ask(self, text: str, clip: Frames | None = None, max_tokens: int = 16, **fields: Any) -> Completion:
        form: FrameForm = "frames" if "media_io_kwargs" in fields else "images"
        parts = [] if clip is None else frame_parts(clip, form, say_times=False)
        content: Any = [*parts, text_part(text)] if parts else text
        sampled = {"temperature": 0.0} | fields | self.settings.extra
        body: dict[str, Any] = {"model": self.model, "messages": [{"role": "user", "content": content}]} | sampled
        body[self.settings.token_limit] = max_tokens
        most = 0 if clip is None else picture_tokens(len(clip.times_s), _SIDE, _SIDE)
        words = body_of({name: value for name, value in body.items() if value is not None})
        return await self.client.ask(ChatRequest(words, max_usage(b" " * 500, most, max_tokens)))

    async def verdict(self) -> list[EndpointAbility]:
        """Whether answers are held to the codes, though something else is asked for, with their log-probabilities."""
        top = self.settings.top_logprobs
        listed: dict[str, Any] = {"logprobs": True, "top_logprobs": top} if top else {}
        reply = await self.ask("Write a sentence about rain.", structured_outputs={"choice": [*_CODES]}, **listed)
        kept = reply.outcome is Outcome.OK and reply.text.strip() in _CODES
        told = seen_in_verdict(reply, _CODES, constrained=True, top_logprobs=top)
        held = EndpointAbility(name="answers held to the codes", found="yes" if kept else "no", detail="")
        if not kept:
            held = held.model_copy(update={"detail": reply.reason if reply.outcome is Outcome.ERROR else told[0]})
            reply = await self.ask("Answer with the letter A and nothing else.", **listed)
            told = seen_in_verdict(reply, _CODES, constrained=False, top_logprobs=top)
        if reply.outcome is Outcome.ERROR or code_in(reply.text, _CODES) is None:
            detail = reply.reason or f"it wrote {reply.text[:40]!r} for a letter"
            return [held, EndpointAbility(name="log-probabilities of all codes", found="unknown", detail=detail)]
        found = EndpointAbility(
            name="log-probabilities of all codes", found="no" if told or not top else "yes", detail=" ".join(told)
        )
        return [held, found]

    async def order(self) -> EndpointAbility:
        """Whether pictures keep their order; only a model that sees can tell."""
        reply = await self.ask("Name the colour of each picture in order, one word each.", _clip([_RED, _GREEN]), 24)
        words = reply.text.casefold()
        places = words.find("red"), words.find("green")
        found: Literal["yes", "no", "unknown"] = "unknown"
        if min(places) >= 0:
            found = "yes" if places[0] < places[1] else "no"
        detail = reply.reason if reply.outcome is Outcome.ERROR else f"of red, green it wrote {reply.text[:60]!r}"
        return EndpointAbility(name="order of pictures kept", found=found, detail=detail)

    async def frames(self) -> EndpointAbility:
        """Whether four times as many frames take four times as many prompt tokens."""
        name, question = "all frames arrive", "What is seen?"
        replies = [await self.ask(question, clip, 1) for clip in (None, _clip([_RED] * _FEW), _clip([_RED] * _MANY))]
        for reply in replies:
            if reply.outcome is Outcome.ERROR:
                return EndpointAbility(name=name, found="no", detail=reply.reason)
        none, few, many = (reply.prompt_tokens or 0 for reply in replies)
        if not none or few <= none:
            detail = f"{none} and {few} prompt tokens are counted for none and {_FEW} frames"
            return EndpointAbility(name=name, found="unknown" if not few else "no", detail=detail)
        whole = (many - none) / (few - none) >= _WHOLE_GROWTH
        detail = f"{few - none} prompt tokens for {_FEW} frames, {many - none} for {_MANY}"
        cut = "" if whole else "; it cuts its context or chooses frames: raise its context length"
        return EndpointAbility(name=name, found="yes" if whole else "no", detail=detail + cut)

    async def times(self) -> EndpointAbility:
        """Whether a video is taken with the times of its frames."""
        clip = _clip([_RED, _GREEN])
        reply = await self.ask("What is seen?", clip, 4, media_io_kwargs=media_io_kwargs(clip))
        name, refused = "video with times of its frames taken", reply.outcome is Outcome.ERROR
        detail = f"{reply.reason}; frames go in the form of endpoint.frames_as" if refused else ""
        return EndpointAbility(name=name, found="no" if refused else "yes", detail=detail)

    async def text(self) -> list[EndpointAbility]:
        """Whether it thinks unasked, answers as the model that was asked, and samples unless told otherwise."""
        words = "Write five random words."
        replies = [await self.ask(words, None, 48, temperature=None, seed=seed) for seed in (1, 2)]
        first, second = replies
        if Outcome.ERROR in (first.outcome, second.outcome):
            return [EndpointAbility(name="text", found="no", detail=first.reason or second.reason)]
        thinks = bool(first.reasoning) or "<think" in first.text
        advice = "set endpoint.thinking: switch or prefill, or allow for its tokens" if thinks else ""
        other = seen_in_reply(first, self.model)
        samples = first.text != second.text or first.reasoning != second.reasoning
        stated = "evaluate and detect state their temperature in every request" if samples else ""
        return [
            EndpointAbility(name="thinks unasked", found="yes" if thinks else "no", detail=advice),
            EndpointAbility(name="samples unless told otherwise", found="yes" if samples else "no", detail=stated),
            EndpointAbility(name="replies as the model asked", found="no" if other else "yes", detail=" ".join(other)),
        ]


def _clip(colours: Sequence[tuple[int, int, int]]) -> Frames:
    pixels = np.stack([np.full((_SIDE, _SIDE, 3), colour, np.uint8) for colour in colours])
    return Frames(pixels, tuple(0.5 * i for i in range(len(colours))), nominal_interval_s=0.5)
