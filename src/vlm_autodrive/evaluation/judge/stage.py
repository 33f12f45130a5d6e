"""LLM judge: a served model grades the reasoning traces of another, one record per prediction."""

from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path

from vlm_autodrive.artifacts import (
    HUMAN_RATINGS_FILE,
    JUDGEMENTS_FILE,
    artifact_key,
    input_key,
    read_clips,
    read_predictions,
    read_taxonomy,
    writing_artifact,
)
from vlm_autodrive.console import TERMINAL
from vlm_autodrive.engines import (
    ChatRequest,
    Completion,
    CostEstimate,
    EndpointClient,
    EndpointNames,
    ReplyCache,
    TokenUsage,
    budget_lines,
    cache_path,
    endpoint_of,
    in_order,
    max_usage,
    money_for,
    open_client,
    open_database,
    read_answer,
    run_async,
    structured_body,
    structured_hints,
    text_tokens,
    token_line,
)
from vlm_autodrive.errors import UserError
from vlm_autodrive.evaluation.judge.prompt import SYSTEM, VERSION, Graded, judge_prompt
from vlm_autodrive.evaluation.judge.ratings import read_human_ratings_of
from vlm_autodrive.evaluation.settings import JudgeSettings
from vlm_autodrive.progress import SILENT, Reporter
from vlm_autodrive.records import Judgement, Outcome, Prediction, Record, write_jsonl

_JUDGE = EndpointNames(
    who="the judge",
    keys="",
    address="--endpoint (base_url)",
    model="--model",
    sent="traces with the labels and metadata of their clips",
)


class JudgeEstimate(CostEstimate):
    """What judging will take: one request for each trace.

    Attributes:
        without_trace: Predictions that have no trace, and are not judged.
    """

    without_trace: int


class _JudgeRequest(Record):
    """A prediction, and the judge's prompt for it; empty if it has no trace."""

    prediction: Prediction
    prompt: str


def judge(
    predictions: Path,
    out: Path,
    settings: JudgeSettings,
    reporter: Reporter = TERMINAL,
    *,
    human_ratings: Path | None = None,
    overwrite: bool = False,
) -> Path:
    """Have every trace of a model graded.

    What was paid for is kept at once, so that an interrupted run, or one whose budget is spent, goes on where it was.

    Args:
        predictions: What ``evaluate`` made.
        out: Where the judgements go.
        settings: The judge.
        reporter: Hears what is sent, what it may cost, and of the progress.
        human_ratings: A table of human ratings of the same traces.
        overwrite: Replace another result at ``out``.

    Raises:
        UserError: If the judge cannot be reached, the budget is spent, no prediction has a trace, or the table of
            human ratings is wrong.
    """
    facts = {"prompt_version": VERSION}
    inputs = {"predictions": predictions, **({} if human_ratings is None else {"human_ratings": human_ratings})}
    input_key(predictions, "predictions")
    with writing_artifact(out, "judgements", inputs, settings, facts=facts, overwrite=overwrite) as folder:
        if folder is None:
            return out
        requests = _requests(predictions)
        grades = (
            []
            if human_ratings is None
            else read_human_ratings_of(human_ratings, [request.prediction.clip_id for request in requests])
        )
        for line in estimate_lines(estimate_judging(predictions, settings, reporter), settings):
            reporter.say(line)
        # The budget belongs to this job. Human ratings are no part of it: adding them must not open a new account.
        job = artifact_key("judging", {"predictions": input_key(predictions)}, settings, facts)
        judgements = run_async(_judge(requests, settings, job, reporter))
        write_jsonl(folder / JUDGEMENTS_FILE, judgements)
        if human_ratings is not None:
            write_jsonl(folder / HUMAN_RATINGS_FILE, grades)
    return out


