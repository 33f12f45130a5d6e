"""The comparison stage: scores of several models on the same clips."""

from collections import Counter
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path

from vlm_autodrive.artifacts import HELD_OUT_QUESTIONS_FILE, write_clips, write_text, writing_artifact
from vlm_autodrive.console import TERMINAL
from vlm_autodrive.evaluation.diagnostics import diagnose
from vlm_autodrive.evaluation.score import (
    Comparison,
    EvaluationSamples,
    model_scores,
    pair_scores,
    read_evaluation_samples,
)
from vlm_autodrive.evaluation.settings import CompareSettings
from vlm_autodrive.metrics import few_clusters_warning, holm
from vlm_autodrive.progress import SILENT, Reporter
from vlm_autodrive.records import write_jsonl

COMPARISON_FILE = "comparison.json"


def compare(
    predictions: Mapping[str, Path],
    out: Path,
    settings: CompareSettings,
    reporter: Reporter = TERMINAL,
    *,
    validation: Mapping[str, Path] | None = None,
    anticipation: Mapping[str, Path] | None = None,
    references: Path | None = None,
    judgements: Mapping[str, Path] | None = None,
    overwrite: bool = False,
) -> Path:
    """Compare models on the same clips.

    Args:
        predictions: Each model's predictions, by the name it is to have here, such as ``base``.
        out: Where ``comparison.json`` goes, and with it the clips and all predictions.
        settings: The bootstrap and the slices.
        reporter: Hears of the progress.
        validation: The same models' predictions on validation clips, on which a temperature is fitted.
        anticipation: The same models' predictions on windows that end before an event.
        references: A supervision set whose reasoning is what traces are measured against.
        judgements: What `judge` made of a model's traces, by the model's name here.
        overwrite: Replace another result at ``out``.

    Raises:
        UserError: If the models were not evaluated on the same clips.
    """
    samples = read_evaluation_samples(
        predictions, validation=validation, anticipation=anticipation, references=references, judgements=judgements
    )
    inputs = {
        **predictions,
        **{f"{name} on validation clips": folder for name, folder in (validation or {}).items()},
        **{f"{name} ahead": folder for name, folder in (anticipation or {}).items()},
        **({} if references is None else {"references": references}),
        **{f"judgements of {name}": folder for name, folder in (judgements or {}).items()},
    }
    facts = {"models": list(predictions)}  # their order decides which of a pair comes first
    with writing_artifact(out, "comparison", inputs, settings, facts=facts, overwrite=overwrite) as folder:
        if folder is None:
            return out
        comparison = compare_samples(samples, settings, reporter)
        write_text(folder / COMPARISON_FILE, comparison.model_dump_json(indent=1) + "\n")
        write_clips(folder, out, samples.taxonomy, samples.clips)
        if samples.questions:
            write_jsonl(folder / HELD_OUT_QUESTIONS_FILE, samples.questions)
        for name, kept in samples.predictions.items():
            write_jsonl(folder / predictions_file(name), kept)
    return out


def compare_samples(samples: EvaluationSamples, settings: CompareSettings, reporter: Reporter = SILENT) -> Comparison:
    """The estimates of every model and of every pair of models.

    Args:
        samples: The clips and what the models said of them.
        settings: The bootstrap and the slices.
        reporter: Hears of the progress.
    """
    pairs = list(combinations(samples.predictions, 2))
    with reporter.task("Comparing", len(samples.predictions) + len(pairs)) as task:
        models = {}
        for name in samples.predictions:
            models[name] = model_scores(samples, name, settings)
            task.advance()
        scored = []
        for first, second in pairs:
            scored.append(pair_scores(samples, first, second, settings))
            task.advance()
    # Holm over all pairs of models: every pair is one test of the same comparison.
    adjusted = holm([pair.p_holm for pair in scored])
    clusters = len(set(samples.clusters))
    warning = few_clusters_warning(clusters)
    counts = Counter(samples.truths)
    return Comparison(
        classes=samples.taxonomy.names,
        n=len(samples.clips),
        unlabelled=samples.unlabelled,
        class_counts={name: counts[name] for name in samples.taxonomy.names},
        clusters=clusters,
        warnings=(warning,) if warning else (),
        diagnostics=diagnose(samples, models),
        models=models,
        pairs=tuple(p.model_copy(update={"p_holm": q}) for p, q in zip(scored, adjusted, strict=True)),
    )


def read_comparison(folder: Path) -> Comparison:
    """The figures of a finished comparison."""
    return Comparison.model_validate_json((folder / COMPARISON_FILE).read_text(encoding="utf-8"))


def predictions_file(model: str) -> str:
    """The file in which a comparison keeps a model's predictions."""
    return f"predictions-{model}.jsonl"
