"""What the replies of an endpoint show of features that it was taken to have, each with the setting that helps."""

from collections.abc import Sequence

from vlm_autodrive.engines.answers.codes import code_in, unlisted_share
from vlm_autodrive.engines.endpoint.completion import Completion
from vlm_autodrive.records import Outcome

_EXACT = 0.01


def seen_in_reply(reply: Completion, model: str) -> list[str]:
    """What any reply shows: another model, thoughts in the place of an answer.

    Args:
        reply: The reply.
        model: The model that was asked.
    """
    seen = []
    if reply.model and reply.model.rsplit("/", 1)[-1] != model.rstrip("/").rsplit("/", 1)[-1]:
        seen.append(f"{model} was asked, and {reply.model} is said to have answered; name the model that is meant")
    if reply.reasoning and not reply.text.strip():
        seen.append("it returns all that it writes as reasoning; start the server without a reasoning parser")
    return [f"{line}." for line in seen]


def seen_in_verdict(reply: Completion, codes: Sequence[str], *, constrained: bool, top_logprobs: int) -> list[str]:
    """What a reply to a request for a code shows beside that.

    Args:
        reply: The reply.
        codes: The codes.
        constrained: Whether the endpoint was told to hold the answer to them.
        top_logprobs: How many log-probabilities were asked for.
    """
    if reply.outcome not in (Outcome.OK, Outcome.TRUNCATED):
        return []
    if "<think" in reply.text or reply.reasoning:
        return ["it thinks before a verdict, which has no room for it; set endpoint.thinking: switch, or prefill."]
    if code_in(reply.text, codes) is None:
        if not constrained:
            return []
        cut = ", so that verdicts are cut off" if reply.outcome is Outcome.TRUNCATED else ""
        return [
            f"it takes structured_outputs and writes prose all the same{cut}; set endpoint.extra to what holds its "
            'answers to the codes, such as {grammar: "root ::= \\"A\\" | \\"B\\" | \\"C\\""} of llama.cpp\'s server.'
        ]
    if not top_logprobs:
        return []
    share = unlisted_share(reply.places, reply.text, codes)
    if share is None:
        return ["it gives no log-probabilities of the codes, so verdicts have none; set endpoint.votes: 10."]
    if share > _EXACT:
        return [
            "it lists too few tokens to hold all codes, so probabilities of those that are missing are bounds; raise "
            "endpoint.top_logprobs, or set endpoint.votes: 10."
        ]
    return []
