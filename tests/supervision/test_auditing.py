"""The sample of an audit is fair, and its page shows what it says, whatever is in the texts."""

import base64
import html
import io
import json
import re
from collections import Counter

import numpy as np
import pytest
from audit_world import ATTACK, MODEL, SIZES, many_items, supervision_set
from PIL import Image
from typer.testing import CliRunner

from tests.clocks import numbers_shown
from vlm_autodrive.artifacts import read_clips, read_provenance, read_samples
from vlm_autodrive.cli.main import app
from vlm_autodrive.errors import UserError
from vlm_autodrive.progress import SILENT
from vlm_autodrive.records import DEFAULT_TAXONOMY, ReviewSample
from vlm_autodrive.supervision import ReviewSettings, start_review
from vlm_autodrive.supervision.review_page import cited_moments, make_pages
from vlm_autodrive.supervision.review_sampling import draw_sample

run = CliRunner().invoke


@pytest.fixture(scope="module")
def supervision(tmp_path_factory):
    return supervision_set(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def audit(supervision):
    return start_review(supervision, supervision.parent / "audit", ReviewSettings(items=40)).parent


def page_of(audit):
    return (audit / "audit.html").read_text(encoding="utf-8")


def sample_of(audit):
    return ReviewSample.model_validate_json((audit / "sample.json").read_text())


def test_every_stratum_is_seen_and_the_weights_make_up_the_whole():
    items, clips = many_items(SIZES)
    sample = draw_sample(items, clips, ReviewSettings(items=30))
    assert len(sample.items) == len({audited.sample_id for audited in sample.items}) == 30
    assert sorted(stratum.size for stratum in sample.strata) == sorted(size for *_, size in SIZES)
    assert sum(audited.weight for audited in sample.items) == pytest.approx(len(items))
    drawn = Counter(audited.stratum for audited in sample.items)
    by_id = {item.sample_id: item for item in items}
    for place, stratum in enumerate(sample.strata):
        assert drawn[place] == stratum.drawn >= 1
        for audited in (a for a in sample.items if a.stratum == place):
            item = by_id[audited.sample_id]
            of = (item.type, clips[item.clip_id].event_class, item.teacher, item.accepted)
            assert of == (stratum.type, stratum.event_class, stratum.teacher, stratum.accepted)
            assert audited.weight == stratum.size / stratum.drawn
    assert {audited.stratum for audited in sample.items[: len(SIZES)]} == set(range(len(SIZES)))


def test_larger_strata_get_more_but_not_all():
    items, clips = many_items(SIZES)
    drawn = {s.size: s.drawn for s in draw_sample(items, clips, ReviewSettings(items=60)).strata}
    assert drawn[800] > drawn[90] > drawn[7] > drawn[1] == 1
    assert drawn[800] < 60 * 800 / len(items)


def test_the_draw_depends_on_the_seed_alone():
    items, clips = many_items(SIZES)
    first, again, other = (draw_sample(items, clips, ReviewSettings(items=20, seed=seed)) for seed in (1, 1, 2))
    assert first == again
    assert first.review_id != other.review_id


def test_each_item_of_a_stratum_is_drawn_equally_often():
    items, clips = many_items((("vqa", "rules", True, 10), ("vqa", "model", True, 10)))
    seen = Counter(
        audited.sample_id
        for seed in range(600)
        for audited in draw_sample(items, clips, ReviewSettings(items=6, seed=seed)).items
    )
    assert len(seen) == 20
    assert all(130 < count < 230 for count in seen.values())  # 180 each


def test_a_sample_may_be_all_there_is():
    items, clips = many_items(SIZES[2:])
    sample = draw_sample(items, clips, ReviewSettings(items=5000))
    assert {audited.sample_id for audited in sample.items} == {item.sample_id for item in items}
    assert {audited.weight for audited in sample.items} == {1.0}


def test_too_small_a_sample_and_kinds_without_items_are_refused():
    items, clips = many_items(SIZES)
    with pytest.raises(UserError, match=r"fewer than the 6 strata.*--items 6 or more"):
        draw_sample(items, clips, ReviewSettings(items=5))
    with pytest.raises(UserError, match="no items of the kinds verdict"):
        draw_sample(items, clips, ReviewSettings(types=("verdict",)))
    only = draw_sample(items, clips, ReviewSettings(types=("caption", "reasoning")))
    assert {stratum.type for stratum in only.strata} == {"caption", "reasoning"}


def test_other_words_are_another_audit(supervision):
    items, clips = read_samples(supervision), {clip.clip_id: clip for clip in read_clips(supervision)}
    first = draw_sample(items, clips, ReviewSettings())
    changed = [item.model_copy(update={"target": item.target + "."}) for item in items]
    assert draw_sample(changed, clips, ReviewSettings()).review_id != first.review_id


@pytest.mark.parametrize(
    ("text", "moments"),
    [
        ("[t=3.4] it brakes, [ t = 4 s ] it stops", [3.4, 4]),
        ("A\nt=3.4\n", [3.4]),
        ("Contact at 3.4 s, at about 5 seconds and at second 6.", [3.4, 5, 6]),
        ("3.4 s", [3.4]),
        ("Within 2 s; at 15 m/s; at 3 sites; part=4; 10 s later", []),
        ("[t=1.0, t=2.0]", [1, 2]),
    ],
)
def test_moments_are_found_and_nothing_of_the_text_is_lost(text, moments):
    pieces = cited_moments(text)
    assert [time_s for _, time_s in pieces if time_s is not None] == moments
    assert "".join(piece for piece, _ in pieces) == text


def test_frames_are_those_of_their_times_with_the_cited_and_the_event_among_them(supervision):
    clips = {clip.clip_id: clip for clip in read_clips(supervision)}
    items = [i for i in read_samples(supervision) if i.type == "reasoning"]
    pages = make_pages(items, clips, DEFAULT_TAXONOMY, SILENT)
    assert [page.item for page in pages] == items
    shown_events = 0
    for page in pages:
        if page.problem:
            continue
        times_s = [shown.time_s for shown in page.frames]
        assert times_s == sorted(times_s)
        assert len(times_s) >= 8
        assert times_s[0] < 0.5 and times_s[-1] > 4.3
        for shown in page.frames:
            picture = Image.open(io.BytesIO(base64.b64decode(shown.picture.partition(",")[2])))
            number = numbers_shown(np.asarray(picture.convert("RGB"))[None])[0]
            assert number / 25 == pytest.approx(0.2 + shown.time_s, abs=1e-3)
        for words in page.target:
            if words.time_s is not None and words.time_s <= page.clip.duration_s:
                assert page.frames[words.frame].is_cited
                assert page.frames[words.frame].time_s == pytest.approx(words.time_s, abs=0.021)
        events = [shown.time_s for shown in page.frames if shown.is_event]
        wanted = [] if page.clip.event_time_s is None else [page.clip.event_time_s]
        assert events == [pytest.approx(time_s, abs=0.021) for time_s in wanted]
        shown_events += len(events)
    assert shown_events >= 4


def test_codes_are_spelt_out_where_they_mean_a_class(supervision):
    clips = {clip.clip_id: clip for clip in read_clips(supervision)}
    items = [item for item in read_samples(supervision) if clips[item.clip_id].event_class == "near_collision"]
    meanings = {page.item.type: page.meaning for page in make_pages(items, clips, DEFAULT_TAXONOMY, SILENT)}
    assert meanings["verdict"] == "B = Near-Collision"
    assert re.fullmatch(r"B = Near-Collision at \d\.\d s", meanings["reasoning"])
    assert meanings["vqa"] == meanings["caption"] == ""


def test_the_page_needs_nothing_from_outside_and_runs_its_own_program_alone(audit):
    page = page_of(audit)
    assert not re.findall(r"(?:src|href)=\"(?!data:image/jpeg;base64,|#)", page)
    assert "http:" not in page and "https:" not in page
    assert page.count("<script") == 1
    assert "default-src 'none'; img-src data:" in page and "script-src 'sha256-" in page
    assert "innerHTML" not in page and "insertAdjacentHTML" not in page and "document.write" not in page


def test_texts_stand_on_the_page_as_they_are(audit, supervision):
    page = page_of(audit)
    by_id = {item.sample_id: item for item in read_samples(supervision)}
    shown = re.findall(r'<div class="text target">(.*?)</div>', page, re.DOTALL)
    targets = [html.unescape(re.sub(r"<[^>]*>", "", text)) for text in shown]
    assert targets == [by_id[audited.sample_id].target for audited in sample_of(audit).items]
    assert ATTACK in targets
    assert html.escape(MODEL) in page and MODEL not in page
    assert "says &lt;i&gt;rain&lt;/i&gt;" in page


def test_a_clip_that_cannot_be_read_is_shown_with_the_reason(audit, supervision):
    gone = read_clips(supervision)[0].clip_id
    of_gone = sum(audited.sample_id.startswith(gone) for audited in sample_of(audit).items)
    assert page_of(audit).count("No frames: the file does not exist.") == of_gone > 0


def test_the_same_audit_is_not_made_twice_and_another_does_not_replace_it_unasked(audit, supervision):
    assert read_provenance(audit).kind == "audit"
    before = (audit / "audit.html").stat().st_mtime_ns
    start_review(supervision, audit, ReviewSettings(items=40))
    assert (audit / "audit.html").stat().st_mtime_ns == before
    with pytest.raises(UserError, match="already holds another result"):
        start_review(supervision, audit, ReviewSettings(items=41))


def test_the_verb_draws_and_says_where_the_page_is(supervision, tmp_path):
    arguments = ["supervise", "audit", str(supervision), "--out", str(tmp_path / "a")]
    done = run(app, [*arguments, "--items", "12", "--kind", "vqa", "--kind", "caption", "--seed", "3"])
    assert done.exit_code == 0, done.stderr
    assert done.stdout == f"{tmp_path / 'a' / 'audit.html'}\n"
    assert "12 of 45 items are on the page" in done.stderr
    again = run(app, [*arguments, "--items", "12", "--kind", "vqa", "--kind", "caption", "--seed", "3", "--json"])
    assert len(json.loads(again.stdout)["items"]) == 12


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--items", "2"], "fewer than the"),
        (["--kind", "poem"], "Input should be 'verdict', 'caption'"),
        (["--kind", "description"], "no items of the kinds description"),
    ],
)
def test_a_draw_that_cannot_be_is_told_in_a_sentence(supervision, tmp_path, options, message):
    done = run(app, ["supervise", "audit", str(supervision), "--out", str(tmp_path / "a"), *options])
    assert done.exit_code == 1
    assert message in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "a").exists()


def test_only_a_supervision_set_can_be_audited(supervision, tmp_path):
    done = run(app, ["supervise", "audit", str(supervision.parent / "clips"), "--out", str(tmp_path / "a")])
    assert done.exit_code == 1
    assert "holds clips; give a folder of supervision" in done.stderr
