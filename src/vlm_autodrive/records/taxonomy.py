"""The classes of a task: data of the recipe, with the project's three as the default."""

from pydantic import Field, PrivateAttr, model_validator

from vlm_autodrive.records.base import Record


class EventClass(Record):
    """One class of the task.

    Attributes:
        name: Identifier in records and files, such as ``near_collision``.
        label: What people read, such as ``Near-Collision``.
        code: The single-token code by which a model names the class in a verdict.
        definition: One sentence for prompts and pages.
        option: The class as an option of the verdict question; empty for the label with the definition.
        is_event: False for the class that means that nothing happened; there is exactly one.
        spellings: Further spellings accepted in annotation files, compared by their letters and digits alone.
        takes_unknown: Whether events of unknown kind belong to it too; at most one class, of events.
        contact: Whether there is contact in an event of this class; None if it does not tell. By it texts are
            checked against labels.
    """

    name: str
    label: str
    code: str
    definition: str
    option: str = ""
    is_event: bool = True
    spellings: tuple[str, ...] = ()
    takes_unknown: bool = False
    contact: bool | None = None

    @property
    def option_text(self) -> str:
        """What stands behind the class's letter in the verdict question."""
        return self.option or f"{self.label} ({self.definition})"

    @property
    def option_line(self) -> str:
        """The class's line in the options of the verdict question."""
        return f"{self.code}: {self.option_text}"

    @property
    def all_spellings(self) -> tuple[str, ...]:
        """Everything that names the class: in annotation files, and in answers beside its code."""
        return tuple(text for text in (self.name, self.label, self.option, *self.spellings) if text)


class Taxonomy(Record):
    """An ordered list of classes, most severe first, the class without event last.

    Attributes:
        classes: The classes. Their codes may have another order, by which options are listed in questions.
        question: The verdict question, in one line, which the options follow.
    """

    classes: tuple[EventClass, ...]
    question: str = Field("What happens in this video?", pattern=r"^\S.*$")
    _spelled: dict[str, EventClass] = PrivateAttr(default_factory=dict)

    @model_validator(mode="after")
    def _check(self) -> "Taxonomy":
        if [c.is_event for c in self.classes].count(False) != 1 or self.classes[-1].is_event:
            raise ValueError("exactly one class, the last, must have is_event: false")
        if sum(c.takes_unknown for c in self.classes) > 1 or self.classes[-1].takes_unknown:
            raise ValueError("takes_unknown may be true of one class of events alone")
        for field in ("name", "label", "code"):
            values = [getattr(c, field) for c in self.classes]
            if len(set(values)) != len(values):
                raise ValueError(f"two classes share a {field}")
        for event_class in self.classes:
            for text in event_class.all_spellings:
                if self._spelled.setdefault(_plain(text), event_class) is not event_class:
                    raise ValueError(f"the spelling {text!r} belongs to two classes")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """Class names, in order."""
        return tuple(c.name for c in self.classes)

    @property
    def codes(self) -> tuple[str, ...]:
        """Verdict codes, in the order of the classes."""
        return tuple(c.code for c in self.classes)

    @property
    def options(self) -> tuple[EventClass, ...]:
        """The classes in the order of their codes, as questions list them."""
        return tuple(sorted(self.classes, key=lambda each: each.code))

    @property
    def normal(self) -> EventClass:
        """The class that means that nothing happened."""
        return self.classes[-1]

    @property
    def event_names(self) -> tuple[str, ...]:
        """Names of the classes that are events."""
        return tuple(c.name for c in self.classes if c.is_event)

    @property
    def for_unknown(self) -> EventClass | None:
        """The class that events of unknown kind belong to; None if they stay of unknown kind."""
        return next((c for c in self.classes if c.takes_unknown), None)

    def by_name(self, name: str) -> EventClass:
        """The class of that name.

        Raises:
            KeyError: If there is none.
        """
        return {c.name: c for c in self.classes}[name]

    def by_code(self, code: str) -> EventClass:
        """The class of that verdict code.

        Raises:
            KeyError: If there is none.
        """
        return {c.code: c for c in self.classes}[code]

    def find(self, spelling: str) -> EventClass | None:
        """The class that an annotation file means by ``spelling``, or None."""
        return self._spelled.get(_plain(spelling))


def _plain(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum())


DEFAULT_TAXONOMY = Taxonomy(
    classes=(
        EventClass(
            name="collision",
            label="Collision",
            contact=True,
            code="A",
            definition="contact between a vehicle and another road user or object",
            spellings=("crash", "accident"),
        ),
        EventClass(
            name="near_collision",
            label="Near-Collision",
            contact=False,
            code="B",
            definition="contact narrowly avoided, by evasive braking or steering or by luck",
            spellings=("near-miss", "near crash"),
        ),
        EventClass(
            name="normal",
            label="Normal",
            code="C",
            definition="neither, however busy the traffic",
            is_event=False,
            spellings=("none", "no event", "negative"),
        ),
    )
)

BINARY_TAXONOMY = Taxonomy(
    classes=(
        EventClass(
            name="event",
            label="Event",
            code="A",
            definition="contact between a vehicle and another road user or object, or contact narrowly avoided",
            spellings=(
                "positive",
                *(t for c in DEFAULT_TAXONOMY.classes if c.is_event for t in (c.name, *c.spellings)),
            ),
            takes_unknown=True,
        ),
        DEFAULT_TAXONOMY.normal.model_copy(update={"code": "B"}),
    )
)

_PAPER_WORDING = {
    "collision": {"code": "A", "option": "The ego vehicle collides with another vehicle or object"},
    "near_collision": {"code": "C", "option": "The ego vehicle nearly collides but avoids an accident"},
    "normal": {
        "code": "B",
        "option": "The ego vehicle drives normally and there is no incident",
        # Listed before the near-collision, it cannot be "neither".
        "definition": "no contact, and none narrowly avoided, however busy the traffic",
    },
}
PAPER_TAXONOMY = Taxonomy(
    classes=tuple(each.model_copy(update=_PAPER_WORDING[each.name]) for each in DEFAULT_TAXONOMY.classes),
    question="What type of driving event does the ego vehicle's dashcam capture?",
)
"""The default classes under the three-way question of the paper (arXiv 2603.18178, prompt appendix): its letters, their
order and what each option says; the words are ours."""

TAXONOMIES = {"three_class": DEFAULT_TAXONOMY, "binary": BINARY_TAXONOMY, "paper": PAPER_TAXONOMY}
"""The taxonomies that a recipe can name rather than write out."""
