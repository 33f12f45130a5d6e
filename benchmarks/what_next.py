"""Does labelling what `review next` proposes help more than labelling the same number of moments drawn at random?

    python -m benchmarks.what_next --work s/what-next --write

All this was fixed before anything was labelled, and nothing was changed after it:

- Five seeds, :data:`SEEDS`. Each has its own base set, its own unlabelled drives, its own draw and its own training
  seed. The test clips are the same for all, and are of other simulations.
- For each seed a model is trained on the base set and searches the drives. Then :attr:`Design.labels` moments are
  labelled by the ground truth, once those that `review next` ranks first and once as many drawn at random from all that
  it ranks. The labels are decisions in the review, and go into the base set by `review export`.
- With each of the two sets a model is trained from the same base model, with the same number of steps and the same
  seed. Both answer the test clips with the direct verdict.
- The metric that decides is the average precision of any event: what is proposed is uncertain in just that, and it
  does not depend on the share of Normal clips, which random labels change. Macro-F1 and Collision F1 are reported too.
- The interval is Student's t over the five paired differences (proposed minus random), 95 %.

A first run stopped before its labels: a moment was then a whole event, however many windows it spanned, and the
models, trained on triplets alone, found events that lasted for minutes. So a moment became as long as a window, the
base sets got further Normal videos, and a training had 64 steps in place of 80.

Training is on the direct verdict alone, which all three metrics are of. The sizes are what two cores can do in half an
hour. What is finished in the work folder is not done again, so several processes may each do some of the seeds.
"""

import argparse
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from pathlib import Path
from random import Random
from statistics import mean, stdev

import torch
from scipy import stats

from benchmarks.docs_table import write_table
from benchmarks.machine import processor_name
from vlm_autodrive.artifacts import read_clips, write_text
from vlm_autodrive.clips import build_clips
from vlm_autodrive.clips.settings import SplitFractions
from vlm_autodrive.console import make_reporter
from vlm_autodrive.datasets import CorrectionSettings, ImportSettings, apply_corrections, import_dataset
from vlm_autodrive.detection import DetectSettings, detect
from vlm_autodrive.detection.ground_truth import read_ground_truth
from vlm_autodrive.evaluation import CompareSettings, EvaluateSettings, compare, evaluate, read_comparison
from vlm_autodrive.evaluation.score.records import ModelScores
from vlm_autodrive.progress import Reporter
from vlm_autodrive.records import DEFAULT_TAXONOMY, Event, MomentLabel
from vlm_autodrive.review import Proposals, ProposedMoment, open_review, propose
from vlm_autodrive.review.decisions import DecisionRequest
from vlm_autodrive.review.proposals import NEXT_FILE
from vlm_autodrive.runs import load_recipe
from vlm_autodrive.simulation import SimulateSettings, simulate
from vlm_autodrive.supervision import SuperviseSettings, supervise
from vlm_autodrive.training import train

DOCS = Path(__file__).parents[1] / "docs" / "results.md"
SEEDS = (0, 1, 2, 3, 4)
ARMS = ("proposed", "random")
METRICS = ("average precision", "macro-F1", "Collision F1")
"""The first decides."""
TEST_SEED, BASE_SEED, POOL_SEED = 8000, 8100, 8200
"""Of the simulations; those of the base sets and the drives are these plus the study's seed."""

SHOWN_S = 4.0  # before and after the middle of a moment
WIDTH, HEIGHT = 160, 90  # the model sees 126 x 84 pixels


@dataclass(frozen=True)
class Design:
    """The sizes of the study.

    Attributes:
        base_triplets: Matched triplets of a base set: a Collision, a Near-Collision and a Normal video each.
        base_singles: Further Normal videos of a base set.
        test_triplets: Triplets of the test set.
        drives: Unlabelled drives for each seed.
        drive_s: Length of a drive in seconds.
        drive_events: Events in a drive.
        labels: Moments that are labelled.
        steps: Optimizer steps of each training.
    """

    base_triplets: int = 30
    base_singles: int = 60
    test_triplets: int = 80
    drives: int = 6
    drive_s: float = 200.0
    drive_events: int = 3
    labels: int = 40
    steps: int = 64


SMOKE = Design(
    base_triplets=2, base_singles=1, test_triplets=2, drives=1, drive_s=60.0, drive_events=1, labels=3, steps=1
)


