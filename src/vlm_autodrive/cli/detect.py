"""``autodrive detect``: find events in long video."""

from pathlib import Path
from typing import Annotated

import typer

from vlm_autodrive.cli.options import AsJson, EndpointUrl, Overwrite, RecipeName


def detect(
    arguments: Annotated[
        list[str], typer.Argument(metavar="VIDEO|KEY=VALUE", help="Video files of any length; then settings.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Gets a folder for each video.")],
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="MODEL",
            help="As for `evaluate`; if not given, the demo's checkpoint, or else tiny-base.",
            show_default=False,
        ),
    ] = None,
    endpoint: EndpointUrl = None,
    truth: Annotated[
        Path | None, typer.Option("--truth", metavar="CSV", help="Ground truth: score the detections.")
    ] = None,
    fit: Annotated[
        Path | None,
        typer.Option("--fit-threshold", metavar="CSV", help="Ground truth: fit the threshold on these videos."),
    ] = None,
    max_false_alarms_per_hour: Annotated[
        float, typer.Option("--max-false-alarms-per-hour", metavar="N", help="For --fit-threshold: its limit.")
    ] = 12.0,
    threshold: Annotated[
        Path | None,
        typer.Option("--threshold-from", metavar="FILE", help="Use the threshold.json that --fit-threshold wrote."),
    ] = None,
    recipe: RecipeName = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Detect the events in videos of any length.

    Writes events.json and a timeline picture for each video; a video that cannot be read gets its reason.

    Example: autodrive detect trip.mp4 --model runs/demo/checkpoint --out found stride_s=1
    """
    from vlm_autodrive.artifacts import read_taxonomy
    from vlm_autodrive.cli.console import make_reporter
    from vlm_autodrive.cli.options import is_setting, print_json, served_at, settings_from
    from vlm_autodrive.cli.tables import print_detections
    from vlm_autodrive.detection import (
        THRESHOLD_FILE,
        DetectSettings,
        detect,
        fit_threshold_on_folder,
        read_threshold,
        score_folder,
        with_threshold,
    )
    from vlm_autodrive.engines import default_model

    overrides = [text for text in arguments if is_setting(text)]
    videos = [Path(text) for text in arguments if not is_setting(text)]
    if not videos:
        raise typer.BadParameter("name at least one video.")
    chosen = settings_from(DetectSettings, "detect", recipe, overrides, endpoint=served_at(endpoint))
    if chosen.endpoint.base_url and model is None:
        raise typer.BadParameter("name the model at the endpoint.", param_hint="'--model'")
    if threshold is not None:
        chosen = with_threshold(chosen, read_threshold(threshold).threshold)
    reporter = make_reporter()
    model = model or default_model(reporter)
    found = detect(videos, model, out, chosen, reporter, overwrite=overwrite)
    taxonomy = read_taxonomy(Path(model))
    if fit is not None:
        fitted = fit_threshold_on_folder(out, fit, out, max_false_alarms_per_hour, chosen, taxonomy)
        reporter.say(f"Threshold {fitted.threshold:.3f}, written to {out / THRESHOLD_FILE} for --threshold-from.")
    if truth is not None:
        scored = score_folder(out, truth, out, taxonomy)
        scores, alerts = scored.scores, scored.time_to_alert
        reporter.say(f"Found {scores.found} of {scores.events} events, with {scores.false_alarms} false alarms.")
        if alerts is not None and alerts.median_s.value is not None:
            reporter.say(
                f"Before {alerts.median_s.n} of {alerts.events} events an alarm could be given, "
                f"{alerts.median_s.value:.1f} s ahead in the median."
            )
    if as_json:
        print_json([one.model_dump(mode="json", exclude={"windows"}) for one in found])
    else:
        print_detections(found)
        print(out)
