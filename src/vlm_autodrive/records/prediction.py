"""Predictions: exactly one record for each clip and model."""

from typing import Literal

from vlm_autodrive.records.base import Outcome, Record

ProbabilitySource = Literal["code_logprobs", "votes", "fitted"]
"""Where probabilities come from: the softmax over the codes' log-probabilities; the proportions among several sampled
answers; or a classifier fitted on the training clips. They are different kinds of confidence and never mixed."""


class Verdict(Record):
    """The response to the direct-verdict prompt.

    Attributes:
        outcome: How it ended; anything but ``ok`` counts as wrong.
        event_class: The class named; None if none was.
        probabilities: Probability of each class, by class name; None if the engine gives none.
        raw_text: What the model wrote, or the code with the largest probability.
        reason: Why it failed, in plain words; empty if it did not.
        prompt: The user prompt; empty for a baseline, which has none.
        probability_source: Where the probabilities come from; None if there are none.
        code_mass: Probability that the model gave all class codes together, before the softmax over them: how willing
            it was to answer with a code at all. A lower bound from an endpoint that lists only the likeliest tokens;
            None if it is not known, or no code was forced.
        unlisted_share: The probability given to each code that an endpoint did not list, a bound and no estimate; 0 if
            all were listed, None if it does not apply.
    """

    outcome: Outcome
    event_class: str | None
    probabilities: dict[str, float] | None
    raw_text: str
    reason: str = ""
    prompt: str = ""
    probability_source: ProbabilitySource | None = None
    code_mass: float | None = None
    unlisted_share: float | None = None


class Reasoning(Record):
    """The generated reasoning trace and its own verdict.

    Attributes:
        outcome: How it ended.
        event_class: The class that the trace's answer names; None if none.
        trace: The text between the think tags.
        cited_times_s: Every time that the trace cites, in order, in clip time; also those outside the clip.
        event_time_s: The time that the answer gives for the event, inside the clip or not; None if it gives none.
        raw_text: All that the model wrote.
        reason: Why it failed; empty if it did not.
        prompt: The user prompt.
    """

    outcome: Outcome
    event_class: str | None
    trace: str
    cited_times_s: tuple[float, ...]
    event_time_s: float | None
    raw_text: str
    reason: str = ""
    prompt: str = ""


class ChoiceAnswer(Record):
    """The response to one held-out multiple-choice question.

    Attributes:
        outcome: How it ended; anything but ``ok`` and ``repaired`` counts as wrong.
        letter: The letter named; None if none was.
        probabilities: Probability of each letter, in their order; None if the engine gives none.
        raw_text: What the model wrote, or the letter with the largest probability.
        reason: Why it failed; empty if it did not.
        probability_source: Where the probabilities come from; None if there are none.
    """

    outcome: Outcome
    letter: str | None
    probabilities: tuple[float, ...] | None = None
    raw_text: str = ""
    reason: str = ""
    probability_source: ProbabilitySource | None = None


class Prediction(Record):
    """One clip, one model: all its responses.

    Attributes:
        clip_id: The clip.
        model: The model's name.
        verdict: The direct verdict, under the prompt on which all metrics rest.
        reasoning: The trace and its verdict; None if it was not requested.
        frame_times_s: True times of the frames that the model saw, in clip time.
        latency_s: Seconds that inference on the unaltered footage took, shared evenly over a batch.
        prompt_variants: Direct verdicts under further prompts, by the prompt's name.
        controls: Direct verdicts on footage that was tampered with, by the control's name
            (see ``evaluation.predict.controls``); empty if none were run.
        questions: Answers to the held-out questions about the clip, by the question's ``sample_id``; the questions
            stand in ``held_out_questions.jsonl`` beside the predictions.
    """

    clip_id: str
    model: str
    verdict: Verdict
    reasoning: Reasoning | None
    frame_times_s: tuple[float, ...]
    latency_s: float
    prompt_variants: dict[str, Verdict] = {}
    controls: dict[str, Verdict] = {}
    questions: dict[str, ChoiceAnswer] = {}
