"""Lines for a terminal break between words, and nowhere else."""

import io

from vlm_autodrive.cli.wrapping import wrap_for


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_lines_break_between_words_on_a_terminal_alone(monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    text = "  as many words as there are\nshort\n\nanotherlongwordthatdoesnotfit"
    assert wrap_for(Terminal(), text) == ("  as many words as\n  there are\nshort\n\nanotherlongwordthatdoesnotfit")
    assert wrap_for(io.StringIO(), text) == text
