"""Human review of a supervision set: a stratified random draw of its SFT samples, on a page for people to judge."""

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
    ReviewDraw,
    ReviewedSample,
    ReviewStratum,
    SFTSample,
    SupervisionType,
)
from vlm_autodrive.settings import Settings
from vlm_autodrive.supervision.review.page import render_page
from vlm_autodrive.supervision.samples import rng_for

PAGE_FILE = "review.html"
SAMPLE_FILE = "sample.json"
DECISIONS_FILE = "decisions.jsonl"

Stratum = tuple[SupervisionType, str, str, bool]


class ReviewSettings(Settings):
    """What is drawn for a review.

    Attributes:
        samples: How many samples.
        types: Of which types.
        seed: Of the draw.
    """

    samples: int = Field(100, ge=1)
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
        settings: How many samples, of which types.
        reporter: Told of the progress.
        overwrite: Replace another review at ``out``, unless it holds decisions.

    Returns:
        The page.

    Raises:
        UserError: If there are fewer samples to draw than strata, or decisions would be lost.
    """
    input_key(supervision, "supervision")
    if overwrite and (out / DECISIONS_FILE).exists():
        raise UserError(f"{out} holds decisions, which would be lost; give another --out.")
    with writing_artifact(out, "review", {"supervision": supervision}, settings, overwrite=overwrite) as folder:
        if folder is not None:
            samples, clips = read_samples(supervision), {clip.clip_id: clip for clip in read_clips(supervision)}
            review = draw_samples(samples, clips, settings)
            by_id = {sample.sample_id: sample for sample in samples}
            drawn = [by_id[reviewed.sample_id] for reviewed in review.samples]
            page = render_page(
                f"Review of {supervision.absolute().name}", review, drawn, clips, read_taxonomy(supervision), reporter
            )
            write_text(folder / SAMPLE_FILE, review.model_dump_json(indent=1) + "\n")
            write_text(folder / PAGE_FILE, page)
            reporter.say(
                f"{len(drawn)} of {sum(stratum.size for stratum in review.strata)} samples are on the page, "
                f"from {len(review.strata)} strata."
            )
    return out / PAGE_FILE


def draw_samples(samples: Sequence[SFTSample], clips: dict[str, Clip], settings: ReviewSettings) -> ReviewDraw:
    """Draw samples from each stratum: type, class, teacher, and whether the checks accepted them.

    Each stratum gives one sample at least, and beyond that as the square root of its size: between an even share,
    which would suit each stratum's own figure, and a proportional one, which would suit the figure of the whole.

    Args:
        samples: The samples of a supervision set.
        clips: Its clips, by id.
        settings: How many samples, of which types, and the seed.

    Raises:
        UserError: If there are no such samples, or fewer are to be drawn than there are strata.
    """
    strata: defaultdict[Stratum, list[SFTSample]] = defaultdict(list)
    for sample in samples:
        if sample.type in settings.types:
            label = clips[sample.clip_id].event_class or ""
            strata[sample.type, label, sample.teacher, not sample.accepted].append(sample)
    if not strata:
        raise UserError(f"the supervision set has no samples of the types {', '.join(settings.types)}; ask for others.")
    if settings.samples < len(strata):
        raise UserError(
            f"{settings.samples} samples are fewer than the {len(strata)} strata (type, class, teacher, and whether "
            f"accepted), of which each is to be seen; take --samples {len(strata)} or more."
        )
    names = sorted(strata, key=lambda name: (SUPERVISION_TYPES.index(name[0]), name))
    rng = rng_for(settings.seed, "", "review")
    for name in names:
        rng.shuffle(strata[name])
    places = _places([len(strata[name]) for name in names], settings.samples, [rng.random() for _ in names])
    turns = {place: iter(strata[names[place]]) for place in set(places)}
    drawn = [next(turns[place]) for place in places]
    counts = [places.count(place) for place in range(len(names))]
    return ReviewDraw(
        review_id=_review_id(drawn),
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
        samples=tuple(
            ReviewedSample(sample_id=sample.sample_id, stratum=place, weight=len(strata[names[place]]) / counts[place])
            for sample, place in zip(drawn, places, strict=True)
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


def _review_id(drawn: Sequence[SFTSample]) -> str:
    digest = hashlib.sha256()
    for sample in drawn:
        digest.update(sample.model_dump_json().encode() + b"\n")
    return digest.hexdigest()[:12]
