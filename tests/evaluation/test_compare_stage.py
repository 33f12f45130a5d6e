import pytest
from sklearn.metrics import f1_score
from statsmodels.stats.proportion import proportion_confint
from typer.testing import CliRunner

from tests.evaluation.builders import make_clip, make_prediction, write_prediction_set
from vlm_autodrive.cli.main import app
from vlm_autodrive.errors import UserError
from vlm_autodrive.evaluation import CompareSettings, compare, read_comparison
from vlm_autodrive.evaluation.score.records import Comparison
from vlm_autodrive.evaluation.score.samples import clusters_of
from vlm_autodrive.records import DEFAULT_TAXONOMY, IncidentMetadata, Outcome, Scenario, Verdict

NAMES = DEFAULT_TAXONOMY.names


def scenario(hard: bool) -> Scenario:
    return Scenario(
        video_id="v", seed=0, triplet_id=None, changed_parameter=None, changed_value=None, light_conditions="Dark",
        weather="Rain", scene="Urban", lanes=1, ego_lane=0, duration_s=2, encounters=(), distractions=(), states=(),
        hard_negative=hard,
    )  # fmt: skip


def triplets(count):
    """``count`` triplets: collision, near-collision and normal, in this order."""
    return [
        make_clip(
            f"t{t}-{name}",
            name,
            group_id=f"g{t}",
            triplet_id=f"t{t}",
            incident=IncidentMetadata(light="dark" if t % 2 else "bright"),
            scenario=scenario(name == "normal" and t % 4 == 0),
        )
        for t in range(count)
        for name in NAMES
    ]


def compared(tmp_path, clips, **answers):
    """Compare models given by their answers, one for each clip."""
    paths = {}
    for name, said in answers.items():
        predictions = [
            a if a is not None and not isinstance(a, str) else make_prediction(c, a)
            for c, a in zip(clips, said, strict=True)
        ]
        paths[name] = write_prediction_set(tmp_path / name, clips, predictions)
    return read_comparison(compare(paths, tmp_path / "comparison", CompareSettings()))


def test_figures_by_hand(tmp_path):
    clips = [
        make_clip(f"{i}", name) for i, name in enumerate(["collision"] * 4 + ["near_collision"] * 2 + ["normal"] * 4)
    ]
    answers = ["collision"] * 3 + ["near_collision"] + ["near_collision", None] + ["normal"] * 3 + ["collision"]
    result = compared(tmp_path, clips, tuned=answers)
    scores = result.models["tuned"]
    assert result.class_counts == {"collision": 4, "near_collision": 2, "normal": 4}
    assert scores.confusion == ((3, 1, 0, 0), (0, 1, 0, 1), (1, 0, 3, 0))
    assert scores.outcomes == {"ok": 9, "unparseable": 1}
    assert scores.accuracy.value == 0.7
    assert scores.accuracy.method == "wilson"
    assert (scores.accuracy.low, scores.accuracy.high) == pytest.approx(proportion_confint(7, 10, method="wilson"))
    assert scores.per_class["collision"].recall.value == 0.75
    assert scores.per_class["near_collision"].recall.value == 0.5
    assert scores.per_class["collision"].precision.value == 0.75
    assert scores.per_class["near_collision"].precision.n == 2
    truths = [c.event_class for c in clips]
    filled = [a or "no answer" for a in answers]
    assert scores.macro_f1.value == pytest.approx(f1_score(truths, filled, labels=NAMES, average="macro"))
    assert scores.balanced_accuracy.value == pytest.approx((0.75 + 0.5 + 0.75) / 3)
    assert "Only 10" in result.warnings[0]


def test_clusters_widen_the_intervals(tmp_path):
    clips = triplets(40)
    answers = [c.event_class if int(c.triplet_id[1:]) % 2 else "collision" for c in clips]
    grouped = compared(tmp_path / "a", clips, m=answers)
    loose = [c.model_copy(update={"triplet_id": None, "group_id": c.clip_id}) for c in clips]
    alone = compared(tmp_path / "b", loose, m=answers)
    wide, narrow = grouped.models["m"].accuracy, alone.models["m"].accuracy
    assert (grouped.clusters, alone.clusters) == (40, 120)
    assert wide.value == narrow.value
    assert wide.method == "cluster bootstrap"
    assert narrow.method == "wilson"
    recall_wide = grouped.models["m"].per_class["near_collision"].recall
    assert recall_wide.method == "cluster bootstrap"
    assert recall_wide.value == 0.5


def test_a_group_and_a_triplet_join_clusters():
    clips = [
        make_clip("a", group_id="g1", triplet_id="t1"),
        make_clip("b", group_id="g2", triplet_id="t1"),
        make_clip("c", group_id="g2"),
        make_clip("d", group_id="g3", triplet_id="g1"),
    ]
    assert clusters_of(clips) == [0, 0, 0, 1]


