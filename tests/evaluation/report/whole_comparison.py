"""A comparison in which every figure is filled in, computed from synthetic predictions."""

import json

import numpy as np
from sklearn import metrics

from tests.evaluation.builders import make_clip, make_prediction, write_prediction_set, write_video
from vlm_autodrive.evaluation import CompareSettings, Diagnostic, compare, read_comparison
from vlm_autodrive.evaluation.comparing import COMPARISON_FILE
from vlm_autodrive.evaluation.score.records import (
    ControlScores,
    EventScores,
    FaithfulnessScores,
    JudgeScores,
    PromptScores,
    SliceTest,
    TraceScores,
)
from vlm_autodrive.metrics import (
    AnticipationScores,
    CalibrationScores,
    Estimate,
    RankingScores,
    ReliabilityBin,
    mean,
    share,
    wilson,
)
from vlm_autodrive.metrics.calibration import CalibrationEstimates
from vlm_autodrive.metrics.curves import Curve
from vlm_autodrive.records import DEFAULT_TAXONOMY

NAMES = DEFAULT_TAXONOMY.names
SKILL = {"base": 0.05, "tuned": 2.6, "camera_shake": 1.2, "majority": 0.0}
INVALID = Diagnostic(
    severity="invalid",
    kind="ignores_video",
    model="tuned",
    text="It keeps 0.97 of its macro-F1 on black video, so its answers do not come from the footage.",
)
WARNING = Diagnostic(
    severity="warning",
    kind="leaky_split",
    model=None,
    text="3 of the test clips come from drives that are trained on too.",
)


def synthetic(clips, model, rng):
    """Answers drawn by the model's skill, with probabilities and a trace for those that reason."""
    said = []
    for index, clip in enumerate(clips):
        scores = rng.normal(size=3)
        scores[NAMES.index(clip.event_class)] += SKILL[model]
        scores[2] += {"base": 6.0, "majority": 9.0}.get(model, 0.0)
        p = np.exp(scores) / np.exp(scores).sum()
        answer = NAMES[int(p.argmax())] if index % 40 != 17 or model != "tuned" else None
        traced = (answer or "normal") if model in ("base", "tuned") else None
        time_s = None if answer in (None, "normal") else 0.9
        probabilities = None if answer is None else dict(zip(NAMES, map(float, p), strict=True))
        said.append(make_prediction(clip, answer, traced=traced, time_s=time_s, probabilities=probabilities))
    return said


def make_whole_comparison(folder, count=120, diagnostics=(), resamples=300):
    """A comparison of four models on clips of triplets, with every figure that a report can show."""
    rng = np.random.default_rng(0)
    videos = [str(write_video(folder / f"{i}.mp4", seed=i)) for i in range(3)]
    clips = [
        make_clip(
            f"clip-{i:03d}",
            NAMES[i % 3],
            path=videos[i % 3],
            triplet_id=f"t{i // 3}",
            group_id=f"g{i // 3}",
            metadata={
                "light_conditions": ("day", "night")[i % 2],
                "weather": "clear",
                "hard_negative": str(i % 9 == 2).lower(),
            },
        )
        for i in range(count)
    ]
    said = {model: synthetic(clips, model, rng) for model in SKILL}
    folders = {model: write_prediction_set(folder / model, clips, said[model]) for model in SKILL}
    made = compare(folders, folder / "comparison", CompareSettings(resamples=resamples))
    fill(made, clips, said, diagnostics)
    return made


def fill(made, clips, said, diagnostics=()):
    """Write every figure into a finished comparison."""
    figures = read_comparison(made)
    models = {
        name: scores.model_copy(update=filled(name, scores, clips, said)) for name, scores in figures.models.items()
    }
    pairs = tuple(
        pair.model_copy(update={"permutation_p": 0.0003 if pair.gained else 1.0, "clips_needed": needed})
        for pair, needed in zip(figures.pairs, (None, *[1480] * len(figures.pairs)), strict=False)
    )
    whole = figures.model_copy(update={"models": models, "pairs": pairs, "diagnostics": tuple(diagnostics)})
    (made / COMPARISON_FILE).write_text(json.dumps(whole.model_dump(mode="json")), encoding="utf-8")


