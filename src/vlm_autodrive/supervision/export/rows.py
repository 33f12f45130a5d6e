"""The exported form of an accepted sample: prompt, target and provenance.

No label, no time of an event, no metadata. Every trainer that we export to puts the video where the text
says ``<video>``, and treats ``<image>`` and ``<audio>`` likewise, so no text of ours may hold such a tag.

The form ``messages`` is JSONL that LLaMA-Factory, ms-swift and TRL read, and LLaVA's JSON for cosmos-rl. Each sample
is a conversation of its own: in one conversation of a clip's questions, every answer would see those before it, the
verdict for example, and our own training shows a sample the video and its question only.
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from vlm_autodrive.artifacts import write_text
from vlm_autodrive.models import SYSTEM_PROMPT
from vlm_autodrive.records import Clip, Record, SFTSample, Split, SupervisionType, write_jsonl

VIDEO_TAG = "<video>"
_MEDIA_TAG = re.compile(r"</?(video|image|audio)>")


class Message(Record):
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


class ExportRow(Record):
    """One accepted sample.

    Attributes:
        messages: System prompt; ``<video>`` and the question; the answer.
        videos: The clip's file, relative to the export's folder.
        sample_id: The sample, for tracing.
        clip_id: The clip, likewise.
        type: The supervision type.
        topic: Its topic.
        split: ``train`` or ``validation``.
        source_start_s: Where the clip begins in its source video, in seconds after that video's first frame. The
            clip's file holds the clip only: nothing is to be cut again.
        source_end_s: Where it ends there.
    """

    messages: tuple[Message, ...]
    videos: tuple[str, ...]
    sample_id: str
    clip_id: str
    type: SupervisionType
    topic: str
    split: Split
    source_start_s: float
    source_end_s: float


def why_not_exported(sample: SFTSample) -> str:
    """Why an accepted sample cannot be exported; empty if it can."""
    return "its text holds a media tag" if _MEDIA_TAG.search(sample.prompt.text + sample.target) else ""


def row_of(sample: SFTSample, clip: Clip, video: str) -> ExportRow:
    """The row of one sample.

    Args:
        sample: The sample; an accepted one.
        clip: Its clip.
        video: The clip's file, relative to the export's folder.
    """
    return ExportRow(
        messages=(
            Message(role="system", content=SYSTEM_PROMPT),
            Message(role="user", content=VIDEO_TAG + sample.prompt.text),
            Message(role="assistant", content=sample.target),
        ),
        videos=(video,),
        sample_id=sample.sample_id,
        clip_id=sample.clip_id,
        type=sample.type,
        topic=sample.topic,
        split=clip.split,
        source_start_s=clip.start_s,
        source_end_s=clip.end_s,
    )


def splits_of(rows: Sequence[ExportRow]) -> dict[Split, list[ExportRow]]:
    """The rows of each split that has any."""
    splits: tuple[Split, ...] = ("train", "validation")
    return {split: here for split in splits if (here := [row for row in rows if row.split == split])}


DATASET_INFO_FILE = "dataset_info.json"


def write_messages(folder: Path, rows: Sequence[ExportRow]) -> None:
    """Write the rows of each split, once for each way of reading them.

    Args:
        folder: Where to write.
        rows: What is exported.
    """
    splits = splits_of(rows)
    for split, here in splits.items():
        write_jsonl(folder / f"{split}.jsonl", here)
        # One conversation a line, so that a list of a hundred thousand can still be looked at.
        lines = ",\n".join(json.dumps(_as_llava(row), ensure_ascii=False) for row in here)
        write_text(folder / f"{split}_llava.json", f"[\n{lines}\n]\n")
    info = {f"autodrive_{split}": _described(f"{split}.jsonl") for split in splits}
    write_text(folder / DATASET_INFO_FILE, json.dumps(info, indent=1) + "\n")


def _as_llava(row: ExportRow) -> dict[str, Any]:
    _, question, answer = row.messages
    return {
        "id": row.sample_id,
        "video": row.videos[0],
        "conversations": [
            {"from": "human", "value": question.content},
            {"from": "gpt", "value": answer.content},
        ],
    }


def _described(file: str) -> dict[str, Any]:
    """What LLaMA-Factory must be told of a file: where messages and videos stand, and what the roles are called."""
    return {
        "file_name": file,
        "formatting": "sharegpt",
        "columns": {"messages": "messages", "videos": "videos"},
        "tags": {
            "role_tag": "role",
            "content_tag": "content",
            "user_tag": "user",
            "assistant_tag": "assistant",
            "system_tag": "system",
        },
    }