def test_pairs_and_flips(tmp_path):
    clips = triplets(40)
    base = ["normal"] * 120
    tuned = [c.event_class if i >= 20 else "near_collision" for i, c in enumerate(clips)]
    result = compared(tmp_path, clips, base=base, tuned=tuned)
    (pair,) = result.pairs
    right_base = {c.clip_id for c in clips if c.event_class == "normal"}
    right_tuned = {c.clip_id for c, a in zip(clips, tuned, strict=True) if c.event_class == a}
    assert (pair.first, pair.second) == ("base", "tuned")
    assert set(pair.only_second_right) == right_tuned - right_base
    assert set(pair.only_first_right) == right_base - right_tuned
    assert (pair.mcnemar.only_first, pair.mcnemar.only_second) == (
        len(pair.only_first_right),
        len(pair.only_second_right),
    )
    assert pair.mcnemar.p_value < 1e-6
    assert pair.accuracy.value == pytest.approx((len(right_tuned) - len(right_base)) / 120)
    assert 0 < pair.accuracy.low < pair.accuracy.value < pair.accuracy.high
    assert pair.f1["collision"].value > 0.7
    assert pair.macro_f1.value > 0.5


def test_holm_over_all_pairs(tmp_path):
    clips = triplets(10)
    truth = [c.event_class for c in clips]
    result = compared(tmp_path, clips, a=["normal"] * 30, b=truth, c=truth)
    assert [(p.first, p.second) for p in result.pairs] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert result.pairs[0].permutation_p == pytest.approx(2 / 2**10)  # ten triplets, not twenty clips, speak for b
    assert result.pairs[0].mcnemar.p_value == pytest.approx(2 / 2**20)
    assert result.pairs[0].p_holm == pytest.approx(3 * result.pairs[0].permutation_p)
    assert result.pairs[2].mcnemar.p_value == result.pairs[2].permutation_p == 1
    loose = [c.model_copy(update={"triplet_id": None, "group_id": c.clip_id}) for c in clips]
    (pair,) = compared(tmp_path / "loose", loose, a=["normal"] * 30, b=truth).pairs
    assert pair.permutation_p is None
    assert pair.p_holm == pair.mcnemar.p_value


def test_json_holds_the_pairs_and_findings_too(tmp_path):
    clips = [make_clip(f"{i}", "collision" if i % 2 else "normal") for i in range(40)]
    right = [c.event_class for c in clips]
    wanted = compared(tmp_path, clips, base=["normal"] * 40, tuned=right)
    words = ["compare", f"base={tmp_path / 'base'}", f"tuned={tmp_path / 'tuned'}", "--out", str(tmp_path / "o")]
    result = CliRunner().invoke(app, [*words, "--json"])
    assert Comparison.model_validate_json(result.stdout) == wanted
    assert wanted.pairs
    assert wanted.diagnostics


def test_how_many_clips_would_settle_it(tmp_path):
    clips = [make_clip(f"{i}", NAMES[i % 3]) for i in range(100)]
    truth = [c.event_class for c in clips]
    first = [None if i < 16 else t for i, t in enumerate(truth)]  # 16 wrong, the second 10 others
    second = [None if 16 <= i < 26 else t for i, t in enumerate(truth)]
    (pair,) = compared(tmp_path / "a", clips, a=first, b=second).pairs
    assert pair.mcnemar.p_value > 0.05
    assert pair.clips_needed == 565  # (1.95996 sqrt(0.26) + 0.84162 sqrt(0.26 - 0.0036))^2 / 0.06^2
    assert pair.balanced_accuracy.value == pytest.approx(0.06, abs=0.01)
    assert set(pair.recall) == set(NAMES)
    grouped = [c.model_copy(update={"group_id": f"g{i // 2}"}) for i, c in enumerate(clips)]
    (clustered,) = compared(tmp_path / "b", grouped, a=first, b=second).pairs
    assert clustered.clips_needed == pytest.approx(2 * 565, rel=0.03)  # both clips of a drive go the same way
    (shown,) = compared(tmp_path / "c", clips, a=[None] * 16 + truth[16:], b=truth).pairs
    assert shown.clips_needed is None


def test_triplets_hard_negatives_and_slices(tmp_path):
    clips = triplets(8)
    said = []
    for index, clip in enumerate(clips):
        answer = clip.event_class
        if clip.clip_id in ("t0-normal", "t1-normal"):  # a hard one and an easy one
            answer = "collision"
        p = {"collision": 0.9, "near_collision": 0.2, "normal": 0.1}[clip.event_class]
        said.append(make_prediction(clip, answer, probabilities={"collision": p, "near_collision": 0, "normal": 1 - p}))
        assert index >= 0
    scores = compared(tmp_path, clips, m=said).models["m"]
    assert scores.triplets.triplet_accuracy.value == 6 / 8
    assert scores.triplets.triplet_accuracy.n == 8
    assert {k: f.value for k, f in scores.triplets.most_severe_probability.items()} == pytest.approx(
        {"collision": 0.9, "near_collision": 0.2, "normal": 0.1}
    )
    assert (scores.hard_negatives.count, scores.hard_negatives.proportion) == (2, 0.25)
    assert scores.hard_negatives.false_positives.value == 0.5
    assert scores.hard_negatives.false_positives_elsewhere.value == pytest.approx(1 / 6)
    assert scores.slices["light"]["dark"].value == pytest.approx(11 / 12)
    assert scores.slices["light"]["dark"].n == 12
    assert scores.slices["family"]["plain_driving"].n == 24


