from .forced_choice import noisy_prompts, prompt_to_trust
from .models import model_scores, pair_scores
from .probabilities import ANY_EVENT
from .records import Comparison, Diagnostic, ModelScores, PairScores
from .samples import EvaluationSamples, read_evaluation_samples

__all__ = [
    "ANY_EVENT",
    "Comparison",
    "Diagnostic",
    "EvaluationSamples",
    "ModelScores",
    "PairScores",
    "model_scores",
    "noisy_prompts",
    "pair_scores",
    "prompt_to_trust",
    "read_evaluation_samples",
]
