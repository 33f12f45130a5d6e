"""An audit of a supervision set: a stratified random sample of its items, on a page for people to judge."""

import hashlib
import math
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from pydantic import Field

from vlm_autodrive.artifacts import input_key, read_clips, read_samples, read_taxonomy, write_text, writing_artifact
from vlm_autodrive.errors import UserError
from vlm_autodrive.progress import SILENT, Reporter
from vlm_autodrive.records import (
    SUPERVISION_TYPES,
    Clip,
    ReviewedSample,
    ReviewSample,
    ReviewStratum,
    SFTSample,
    SupervisionType,
)
from vlm_autodrive.settings import Settings
from vlm_autodrive.supervision.review_page import render_page
from vlm_autodrive.supervision.samples import rng_for

PAGE_FILE = "audit.html"
SAMPLE_FILE = "sample.json"
VERDICTS_FILE = "verdicts.jsonl"

Stratum = tuple[SupervisionType, str, str, bool]


class ReviewSettings(Settings):
    """What is drawn for an audit.

    Attributes:
        items: How many items.
        types: Of which kinds.
        seed: Of the draw.
    """

    items: int = Field(100, ge=1)
    types: tuple[SupervisionType, ...] = SUPERVISION_TYPES
    seed: int = 0


def start_review(
    supervision: Path,
    out: Path,
    settings: ReviewSettings,
    reporter: Reporter = SILENT,
    *,
    overwrite: bool = False,
) -> Path:
    """Draw a sample of a supervision set and write a page on which people judge it.

    Args:
        supervision: A supervision set.
        out: The folder to write: the page, and the sample with its weights.
        settings: How many items, of which kinds.
        reporter: Told of the progress.
        overwrite: Replace another audit at ``out``, unless it holds verdicts.

    Returns:
        The page.

    Raises:
        UserError: If there are fewer items to draw than strata, or verdicts would be lost.
    """
    input_key(supervision, "supervision")
    if overwrite and (out / VERDICTS_FILE).exists():
        raise UserError(f"{out} holds verdicts, which would be lost; give another --out.")
    with writing_artifact(out, "audit", {"supervision": supervision}, settings, overwrite=overwrite) as folder:
        if folder is not None:
            items, clips = read_samples(supervision), {clip.clip_id: clip for clip in read_clips(supervision)}
            sample = draw_sample(items, clips, settings)
            by_id = {item.sample_id: item for item in items}
            drawn = [by_id[audited.sample_id] for audited in sample.items]
            page = render_page(
                f"Audit of {supervision.absolute().name}", sample, drawn, clips, read_taxonomy(supervision), reporter
            )
            write_text(folder / SAMPLE_FILE, sample.model_dump_json(indent=1) + "\n")
            write_text(folder / PAGE_FILE, page)
            reporter.say(
                f"{len(drawn)} of {sum(stratum.size for stratum in sample.strata)} items are on the page, "
                f"from {len(sample.strata)} strata."
            )
    return out / PAGE_FILE


def draw_sample(items: Sequence[SFTSample], clips: dict[str, Clip], settings: ReviewSettings) -> ReviewSample:
    """Draw items from each stratum: kind, class, teacher, and whether the checks accepted them.

    Each stratum gives one item at least, and beyond that as the square root of its size: between an even share,
    which would suit each stratum's own figure, and a proportional one, which would suit the figure of the whole.

    Args:
        items: The items of a supervision set.
        clips: Its clips, by id.
        settings: How many items, of which kinds, and the seed.

    Raises:
        UserError: If there are no such items, or fewer are to be drawn than there are strata.
    """
    strata: defaultdict[Stratum, list[SFTSample]] = defaultdict(list)
    for item in items:
        if item.type in settings.types:
            label = clips[item.clip_id].event_class or ""
            strata[item.type, label, item.teacher, not item.accepted].append(item)
    if not strata:
        raise UserError(f"the supervision set has no items of the kinds {', '.join(settings.types)}; ask for others.")
    if settings.items < len(strata):
        raise UserError(
            f"{settings.items} items are fewer than the {len(strata)} strata (kind, class, teacher, and whether "
            f"accepted), of which each is to be seen; take --items {len(strata)} or more."
        )
    names = sorted(strata, key=lambda name: (SUPERVISION_TYPES.index(name[0]), name))
    rng = rng_for(settings.seed, "", "audit")
    for name in names:
        rng.shuffle(strata[name])
    places = _places([len(strata[name]) for name in names], settings.items, [rng.random() for _ in names])
    turns = {place: iter(strata[names[place]]) for place in set(places)}
    drawn = [next(turns[place]) for place in places]
    counts = [places.count(place) for place in range(len(names))]
    return ReviewSample(
        review_id=_audit_id(drawn),
        strata=tuple(
            ReviewStratum(
                type=name[0],
                event_class=name[1] or None,
                teacher=name[2],
                accepted=not name[3],
                size=len(strata[name]),
                drawn=count,
            )
            for name, count in zip(names, counts, strict=True)
        ),
        items=tuple(
            ReviewedSample(sample_id=item.sample_id, stratum=place, weight=len(strata[names[place]]) / counts[place])
            for item, place in zip(drawn, places, strict=True)
        ),
    )


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


def _audit_id(drawn: Sequence[SFTSample]) -> str:
    digest = hashlib.sha256()
    for item in drawn:
        digest.update(item.model_dump_json().encode() + b"\n")
    return digest.hexdigest()[:12]
