"""The classes of a task: data of the recipe, with the project's three as the default."""

from pydantic import PrivateAttr, model_validator

from vlm_autodrive.records.base import Record


class EventClass(Record):
    """One class of the task.

    Attributes:
        name: Identifier in records and files, such as ``near_collision``.
        label: What people read, such as ``Near-Collision``.
        code: The single-token code by which a model names the class in a verdict.
        definition: One sentence for prompts and pages.
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
    is_event: bool = True
    spellings: tuple[str, ...] = ()
    takes_unknown: bool = False
    contact: bool | None = None


class Taxonomy(Record):
    """An ordered list of classes, most severe first, the class without event last."""

    classes: tuple[EventClass, ...]
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
            for text in (event_class.name, event_class.label, *event_class.spellings):
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

TAXONOMIES = {"three_class": DEFAULT_TAXONOMY, "binary": BINARY_TAXONOMY}
"""The taxonomies that a recipe can name rather than write out."""
