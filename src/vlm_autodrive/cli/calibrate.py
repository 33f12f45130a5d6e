"""``autodrive calibrate``: fit a model's operating points on long video."""

from pathlib import Path
from typing import Annotated

import typer

from vlm_autodrive.addresses import plain_path
from vlm_autodrive.cli.options import AsJson, EndpointUrl, Overwrite, RecipeName


def calibrate(
    model: Annotated[
        str, typer.Option("--model", metavar="MODEL", help="A checkpoint's folder, whose card gets the calibration.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Gets the detections in the videos.")],
    arguments: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="VIDEO|FOLDER|KEY=VALUE",
            help="Long videos, or folders of them, in which nothing happens; then settings.",
            show_default=False,
        ),
    ] = None,
    truth: Annotated[
        Path | None,
        typer.Option("--truth", metavar="CSV", help="Long videos and their events, as for `detect --truth`."),
    ] = None,
    endpoint: EndpointUrl = None,
    recipe: RecipeName = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Fit thresholds for rates of false alarms on long videos, and write them into the model's card.

    Prints for each rate the threshold, and the recall and false alarms to expect, with 95 % confidence intervals.
    `detect` then takes its threshold from the card.

    Example: autodrive calibrate --truth known/manifest.csv quiet/*.mp4 --model s/checkpoint --out s/calibration
    """
    from vlm_autodrive.artifacts import CALIBRATION_FILE
    from vlm_autodrive.cli.options import is_setting, served_at, settings_from
    from vlm_autodrive.cli.tables import print_columns
    from vlm_autodrive.console import make_reporter
    from vlm_autodrive.detection import (
        CalibrateSettings,
        calibrate,
        calibration_footage,
        calibration_rows,
        scarcity_words,
    )

    given = arguments or []
    normal = [plain_path(text) for text in given if not is_setting(text)]
    overrides = [text for text in given if is_setting(text)]
    settings = settings_from(CalibrateSettings, "detect", recipe, overrides, endpoint=served_at(endpoint))
    reporter = make_reporter()
    found = calibrate(model, truth, normal, out, settings, reporter, overwrite=overwrite)
    if as_json:
        print(found.model_dump_json(indent=1))
        return
    titles = ("at most per hour", "threshold", "windows", "recall", "false alarms per hour", "hours that it takes")
    print_columns(titles, calibration_rows(found))
    for note in (*scarcity_words(found), f"Fitted on {calibration_footage(found)}.", *found.notes):
        reporter.say(note)
    folder = Path(settings.endpoint.folder or model)
    reporter.say(f"Written to {folder / CALIBRATION_FILE}; `detect --model {folder}` takes its threshold from there.")
