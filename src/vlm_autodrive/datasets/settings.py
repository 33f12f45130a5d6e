"""Settings of the import stage."""

from vlm_autodrive.records import DEFAULT_TAXONOMY, Taxonomy
from vlm_autodrive.settings import Settings


class ImportSettings(Settings):
    """How a data set is imported.

    Attributes:
        format: The data set's format, a key of ``importing.FORMATS``; ``import_dataset`` fills it in.
        taxonomy: The classes.
        overlay: A CSV file ``id,class`` that names the kinds of events; None for the data set's own, if any.
        practice: A manifest of further videos, such as long drives, that are taken in with the data set; None
            for none. A relative path is looked up below the data set's folder.
        strict: Refuse a data set with anything wrong in it, rather than list that in ``issues.jsonl``.
    """

    format: str = "manifest"
    taxonomy: Taxonomy = DEFAULT_TAXONOMY
    overlay: str | None = None
    practice: str | None = None
    strict: bool = False
