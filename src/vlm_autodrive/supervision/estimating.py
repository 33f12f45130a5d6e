"""What a supervision run will ask, send and cost, before it is begun."""

from pathlib import Path

from vlm_autodrive.progress import SILENT, Reporter
from vlm_autodrive.records import Record
from vlm_autodrive.stores import iterate_clips
from vlm_autodrive.supervision.facts import facts_of
from vlm_autodrive.supervision.looking_ahead import look_ahead
from vlm_autodrive.supervision.requests import requests_ahead
from vlm_autodrive.supervision.settings import SuperviseSettings
from vlm_autodrive.supervision.teachers.endpoint import endpoint_of
from vlm_autodrive.supervision.teachers.estimate import Estimate, estimate


class SupervisionEstimate(Record):
    """What lies before a run.

    Attributes:
        clips: Clips that get items.
        clips_without_items: Clips that get none: of the test split, unusable, or of unknown kind.
        teacher: Who writes: ``rules``, or the model's name.
        host: Where clips are sent to; empty if they stay in this process.
        asked: What the endpoint is asked; None where there is none.
    """

    clips: int
    clips_without_items: int
    teacher: str
    host: str = ""
    asked: Estimate | None = None


def estimate_supervision(clips: Path, settings: SuperviseSettings, reporter: Reporter = SILENT) -> SupervisionEstimate:
    """Go through a clip set as a run would, and ask nobody.

    Args:
        clips: A clip set.
        settings: What is wanted.
        reporter: Told if kept replies had to be set aside.

    Raises:
        UserError: If no clip can be supervised, or the endpoint may not be used.
    """
    ahead = look_ahead(clips, settings)
    counts = {"clips": ahead.supervised, "clips_without_items": len(ahead.unsupervised)}
    if settings.teacher != "served":
        name = settings.local.model if settings.teacher == "local" else "rules"
        return SupervisionEstimate(**counts, teacher=name)
    requests = (
        request
        for clip in iterate_clips(clips)
        if clip.clip_id not in ahead.unsupervised
        for request in requests_ahead(facts_of(clip, ahead.taxonomy), settings)
    )
    return SupervisionEstimate(
        **counts,
        teacher=settings.served.model,
        host=endpoint_of(settings.served).host,
        asked=estimate(requests, settings.served, reporter),
    )


def estimate_lines(found: SupervisionEstimate, settings: SuperviseSettings) -> list[str]:
    """An estimate in words."""
    lines = [f"{found.clips:,} clips are supervised, {found.clips_without_items:,} are not."]
    asked = found.asked
    if asked is None:
        return [*lines, f"{found.teacher} writes in this process: nothing is sent, and nothing is paid."]
    sees = settings.sees
    told = "metadata and labels" if sees.label else "metadata without labels"
    shown = f"{sees.frames} frames each" if sees.frames else "no frames"
    lines.append(
        f"They go to {found.teacher} at {found.host}: {told}, {shown}, {asked.images:,} images in all. "
        f"{asked.requests:,} requests, {asked.in_cache:,} of them answered before."
    )
    price = settings.served.price
    priced = price.prompt_per_million > 0 or price.completion_per_million > 0
    money = f", at most {asked.money:,.2f} at the prices given" if priced else ""
    lines.append(
        f"About {asked.prompt_tokens:,} tokens are read and at most {asked.completion_tokens:,} written{money}; "
        "tries and repairs come on top."
    )
    return lines + _over_budget(asked, settings)


def _over_budget(asked: Estimate, settings: SuperviseSettings) -> list[str]:
    budget = settings.served.budget
    bounds = (
        ("requests", budget.requests, asked.requests - asked.in_cache),
        ("tokens", budget.tokens, asked.prompt_tokens + asked.completion_tokens),
        ("money", budget.money, asked.money),
    )
    return [
        f"That may pass served.budget.{name} ({most:,}): the run then stops, and goes on when it is raised."
        for name, most, wanted in bounds
        if most is not None and wanted > most
    ]
