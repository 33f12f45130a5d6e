"""The form ``messages``: JSONL that LLaMA-Factory, ms-swift and TRL read, and LLaVA's JSON for cosmos-rl.

Each item is a conversation of its own. In one conversation of a clip's questions, every answer would see those
before it, the verdict for example, and our own training shows an item the video and its question only.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vlm_autodrive.artifacts import write_text
from vlm_autodrive.records import write_jsonl
from vlm_autodrive.supervision.export.rows import ExportRow, splits_of

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
