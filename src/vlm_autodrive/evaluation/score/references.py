"""Reference traces, from the reasoning of a supervision set.

References that our own rules wrote are of the same make as the texts that the model learnt from: closeness to them
shows that the model took on their manner, not that it saw what happened.
"""

import re
from pathlib import Path

from vlm_autodrive.artifacts import input_key, read_samples
from vlm_autodrive.errors import UserError

_THOUGHTS = re.compile(r"<think>\s*(.*?)\s*</think>", re.DOTALL)


def read_references(supervision: Path) -> dict[str, str]:
    """The accepted reasoning of each clip, by clip id: the text between the think tags.

    Of several for one clip the first counts.

    Raises:
        UserError: If ``supervision`` holds none.
    """
    input_key(supervision, "supervision")
    references: dict[str, str] = {}
    for item in read_samples(supervision):
        thoughts = _THOUGHTS.search(item.target) if item.type == "reasoning" and item.accepted else None
        if thoughts is not None:
            references.setdefault(item.clip_id, thoughts.group(1))
    if not references:
        raise UserError(f"{supervision} holds no accepted reasoning; let `supervise` write the kind reasoning.")
    return references
