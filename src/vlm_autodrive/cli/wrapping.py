"""Text for a terminal, which itself would break lines in the middle of words."""

import shutil
import textwrap
from typing import TextIO


def wrap_for(stream: TextIO, text: str) -> str:
    """The text with its lines wrapped at blanks if the stream is a terminal; as it is elsewhere."""
    if not stream.isatty():
        return text
    width = shutil.get_terminal_size().columns
    return "\n".join(
        textwrap.fill(
            line,
            width,
            subsequent_indent=line[: len(line) - len(line.lstrip())],
            break_long_words=False,
            break_on_hyphens=False,
        )
        for line in text.split("\n")
    )
