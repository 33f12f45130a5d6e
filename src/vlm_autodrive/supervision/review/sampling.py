"""A stratified random draw of the samples of a supervision set, for people to review."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from pydantic import Field

from vlm_autodrive.errors import UserError
from vlm_autodrive.records import SUPERVISION_TYPES, Clip, SFTSample, SupervisionType, item_id_of
from vlm_autodrive.settings import Settings
from vlm_autodrive.supervision.samples import rng_for

_USUAL_SAMPLES = 100


class ReviewSettings(Settings):
    """What is drawn for a review.

    Attributes:
        samples: How many samples; None for 100, or one of each stratum where these are more.
        types: Of which types.
        seed: Random seed of the draw.
    """

    samples: int | None = Field(None, ge=1)
    types: tuple[SupervisionType, ...] = SUPERVISION_TYPES
    seed: int = 0


class ReviewStratum(NamedTuple):
    """Samples that are alike in type, class, teacher and result of the automatic checks.

    Attributes:
        type: Their supervision type.
        event_class: The class of their clips; empty for events of unknown kind.
        teacher: Who wrote them.
        accepted: Whether they passed the checks, and so are trained on.
    """

    type: SupervisionType
    event_class: str
    teacher: str
    accepted: bool


def review_item_id(sample: SFTSample) -> str:
    """The id of a sample in a review: the same as long as its texts are, so that decisions on others never count."""
    return item_id_of("sample", sample.sample_id, sample.prompt.text, sample.target)


def strata_of(samples: Iterable[SFTSample], clips: Mapping[str, Clip]) -> dict[ReviewStratum, list[SFTSample]]:
    """Samples by their strata, in the order of types, classes and teachers."""
    strata: defaultdict[ReviewStratum, list[SFTSample]] = defaultdict(list)
    for sample in samples:
        label = clips[sample.clip_id].event_class or ""
        strata[ReviewStratum(sample.type, label, sample.teacher, sample.accepted)].append(sample)
    order = {type_: place for place, type_ in enumerate(SUPERVISION_TYPES)}
    names = sorted(strata, key=lambda name: (order[name.type], name.event_class, name.teacher, not name.accepted))
    return {name: strata[name] for name in names}


def review_strata(samples: Iterable[SFTSample], clips: Mapping[str, Clip]) -> dict[ReviewStratum, tuple[str, ...]]:
    """The ids of samples as items of a review, by stratum."""
    return {name: tuple(map(review_item_id, found)) for name, found in strata_of(samples, clips).items()}


def draw_samples(
    samples: Sequence[SFTSample], clips: Mapping[str, Clip], settings: ReviewSettings
) -> tuple[SFTSample, ...]:
    """Draw samples from each stratum: type, class, teacher, and whether the checks accepted them.

    Each stratum gives one sample at least, and beyond that as the square root of its size: between an even share,
    which would suit each stratum's own figure, and a proportional one, which would suit the figure of the whole.

    Args:
        samples: The samples of a supervision set.
        clips: Its clips, by id.
        settings: How many samples, of which types, and the seed.

    Returns:
        The samples in the order of the review: every stratum comes once before any comes again.

    Raises:
        UserError: If there are no such samples, or fewer are to be drawn than there are strata.
    """
    strata = list(strata_of((s for s in samples if s.type in settings.types), clips).values())
    if not strata:
        raise UserError(f"the supervision set has no samples of the types {', '.join(settings.types)}; ask for others.")
    wanted = settings.samples or max(_USUAL_SAMPLES, len(strata))
    if wanted < len(strata):
        raise UserError(
            f"{wanted} samples are fewer than the {len(strata)} strata (type, class, teacher, and whether "
            f"accepted), of which each is to be seen; take --samples {len(strata)} or more."
        )
    rng = rng_for(settings.seed, "", "review")
    for stratum in strata:
        rng.shuffle(stratum)
    places = _places([len(stratum) for stratum in strata], wanted, [rng.random() for _ in strata])
    turns = [iter(stratum) for stratum in strata]
    return tuple(next(turns[place]) for place in places)


def _places(sizes: Sequence[int], wanted: int, ties: Sequence[float]) -> list[int]:
    """The stratum of each draw, in turn: each once, then whichever is furthest below its share."""
    counts = [0] * len(sizes)
    places: list[int] = []

    def urgency(place: int) -> tuple[bool, float, float]:
        below = math.sqrt(sizes[place]) / (counts[place] + 1) if counts[place] else 0.0
        return not counts[place], below, ties[place]

    while len(places) < min(wanted, sum(sizes)):
        place = max((p for p in range(len(sizes)) if counts[p] < sizes[p]), key=urgency)
        counts[place] += 1
        places.append(place)
    return places
