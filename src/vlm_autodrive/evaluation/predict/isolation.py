"""Per-clip error isolation: a clip on which an engine breaks down fails alone."""

from collections.abc import Sequence

from vlm_autodrive.engines import Answer, Engine, Question
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import Outcome
from vlm_autodrive.video import Frames


class ErrorIsolatingEngine:
    """An engine that runs the clips of a batch one by one where the batch as a whole raised an exception.

    Args:
        engine: The engine. By its protocol it raises nothing for a clip's sake, but libraries below it may.
        works: Whether it has answered before. If every clip of its first batch raises, the fault is not the
            clips', and the exception is let through: such an engine is not evaluated.
    """

    def __init__(self, engine: Engine, *, works: bool) -> None:
        self._engine, self._works = engine, works

    def answer(self, clips: Sequence[Frames], questions: Sequence[Question]) -> list[list[Answer]]:
        """Every clip's answers, as :meth:`vlm_autodrive.engines.protocol.Engine.answer` gives them.

        Raises:
            UserError: If the engine cannot be used with these settings.
            RuntimeError: If it gives not exactly one answer to each question about each clip.
        """
        if not clips:
            return []
        answers = self._try(clips, questions)
        if isinstance(answers, Exception):
            alone = [self._try([clip], questions) for clip in clips] if len(clips) > 1 else [answers]
            if not self._works and all(isinstance(result, Exception) for result in alone):
                raise answers
            answers = [_failed(r, questions) if isinstance(r, Exception) else r[0] for r in alone]
        self._works = True
        return answers

    def _try(self, clips: Sequence[Frames], questions: Sequence[Question]) -> list[list[Answer]] | Exception:
        try:
            answers = self._engine.answer(clips, questions)
        except UserError:
            raise
        except Exception as error:
            return error
        if len(answers) != len(clips) or any(len(row) != len(questions) for row in answers):
            raise RuntimeError(
                f"{self._engine.name} was asked {len(questions)} questions about {len(clips)} clips and gave "
                f"{sum(map(len, answers))} answers for {len(answers)} clips; they cannot be joined by guessing"
            )
        return answers


def _failed(error: Exception, questions: Sequence[Question]) -> list[Answer]:
    said = str(error).strip().splitlines()
    reason = f"the engine broke down on this clip ({type(error).__name__}{': ' + said[0] if said else ''})"
    return [Answer(Outcome.ERROR, "", reason=reason) for _ in questions]
