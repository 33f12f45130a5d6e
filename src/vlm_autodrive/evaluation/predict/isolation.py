"""Per-clip error isolation: a clip on which an engine breaks down fails alone."""

from collections.abc import Sequence

from vlm_autodrive.engines import Engine, InferenceRequest, InferenceResponse
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import Outcome
from vlm_autodrive.video import Frames


class ErrorIsolatingEngine:
    """An engine that runs the clips of a batch one by one where the batch as a whole raised an exception.

    Args:
        engine: The engine. By its protocol it raises nothing for a clip's sake, but libraries below it may.
        works: Whether it has responded before. If every clip of its first batch raises, the fault is not the
            clips', and the exception is let through: such an engine is not evaluated.
    """

    def __init__(self, engine: Engine, *, works: bool) -> None:
        self._engine, self._works = engine, works

    def generate(self, clips: Sequence[Frames], requests: Sequence[InferenceRequest]) -> list[list[InferenceResponse]]:
        """Every clip's responses, as :meth:`vlm_autodrive.engines.protocol.Engine.generate` gives them.

        Raises:
            UserError: If the engine cannot be used with these settings.
            RuntimeError: If it gives not exactly one response to each request about each clip.
        """
        if not clips:
            return []
        responses = self._try(clips, requests)
        if isinstance(responses, Exception):
            alone = [self._try([clip], requests) for clip in clips] if len(clips) > 1 else [responses]
            if not self._works and all(isinstance(result, Exception) for result in alone):
                raise responses
            responses = [_failed(r, requests) if isinstance(r, Exception) else r[0] for r in alone]
        self._works = True
        return responses

    def _try(
        self, clips: Sequence[Frames], requests: Sequence[InferenceRequest]
    ) -> list[list[InferenceResponse]] | Exception:
        try:
            responses = self._engine.generate(clips, requests)
        except UserError:
            raise
        except Exception as error:
            return error
        if len(responses) != len(clips) or any(len(row) != len(requests) for row in responses):
            raise RuntimeError(
                f"{self._engine.name} was given {len(requests)} requests about {len(clips)} clips and gave "
                f"{sum(map(len, responses))} responses for {len(responses)} clips; they cannot be joined by guessing"
            )
        return responses


def _failed(error: Exception, requests: Sequence[InferenceRequest]) -> list[InferenceResponse]:
    lines = str(error).strip().splitlines()
    reason = f"the engine broke down on this clip ({type(error).__name__}{': ' + lines[0] if lines else ''})"
    return [InferenceResponse(Outcome.ERROR, "", reason=reason) for _ in requests]
