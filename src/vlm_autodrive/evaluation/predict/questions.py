"""Held-out questions about a clip: which are asked, how, and the answers made of the responses."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from vlm_autodrive.artifacts import HELD_OUT_QUESTIONS_FILE, input_key, read_held_out_questions, read_provenance
from vlm_autodrive.engines import InferenceRequest, InferenceResponse, parse_letter
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import ChoiceAnswer, Clip, HeldOutQuestion, Outcome

QuestionsByClip = Mapping[str, Sequence[HeldOutQuestion]]


def questions_input(supervision: Path | None, clips: Path) -> dict[str, Path]:
    """The file of held-out questions as the input of an evaluation; nothing without a supervision set.

    The file and not the whole set: what else was written for training changes no prediction.

    Raises:
        UserError: If the supervision set was made of other clips.
    """
    if supervision is None:
        return {}
    input_key(supervision, "supervision")
    of_clips = read_provenance(supervision).inputs.get("clips")
    if of_clips is None or of_clips.key != input_key(clips):
        raise UserError(f"the questions in {supervision} are not about the clips in {clips}; supervise those.")
    return {"questions": supervision / HELD_OUT_QUESTIONS_FILE}


def draw_questions(
    supervision: Path | None, clips: Iterable[Clip], questions_per_clip: int, seed: int
) -> dict[str, tuple[HeldOutQuestion, ...]]:
    """The questions that each clip is asked, by its id; clips without any are left out.

    Args:
        supervision: Where the questions are; None for none.
        clips: The clips that are evaluated.
        questions_per_clip: Most questions of a clip. They are drawn by a hash of their ids, which tell no class.
        seed: Of the draw.
    """
    by_clip: dict[str, list[HeldOutQuestion]] = defaultdict(list)
    for question in [] if supervision is None else read_held_out_questions(supervision):
        by_clip[question.clip_id].append(question)

    def place(question: HeldOutQuestion) -> bytes:
        return hashlib.sha256(f"{seed}|{question.sample_id}".encode()).digest()

    found = {clip.clip_id: tuple(sorted(by_clip[clip.clip_id], key=place)[:questions_per_clip]) for clip in clips}
    return {clip_id: questions for clip_id, questions in found.items() if questions}


def question_request(question: HeldOutQuestion) -> InferenceRequest:
    """The request for the letter of a question's right option."""
    return InferenceRequest(question.prompt.text, codes=question.letters)


def choice_answer(question: HeldOutQuestion, response: InferenceResponse) -> ChoiceAnswer:
    """The answer that a response gives. A letter in front of a text that was cut off is an answer too."""
    letter, outcome, reason = None, response.outcome, response.reason
    if outcome in (Outcome.OK, Outcome.TRUNCATED):
        letter = parse_letter(response.text, question.letters)
        if letter is None and outcome is Outcome.OK:
            outcome, reason = Outcome.UNPARSEABLE, "the answer names no single letter"
        elif letter is not None and outcome is Outcome.TRUNCATED:
            outcome = Outcome.REPAIRED
    return ChoiceAnswer(
        outcome=outcome,
        letter=letter,
        probabilities=response.probabilities,
        raw_text=response.text,
        reason=reason,
        probability_source=response.probability_source,
    )
