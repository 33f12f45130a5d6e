"""The local teacher: an image-text-to-text model of transformers in this process."""

import asyncio
import hashlib
import threading
from collections.abc import Sequence
from typing import Any

import torch
from jinja2 import TemplateError
from PIL import Image

from vlm_autodrive.errors import UserError
from vlm_autodrive.models import default_device, load_processor, locate_model, quiet_libraries, reading
from vlm_autodrive.records import Outcome
from vlm_autodrive.supervision.settings import LocalTeacherSettings
from vlm_autodrive.supervision.teachers.protocol import TeacherReply, TeacherRequest
from vlm_autodrive.video import VideoError

_DIGITS_OF_SEED = 15


def open_local(
    settings: LocalTeacherSettings, seed: int = 0, device: torch.device | None = None, keys: str = "local."
) -> "LocalTeacher":
    """Load the model.

    Args:
        settings: Which model, and how it writes.
        seed: Of sampling, where the temperature asks for it.
        device: Where to put it; the first GPU by default.
        keys: What its settings' names begin with, for messages.

    Raises:
        UserError: If it cannot be found or read, or is of another kind.
    """
    from transformers import AutoModelForImageTextToText

    device = device or default_device()
    dtype = torch.float32 if device.type == "cpu" else torch.bfloat16
    try:
        files = locate_model(settings.model)
        with reading(files.folder), quiet_libraries():
            model = AutoModelForImageTextToText.from_pretrained(files.folder, dtype=dtype)
        processor = load_processor(files)
    except UserError as error:
        raise UserError(f"the teacher of {keys}model could not be loaded: {error}") from None
    if not getattr(processor, "chat_template", None):
        raise UserError(f"the teacher {settings.model} has no chat template; set {keys}model to a model made for chat.")
    return LocalTeacher(model.to(device).eval(), processor, settings, seed, keys)


class LocalTeacher:
    """Writes one text at a time, in a thread, so that the one who asks is not held up."""

    concurrency = 1

    def __init__(
        self, model: Any, processor: Any, settings: LocalTeacherSettings, seed: int, keys: str = "local."
    ) -> None:
        self._model = model
        self._processor = processor
        self._settings = settings
        self._seed = seed
        self._keys = keys
        self._one_at_a_time = threading.Lock()

    @property
    def name(self) -> str:
        """The folder's or the model's name, without what stands before it."""
        return self._settings.model.rstrip("/").split("/")[-1]

    def use(self) -> None:
        """Nothing."""

    def used(self) -> str:
        """Nothing: it writes in this process."""
        return ""

    async def write(self, request: TeacherRequest) -> TeacherReply:
        """Answer one request; see :class:`vlm_autodrive.supervision.teachers.protocol.Teacher`.

        Raises:
            UserError: If the model's chat template does not take such a conversation, or no pictures.
        """
        return await asyncio.to_thread(self._write, request)

    def _write(self, request: TeacherRequest) -> TeacherReply:
        try:
            messages = chat(request)
            with self._one_at_a_time:
                return self._generate(request.request_id, messages)
        except VideoError as error:
            reason = str(error)
        except TemplateError as error:
            raise UserError(
                f"the chat template of the teacher {self.name} does not take our turns ({error}); "
                f"set {self._keys}model to a model that takes a system turn and images."
            ) from None
        except torch.OutOfMemoryError:
            reason = f"out of memory; set context.frames or {self._keys}max_tokens lower"
        return TeacherReply(request_id=request.request_id, outcome=Outcome.ERROR, reason=reason)

    @torch.inference_mode()
    def _generate(self, request_id: str, messages: Sequence[dict[str, Any]]) -> TeacherReply:
        inputs = self._inputs(messages).to(self._model.device, dtype=self._model.dtype)
        most, temperature = self._settings.max_tokens, self._settings.temperature
        sampling = {"do_sample": True, "temperature": temperature} if temperature else {"do_sample": False}
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            torch.manual_seed(self._seed_of(request_id))
            generated = self._model.generate(**inputs, max_new_tokens=most, **sampling)
        read = inputs["input_ids"].shape[1]
        tokens: list[int] = generated[0, read:].tolist()
        text = self._processor.decode(tokens, skip_special_tokens=True)
        ended = bool(tokens) and tokens[-1] in self._ends()
        return TeacherReply(
            request_id=request_id,
            outcome=Outcome.OK if ended else Outcome.TRUNCATED,
            text=text,
            reason="" if ended else f"the answer reached {self._keys}max_tokens={most}",
            prompt_tokens=read,
            completion_tokens=len(tokens),
        )

    def _inputs(self, messages: Sequence[dict[str, Any]]) -> Any:
        try:
            return self._processor.apply_chat_template(
                messages, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
            )
        except ValueError as error:  # how processors tell that the template left the pictures out
            raise UserError(
                f"the teacher {self.name} takes no pictures between its texts ({str(error).splitlines()[0]}); "
                f"set context.frames=0, or {self._keys}model to a model that does."
            ) from None

    def _ends(self) -> list[int]:
        """The tokens that end an answer."""
        ends = self._model.generation_config.eos_token_id
        return ends if isinstance(ends, list) else [ends]

    def _seed_of(self, request_id: str) -> int:
        """Each request has a seed of its own, so that its text does not hang on what was asked before."""
        return int(hashlib.sha256(f"{self._seed}:{request_id}".encode()).hexdigest()[:_DIGITS_OF_SEED], 16)


def chat(request: TeacherRequest) -> list[dict[str, Any]]:
    """The request as a conversation: each frame behind its time, then the text, then the turns of a repair.

    Raises:
        VideoError: If the frames cannot be read.
    """
    shown: list[dict[str, Any]] = []
    if request.footage is not None:
        footage = request.footage
        frames = footage.frames()
        for pixels, time_s in zip(frames.pixels, frames.times_s, strict=True):
            shown += [_text(f"The frame at t={time_s:.2f}:"), {"type": "image", "image": Image.fromarray(pixels)}]
    messages = [
        {"role": "system", "content": [_text(request.prompt.system)]},
        {"role": "user", "content": [*shown, _text(request.prompt.text)]},
    ]
    if request.answered is not None:
        previous, wrong = request.answered
        messages += [
            {"role": "assistant", "content": [_text(previous)]},
            {"role": "user", "content": [_text(wrong)]},
        ]
    return messages


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}