@dataclass(frozen=True)
class Outcome:
    """What came of one seed.

    Attributes:
        seed: The seed.
        scores: Those of the model before, and of each arm, on the test clips.
        labels: Labelled moments of each class, by arm.
        candidates: How many moments there were to choose from.
    """

    seed: int
    scores: Mapping[str, ModelScores]
    labels: Mapping[str, Counter[str]]
    candidates: int

    def value(self, arm: str, metric: str) -> float:
        """A metric of the model of an arm."""
        scores = self.scores[arm]
        found = {
            "average precision": lambda: scores.ranking["any_event"].average_precision,
            "macro-F1": lambda: scores.macro_f1,
            "Collision F1": lambda: scores.per_class["collision"].f1,
        }[metric]()
        return found.value or 0.0


def clips_of(work: Path, seed: int, triplets: int, singles: int, split: str, reporter: Reporter) -> Path:
    """Simulated clips, all of one split."""
    settings = SimulateSettings(triplets=triplets, singles=singles, seed=seed, width=WIDTH, height=HEIGHT)
    simulate(work / "simulated", settings, reporter)
    import_dataset("nexar", work / "simulated", work / "catalog", ImportSettings(), reporter)
    return cut(work / "catalog", work / "clips", split, reporter)


def cut(catalog: Path, out: Path, split: str, reporter: Reporter) -> Path:
    """Clips of a catalog as the demo cuts them, all of one split."""
    fractions = SplitFractions(**{"train": 0.0, "validation": 0.0, "test": 0.0, split: 1.0})
    settings = load_recipe("demo").clips.model_copy(update={"split": fractions, "split_by": "hash"})
    return build_clips(catalog, out, settings, reporter)


def learn(clips: Path, work: Path, seed: int, design: Design, frames: Path, reporter: Reporter) -> Path:
    """Train a model on clips; all trainings have the same number of steps."""
    supervision = supervise(clips, work / "supervision", SuperviseSettings(types=("verdict",)), reporter)
    settings = load_recipe("demo").train
    steps_per_epoch = ceil(len(read_clips(clips)) / settings.batch_size)
    changes = {"seed": seed, "epochs": design.steps / steps_per_epoch, "processes": 1}
    settings = settings.model_copy(update=changes)
    return train(supervision, work / "checkpoint", settings, reporter, frame_cache=frames)


def label(found: Path, chosen: Proposals, truth: Mapping[str, Sequence[Event]], store: Path) -> Counter[str]:
    """Decide on the chosen moments as a reviewer would who knows the ground truth; counts the classes."""
    done = store.with_suffix(".json")
    if done.exists():
        return Counter(json.loads(done.read_text(encoding="utf-8")))
    store.unlink(missing_ok=True)
    write_text(found / NEXT_FILE, chosen.model_dump_json(indent=1) + "\n")
    review = open_review(found, "ground truth", store)
    classes: Counter[str] = Counter()
    for moment in chosen.moments:
        item = review.item(moment.item_id)
        seen = events_seen(moment, truth[str(Path(item.files[0].path).resolve())])
        for place, after in enumerate(seen or [MomentLabel(event_class=DEFAULT_TAXONOMY.normal.name)]):
            kind = "add" if place else "confirm" if after == item.said else "change"
            request = DecisionRequest(decision=kind, after=after, reason="the ground truth")
            review.decide(item.item_id, request, f'"{place}"')
        classes[seen[0].event_class if seen else DEFAULT_TAXONOMY.normal.name] += 1
    review.close()
    write_text(done, json.dumps(classes))
    return classes


def events_seen(moment: ProposedMoment, events: Sequence[Event]) -> list[MomentLabel]:
    """The true events in what the review shows of a moment, the one nearest to its middle first."""
    middle_s = (moment.start_s + moment.end_s) / 2
    seen = [
        MomentLabel(event_class=event.event_class, time_s=event.time_s)
        for event in events
        if event.event_class is not None and event.time_s is not None and abs(event.time_s - middle_s) < SHOWN_S
    ]
    return sorted(seen, key=lambda label: abs((label.time_s or 0.0) - middle_s))


