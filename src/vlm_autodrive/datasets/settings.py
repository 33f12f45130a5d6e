"""Settings of the import stage."""

from typing import Any

from pydantic import field_validator

from vlm_autodrive.records import DEFAULT_TAXONOMY, TAXONOMIES, Taxonomy
from vlm_autodrive.settings import Settings


class ImportSettings(Settings):
    """How a data set is imported.

    Attributes:
        format: The data set's format, a key of ``formats.FORMATS``; ``import_dataset`` fills it in.
        taxonomy: The classes, each with the spellings that files have for it; or the name ``three_class`` or
            ``binary`` (event and normal: collisions, near-collisions and events of unknown kind are all events).
        overlay: A file that names the kinds of events: a CSV file ``id,class``, or CAViAR's ``test.json``; None
            for the data set's own ``overlay.csv``, if any.
        train_only: A manifest of further videos, such as long Normal drives, imported with the data set for training
            only; None for none. A relative path is looked up below the data set's folder.
        videos: The folder that a published data set's videos lie in, in its own layout; None if they lie with its
            annotation files. Nexar's layouts, manifests and plain folders have their videos in place.
        licence: What the owners of the data allow, to be kept in the catalog; None for what the reader knows.
        strict: Refuse a data set with anything wrong in it, rather than list that in ``issues.jsonl``.
    """

    format: str = "manifest"
    taxonomy: Taxonomy = DEFAULT_TAXONOMY
    overlay: str | None = None
    train_only: str | None = None
    videos: str | None = None
    licence: str | None = None
    strict: bool = False

    @field_validator("taxonomy", mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        if value not in TAXONOMIES:
            raise ValueError(
                f"there is no taxonomy {value!r}; take {' or '.join(TAXONOMIES)}, or write out its classes"
            )
        return TAXONOMIES[value]
