"""What reviewers' corrections changed in the data, in words."""

from vlm_autodrive.records import CorrectionsResult, MomentLabel, Taxonomy


def moment(label: MomentLabel | None, taxonomy: Taxonomy) -> str:
    """A label, such as ``Collision at 3.2 s``; ``not labelled`` where there is none."""
    if label is None:
        return "not labelled"
    names = {each.name: each.label for each in taxonomy.classes}
    name = names.get(label.event_class, label.event_class)
    return name if label.time_s is None else f"{name} at {label.time_s:.1f} s"


def corrections_line(result: CorrectionsResult) -> str:
    """How many corrections there are, what became of them, and how many changes they made."""
    outcomes = ", ".join(f"{count} {name}" for name, count in sorted(result.outcomes.items()))
    return f"{result.corrections} corrections by reviewers: {outcomes}. Changes of the data: {len(result.changes)}"
