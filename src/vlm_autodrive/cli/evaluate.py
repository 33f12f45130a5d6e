"""``autodrive evaluate``: ask a model about held-out clips."""

from pathlib import Path
from typing import Annotated

import typer

from vlm_autodrive.cli.options import EndpointUrl, Out, Overrides, Overwrite, RecipeName


def evaluate(
    clips: Annotated[Path, typer.Argument(metavar="CLIPS", help="What `clips` made.")],
    out: Out,
    model: Annotated[
        str,
        typer.Option(
            "--model",
            metavar="MODEL",
            help="A checkpoint, tiny-base, a folder or a name on the hub; a baseline: majority, camera_shake; "
            "or with --endpoint the model's name there.",
        ),
    ],
    endpoint: EndpointUrl = None,
    settings: Overrides = None,
    recipe: RecipeName = None,
    overwrite: Overwrite = False,
) -> None:
    """Ask a model, or a baseline, about the held-out clips.

    Example: autodrive evaluate runs/mine/clips --model runs/mine/checkpoint --out runs/mine/predictions/tuned
    """
    from vlm_autodrive.asking import BASELINES, evaluate_baseline, evaluate_model
    from vlm_autodrive.cli.console import make_reporter
    from vlm_autodrive.cli.options import served_at, settings_from
    from vlm_autodrive.evaluation.settings import BaselineSettings, EvaluateSettings

    reporter = make_reporter()
    if model in BASELINES and endpoint is None:
        simple = settings_from(BaselineSettings, "baselines", recipe, settings)
        print(evaluate_baseline(clips, model, out, simple, reporter, overwrite=overwrite))
    else:
        chosen = settings_from(EvaluateSettings, "evaluate", recipe, settings, endpoint=served_at(endpoint))
        print(evaluate_model(clips, model, out, chosen, reporter, overwrite=overwrite))
