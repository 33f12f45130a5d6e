"""Diagnostic of the forced choice: a model that would not have written a class code at all."""

from collections.abc import Iterator

from vlm_autodrive.evaluation.score import Diagnostic, ModelScores, noisy_prompts, prompt_to_trust
from vlm_autodrive.models import MAIN


def diagnose_forced_choice(model: str, scores: ModelScores) -> Iterator[Diagnostic]:
    """Whether under the model's prompt, or under ``main``, most of the probability falls beside the codes."""
    noise = noisy_prompts(scores)
    for name in dict.fromkeys((scores.prompt, MAIN)):
        if name in noise:
            yield Diagnostic(
                severity="warning",
                kind="forced_choice_is_noise",
                model=model,
                text=f"The forced choice of {model} under the prompt {name} is noise: on average only "
                f"{noise[name]:.2f} of its probability falls on the class codes, so it would have written something "
                f"else; {_advice(scores, prompt_to_trust(scores))}.",
            )


def _advice(scores: ModelScores, trusted: str | None) -> str:
    if trusted is None:
        return "evaluate it with prompt=own"
    if trusted == scores.prompt:
        return f"its metrics rest on the prompt {trusted}, not on this one"
    return f"trust the prompt {trusted} instead"
