"""The student's prompts, the same in training, evaluation, detection and serving.

They depend on the taxonomy alone, never on a clip, so that nothing about the answer can slip in.
"""

from collections.abc import Sequence
from typing import Final, Literal

from vlm_autodrive.records import PAPER_TAXONOMY, StudentPrompt, Taxonomy

VERSION = "2"

MAIN: Final = "main"
"""The main prompt of the direct verdict, which training uses."""

Wording = Literal["short", "checklist", "expert", "reversed"]
"""Names of the direct verdict's prompt in other words."""

PromptVariant = Wording | Literal["paper", "own"]
"""Names of all prompt variants of the direct verdict. ``paper`` is the paper's question with its own letters, of a
taxonomy with the same classes; ``own`` is the question in the form that the model's maker documents, answered in free
text (:mod:`~vlm_autodrive.models.conventions`)."""

PromptName = Literal["main"] | PromptVariant
"""Names of all prompts of the direct verdict."""

SYSTEM_PROMPT = "You watch dashcam video and report collisions and near-collisions."


def verdict_prompt(taxonomy: Taxonomy) -> StudentPrompt:
    """The direct verdict: a class code and nothing else, whose probabilities are then read off."""
    text = f"{_question(taxonomy)}\nAnswer with {_either(_letters(taxonomy))} only."
    return StudentPrompt(text=text, version=VERSION)


def variant_verdict_prompt(wording: Wording, taxonomy: Taxonomy) -> StudentPrompt:
    """A prompt for the direct verdict in other words, for the same codes.

    A model that was not trained on :func:`verdict_prompt` may do better or worse with another one. Prompt
    variants are never trained on; they measure prompt sensitivity.

    Args:
        wording: ``short`` names the classes without saying what they mean; ``checklist`` gives their definitions
            without their names, the most severe first, to be gone through from the top; ``expert`` puts the question
            to a professional; ``reversed`` is the main prompt with its options from last to first.
        taxonomy: The classes.
    """
    options, codes = taxonomy.options, _letters(taxonomy)
    match wording:
        case "short":
            names = _either([f"{c.label} ({c.code})" for c in options])
            text = f"What does the video show: {names}? Answer with {_either(codes)} only."
        case "checklist":
            lines = "\n".join(f"[{c.code}] {c.option or c.definition}" for c in taxonomy.classes)
            text = (
                "Go through this list from the top and stop at the first line that is true of the video.\n"
                f"{lines}\nWrite the letter of that line and nothing else."
            )
        case "expert":
            meanings = " ".join(f"{c.label} means {c.definition}." for c in options)
            letters = ", ".join(f"{c.code} for {c.label}" for c in options)
            text = (
                "You are a road safety analyst and review dashcam footage frame by frame. "
                f"Which finding do you enter for this clip? {meanings}\n"
                f"Enter {letters}. Give the letter alone."
            )
        case "reversed":
            lines = "\n".join(c.option_line for c in reversed(options))
            text = f"{taxonomy.question}\n{lines}\nAnswer with {_either(codes[::-1])} only."
    return StudentPrompt(text=text, version=VERSION)


def paper_taxonomy(taxonomy: Taxonomy) -> Taxonomy | None:
    """The taxonomy by which the variant ``paper`` is asked and read.

    None if ``taxonomy`` has other classes than the paper, or asks the paper's question already.
    """
    same_question = verdict_prompt(taxonomy) == verdict_prompt(PAPER_TAXONOMY)
    return PAPER_TAXONOMY if taxonomy.names == PAPER_TAXONOMY.names and not same_question else None


def reasoning_prompt(taxonomy: Taxonomy) -> StudentPrompt:
    """The prompt for a chain of thought that cites moments, then the code and the time of the event."""
    text = (
        f"{_question(taxonomy)}\n"
        "Think between <think> and </think>, citing moments as [t=seconds]. "
        "Then, between <answer> and </answer>, give the letter on a line of its own and, "
        "if there is an event, its time as t=seconds on the next line."
    )
    return StudentPrompt(text=text, version=VERSION)


def format_reasoning(trace: str, code: str, event_time_s: float | None) -> str:
    """A target in the exact format that :func:`reasoning_prompt` wants."""
    time_line = "" if event_time_s is None else f"t={event_time_s:.1f}\n"
    return f"<think>\n{trace}\n</think>\n\n<answer>\n{code}\n{time_line}</answer>"


def _either(options: Sequence[str]) -> str:
    return ", ".join(options[:-1]) + f" or {options[-1]}"


def _question(taxonomy: Taxonomy) -> str:
    """Both prompts begin alike, so that training on one helps the other."""
    options = "\n".join(c.option_line for c in taxonomy.options)
    return f"{taxonomy.question}\n{options}"


def _letters(taxonomy: Taxonomy) -> list[str]:
    return [c.code for c in taxonomy.options]
