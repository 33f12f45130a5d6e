"""Ids and file names that a program changed on their way into a table, and what they can have been.

Spreadsheets take an id of digits for a number: ``00822`` becomes ``822`` (or ``822.0``), ``20240501123005`` is shown
and saved as ``2.02405E+13``, and of more than 15 digits the last become zeros. macOS takes names of files apart into
letters and accents (Unicode's form NFD), most others write them composed (NFC).
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from unicodedata import normalize

_EXPONENT = re.compile(r"(?P<digit>\d)(?:[.,](?P<more>\d+))?[eE]\+?(?P<power>\d{1,3})")
_WHOLE = re.compile(r"(?P<digits>\d{1,99})(?:[.,]0+)?")
_EXACT_DIGITS = 15  # of a number in a spreadsheet


@dataclass(frozen=True)
class NameMatch:
    """What a name in a table can mean.

    Attributes:
        names: The known names that it fits; several where it has lost what tells them apart.
        damage: What happened to it, in words; empty if it stands there as it is known.
        lossy: Whether other names than these would look the same after the same damage.
    """

    names: tuple[str, ...] = ()
    damage: str = ""
    lossy: bool = False

    @property
    def one(self) -> str | None:
        """The only name that it fits; None if there is none, or more than one."""
        return self.names[0] if len(self.names) == 1 else None


class KnownNames:
    """The names that there are, and which of them a name in a table means."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(names)
        self._composed: dict[str, list[str]] = defaultdict(list)
        self._numbers: dict[int, list[str]] = defaultdict(list)
        for name in sorted(self._names):
            if not name.isascii():
                self._composed[normalize("NFC", name)].append(name)
            elif name.isdecimal():
                self._numbers[int(name)].append(name)

    def find(self, text: str) -> NameMatch:
        """The names that a text fits: itself, in another Unicode form, or before a spreadsheet changed it."""
        if text in self._names:
            return NameMatch((text,))
        if not text.isascii():
            composed = self._composed.get(normalize("NFC", text), [])
            return NameMatch(tuple(composed), "written in another Unicode form" if composed else "")
        if is_exponent(text):
            names = [name for number in self._numbers if _shown_as(number, text) for name in self._numbers[number]]
            return NameMatch(tuple(names), "a spreadsheet changed this id to a power of ten", lossy=True)
        whole = _WHOLE.fullmatch(text)
        if whole is None:
            return NameMatch()
        digits = whole["digits"]
        if names := self._numbers.get(int(digits), []):
            return NameMatch(tuple(names), "a spreadsheet changed this id, its zeros are gone")
        kept, rest = digits[:_EXACT_DIGITS], digits[_EXACT_DIGITS:]
        if rest and not rest.strip("0"):
            same = [n for ns in self._numbers.values() for n in ns if len(n) == len(digits) and n.startswith(kept)]
            damage = f"a spreadsheet changed this id after {_EXACT_DIGITS} digits" if same else ""
            return NameMatch(tuple(same), damage, lossy=True)
        return NameMatch()


def is_exponent(text: str) -> bool:
    """Whether a text is a number as spreadsheets show a long one, which no id looks like by itself."""
    return bool(_EXPONENT.fullmatch(text))


def _shown_as(number: int, text: str) -> bool:
    """Whether a number, rounded to the digits of a text such as ``2.02405E+13``, is that text."""
    match = _EXPONENT.fullmatch(text)
    if match is None or number == 0:
        return False
    more = match["more"] or ""
    return f"{Decimal(number):.{len(more)}E}" == f"{match['digit']}{'.' if more else ''}{more}E+{int(match['power'])}"
