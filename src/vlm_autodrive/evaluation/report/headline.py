"""The result in counts, for somebody who decides: a few sentences, and a table of what was found and missed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from vlm_autodrive.evaluation.report.formats import clips_of, counted, title_of
from vlm_autodrive.evaluation.report.statements import LEVEL, before_and_after, main_pair, p_of, too_few
from vlm_autodrive.evaluation.score import Comparison, ModelScores, PairScores, noisy_prompts, prompt_to_trust
from vlm_autodrive.evaluation.settings import BASELINES
from vlm_autodrive.metrics import FEW_CLIPS, LongVideoSearch
from vlm_autodrive.models import SIMULATED_FOOTAGE
from vlm_autodrive.records import Clip, Taxonomy


@dataclass(frozen=True)
class CountRow:
    """One row of the table in counts.

    Attributes:
        label: What is counted.
        counts: The count of each model.
        total: Out of how many clips.
        is_part: Whether it tells more of the row above.
    """

    label: str
    counts: tuple[int, ...]
    total: int
    is_part: bool = False

    @property
    def is_few(self) -> bool:
        """Whether the clips are too few for a conclusion."""
        return self.total < FEW_CLIPS


def headline(comparison: Comparison, taxonomy: Taxonomy, clips: Sequence[Clip] = ()) -> str:
    """The comparison in a few sentences of counts, the first of which warns where the figures cannot be trusted.

    Args:
        comparison: The comparison.
        taxonomy: Its classes.
        clips: The test clips, to tell simulated from real ones; without them nothing is said of that.
    """
    return " ".join(headline_sentences(comparison, taxonomy, clips))


def headline_sentences(comparison: Comparison, taxonomy: Taxonomy, clips: Sequence[Clip] = ()) -> list[str]:
    """The sentences of :func:`headline`: too few clips, what was found, false alarms, difference, noise and footage."""
    before, after = before_and_after(comparison)
    shown, earlier = str(after or before), before if after else None
    simulated = sum(1 for clip in clips if clip.scenario is not None)
    is_simulated = bool(clips) and simulated == len(clips)
    where = f"On {comparison.n} {'simulated ' if is_simulated else ''}test clip{'s' * (comparison.n != 1)}"
    sentences = [
        *_found(comparison, taxonomy, shown, earlier, where),
        *_difference(main_pair(comparison), after),
        *_noise(comparison),
    ]
    if is_simulated:
        sentences.append("These are simulated drives: expect other numbers on real video.")
    elif simulated:
        are = "are simulated drives" if simulated != 1 else "is a simulated drive"
        sentences.append(f"{simulated} of the clips {are}: expect other numbers on real video alone.")
    elif clips and SIMULATED_FOOTAGE in comparison.models[shown].training:
        sentences.append("The model was trained on simulated video only.")
    elif clips:
        sentences.append("Other cameras, roads and weather may give other numbers.")
    if any(diagnostic.severity == "invalid" for diagnostic in comparison.diagnostics):
        first = sentences[0]
        sentences[0] = f"These results are invalid: taken at face value, {first[0].lower()}{first[1:]}"
    return [*too_few(comparison), *sentences]


def models_for_decision(comparison: Comparison) -> list[str]:
    """The models before and after, and the others that are no baseline."""
    main = [name for name in before_and_after(comparison) if name is not None]
    known = (*main, *BASELINES)
    return [*main, *(name for name, model in comparison.models.items() if not {name, model.name} & set(known))]


def gives_one_answer(comparison: Comparison, model: str | None) -> bool:
    """Whether a model names one class whatever a clip shows, so that its figures say nothing of the clips."""
    return any(found.model == model and found.kind == "always_same_class" for found in comparison.diagnostics)


def count_rows(comparison: Comparison, taxonomy: Taxonomy, models: Sequence[str]) -> list[CountRow]:
    """What models found, missed and raised falsely; classes without a clip are left out.

    Args:
        comparison: The comparison.
        taxonomy: Its classes.
        models: Whose counts to give.
    """
    scores = [comparison.models[name] for name in models]
    events, normal = len(taxonomy.event_names), len(taxonomy.classes) - 1
    rows = []
    for index, each in enumerate(taxonomy.classes):
        total = comparison.class_counts[each.name]
        of_class = [each_model.confusion[index] for each_model in scores]
        silent = CountRow("no answer", tuple(row[-1] for row in of_class), total, is_part=True)
        if total and each.is_event:
            found = tuple(row[index] for row in of_class)
            other = tuple(sum(row[:events]) - row[index] for row in of_class)
            rows.append(CountRow(f"{_capital(clips_of(each.label))} found", found, total))
            rows.append(CountRow("called another event", other, total, is_part=True))
            rows.append(
                CountRow(f"missed: called {taxonomy.normal.label}", tuple(row[normal] for row in of_class), total, True)
            )
        elif total:
            alarms = tuple(sum(row[:events]) for row in of_class)
            rows.append(CountRow(f"False alarms on {clips_of(each.label)}", alarms, total))
        if total:
            rows.append(silent)
    right = tuple(_right(model) for model in scores)
    rows.append(CountRow("Clips answered rightly in all", right, comparison.n))
    return [row for row in rows if any(row.counts) or not row.is_part]


def check_lines(comparison: Comparison, model: str, long_videos: LongVideoSearch | None) -> list[str]:
    """What the counts can be held against: black video, the baselines, and the search of long videos.

    Args:
        comparison: The comparison.
        model: The model that the report is about.
        long_videos: The search of long videos; None if none were searched.
    """
    scores, n = comparison.models[model], comparison.n
    lines = []
    if (black := scores.controls.get("black")) is not None and black.accuracy.value is not None:
        blind, right = round(black.accuracy.value * n), _right(scores)
        than = "as with the video" if blind == right else f"with the video on {right}"
        lines.append(f"Shown black frames instead of the video, it is right on {blind} of {counted(n)}, {than}.")
    known = {"majority": "Always naming the most frequent class", "camera_shake": "Judging by camera shake alone"}
    for name, what in known.items():
        if name in comparison.models and name != model:
            lines.append(f"{what} answers {_right(comparison.models[name])} of {counted(n)} rightly.")
    if long_videos is not None and long_videos.score is not None:
        found = long_videos.score.scores
        many, minutes = "s" * (long_videos.videos != 1), round(found.hours * 60)
        lines.append(
            f"In {long_videos.videos} whole simulated drive{many} of {minutes} minute{'s' * (minutes != 1)} in all it "
            f"found {found.found} of {found.events} event{'s' * (found.events != 1)} and raised "
            f"{found.false_alarms} false alarm{'s' * (found.false_alarms != 1)}."
        )
    return lines


def _found(comparison: Comparison, taxonomy: Taxonomy, shown: str, earlier: str | None, where: str) -> Iterator[str]:
    """Sentences on the first class of events that has clips, and on false alarms."""
    counts = {
        name: _class_counts(comparison.models[name], taxonomy, comparison)
        for name in (shown, earlier)
        if name is not None
    }
    who = {"tuned": "the trained model", "base": "the base model"}.get(
        shown, "the model" if earlier is None else f"“{title_of(shown)}”"
    )
    old = "before training it" if (earlier, shown) == ("base", "tuned") else f"“{title_of(str(earlier))}”"
    event, alarms = counts[shown]
    total_normal = comparison.class_counts[taxonomy.normal.name]
    normal = f"{total_normal} {clips_of(taxonomy.normal.label, total_normal)}"
    if event is not None:
        label, found, total = event
        text = f"{where} {who} found {_none(found)} of {total} {clips_of(label, total)}"
        if earlier is not None and (was := counts[earlier][0]) is not None:
            text += f"; {old} found {_none(was[1])}"
        yield f"{text}."
    begin = "It" if event is not None else f"{where}, which show no event, {who}"
    if alarms is None:
        yield f"There is no {taxonomy.normal.label} clip, so nothing is known of false alarms."
        return
    text = f"{begin} raised a false alarm on {_none(alarms)} of {normal}"
    if earlier is not None and not gives_one_answer(comparison, earlier):
        text += f"; {old} raised one on {_none(counts[earlier][1] or 0)}"
    yield f"{text}."


def _class_counts(
    scores: ModelScores, taxonomy: Taxonomy, comparison: Comparison
) -> tuple[tuple[str, int, int] | None, int | None]:
    """Label, found and total of the first class of events with clips, and the false alarms; None without clips."""
    event = next(
        (
            (each.label, scores.confusion[index][index], comparison.class_counts[each.name])
            for index, each in enumerate(taxonomy.classes)
            if each.is_event and comparison.class_counts[each.name]
        ),
        None,
    )
    if not comparison.class_counts[taxonomy.normal.name]:
        return event, None
    return event, sum(scores.confusion[-1][: len(taxonomy.event_names)])


def _difference(pair: PairScores | None, after: str | None) -> Iterator[str]:
    """Whether the difference is more than chance, in counts of clips."""
    if pair is None:
        yield "There is no other model to compare it with."
        return
    better, worse = len(pair.only_second_right), len(pair.only_first_right)
    if pair.second != after:
        better, worse = worse, better
    if not better and not worse:
        yield "No clip is newly right or newly wrong."
        return
    counts = f"{better} clip{'s are' if better != 1 else ' is'} newly right, {worse} newly wrong"
    if p_of(pair) < LEVEL and better != worse:
        how = "That is an improvement" if better > worse else "That is WORSE than before"
        yield f"{how}, by more than chance explains: {counts}."
    elif pair.clips_needed is None:
        yield f"The difference may be chance: {counts}."
    else:
        yield f"The difference may be chance: {counts}. About {pair.clips_needed:,} such clips would be needed to tell."


def _noise(comparison: Comparison) -> Iterator[str]:
    """For the models compared, a sentence where their forced choice is noise."""
    for name in before_and_after(comparison):
        scores = None if name is None else comparison.models[name]
        mass = None if scores is None else noisy_prompts(scores).get(scores.prompt)
        if scores is not None and mass is not None:
            trusted = prompt_to_trust(scores)
            named = {"base": "the base model", "tuned": "the trained model"}.get(str(name), f"“{title_of(str(name))}”")
            yield (
                f"The forced choice of {named} is noise: only {mass:.2f} of its probability falls on the class codes; "
                f"{'evaluate it with prompt=own' if trusted is None else f'trust the prompt {trusted}'} instead."
            )


def _right(scores: ModelScores) -> int:
    return sum(row[index] for index, row in enumerate(scores.confusion))


def _none(count: int) -> str:
    return str(count) if count else "none"


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
