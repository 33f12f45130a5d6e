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
    "pair_scores",
    "read_evaluation_samples",
]
