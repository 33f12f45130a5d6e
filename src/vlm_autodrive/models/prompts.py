"""The student's prompts: what every model is asked, in training, evaluation, detection and serving.

They depend on the taxonomy alone, never on a clip, so that nothing about the answer can slip in.
"""

from vlm_autodrive.records import StudentPrompt, Taxonomy

VERSION = "2"

SYSTEM_PROMPT = "You watch dashcam video and report collisions and near-collisions."


def verdict_prompt(taxonomy: Taxonomy) -> StudentPrompt:
    """The direct verdict: a class code and nothing else, whose probabilities are then read off."""
    codes = ", ".join(taxonomy.codes[:-1]) + f" or {taxonomy.codes[-1]}"
    text = f"{_question(taxonomy)}\nAnswer with {codes} only."
    return StudentPrompt(text=text, version=VERSION)


def reasoning_prompt(taxonomy: Taxonomy) -> StudentPrompt:
    """The reasoning: thoughts that cite moments, then the code and the time of the event."""
    text = (
        f"{_question(taxonomy)}\n"
        "Think between <think> and </think>, citing moments as [t=seconds]. "
        "Then, between <answer> and </answer>, give the letter on a line of its own and, "
        "if there is an event, its time as t=seconds on the next line."
    )
    return StudentPrompt(text=text, version=VERSION)


def format_reasoning(thoughts: str, code: str, event_time_s: float | None) -> str:
    """The exact text that :func:`reasoning_prompt` asks for."""
    time_line = "" if event_time_s is None else f"t={event_time_s:.1f}\n"
    return f"<think>\n{thoughts}\n</think>\n\n<answer>\n{code}\n{time_line}</answer>"


def _question(taxonomy: Taxonomy) -> str:
    """Both prompts begin alike, so that what is learnt of the one question serves the other."""
    options = "\n".join(f"{c.code}: {c.label} ({c.definition})" for c in taxonomy.classes)
    return f"What happens in this video?\n{options}"
