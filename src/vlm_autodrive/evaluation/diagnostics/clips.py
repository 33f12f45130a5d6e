"""Diagnostics of the clips: overlap with the training clips, and duplicates."""

from collections.abc import Iterator, Sequence

from vlm_autodrive.evaluation.predict.contamination import TrainTestOverlap
from vlm_autodrive.evaluation.score import Diagnostic, EvaluationSamples

_SHOWN = 3
_WORDS = {
    "video": "come from the same video",
    "file": "are the same file under another name",
    "triplet": "belong to the same triplet",
    "group": "come from the same drive or source",
}


def diagnose_clips(samples: EvaluationSamples) -> Iterator[Diagnostic]:
    """What the clips share with those learnt from, and with each other."""
    known = {clip.clip_id for clip in samples.clips}
    shared = {tie: None for leaks in samples.leaks.values() for tie in leaks.split_overlaps}
    told = _told(list(shared), known)
    if told:
        count, words = told
        yield Diagnostic(
            severity="invalid",
            kind="leaky_split",
            model=None,
            text=f"The split leaks: {count} of the {len(known)} clips ({count / len(known):.0%}) are not "
            f"held out, since they share footage with clips to learn from. {words} What is learnt by heart there is "
            "counted as understood here; split by whole drives, with `autodrive clips`, and train anew.",
        )
    for model, leaks in samples.leaks.items():
        told = _told(leaks.training_overlaps, known)
        if told:
            count, words = told
            yield Diagnostic(
                severity="invalid",
                kind="leaky_split",
                model=model,
                text=f"{model} was trained on what it is tested on: {count} of the {len(samples.clips)} clips share "
                f"footage with its supervision. {words} Its metrics do not hold for clips that it has not seen.",
            )
        if leaks.missing:
            yield Diagnostic(
                severity="warning",
                kind="training_unknown",
                model=model,
                text=f"What {model} was trained on is not there any more ({', '.join(leaks.missing)}), so it could "
                "not be checked whether these clips are among it.",
            )
    twice = {
        pair: None
        for leaks in samples.leaks.values()
        for pair in leaks.duplicates
        if {pair.first, pair.second} <= known
    }
    if twice:
        shown = "; ".join(f"{pair.first} and {pair.second}" for pair in list(twice)[:_SHOWN])
        differ = sum(not pair.same_class for pair in twice)
        against = f", {differ} of them with labels that contradict each other" if differ else ""
        yield Diagnostic(
            severity="warning",
            kind="duplicated_clips",
            model=None,
            text=f"{len(twice)} pairs of clips show the same seconds of the same video{against} ({shown}"
            f"{' …' if len(twice) > _SHOWN else ''}). They count twice, and the intervals take them for independent "
            "clips where their drives differ.",
        )


def _told(ties: Sequence[TrainTestOverlap], known: set[str]) -> tuple[int, str] | None:
    """How many known clips are tied to others, and how, in words; None if none is."""
    clips: dict[tuple[str, str], list[str]] = {}
    for tie in ties:
        clips.setdefault((tie.kind, tie.where), []).extend(i for i in tie.clips if i in known)
    found = {key: list(dict.fromkeys(ids)) for key, ids in clips.items() if ids}
    if not found:
        return None
    sentences = [
        f"{len(ids)} {_WORDS[kind]} as clips of {where} ({', '.join(ids[:_SHOWN])}{' …' if len(ids) > _SHOWN else ''})."
        for (kind, where), ids in found.items()
    ]
    return len({clip_id for ids in found.values() for clip_id in ids}), " ".join(sentences)
