"""The messages that docs/faq.md quotes are those that the program prints."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
QUOTES = re.findall(r"^> (.+)$", (ROOT / "docs" / "faq.md").read_text(), re.MULTILINE)


def texts():
    """Every text in the source, with … for what is put in when it runs."""
    for path in (ROOT / "src" / "vlm_autodrive").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value
            elif isinstance(node, ast.JoinedStr):
                yield "".join(part.value if isinstance(part, ast.Constant) else "…" for part in node.values)


@pytest.fixture(scope="module")
def source():
    return set(texts())


@pytest.mark.parametrize("quote", QUOTES)
def test_a_quoted_message_is_printed_so(quote, source):
    assert any(quote in text for text in source)


def test_messages_are_found_at_all(source):
    assert len(QUOTES) > 15
    assert not any("there is no message like this one" in text for text in source)
