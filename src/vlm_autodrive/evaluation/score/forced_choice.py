"""Whether a model's forced choice among the class codes means anything, and which prompt to trust where it does not."""

from vlm_autodrive.evaluation.predict.prompt_choice import SMALLEST_CODE_MASS
from vlm_autodrive.evaluation.score.records import ModelScores


def noisy_prompts(scores: ModelScores) -> dict[str, float]:
    """The prompts under which a model's forced choice is noise, each with the mean probability of all codes."""
    masses = {name: mass for name, mass in _masses(scores).items() if mass is not None}
    return {name: mass for name, mass in masses.items() if mass < SMALLEST_CODE_MASS}


def prompt_to_trust(scores: ModelScores) -> str | None:
    """The prompt to trust of those that a model was asked with; None if its forced choice is noise under each.

    Nothing is chosen by the test clips: it is the prompt on which the metrics rest if that is sound, or else the best
    on the validation clips, or else ``own``, or else the one that puts most probability on the codes.
    """
    masses, noise = _masses(scores), noisy_prompts(scores)
    sound = [name for name in masses if name not in noise]
    validated = {} if scores.prompt_choice is None else scores.prompt_choice.macro_f1

    def trust(name: str) -> tuple[bool, float, bool, float]:
        return name == scores.prompt, validated.get(name, 0.0), name == "own", masses[name] or 0.0

    return max(sound, key=trust, default=None)


def _masses(scores: ModelScores) -> dict[str, float | None]:
    """The mean probability of all codes under each prompt; None where it is not known or no code was forced."""
    under = {scores.prompt: scores.code_mass}
    under |= {name: prompt.code_mass for name, prompt in scores.prompt_variants.items()}
    return {name: None if mass is None else mass.value for name, mass in under.items()}
