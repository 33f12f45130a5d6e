"""What incident metadata says of a clip, in short sentences: from the surroundings to who does what."""

from vlm_autodrive.supervision.facts import Facts
from vlm_autodrive.supervision.rules.incident_words import (
    BRAKING,
    EGO_MANOEUVRE,
    OTHER_MANOEUVRE,
    OTHER_ROLE,
    OTHER_TYPE,
    SIDES,
    people_wordings,
    place_wordings,
)


def recorded_lines(facts: Facts) -> list[str]:
    """What is recorded, as far as it is, without how it ends."""
    known = facts.incident
    place = (facts.light, facts.weather, facts.scene, *(wordings[0] for wordings in place_wordings(known)))
    lines = [", ".join(part for part in place if part)]
    if known.ego_manoeuvre is not None:
        lines.append(f"the ego vehicle {EGO_MANOEUVRE[known.ego_manoeuvre][0]}")
    who = OTHER_TYPE[known.other_type] if known.other_type is not None else "another road user"
    if known.other_role is not None:
        lines.append(f"there is {who} {OTHER_ROLE[known.other_role][0]}")
        who = "it"
    if known.other_manoeuvre is not None:
        lines.append(f"{who} {OTHER_MANOEUVRE[known.other_manoeuvre][0]}")
    elif known.other_type is not None and known.other_role is None:
        lines.append(f"there is {who}")
    lines.append(", ".join(wordings[0] for wordings in people_wordings(known)))
    if known.ego_braking is not None:
        lines.append(f"the ego driver {BRAKING[known.ego_braking][0]}")
    return [line for line in lines if line]


def contact_line(facts: Facts) -> str:
    """On which side the ego vehicle has contact; empty if that, or that there is contact, is not known."""
    side = facts.incident.ego_impact_side
    return f"the ego vehicle has contact {SIDES[side]}" if facts.label.contact and side in SIDES else ""
