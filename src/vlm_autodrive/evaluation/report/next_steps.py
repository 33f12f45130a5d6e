"""What to do next, from what the results show: in words, with the commands."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from vlm_autodrive.evaluation.report.formats import clips_of, counted, plain
from vlm_autodrive.evaluation.report.headline import gives_one_answer
from vlm_autodrive.evaluation.report.statements import LEVEL, before_and_after, main_pair
from vlm_autodrive.evaluation.report.tables import missing_commands
from vlm_autodrive.evaluation.score import Comparison, ModelScores
from vlm_autodrive.metrics import FEW_CLIPS
from vlm_autodrive.records import Clip, Record, Taxonomy

_IMPORT = "autodrive import manifest MANIFEST.csv --out CATALOG"


class NextStep(Record):
    """Something to do, in words, and the commands for it: RUN is a run's folder, and other capitals are to fill in."""

    text: str
    commands: tuple[str, ...] = ()


def next_steps(
    comparison: Comparison, taxonomy: Taxonomy, clips: Sequence[Clip], run_dir: Path | None = None
) -> list[NextStep]:
    """What to do next, the most urgent first.

    Args:
        comparison: The comparison.
        taxonomy: Its classes.
        clips: The test clips.
        run_dir: The folder of the run that the comparison is of, for the commands; None if there is none.
    """
    steps = _next_steps(comparison, taxonomy, clips)
    if run_dir is None:
        return steps
    before, after = before_and_after(comparison)
    run = shlex.quote(str(run_dir))
    known = {"RUN/": f"{run}/", " CLIPS ": f" {run}/clips "}
    if (after or before) == "tuned":
        known["--model MODEL "] = f"--model {run}/checkpoint "
    return [
        step.model_copy(update={"commands": tuple(_filled(command, known) for command in step.commands)})
        for step in steps
    ]


def _filled(command: str, known: Mapping[str, str]) -> str:
    for placeholder, value in known.items():
        command = command.replace(placeholder, value)
    return command


def _next_steps(comparison: Comparison, taxonomy: Taxonomy, clips: Sequence[Clip]) -> list[NextStep]:
    before, after = before_and_after(comparison)
    model = str(after or before)
    scores = comparison.models[model]
    steps: list[NextStep] = []
    if any(found.severity == "invalid" for found in comparison.diagnostics):
        steps.append(NextStep(text="Mend what makes the results invalid; the red box says what it is."))
    if gives_one_answer(comparison, model):
        steps.append(
            NextStep(
                text="The model gives every clip the same answer: train it for longer, or on more clips.",
                commands=("autodrive run RECIPE train.epochs=EPOCHS",),
            )
        )
    elif after is None and model == "base":
        steps.append(NextStep(text="Train the model, and compare again.", commands=("autodrive run RECIPE",)))
    steps += _more_clips(comparison, taxonomy)
    if missing := missing_commands(comparison, [model]):
        steps.append(
            NextStep(text="Check that the model uses the video: controls are missing.", commands=tuple(missing))
        )
    if scores.accuracy.value is not None and scores.accuracy.value < 1:
        steps.append(
            NextStep(
                text="Watch the errors: some may be errors of the label. Check labels where the model is right, too: "
                "correcting its errors alone would flatter it.",
                commands=(
                    f"autodrive review RUN/predictions --queue wrong={model}",
                    "autodrive review export RUN/predictions --catalog RUN/catalog --relabel-test --out CORRECTED",
                ),
            )
        )
    steps += _worst_slice(scores)
    if scores.calibration is not None:
        steps.append(
            NextStep(
                text="Before the model searches long videos, fit its threshold on long videos like yours.",
                commands=("autodrive calibrate --truth MANIFEST.csv --model RUN/checkpoint --out CALIBRATION",),
            )
        )
    if any(clip.scenario is not None for clip in clips):
        steps.append(
            NextStep(
                text="Try the model on real video before you rely on it: these clips are simulated.",
                commands=("autodrive detect VIDEOS --model RUN/checkpoint --out FOUND", "autodrive review FOUND"),
            )
        )
    return steps


def _more_clips(comparison: Comparison, taxonomy: Taxonomy) -> Iterator[NextStep]:
    """Where clips are too few for a conclusion, or the difference is undecided."""
    few = [
        f"{comparison.class_counts[each.name]} {clips_of(each.label, comparison.class_counts[each.name])}"
        for each in taxonomy.classes
        if comparison.class_counts[each.name] < FEW_CLIPS
    ]
    pair = main_pair(comparison)
    if few:
        is_few = "is too few" if few[0].startswith("1 ") and len(few) == 1 else "are too few"
        text = f"Test on more clips: {', '.join(few)} {is_few}; {FEW_CLIPS} of each class are the least."
        yield NextStep(text=text, commands=(_IMPORT,))
    elif pair is not None and pair.clips_needed is not None:
        text = f"Test on more clips: about {pair.clips_needed:,} would tell whether the difference is chance."
        yield NextStep(text=text, commands=(_IMPORT,))


def _worst_slice(scores: ModelScores) -> Iterator[NextStep]:
    """The slice in which a model falls farthest behind its other clips."""
    worse = [test for test in scores.slice_tests if test.difference.value is not None and test.difference.value < 0]
    if not worse:
        return
    worst = min(worse, key=lambda test: (test.p_holm >= LEVEL, test.difference.value or 0.0))
    share = scores.slices[worst.field][worst.value]
    right = round((share.value or 0.0) * share.n)
    chance = "" if worst.p_holm < LEVEL else " The difference may be chance."
    yield NextStep(
        text=(
            f"Label more clips where the model is weakest, {plain(worst.field)} {plain(worst.value)}: there it is "
            f"right on {right} of {counted(share.n)}.{chance}"
        ),
        commands=(
            "autodrive detect VIDEOS --model RUN/checkpoint --out FOUND",
            "autodrive review next FOUND --count 50",
        ),
    )