def filled(name, scores, clips, said):
    """The new figures of one model."""
    truths = np.array([clip.event_class for clip in clips])
    groups = [int(clip.group_id[1:]) for clip in clips]
    answers = np.array([str(p.verdict.event_class) for p in said[name]])
    table = np.array([[(p.verdict.probabilities or dict.fromkeys(NAMES, 1 / 3))[c] for c in NAMES] for p in said[name]])
    is_event, said_event = truths != "normal", np.isin(answers, NAMES[:2])
    changed = {
        "event": EventScores(
            accuracy=share(is_event == said_event, groups, 200),
            precision=wilson(int((is_event & said_event).sum()), int(said_event.sum())),
            recall=wilson(int((is_event & said_event).sum()), int(is_event.sum())),
            f1=near(metrics.f1_score(is_event, said_event), len(clips)),
            false_positive_rate=wilson(int((~is_event & said_event).sum()), int((~is_event).sum())),
        ),
        "ranking": {
            **{c: ranking(truths == c, table[:, k]) for k, c in enumerate(NAMES)},
            "any_event": ranking(is_event, table[:, :2].sum(axis=1)),
        },
        "calibration": calibration(truths, table, name),
        "slice_tests": tuple(
            SliceTest(field=f, value=v, difference=near(-0.08, n.n, 0.11), p_value=0.012, p_holm=p)
            for f, values in scores.slices.items()
            for (v, n), p in zip(values.items(), (0.024, 0.61, 1.0, 1.0), strict=False)
        ),
        "anticipation": AnticipationScores(
            average_precision={k: near(v, 80) for k, v in (("0.5", 0.81), ("1", 0.74), ("1.5", 0.66))},
            mean_average_precision=near(0.737, 80),
            clips=dict.fromkeys(("0.5", "1", "1.5"), (40, 40)),
            chance=dict.fromkeys(("0.5", "1", "1.5"), 0.5),
        ),
    }
    if name not in ("base", "tuned"):
        return changed
    wordings = ("main", "short_question", "multiple_choice")
    steps = {"collision > near_collision": near(0.4, 40), "near_collision > normal": near(0.2, 40)}
    return changed | {
        "triplets": scores.triplets.model_copy(update={"in_order": wilson(25, 40), "steps": steps}),
        "prompt_variants": {
            wording: PromptScores(
                accuracy=near(0.8 - 0.1 * k, len(clips)),
                macro_f1=near(0.78 - 0.1 * k, len(clips)),
                first_class_f1=near(0.7 - 0.1 * k, len(clips)),
                unparseable=wilson(k, len(clips)),
            )
            for k, wording in enumerate(wordings)
        },
        "controls": {
            control: ControlScores(
                accuracy=near(0.35, len(clips)),
                macro_f1=near(0.21, len(clips)),
                macro_f1_lost=near(0.6, len(clips), 0.08),
                same_answer=wilson(40, len(clips)),
            )
            for control in ("black", "shuffled")
        },
        "faithfulness": FaithfulnessScores(
            clips=40,
            before=near(0.82, 40),
            fall_at_event=near(0.41, 40),
            fall_elsewhere=near(0.07, 40),
            difference=near(0.34, 40, 0.1),
        ),
        "traces": TraceScores(
            cites_event={k: wilson(n, 80) for k, n in (("0.5", 48), ("1", 60), ("2", 79))},
            temporal_iou=mean(np.linspace(0, 1, 40), range(40), 200),
            rouge_l=near(0.52, 60),
            references=60,
            judge=JudgeScores(
                judge="some-judge-70b",
                judged=80,
                mean=near(3.9, 80),
                grades={"1": 2, "2": 6, "3": 14, "4": 34, "5": 24},
                human_ratings=30,
                agreement=near(0.71, 30, 0.12),
            ),
        ),
    }


def near(value, n, half=0.05):
    """A figure with an interval of a stated half-width, cut off where a share ends."""
    low, high = float(value) - half, float(value) + half
    if 0 <= value <= 1:
        low, high = max(low, 0.0), min(high, 1.0)
    return Estimate(value=float(value), low=low, high=high, n=n, method="stated")


def ranking(hits, scores):
    precision, recall, cuts = metrics.precision_recall_curve(hits, scores)
    false_rate, true_rate, roc_cuts = metrics.roc_curve(hits, scores)
    allowed = [r for f, r in zip(false_rate, true_rate, strict=True) if f <= 0.05]
    exact = [r for p, r in zip(precision, recall, strict=True) if p >= 0.9]
    return RankingScores(
        positives=int(hits.sum()),
        average_precision=near(metrics.average_precision_score(hits, scores), len(hits)),
        auroc=near(metrics.roc_auc_score(hits, scores), len(hits)),
        recall_at_precision=near(max(exact), len(hits)),
        recall_at_false_positive_rate=near(max(allowed), len(hits)),
        precision_recall=Curve(x=tuple(recall), y=tuple(precision), thresholds=(*cuts, 1.0)),
        roc=Curve(x=tuple(false_rate), y=tuple(true_rate), thresholds=(1.0, *roc_cuts[1:])),
    )


def calibration(truths, table, name):
    right = table.argmax(axis=1) == np.array([NAMES.index(t) for t in truths])
    confidence = table.max(axis=1)
    order = np.argsort(-confidence, kind="stable")
    risk = np.cumsum(~right[order]) / np.arange(1, len(right) + 1)
    coverage = np.arange(1, len(right) + 1) / len(right)

    def of(sure):
        bins = [
            ReliabilityBin(n=len(b), confidence=float(sure[b].mean()), right=wilson(int(right[b].sum()), len(b)))
            for b in np.array_split(np.argsort(sure, kind="stable"), 8)
        ]
        error = sum(b.n * abs(b.confidence - b.right.value) for b in bins) / len(right)
        nll = metrics.log_loss(truths, table, labels=list(NAMES))
        return CalibrationEstimates(
            ece=near(error, len(right), 0.02), brier=near(0.2, len(right)), nll=near(nll, len(right)), bins=tuple(bins)
        )

    fitted = name == "tuned"
    return CalibrationScores(
        n=len(right) - 3 * fitted,
        without=3 * fitted,
        source="code_logprobs" if name in ("base", "tuned") else "fitted",
        plain=of(confidence),
        temperature=1.73 if fitted else None,
        validation_clips=60 if fitted else 0,
        scaled=of(0.8 * confidence + 0.1) if fitted else None,
        risk_coverage=Curve(x=tuple(coverage), y=tuple(risk), thresholds=tuple(confidence[order])),
        aurc=near(risk.mean(), len(right), 0.01),
    )
