"""The stage that turns a catalog into clips: every video gives at least one record."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

from vlm_autodrive.artifacts import (
    Accounting,
    carry_questions,
    input_key,
    iterate_videos,
    read_taxonomy,
    retry_facts,
    write_clips,
    writing_artifact,
)
from vlm_autodrive.clips.catalog_facts import collect_facts, records_of_videos
from vlm_autodrive.clips.catalog_records import CatalogRecords, catalog_in_memory, reading_catalog
from vlm_autodrive.clips.cutter import Cutter
from vlm_autodrive.clips.on_cluster import cut_on_cluster
from vlm_autodrive.clips.settings import ClipSettings
from vlm_autodrive.clips.splits import read_test_ids, write_test_ids
from vlm_autodrive.clips.summary import ClipsSummary
from vlm_autodrive.console import TERMINAL
from vlm_autodrive.errors import UserError
from vlm_autodrive.executor import Executor
from vlm_autodrive.progress import Reporter
from vlm_autodrive.records import (
    BINARY_TAXONOMY,
    DEFAULT_TAXONOMY,
    Clip,
    Encounter,
    Event,
    EventClass,
    Scenario,
    Taxonomy,
    Video,
)


def build_clips(
    catalog: Path,
    out: Path,
    settings: ClipSettings,
    reporter: Reporter = TERMINAL,
    *,
    executor: Executor | None = None,
    retry_errors: bool = False,
    overwrite: bool = False,
) -> Path:
    """Cut the videos of a catalog into labelled clips and assign them to splits.

    Args:
        catalog: A catalog, as :func:`vlm_autodrive.datasets.import_dataset` writes it.
        out: Folder of the clip set.
        settings: How to cut.
        reporter: Gets the counts, and what was left out and why.
        executor: The cluster whose workers cut; None for this process, which is quicker unless scenarios or telemetry
            are long.
        retry_errors: Cut again if a video is quarantined, which only a cluster does.
        overwrite: Replace another result in ``out``.

    Returns:
        ``out``, with the clips and, in ``test_ids.txt``, the videos of the test split.

    Raises:
        UserError: If the catalog is none, if no event in it is of known kind though there are events, if
            one is not and ``unknown_events`` is ``error``, or if the frozen test split does not fit.
    """
    input_key(catalog, "catalog")
    inputs = {"catalog": catalog}
    if settings.frozen_test is not None:
        inputs["frozen_test"] = Path(settings.frozen_test)
    in_key, is_retry = retry_facts(out, "clips", inputs, settings, {}, retry_errors=retry_errors)
    overwrite = overwrite or is_retry
    with writing_artifact(out, "clips", inputs, settings, facts=in_key, overwrite=overwrite) as folder:
        if folder is not None:
            taxonomy = read_taxonomy(catalog)
            frozen: frozenset[str] = frozenset()
            if settings.frozen_test is not None:
                frozen = read_test_ids(Path(settings.frozen_test), (v.video_id for v in iterate_videos(catalog)))
            with reading_catalog(catalog) as records:
                if settings.unknown_events == "binary":
                    taxonomy, records = as_binary(taxonomy, records)
                facts = collect_facts(records, taxonomy, settings, frozen)
                if records.event_count and facts.unknown_events == records.event_count:
                    raise UserError(
                        f"all {records.event_count} events are of unknown kind, so that no clip would show an event; "
                        "name their classes (for Nexar's layout in an overlay.csv beside train, with id,class) and "
                        "import again, or ask only whether there is an event (unknown_events=binary)."
                    )
                summary = ClipsSummary(taxonomy, settings)
                cutter = Cutter(taxonomy, settings, facts.event_positions)
                videos = records_of_videos(records, facts, frozen)
                clips: Iterator[Clip] = chain.from_iterable(map(cutter.clips_of, videos))
                if executor is not None:
                    account = Accounting(folder, retry_errors=True)  # all is cut anew
                    clips = cut_on_cluster(videos, cutter, executor, account, reporter)
                write_clips(folder, out, taxonomy, summary.counted(clips))
            carry_questions(catalog, folder)
            write_test_ids(folder, (name for name, group in facts.groups.items() if facts.splits[group] == "test"))
            summary.say(reporter)
    return out


def cut_clips(
    videos: Sequence[Video],
    events: Sequence[Event],
    scenarios: Mapping[str, Scenario],
    taxonomy: Taxonomy,
    settings: ClipSettings,
    frozen_test: frozenset[str] = frozenset(),
) -> list[Clip]:
    """The clips of a catalog, in its order; the stage without its files.

    The clips' groups are those of :func:`~vlm_autodrive.clips.splits.joined_groups`.
    """
    records = catalog_in_memory(videos, events, scenarios)
    facts = collect_facts(records, taxonomy, settings, frozen_test)
    cutter = Cutter(taxonomy, settings, facts.event_positions)
    return [clip for video in records_of_videos(records, facts, frozen_test) for clip in cutter.clips_of(video)]


def binary_taxonomy(taxonomy: Taxonomy) -> Taxonomy:
    """A taxonomy with all its events in one class; the same one if it has but one already."""
    events = [c for c in taxonomy.classes if c.is_event]
    if len(events) == 1:
        return taxonomy
    if taxonomy == DEFAULT_TAXONOMY:
        return BINARY_TAXONOMY
    definition = ", or ".join(c.definition for c in events)
    option = ", or ".join(c.option for c in events) if all(c.option for c in events) else ""
    event = EventClass(
        name="event", label="Event", code=events[0].code, definition=definition, option=option, takes_unknown=True
    )
    return taxonomy.model_copy(update={"classes": (event, taxonomy.normal)})


def as_binary(taxonomy: Taxonomy, records: CatalogRecords) -> tuple[Taxonomy, CatalogRecords]:
    """Taxonomy and records with one class for all events, those of unknown kind among them."""
    two = binary_taxonomy(taxonomy)
    (event_name,) = two.event_names
    normal = taxonomy.normal.name

    def rename(encounter: Encounter) -> Encounter:
        name = two.normal.name if encounter.event_class == normal else event_name
        return encounter.model_copy(update={"event_class": name})

    def events_of(video_id: str) -> list[Event]:
        return [event.model_copy(update={"event_class": event_name}) for event in records.events_of(video_id)]

    def scenario_of(video_id: str) -> Scenario | None:
        scenario = records.scenario_of(video_id)
        if scenario is None:
            return None
        return scenario.model_copy(update={"encounters": tuple(map(rename, scenario.encounters))})

    return two, replace(records, events_of=events_of, scenario_of=scenario_of)
