"""``autodrive detect``: find events in long video."""

import math
from collections.abc import Sequence
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING, Annotated

import typer

from vlm_autodrive.addresses import address_of, is_there, plain_path
from vlm_autodrive.cli.options import AsJson, BlurFaces, EndpointUrl, OnCluster, Overwrite, RecipeName, RetryQuarantined
from vlm_autodrive.errors import UserError

if TYPE_CHECKING:
    from vlm_autodrive.records import VideoDetections


def detect(
    arguments: Annotated[
        list[str],
        typer.Argument(
            metavar="VIDEO|FOLDER|KEY=VALUE", help="Video files of any length, and folders of them; then settings."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Gets a folder for each trip.")],
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="MODEL",
            help="A checkpoint, a model's folder, `tiny-simulated`, or a name on the hub; if not given, the demo's "
            "checkpoint.",
            show_default=False,
        ),
    ] = None,
    endpoint: EndpointUrl = None,
    truth: Annotated[
        Path | None, typer.Option("--truth", metavar="CSV", help="Ground truth: score the detections.")
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(
            "--false-alarms-per-hour",
            metavar="N",
            help="Take this operating point from the model's calibration, which `autodrive calibrate` makes, and say "
            "what to expect. Without it, the one that it was calibrated for.",
            show_default=False,
        ),
    ] = None,
    causal: Annotated[
        bool,
        typer.Option(
            "--causal",
            help="Fix each event when its alarm could be given, by the video up to then alone (causal=true).",
        ),
    ] = False,
    channel: Annotated[
        list[str] | None,
        typer.Option(
            "--channel",
            metavar="NAME",
            help="Which channel of a camera to search in folders: front (the default), rear, left …; may be repeated.",
        ),
    ] = None,
    clips: Annotated[bool, typer.Option("--clips", help="Cut each event to a video file.")] = False,
    annotate: Annotated[
        bool,
        typer.Option("--annotate", help="Cut a second one with class, probability and cited moments on the pictures."),
    ] = False,
    before_s: Annotated[
        float, typer.Option("--before", metavar="SECONDS", help="Seconds of a clip before its event.")
    ] = 4.0,
    after_s: Annotated[
        float, typer.Option("--after", metavar="SECONDS", help="Seconds of a clip after its event.")
    ] = 4.0,
    single_file: Annotated[
        bool, typer.Option("--single-file", help="Embed the film strips of the first 200 events in index.html.")
    ] = False,
    formats: Annotated[
        list[str] | None,
        typer.Option("--format", metavar="TOOL", help="Write them for an annotation tool: label-studio or fiftyone."),
    ] = None,
    on_event: Annotated[
        str | None,
        typer.Option(
            "--on-event",
            metavar="COMMAND",
            help="Run it for each event that it has not been run for; it reads the event's row of events.jsonl from "
            "its standard input.",
        ),
    ] = None,
    watched: Annotated[
        bool, typer.Option("--watch", help="Then wait for new files in the folders, and search them too.")
    ] = False,
    settle_s: Annotated[
        float | None,
        typer.Option(
            "--settle",
            metavar="SECONDS",
            help="With --watch: search a file once it has not changed for so long.",
            show_default="30",
        ),
    ] = None,
    blur: BlurFaces = None,
    recipe: RecipeName = None,
    on: OnCluster = None,
    retry_errors: RetryQuarantined = False,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Detect the events in videos of any length.

    Consecutive files of one camera are searched as one trip, across their cuts. Writes index.html, which lists all
    events in the folder, a page for each of them, tables, and for each trip events.json and a timeline picture; a video
    that cannot be read gets its reason. Exits with status 1 if a path does not exist, if nothing at all could be
    searched, or if --on-event failed.

    Example: autodrive detect TeslaCam --model runs/demo/checkpoint --out found --clips

    Example: autodrive detect incoming --watch --on-event "python alert.py" --model runs/demo/checkpoint --out found
    """
    from vlm_autodrive.artifacts import read_taxonomy
    from vlm_autodrive.cli.options import is_setting, on_cluster_if, print_json, served_at, settings_from
    from vlm_autodrive.cli.tables import few_events_note, print_detections
    from vlm_autodrive.console import make_reporter
    from vlm_autodrive.detection import (
        DetectSettings,
        ShortListSettings,
        detect,
        parse_command,
        score_folder,
        send_events,
        watch,
        write_short_list,
    )
    from vlm_autodrive.engines import default_model
    from vlm_autodrive.settings import parse_settings

    overrides = [text for text in arguments if is_setting(text)]
    overrides += [f"channels=[{','.join(channel)}]"] if channel else []
    videos = [plain_path(text) for text in arguments if not is_setting(text)]
    if not videos:
        raise typer.BadParameter("name at least one video or folder.")
    if watched and (truth is not None or as_json):
        raise typer.BadParameter("cannot be given with --watch, which has no end.", param_hint="'--truth' / '--json'")
    if watched and on is not None:
        raise typer.BadParameter("cannot be given with --watch: few files come at a time.", param_hint="'--on'")
    if settle_s is not None and not watched:
        raise typer.BadParameter("needs --watch: nothing is waited for without it.", param_hint="'--settle'")
    # Not by typer's min and max, for which its help cuts the names of options at 80 columns.
    _require_range("--false-alarms-per-hour", rate, 0)
    _require_range("--before", before_s, 0, 600)
    _require_range("--after", after_s, 0.1, 600)
    _require_range("--settle", settle_s, 0.1)
    if not watched and not any(is_there(path) for path in videos):
        raise UserError(f"{_absent(videos)}.")
    command = parse_command(on_event) if on_event is not None else None
    chosen = settings_from(
        DetectSettings, "detect", recipe, overrides, endpoint=served_at(endpoint), causal=causal or None, blur=blur
    )
    if chosen.endpoint.base_url and model is None:
        raise typer.BadParameter("name the model at the endpoint.", param_hint="'--model'")
    listing = parse_settings(
        ShortListSettings,
        {
            "clips": clips,
            "annotate": annotate,
            "before_s": before_s,
            "after_s": after_s,
            "single_file": single_file,
            "formats": formats or (),
        },
        "options of detect",
    )
    reporter = make_reporter()
    model = model or default_model(reporter)
    if watched:
        failed = 0
        for results in watch(
            videos,
            model,
            out,
            chosen,
            reporter,
            settle_s=settle_s or 30.0,
            false_alarms_per_hour=rate,
            overwrite=overwrite,
        ):
            if results:
                write_short_list(out, listing, reporter)
            if command and (results or failed):
                failed = send_events(out, command, reporter)
        return
    with on_cluster_if(on, reporter) as executor:
        found = detect(
            videos,
            model,
            out,
            chosen,
            reporter,
            false_alarms_per_hour=rate,
            executor=executor,
            retry_errors=retry_errors,
            overwrite=overwrite,
        )
    taxonomy = read_taxonomy(Path(chosen.endpoint.folder or model))
    if truth is not None:
        scored = score_folder(out, truth, out, taxonomy)
        scores, alerts = scored.scores, scored.time_to_alert
        few = few_events_note(scores.events)
        reporter.say(f"Found {scores.found} of {scores.events} events, with {scores.false_alarms} false alarms.{few}")
        if alerts is not None and alerts.median_s.value is not None:
            reporter.say(
                f"Before {alerts.median_s.n} of {alerts.events} events an alarm could be given, "
                f"{alerts.median_s.value:.1f} s ahead in the median."
            )
    index = write_short_list(out, listing, reporter)
    if as_json:
        print_json([one.model_dump(mode="json", exclude={"windows"}) for one in found])
    else:
        print_detections(found)
        if not any(one.events for one in found) and any(one.duration_s is not None for one in found):
            reporter.say(
                f"No event reached the threshold. `autodrive review next {out}` lists the moments that came nearest to "
                "it; a lower threshold=... gives more events, and more false alarms."
            )
        print(index)
    failed = send_events(out, command, reporter) if command else 0
    refuse_empty_search(videos, found)
    if failed:
        raise UserError(f"--on-event failed for {failed} events; the same command tries them again.")


def _require_range(option: str, value: float | None, least: float, most: float = math.inf) -> None:
    if value is not None and not least <= value <= most:
        span = f"{least:g} or more" if most == math.inf else f"from {least:g} to {most:g}"
        raise typer.BadParameter(f"must be {span}, not {value:g}.", param_hint=f"'{option}'")


def _absent(paths: Sequence[Path]) -> str:
    """Which of the paths do not exist, in words; empty if all do."""
    absent = [path for path in paths if not is_there(path)]
    if not absent:
        return ""
    others = f" and {len(absent) - 1} more of the paths do" if len(absent) > 1 else " does"
    windows = " on this machine: it is a path of a Windows one" if PureWindowsPath(absent[0]).drive else ""
    return f"{address_of(absent[0])}{others} not exist{windows}"


def refuse_empty_search(paths: Sequence[Path], found: Sequence["VideoDetections"]) -> None:
    """End with a failure where "no event" would be the word of a search that never took place.

    Args:
        paths: What was named on the command line.
        found: What came of it; every path is searched that can be, before this is called.

    Raises:
        UserError: If a path does not exist, or no window of any video was judged.
    """
    if absent := _absent(paths):
        raise UserError(f"{absent}; what was found is of the others alone.")
    if all(each.duration_s is None for each in found):
        first = next((f"; {each.video}: {each.reason}" for each in found), "")
        raise UserError(f"nothing was searched: no window of {len(found)} videos could be read and judged{first}.")