def measure(seed: int, test: Path, work: Path, design: Design, reporter: Reporter) -> Outcome:
    """One seed: the model before, its search, the two labellings, and the models after."""
    frames = work / "frames"
    base = work / "base"
    labelled = clips_of(base, BASE_SEED + seed, design.base_triplets, design.base_singles, "train", reporter)
    models = {"before": learn(labelled, base, seed, design, frames, reporter)}
    drives = SimulateSettings(
        triplets=0,
        singles=0,
        long_videos=design.drives,
        long_video_duration_s=design.drive_s,
        long_video_events=design.drive_events,
        seed=POOL_SEED + seed,
        width=WIDTH,
        height=HEIGHT,
    )
    simulate(work / "pool", drives, reporter)
    manifest = work / "pool" / "long_videos" / "manifest.csv"
    truth = {str(Path(path).resolve()): events for path, events in read_ground_truth(manifest).items()}
    found, labels = work / "found", {}
    detect(sorted(manifest.parent.glob("*.mp4")), str(models["before"]), found, DetectSettings(reasoning=False),
           reporter)  # fmt: skip
    ranked = propose(found, 10**9)
    drawn = Random(seed).sample(ranked.moments, design.labels)
    for arm, moments in zip(ARMS, (ranked.moments[: design.labels], tuple(drawn)), strict=True):
        own = work / arm
        own.mkdir(exist_ok=True)
        store = own / "labels.sqlite3"
        labels[arm] = label(found, ranked.model_copy(update={"moments": moments}), truth, store)
        apply_corrections(base / "catalog", [store], own / "catalog", CorrectionSettings(), reporter, overwrite=True)
        clips = cut(own / "catalog", own / "clips", "train", reporter)
        models[arm] = learn(clips, own, seed, design, frames, reporter)
    asked = EvaluateSettings(
        reasoning=False,
        prompt_variants=(),
        controls=(),
        eval_batch_size=32,
        frame_cache=str(work.parent / "test-frames"),
    )
    predictions = {
        name: evaluate(test, str(model), work / "predictions" / name, asked, reporter) for name, model in models.items()
    }
    compared = compare(predictions, work / "comparison", CompareSettings(), reporter)
    return Outcome(seed, read_comparison(compared).models, labels, ranked.candidates)


def interval(differences: Sequence[float]) -> tuple[float, float]:
    """The 95 % confidence interval of a mean, by Student's t."""
    half = float(stats.t.ppf(0.975, len(differences) - 1)) * stdev(differences) / sqrt(len(differences))
    return mean(differences) - half, mean(differences) + half


def table(outcomes: Sequence[Outcome], design: Design) -> list[str]:
    """Each seed's values, and the paired differences."""
    lines = [
        "| seed | labels with an event, proposed | random |"
        + "".join(f" {metric}: before | proposed | random |" for metric in METRICS),
        "|---|---|---|" + "---|---|---|" * len(METRICS),
    ]
    for each in outcomes:
        cells = [f"{sum(each.labels[arm].values()) - each.labels[arm]['normal']}" for arm in ARMS]
        cells += [f"{each.value(arm, metric):.3f}" for metric in METRICS for arm in ("before", *ARMS)]
        lines.append(f"| {each.seed} | {' | '.join(cells)} |")
    if len(outcomes) > 1:
        lines += ["", "| simulated, proposed minus random | mean | 95 % confidence interval | each seed |"]
        lines += ["|---|---|---|---|"]
        for metric in METRICS:
            each_s = [each.value("proposed", metric) - each.value("random", metric) for each in outcomes]
            low, high = interval(each_s)
            told = ", ".join(f"{value:+.3f}" for value in each_s)
            cell = f" | {mean(each_s):+.3f} | [{low:+.3f}, {high:+.3f}] | {told} |".replace("-", "−")
            lines.append(f"| {metric}{cell}")
    candidates = ", ".join(str(each.candidates) for each in outcomes)
    lines += [
        "",
        f"{design.labels} moments labelled of {candidates}; {design.drives} drives of {design.drive_s:.0f} s with "
        f"{design.drive_events} events each; base sets of {design.base_triplets} triplets and {design.base_singles} "
        f"Normal videos; {design.steps} steps; tested on {outcomes[0].scores['before'].n} clips. The intervals are "
        f"Student's t over the seeds. Machine: {torch.get_num_threads()} thread(s) of an {processor_name()}, no GPU.",
    ]
    return lines


def main() -> None:
    """Measure, print the table, and write it into the docs if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="Gets clips, checkpoints, detections and labels.")
    parser.add_argument("--seeds", type=int, nargs="*", default=list(SEEDS))
    parser.add_argument("--smoke", action="store_true", help="Tiny sizes, to see whether all of it runs.")
    parser.add_argument("--write", action="store_true", help="Put the table into docs/results.md.")
    arguments = parser.parse_args()
    reporter, design = make_reporter(), SMOKE if arguments.smoke else Design()
    test = clips_of(arguments.work / "test", TEST_SEED, design.test_triplets, 0, "test", reporter)
    outcomes = []
    for seed in arguments.seeds:
        outcomes.append(measure(seed, test, arguments.work / f"seed-{seed}", design, reporter))
        print(table(outcomes[-1:], design)[2], flush=True)
    lines = table(outcomes, design)
    print("\n".join(lines))
    if arguments.write:
        write_table("what next", lines, DOCS)


if __name__ == "__main__":
    main()
