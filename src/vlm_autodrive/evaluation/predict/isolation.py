"""Per-clip error isolation: a clip on which an engine breaks down fails alone."""

from collections.abc import Sequence

from vlm_autodrive.engines import Engine, InferenceRequest, InferenceResponse
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import Outcome
from vlm_autodrive.video import Frames

BROKE_DOWN = "the engine broke down on this clip"


class ErrorIsolatingEngine:
    """An engine that runs the clips of a batch one by one where the batch as a whole raised an exception.

    Args:
        engine: The engine. By its protocol it raises nothing for a clip's sake, but libraries below it may.
        works: Whether it has responded before. If every clip of its first batch raises, the fault is not the
            clips', and the exception is let through: such an engine is not evaluated.
    """

    def __init__(self, engine: Engine, *, works: bool) -> None:
        self._engine, self._works = engine, works

    def generate(
        self,
        clips: Sequence[Frames],
        requests: Sequence[InferenceRequest],
        own: Sequence[Sequence[InferenceRequest]] = (),
    ) -> list[list[InferenceResponse]]:
        """Every clip's responses, as :meth:`vlm_autodrive.engines.protocol.Engine.generate` gives them.

        Raises:
            UserError: If the engine cannot be used with these settings.
            RuntimeError: If it gives not exactly one response to each request about each clip.
        """
        if not clips:
            return []
        rows = [[*requests, *also] for also in own] if own else [list(requests)] * len(clips)
        responses = self._try(clips, requests, own)
        if isinstance(responses, Exception):
            alone: list[list[list[InferenceResponse]] | Exception] = [responses]
            if len(clips) > 1:
                alone = [self._try([clip], requests, own[i : i + 1]) for i, clip in enumerate(clips)]
            if not self._works and all(isinstance(result, Exception) for result in alone):
                raise responses
            responses = [
                _failed(r, row) if isinstance(r, Exception) else r[0] for r, row in zip(alone, rows, strict=True)
            ]
        self._works = True
        return responses

    def _try(
        self,
        clips: Sequence[Frames],
        requests: Sequence[InferenceRequest],
        own: Sequence[Sequence[InferenceRequest]],
    ) -> list[list[InferenceResponse]] | Exception:
        wanted = [len(requests) + (len(own[i]) if own else 0) for i in range(len(clips))]
        try:
            responses = self._engine.generate(clips, requests, own)
        except UserError:
            raise
        except Exception as error:
            return error
        if list(map(len, responses)) != wanted:
            raise RuntimeError(
                f"{self._engine.name} was given {sum(wanted)} requests about {len(clips)} clips and gave "
                f"{sum(map(len, responses))} responses for {len(responses)} clips; they cannot be joined by guessing"
            )
        return responses


def _failed(error: Exception, requests: Sequence[InferenceRequest]) -> list[InferenceResponse]:
    lines = str(error).strip().splitlines()
    reason = f"{BROKE_DOWN} ({type(error).__name__}{': ' + lines[0] if lines else ''})"
    return [InferenceResponse(Outcome.ERROR, "", reason=reason) for _ in requests]
