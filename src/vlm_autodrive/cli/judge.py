"""``autodrive judge``: grade reasoning traces with an LLM judge."""

from pathlib import Path
from typing import Annotated

import typer

from vlm_autodrive.cli.options import AsJson, DryRun, OutUnlessDry, Overwrite


def judge(
    predictions: Annotated[Path, typer.Argument(metavar="PREDICTIONS", help="What `evaluate` made, with reasoning.")],
    model: Annotated[str, typer.Option("--model", metavar="MODEL", help="The judge's name at the endpoint.")],
    out: OutUnlessDry = None,
    endpoint: Annotated[
        str | None,
        typer.Option(
            "--endpoint",
            metavar="URL",
            help="Any OpenAI-compatible endpoint; http://127.0.0.1:8000/v1 if not given.",
            show_default=False,
        ),
    ] = None,
    human_ratings: Annotated[
        Path | None,
        typer.Option(
            "--human-ratings",
            metavar="CSV",
            help="People's grades of the same traces (clip_id, grade, person), to measure its agreement with people.",
            show_default=False,
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="KEY=VALUE",
            help="Settings, such as allow_remote=true, api_key_env=JUDGE_KEY or budget.money=5; see docs/judge.md.",
            show_default=False,
        ),
    ] = None,
    overwrite: Overwrite = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Have a served model grade each reasoning trace from 1 to 5, against its clip's metadata.

    --json prints the estimate of a dry run, or else the judgements.

    Example: autodrive judge s/predictions/tuned --model big --out s/judgements/tuned --human-ratings grades.csv
    """
    from vlm_autodrive.artifacts import read_judgement_records
    from vlm_autodrive.cli.options import named_out, print_json, settings_from
    from vlm_autodrive.console import make_reporter
    from vlm_autodrive.evaluation import JudgeSettings, estimate_judging, estimate_lines
    from vlm_autodrive.evaluation import judge as judge_predictions

    chosen = settings_from(JudgeSettings, "judge", None, settings, base_url=endpoint, model=model)
    if dry_run:
        found = estimate_judging(predictions, chosen, make_reporter())
        if as_json:
            print_json(found.model_dump(mode="json"))
        else:
            print("\n".join(estimate_lines(found, chosen)))
        return
    made = judge_predictions(
        predictions, named_out(out), chosen, make_reporter(), human_ratings=human_ratings, overwrite=overwrite
    )
    if as_json:
        print_json([one.model_dump(mode="json", exclude={"prompt"}) for one in read_judgement_records(made)])
    else:
        print(made)
