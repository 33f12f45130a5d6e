"""The inference requests for a clip, and the prediction made of the responses."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vlm_autodrive.engines import InferenceRequest, InferenceResponse, parse_class, parse_reasoning_response
from vlm_autodrive.errors import UserError
from vlm_autodrive.evaluation.predict.controls import apply_control, no_video
from vlm_autodrive.evaluation.predict.isolation import ErrorIsolatingEngine
from vlm_autodrive.evaluation.predict.questions import QuestionsByClip, choice_answer, question_request
from vlm_autodrive.evaluation.settings import OF_EVERY_CLIP, Control, EvaluateSettings
from vlm_autodrive.models import (
    MAIN,
    SYSTEM_PROMPT,
    Convention,
    PromptName,
    paper_taxonomy,
    reasoning_prompt,
    variant_verdict_prompt,
    verdict_prompt,
)
from vlm_autodrive.records import Clip, Outcome, Prediction, Reasoning, StudentPrompt, Taxonomy, Verdict
from vlm_autodrive.video import FrameCache, Frames, VideoError


@dataclass(frozen=True)
class VerdictRequest:
    """One prompt of the direct verdict.

    Attributes:
        request: What is asked; without codes it is answered in free text.
        taxonomy: The classes by whose letters the answer is read.
    """

    request: InferenceRequest
    taxonomy: Taxonomy


@dataclass(frozen=True)
class RequestSet:
    """The inference requests made for every clip.

    Attributes:
        verdicts: The direct verdict by the name of its prompt, first the one on which all metrics rest.
        reasoning: The request for the reasoning trace; None without reasoning.
    """

    verdicts: Mapping[str, VerdictRequest]
    reasoning: InferenceRequest | None

    @property
    def main(self) -> VerdictRequest:
        """The prompt on which all metrics rest, and the only one that controls are given."""
        return next(iter(self.verdicts.values()))

    @property
    def all(self) -> list[InferenceRequest]:
        """The verdicts, then the reasoning."""
        asked = [verdict.request for verdict in self.verdicts.values()]
        return [*asked, *([] if self.reasoning is None else [self.reasoning])]

    @property
    def texts(self) -> dict[str, str]:
        """All prompts by name, and system prompts other than the usual one."""
        found = {"system": SYSTEM_PROMPT}
        for name, verdict in self.verdicts.items():
            found[name] = verdict.request.prompt
            if verdict.request.system != SYSTEM_PROMPT:
                found[f"system of {name}"] = verdict.request.system
        return found if self.reasoning is None else {**found, "reasoning": self.reasoning.prompt}


def build_requests(taxonomy: Taxonomy, settings: EvaluateSettings, convention: Convention | None) -> RequestSet:
    """The requests of the settings; they depend on no clip, so that all clips of a batch share them.

    Args:
        taxonomy: The classes.
        settings: Which requests.
        convention: The form that the model's maker documents; None for a model that was trained here.

    Raises:
        UserError: If the prompt on which all metrics shall rest cannot be asked of these classes or this model.
    """
    wanted: list[PromptName] = [settings.prompt]
    if settings.prompt_variants:
        wanted += [MAIN, *settings.prompt_variants]
    found: dict[str, VerdictRequest] = {
        name: verdict
        for name in dict.fromkeys(wanted)
        if (verdict := _verdict_request(name, taxonomy, settings, convention)) is not None
    }
    if settings.prompt not in found:
        why = "trained here" if settings.prompt == "own" else "asked about other classes, or asked so already"
        raise UserError(f"there is no prompt {settings.prompt} for a model that was {why}; set prompt=main.")
    prompt, most = reasoning_prompt(taxonomy).text, settings.max_new_tokens
    reasoning = InferenceRequest(prompt, max_new_tokens=most, thinking=True)
    return RequestSet(found, reasoning if settings.reasoning else None)


def _verdict_request(
    name: PromptName, taxonomy: Taxonomy, settings: EvaluateSettings, convention: Convention | None
) -> VerdictRequest | None:
    """The request under one prompt; None where it cannot be made."""
    match name:
        case "own":
            if convention is None:
                return None
            most = settings.max_thinking_tokens if convention.thinks else settings.max_answer_tokens
            prompt = convention.prompt(taxonomy)
            request = InferenceRequest(
                prompt.text, max_new_tokens=most, system=convention.system, thinking=convention.thinks
            )
            return VerdictRequest(request, taxonomy)
        case "paper":
            paper = paper_taxonomy(taxonomy)
            return None if paper is None else _forced_choice(verdict_prompt(paper), paper)
        case "main":
            return _forced_choice(verdict_prompt(taxonomy), taxonomy)
        case _:
            return _forced_choice(variant_verdict_prompt(name, taxonomy), taxonomy)


def _forced_choice(prompt: StudentPrompt, taxonomy: Taxonomy) -> VerdictRequest:
    return VerdictRequest(InferenceRequest(prompt.text, codes=taxonomy.codes), taxonomy)


def read_clip_frames(
    cache: FrameCache, clips: Sequence[Clip], unreadable: Mapping[str, str]
) -> dict[str, Frames | str]:
    """The frames of clips by clip id, or why a clip cannot be used.

    Args:
        cache: Where frames are kept.
        clips: The clips.
        unreadable: Why a clip cannot be used, of those of which that is known.
    """
    read: dict[str, Frames | str] = {}
    for clip in clips:
        try:
            read[clip.clip_id] = unreadable.get(clip.clip_id) or cache.get(clip)
        except VideoError as error:
            read[clip.clip_id] = error.reason
    return read


class ClipPredictor:
    """Makes the predictions of one model for batches of clips.

    Args:
        engine: The model.
        name: Its name in records.
        requests: The requests made for every clip.
        taxonomy: The classes.
        settings: The controls.
        questions: Held-out questions about single clips, by clip id.
    """

    def __init__(
        self,
        engine: ErrorIsolatingEngine,
        name: str,
        requests: RequestSet,
        taxonomy: Taxonomy,
        settings: EvaluateSettings,
        questions: QuestionsByClip,
    ) -> None:
        self._engine, self._name = engine, name
        self._requests, self._taxonomy = requests, taxonomy
        self._settings, self._questions = settings, questions
        self._without_video: Verdict | None = None

    def predict(self, clips: Sequence[Clip], read: Mapping[str, Frames | str]) -> list[Prediction]:
        """One prediction for each clip, in their order.

        A clip's frames are given to the engine once for all requests, and once more for each control.

        Args:
            clips: The clips.
            read: What :func:`read_clip_frames` gave for them.
        """
        frames = {clip_id: each for clip_id, each in read.items() if isinstance(each, Frames)}
        problems = {clip_id: each for clip_id, each in read.items() if isinstance(each, str)}
        shown = list(frames.values())
        begun = time.monotonic()
        count = len(self._requests.all)
        own = [[question_request(question) for question in self._questions.get(clip_id, ())] for clip_id in frames]
        answers = dict(zip(frames, self._engine.generate(shown, self._requests.all, own), strict=True))
        # Controls are left out of the latency: no deployment would run them.
        latency_s = (time.monotonic() - begun) / max(1, len(shown))
        controls = self._controls([clip for clip in clips if clip.clip_id in frames], frames)
        predictions = []
        for clip in clips:
            if clip.clip_id in problems:
                failed = InferenceResponse(Outcome.ERROR, "", reason=problems[clip.clip_id])
                # The controls fail too: a clip without one would drop out of the control's denominator alone, and the
                # loss against the true footage would be over other clips. Only those that need an event stay away.
                missed = self._verdict(self._requests.main, failed)
                kept = {control: missed for control in self._settings.controls if control in OF_EVERY_CLIP}
                questions = len(self._questions.get(clip.clip_id, ()))
                predictions.append(self._prediction(clip, [failed] * (count + questions), kept, (), 0.0))
            else:
                given, times_s = answers[clip.clip_id], frames[clip.clip_id].times_s
                predictions.append(self._prediction(clip, given, controls[clip.clip_id], times_s, latency_s))
        return predictions

    def _controls(self, clips: Sequence[Clip], frames: Mapping[str, Frames]) -> dict[str, dict[Control, Verdict]]:
        """Each clip's verdicts on the controls that it can be given."""
        found: dict[str, dict[Control, Verdict]] = {clip.clip_id: {} for clip in clips}
        for control in self._settings.controls if clips else ():
            if control == "no_video":
                verdict = self._verdict_without_video(frames[clips[0].clip_id])
                for verdicts in found.values():
                    verdicts[control] = verdict
                continue
            shown = {}
            for clip in clips:
                changed = apply_control(control, clip, frames[clip.clip_id], self._settings.hide_s, self._settings.seed)
                if changed is not None:
                    shown[clip.clip_id] = changed
            answers = self._engine.generate(list(shown.values()), [self._requests.main.request])
            for clip_id, (answer,) in zip(shown, answers, strict=True):
                found[clip_id][control] = self._verdict(self._requests.main, answer)
        return found

    def _verdict_without_video(self, frames: Frames) -> Verdict:
        """The answer to the prompt alone, which is the same for all clips and so requested once."""
        if self._without_video is None:
            ((answer,),) = self._engine.generate([no_video(frames)], [self._requests.main.request])
            self._without_video = self._verdict(self._requests.main, answer)
        return self._without_video

    def _prediction(
        self,
        clip: Clip,
        answers: Sequence[InferenceResponse],
        controls: Mapping[Control, Verdict],
        times_s: tuple[float, ...],
        latency_s: float,
    ) -> Prediction:
        verdicts = {
            name: self._verdict(question, answer)
            for (name, question), answer in zip(self._requests.verdicts.items(), answers, strict=False)
        }
        traced, count = self._requests.reasoning, len(self._requests.all)
        questions = self._questions.get(clip.clip_id, ())
        return Prediction(
            clip_id=clip.clip_id,
            model=self._name,
            verdict=verdicts.pop(next(iter(self._requests.verdicts))),
            reasoning=None if traced is None else self._reasoning(traced, answers[count - 1], clip.duration_s),
            frame_times_s=times_s,
            latency_s=round(latency_s, 4),
            prompt_variants=verdicts,
            controls=dict(controls),
            questions={
                question.sample_id: choice_answer(question, answer)
                for question, answer in zip(questions, answers[count:], strict=True)
            },
        )

    def _verdict(self, asked: VerdictRequest, answer: InferenceResponse) -> Verdict:
        outcome, named, reason = answer.outcome, None, answer.reason
        probabilities = None
        if outcome is Outcome.OK:
            outcome, named = parse_class(answer.text, asked.taxonomy)
            reason = "" if named else "the answer names no single class"
            if answer.probabilities is not None:
                probabilities = dict(zip(asked.taxonomy.names, answer.probabilities, strict=True))
        return Verdict(
            outcome=outcome,
            event_class=named,
            probabilities=probabilities,
            raw_text=answer.text,
            reason=reason,
            prompt=asked.request.prompt,
            probability_source=None if probabilities is None else answer.probability_source,
            code_mass=answer.code_mass,
            unlisted_share=None if probabilities is None else answer.unlisted_share,
        )

    def _reasoning(self, question: InferenceRequest, answer: InferenceResponse, duration_s: float) -> Reasoning:
        read = parse_reasoning_response(answer, self._taxonomy, duration_s)
        return read.model_copy(update={"prompt": question.prompt})
