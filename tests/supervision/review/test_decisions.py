"""Decisions are taken whole or not at all, none is lost, and the rates that follow are unbiased."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.supervision.review.review_world import SIZES, many_samples, supervision_set
from vlm_autodrive.cli.main import app
from vlm_autodrive.errors import UserError
from vlm_autodrive.metrics import wilson
from vlm_autodrive.records import ReviewDecision, ReviewDraw, read_jsonl, write_jsonl
from vlm_autodrive.supervision import ReviewSettings, start_review, take_decisions
from vlm_autodrive.supervision.review.decisions import work_out
from vlm_autodrive.supervision.review.sampling import draw_samples

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
run = CliRunner().invoke


@pytest.fixture(scope="module")
def supervision(tmp_path_factory):
    return supervision_set(tmp_path_factory.mktemp("world"))


@pytest.fixture
def folder(supervision, tmp_path):
    start_review(supervision, tmp_path / "review", ReviewSettings(samples=40))
    return tmp_path / "review"


def review_of(folder):
    return ReviewDraw.model_validate_json((folder / "sample.json").read_text())


def decision(review, place, accept=True, reviewer="Ada", minute=0, **more):
    return ReviewDecision(
        review_id=review.review_id,
        sample_id=review.samples[place].sample_id,
        decision="accept" if accept else "reject",
        reviewer=reviewer,
        time=NOON + timedelta(minutes=minute),
        **more,
    )


def saved(path, decisions):
    write_jsonl(path, decisions)
    return path


def judged_by(review, good, reviewer="Ada", most=None):
    """What a reviewer says who knows which samples are good."""
    said = [decision(review, place, good(a.sample_id), reviewer) for place, a in enumerate(review.samples[:most])]
    return {(v.reviewer, v.sample_id): v for v in said}


def test_decisions_come_back_as_they_were_and_the_rates_are_written(supervision, folder, tmp_path):
    review = review_of(folder)
    said = [decision(review, n, n % 4 != 0, reason="" if n % 4 else "time", note="a\u2028b\n") for n in range(40)]
    result = take_decisions(supervision, folder, [saved(tmp_path / "ada.jsonl", said)])
    assert read_jsonl(folder / "decisions.jsonl", ReviewDecision) == said
    assert json.loads((folder / "review.json").read_text()) == result.model_dump(mode="json")
    assert (result.drawn, result.judged, result.reviewers, result.reasons) == (40, 40, {"Ada": 40}, {"time": 10})
    assert result.accepted.drawn + result.rejected.drawn == 40
    by_kind = result.accepted_by["type"]
    assert sum(rate.size for rate in by_kind.values()) == result.accepted.size
    assert sum(rate.rate.n for rate in by_kind.values()) == result.accepted.rate.n


def test_the_newer_decision_counts_and_the_older_is_kept(supervision, folder, tmp_path):
    review = review_of(folder)
    later = saved(tmp_path / "later.jsonl", [decision(review, 0, True, minute=9), decision(review, 1, False)])
    earlier = saved(tmp_path / "earlier.jsonl", [decision(review, 0, False, minute=3)])
    take_decisions(supervision, folder, [later])
    for _ in range(2):  # a file given again changes nothing
        result = take_decisions(supervision, folder, [earlier, later])
        kept = read_jsonl(folder / "decisions.jsonl", ReviewDecision)
        assert [(v.sample_id, v.decision) for v in kept] == [
            (review.samples[1].sample_id, "reject"),
            (review.samples[0].sample_id, "reject"),
            (review.samples[0].sample_id, "accept"),
        ]
        assert result.judged == 2
        assert result.reviewers == {"Ada": 2}
    strata = [
        review.strata[reviewed.stratum] for reviewed in review.samples[:2]
    ]  # of different strata, as all at first
    for rate, accepted in ((result.accepted, True), (result.rejected, False)):
        judged = [
            (stratum.size, good) for stratum, good in zip(strata, (1, 0), strict=True) if stratum.accepted is accepted
        ]
        wanted = sum(size * good for size, good in judged) / sum(size for size, _ in judged) if judged else None
        assert rate.rate.value == (wanted if wanted is None else pytest.approx(wanted))


def test_two_reviewers_agree_or_not_and_a_sample_counts_by_who_took_it(supervision, folder, tmp_path):
    review = review_of(folder)
    ada = saved(tmp_path / "a.jsonl", [decision(review, n, n != 3) for n in range(20)])
    bob = saved(tmp_path / "b.jsonl", [decision(review, n, n not in (3, 4), "Bob") for n in range(10)])
    result = take_decisions(supervision, folder, [ada, bob])
    [pair] = result.agreement
    assert (pair.first, pair.second, pair.alike.n, pair.alike.value) == ("Ada", "Bob", 10, 0.9)
    assert pair.cohen_kappa == pytest.approx((0.9 - 0.74) / 0.26)
    assert result.judged == 20
    place = review.samples[4].stratum
    alone = work_out(
        review, {(v.reviewer, v.sample_id): v for v in [decision(review, 4), decision(review, 4, False, "B")]}
    )
    rate = alone.accepted if review.strata[place].accepted else alone.rejected
    assert (rate.rate.value, rate.rate.n) == (0.5, 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"review_id": "0123456789ab"}, "is of the review 0123456789ab, but"),
        ({"sample_id": "nobody/knows"}, "judges nobody/knows, which is not in"),
        ({"decision": "maybe"}, "line 2: decision: Input should be 'accept' or 'reject'"),
        ({"time": "2026-05-04T12:00:00"}, "line 2: time"),
        ({"reviewer": ""}, "line 2: reviewer"),
        ({"reason": "mood"}, "line 2: reason"),
    ],
)
def test_one_wrong_line_and_nothing_is_taken(supervision, folder, tmp_path, change, message):
    review = review_of(folder)
    right = saved(tmp_path / "right.jsonl", [decision(review, 0)])
    wrong = tmp_path / "wrong.jsonl"
    line = decision(review, 1).model_dump(mode="json")
    wrong.write_text(decision(review, 2).model_dump_json() + "\n" + json.dumps(line | change) + "\n")
    with pytest.raises(UserError) as told:
        take_decisions(supervision, folder, [right, wrong])
    assert message in str(told.value) and str(wrong) in str(told.value)
    assert not (folder / "decisions.jsonl").exists()


@pytest.mark.parametrize(
    ("content", "message"), [(b"", "holds no decisions"), (b"\xff\xfe\x00", "line 1: "), (None, "is no file")]
)
def test_a_file_that_holds_nothing_is_told(supervision, folder, tmp_path, content, message):
    file = tmp_path / "v.jsonl"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UserError, match=message):
        take_decisions(supervision, folder, [file])


def test_decisions_belong_to_the_review_of_this_supervision_set(supervision, folder, tmp_path):
    other = supervision_set(tmp_path / "other", per_class=2)
    file = saved(tmp_path / "v.jsonl", [decision(review_of(folder), 0)])
    with pytest.raises(UserError, match="another supervision set"):
        take_decisions(other, folder, [file])
    with pytest.raises(UserError, match="no finished review"):
        take_decisions(supervision, tmp_path / "nowhere", [file])


def test_a_review_with_decisions_is_not_written_over(supervision, folder, tmp_path):
    take_decisions(supervision, folder, [saved(tmp_path / "v.jsonl", [decision(review_of(folder), 0)])])
    with pytest.raises(UserError, match="holds decisions, which would be lost"):
        start_review(supervision, folder, ReviewSettings(samples=30), overwrite=True)
    assert len(read_jsonl(folder / "decisions.jsonl", ReviewDecision)) == 1


def test_the_weighted_rate_is_unbiased_where_the_plain_share_is_not():
    samples, clips = many_samples(SIZES)
    rng = np.random.default_rng(0)
    # Bad samples are commonest where the strata are small, which the sample holds more of than the whole does.
    share_bad = {0: 0.05, 1: 0.1, 2: 0.4, 3: 0.6, 4: 0.9, 5: 0.0}
    bad = {sample.sample_id for sample in samples if rng.random() < share_bad[int(sample.sample_id.partition("/")[0])]}
    taught = [sample.sample_id for sample in samples if sample.accepted]
    truth = float(np.mean([sample_id not in bad for sample_id in taught]))
    rates, plain, held = [], [], []
    for seed in range(300):
        review = draw_samples(samples, clips, ReviewSettings(samples=40, seed=seed))
        result = work_out(review, judged_by(review, lambda sample_id: sample_id not in bad))
        figure = result.accepted.rate
        rates.append(figure.value)
        held.append(figure.low <= truth <= figure.high)
        drawn = [a.sample_id for a in review.samples if review.strata[a.stratum].accepted]
        plain.append(np.mean([sample_id not in bad for sample_id in drawn]))
    error = np.std(rates) / len(rates) ** 0.5
    assert abs(np.mean(rates) - truth) < 3.5 * error
    assert abs(np.mean(plain) - truth) > 10 * error
    assert np.mean(held) > 0.93


def test_a_sample_of_everything_gives_the_very_shares():
    samples, clips = many_samples(SIZES[2:])
    review = draw_samples(samples, clips, ReviewSettings(samples=1000))
    bad = {sample.sample_id for index, sample in enumerate(samples) if index % 3 == 0}
    result = work_out(review, judged_by(review, lambda sample_id: sample_id not in bad))

    def share(chosen):
        good = Counter(sample.sample_id not in bad for sample in chosen)
        return pytest.approx(good[True] / good.total())

    assert result.accepted.rate.value == share([i for i in samples if i.accepted])
    assert result.rejected.rate.value == share([i for i in samples if not i.accepted])
    assert result.accepted_by["teacher"]["model"].rate.value == share(
        [i for i in samples if i.accepted and i.teacher == "model"]
    )
    caption, plain = result.accepted_by["type"]["caption"].rate, wilson(60, 90)
    assert (caption.low, caption.high) == (pytest.approx(plain.low), pytest.approx(plain.high))


def test_few_decisions_and_strata_without_any_are_said():
    samples, clips = many_samples(SIZES)
    review = draw_samples(samples, clips, ReviewSettings(samples=60))
    result = work_out(review, judged_by(review, lambda sample_id: True, most=3))
    assert result.accepted.in_unreviewed_strata > 0
    assert any("interval is wide" in warning for warning in result.warnings)
    assert any("none is judged yet" in warning for warning in result.warnings)
    assert work_out(review, judged_by(review, lambda sample_id: True)).warnings == ()
    nothing = work_out(review, {})
    assert nothing.accepted.rate.value is None and nothing.accepted.in_unreviewed_strata == nothing.accepted.size


def test_the_verb_prints_rates_agreement_and_reasons(supervision, folder, tmp_path):
    review = review_of(folder)
    ada = saved(tmp_path / "a.jsonl", [decision(review, n, n > 4, reason="" if n > 4 else "untrue") for n in range(40)])
    bob = saved(tmp_path / "b.jsonl", [decision(review, n, True, "Bob") for n in range(5)])
    command = ["supervise", "review", str(supervision), "--out", str(folder), "--decisions", str(ada)]
    done = run(app, [*command, "--decisions", str(bob)])
    assert done.exit_code == 0, done.stderr
    told = " ".join(done.stdout.split())
    result = json.loads((folder / "review.json").read_text())
    rate = result["accepted"]["rate"]
    interval = f"{100 * rate['low']:.0f} to {100 * rate['high']:.0f} %"
    assert f"accepted by the checks {100 * rate['value']:.0f} % {interval} {rate['n']}" in told
    assert "type vqa" in told and "class normal" in told and "rejected by the checks" in told
    assert "Decisions: Ada 40, Bob 5." in told
    assert "Reasons: says what is not so 5." in told
    assert "Ada and Bob agree on 0% of 5 samples, kappa 0.00." in told
    as_json = run(app, [*command, "--json"])
    assert json.loads(as_json.stdout) == result


@pytest.mark.parametrize("option", [["--samples", "9"], ["--seed", "1"], ["--type", "vqa"], ["--overwrite"]])
def test_options_of_the_draw_are_refused_beside_decisions(supervision, folder, tmp_path, option):
    file = saved(tmp_path / "v.jsonl", [decision(review_of(folder), 0)])
    done = run(app, ["supervise", "review", str(supervision), "-o", str(folder), "--decisions", str(file), *option])
    assert done.exit_code == 1
    assert "are for the draw; leave them out" in done.stderr