def estimate_judging(predictions: Path, settings: JudgeSettings, reporter: Reporter = SILENT) -> JudgeEstimate:
    """What judging would take; no request is sent.

    Raises:
        UserError: If the endpoint may not be used, or no prediction has a trace.
    """
    input_key(predictions, "predictions")
    requests = _requests(predictions)
    bodies = [_body(settings, request.prompt) for request in requests if request.prompt]
    url = endpoint_of(settings, _JUDGE).url
    with open_database(cache_path(settings), f"{_JUDGE.keys}cache", reporter) as database:
        cache = ReplyCache(database, url, settings.model)
        new = [body for body in bodies if cache.load(cache.key(body, "")) is None]
    cost = TokenUsage(sum(text_tokens(body) for body in new), len(new) * settings.max_tokens)
    return JudgeEstimate(
        requests=len(bodies),
        without_trace=len(requests) - len(bodies),
        in_cache=len(bodies) - len(new),
        prompt_tokens=cost.prompt_tokens,
        completion_tokens=cost.completion_tokens,
        money=money_for(cost, settings.price),
    )


def estimate_lines(found: JudgeEstimate, settings: JudgeSettings) -> list[str]:
    """An estimate in words."""
    host = endpoint_of(settings, _JUDGE).host
    return [
        f"{found.requests:,} traces go to {settings.model} at {host}, with the labels and metadata of their clips; "
        f"{found.in_cache:,} were judged before, {found.without_trace:,} clips have none.",
        f"{token_line(found, settings)}.",
        *budget_lines(found, settings, _JUDGE.keys),
    ]


def _requests(predictions: Path) -> list[_JudgeRequest]:
    taxonomy = read_taxonomy(predictions)
    clips = {clip.clip_id: clip for clip in read_clips(predictions)}
    requests = []
    for prediction in read_predictions(predictions):
        trace = "" if prediction.reasoning is None else prediction.reasoning.trace.strip()
        prompt = judge_prompt(clips[prediction.clip_id], taxonomy, trace) if trace else ""
        requests.append(_JudgeRequest(prediction=prediction, prompt=prompt))
    if not any(request.prompt for request in requests):
        raise UserError(f"no prediction in {predictions} has a trace to judge; evaluate with reasoning=true.")
    return requests


async def _judge(
    requests: Sequence[_JudgeRequest], settings: JudgeSettings, job: str, reporter: Reporter
) -> list[Judgement]:
    judgements = []
    async with open_client(
        settings, _JUDGE, job, reporter, kept_for=settings.model, hints=structured_hints(_JUDGE.keys)
    ) as client:

        async def one(request: _JudgeRequest) -> Judgement:
            return await _judged(client, request, settings)

        with reporter.task(f"Judging by {settings.model}", len(requests)) as task:
            async with aclosing(in_order(requests, one, settings.max_connections)) as results:
                async for _, judgement in results:
                    judgements.append(judgement)
                    task.advance(1, client.used())
        reporter.say(f"Used: {client.used()}.")
    return judgements


async def _judged(client: EndpointClient, request: _JudgeRequest, settings: JudgeSettings) -> Judgement:
    prediction = request.prediction
    if not request.prompt:
        why = "no trace was asked for" if prediction.reasoning is None else prediction.reasoning.reason
        reason = "there is no trace to judge" + (f": {why}" if why else "")
        return _judgement(request, settings, Completion(Outcome.ERROR, reason=reason), None)
    body = _body(settings, request.prompt)
    answer = await client.ask(ChatRequest(body, max_usage(body, 0, settings.max_tokens)))
    graded = read_answer(answer.text, Graded) if answer.outcome is Outcome.OK else None
    if isinstance(graded, str):
        unread = Completion(Outcome.UNPARSEABLE, answer.text, reason=graded)
        return _judgement(request, settings, unread, None)
    return _judgement(request, settings, answer, graded)


def _judgement(request: _JudgeRequest, settings: JudgeSettings, answer: Completion, graded: Graded | None) -> Judgement:
    return Judgement(
        clip_id=request.prediction.clip_id,
        model=request.prediction.model,
        judge=settings.model,
        outcome=answer.outcome,
        grade=None if graded is None else graded.grade,
        why="" if graded is None else graded.why,
        raw_text=answer.text,
        reason=answer.reason,
        prompt=request.prompt,
    )


def _body(settings: JudgeSettings, prompt: str) -> bytes:
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": prompt}]
    return structured_body(settings, messages, "grade", Graded)