def test_an_incomplete_triplet_is_none(tmp_path):
    clips = triplets(2)[:-1]
    scores = compared(tmp_path, clips, m=[c.event_class for c in clips]).models["m"]
    assert scores.triplets.triplet_accuracy.n == 1


def test_event_time_counts_rightly_found_events_only(tmp_path):
    clips = [
        make_clip("a", "collision", event_time_s=1.0),
        make_clip("b", "collision", event_time_s=1.4),
        make_clip("c", "near_collision", event_time_s=0.2),
        make_clip("d", "normal"),
        make_clip("e", "collision", event_time_s=1.8),
    ]
    said = [
        make_prediction(clips[0], "collision", traced="collision", time_s=1.2),
        make_prediction(clips[1], "collision", traced="normal"),
        make_prediction(clips[2], "collision", traced="collision", time_s=0.2),
        make_prediction(clips[3], "normal", traced="normal"),
        make_prediction(clips[4], "collision", traced="collision", time_s=0.8),
    ]
    scores = compared(tmp_path, clips, m=said).models["m"]
    assert (scores.event_time.n, scores.event_time.cited) == (3, 2)
    assert scores.event_time.within["0.5"].value == pytest.approx(1 / 3)
    assert scores.event_time.mean_error_s.value == pytest.approx(0.6)
    assert scores.event_time.constant_s == 1.4
    assert scores.reasoning_consistency.value == 0.8
    assert scores.reasoning_consistency.n == 5


@pytest.mark.parametrize("time_s", [-0.5, 2.5])
def test_an_event_outside_the_window_is_none_to_cite(tmp_path, time_s):
    clips = [make_clip("in", "collision"), make_clip("out", "collision", event_time_s=time_s)]
    said = [make_prediction(clip, "collision", traced="collision", time_s=1.0) for clip in clips]
    scores = compared(tmp_path, clips, m=said).models["m"]
    assert scores.event_time.n == scores.traces.cites_event["2"].n == 1
    assert scores.event_time.constant_s == 1.0


def test_clips_that_failed_take_no_part_in_the_time_for_a_clip(tmp_path):
    clips = [make_clip(f"{i}") for i in range(5)]
    failed = Verdict(outcome=Outcome.ERROR, event_class=None, probabilities=None, raw_text="", reason="no video")
    said = [make_prediction(clip, "normal").model_copy(update={"latency_s": 2.0}) for clip in clips]
    said[1:4] = [p.model_copy(update={"verdict": failed, "latency_s": 0.0}) for p in said[1:4]]
    nothing = [p.model_copy(update={"verdict": failed, "latency_s": 60.0}) for p in said]
    models = compared(tmp_path, clips, half=said, none=nothing).models
    assert (models["half"].latency_s, models["none"].latency_s) == (2.0, 0.0)


def test_without_traces_there_is_no_agreement(tmp_path):
    clips = triplets(2)
    scores = compared(tmp_path, clips, m=["normal"] * 6).models["m"]
    assert scores.reasoning_consistency is None
    assert scores.event_time is None


def test_unknown_events_are_set_aside_and_told(tmp_path):
    clips = [make_clip("a", "normal"), make_clip("b", None)]
    result = compared(tmp_path, clips, m=["normal", "collision"])
    assert (result.n, result.unlabelled, result.models["m"].n) == (1, 1, 1)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (lambda clips: clips[1:], "same clips"),
        (lambda clips: [clips[0].model_copy(update={"event_class": "normal"}), *clips[1:]], "labels"),
        (lambda clips: [clips[0].model_copy(update={"end_s": 9.0}), *clips[1:]], "windows"),
    ],
)
def test_other_clips_are_refused(tmp_path, other, message):
    clips = triplets(2)
    a = write_prediction_set(tmp_path / "a", clips, [make_prediction(c, "normal") for c in clips])
    changed = other(clips)
    b = write_prediction_set(tmp_path / "b", changed, [make_prediction(c, "normal") for c in changed])
    with pytest.raises(UserError, match=message):
        compare({"a": a, "b": b}, tmp_path / "out", CompareSettings())


def test_the_order_of_records_does_not_matter(tmp_path):
    clips = triplets(6)
    said = [make_prediction(c, c.event_class if i % 4 else "normal") for i, c in enumerate(clips)]
    a = write_prediction_set(tmp_path / "a", clips, said)
    b = write_prediction_set(tmp_path / "b", clips[::-1], said[::-1])
    result = read_comparison(compare({"a": a, "b": b}, tmp_path / "out", CompareSettings()))
    assert result.models["a"] == result.models["b"]
    assert result.pairs[0].mcnemar.only_first == result.pairs[0].mcnemar.only_second == 0
