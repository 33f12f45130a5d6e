"""The sample of a review is fair, and its page shows what it says, whatever is in the texts."""

import base64
import html
import io
import json
import re
from collections import Counter

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from tests.clocks import numbers_shown
from tests.supervision.review.review_world import ATTACK, MODEL, SIZES, many_samples, supervision_set
from vlm_autodrive.artifacts import read_clips, read_provenance, read_samples
from vlm_autodrive.cli.main import app
from vlm_autodrive.errors import UserError
from vlm_autodrive.progress import SILENT
from vlm_autodrive.records import DEFAULT_TAXONOMY, ReviewDraw
from vlm_autodrive.supervision import ReviewSettings, start_review
from vlm_autodrive.supervision.review.page import cited_moments, make_pages
from vlm_autodrive.supervision.review.sampling import draw_samples

run = CliRunner().invoke


@pytest.fixture(scope="module")
def supervision(tmp_path_factory):
    return supervision_set(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def folder(supervision):
    return start_review(supervision, supervision.parent / "review", ReviewSettings(samples=40)).parent


def page_of(folder):
    return (folder / "review.html").read_text(encoding="utf-8")


def review_of(folder):
    return ReviewDraw.model_validate_json((folder / "sample.json").read_text())


def test_every_stratum_is_seen_and_the_weights_make_up_the_whole():
    samples, clips = many_samples(SIZES)
    review = draw_samples(samples, clips, ReviewSettings(samples=30))
    assert len(review.samples) == len({reviewed.sample_id for reviewed in review.samples}) == 30
    assert sorted(stratum.size for stratum in review.strata) == sorted(size for *_, size in SIZES)
    assert sum(reviewed.weight for reviewed in review.samples) == pytest.approx(len(samples))
    drawn = Counter(reviewed.stratum for reviewed in review.samples)
    by_id = {sample.sample_id: sample for sample in samples}
    for place, stratum in enumerate(review.strata):
        assert drawn[place] == stratum.drawn >= 1
        for reviewed in (a for a in review.samples if a.stratum == place):
            sample = by_id[reviewed.sample_id]
            of = (sample.type, clips[sample.clip_id].event_class, sample.teacher, sample.accepted)
            assert of == (stratum.type, stratum.event_class, stratum.teacher, stratum.accepted)
            assert reviewed.weight == stratum.size / stratum.drawn
    assert {reviewed.stratum for reviewed in review.samples[: len(SIZES)]} == set(range(len(SIZES)))


def test_larger_strata_get_more_but_not_all():
    samples, clips = many_samples(SIZES)
    drawn = {s.size: s.drawn for s in draw_samples(samples, clips, ReviewSettings(samples=60)).strata}
    assert drawn[800] > drawn[90] > drawn[7] > drawn[1] == 1
    assert drawn[800] < 60 * 800 / len(samples)


def test_the_draw_depends_on_the_seed_alone():
    samples, clips = many_samples(SIZES)
    first, again, other = (draw_samples(samples, clips, ReviewSettings(samples=20, seed=seed)) for seed in (1, 1, 2))
    assert first == again
    assert first.review_id != other.review_id


def test_each_sample_of_a_stratum_is_drawn_equally_often():
    samples, clips = many_samples((("vqa", "rules", True, 10), ("vqa", "model", True, 10)))
    seen = Counter(
        reviewed.sample_id
        for seed in range(600)
        for reviewed in draw_samples(samples, clips, ReviewSettings(samples=6, seed=seed)).samples
    )
    assert len(seen) == 20
    assert all(130 < count < 230 for count in seen.values())  # 180 each


def test_a_sample_may_be_all_there_is():
    samples, clips = many_samples(SIZES[2:])
    review = draw_samples(samples, clips, ReviewSettings(samples=5000))
    assert {reviewed.sample_id for reviewed in review.samples} == {sample.sample_id for sample in samples}
    assert {reviewed.weight for reviewed in review.samples} == {1.0}


def test_too_small_a_draw_and_types_without_samples_are_refused():
    samples, clips = many_samples(SIZES)
    with pytest.raises(UserError, match=r"fewer than the 6 strata.*--samples 6 or more"):
        draw_samples(samples, clips, ReviewSettings(samples=5))
    with pytest.raises(UserError, match="no samples of the types verdict"):
        draw_samples(samples, clips, ReviewSettings(types=("verdict",)))
    only = draw_samples(samples, clips, ReviewSettings(types=("caption", "reasoning")))
    assert {stratum.type for stratum in only.strata} == {"caption", "reasoning"}


def test_other_words_are_another_review(supervision):
    samples, clips = read_samples(supervision), {clip.clip_id: clip for clip in read_clips(supervision)}
    first = draw_samples(samples, clips, ReviewSettings())
    changed = [sample.model_copy(update={"target": sample.target + "."}) for sample in samples]
    assert draw_samples(changed, clips, ReviewSettings()).review_id != first.review_id


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
    samples = [i for i in read_samples(supervision) if i.type == "reasoning"]
    pages = make_pages(samples, clips, DEFAULT_TAXONOMY, SILENT)
    assert [page.sample for page in pages] == samples
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
    samples = [sample for sample in read_samples(supervision) if clips[sample.clip_id].event_class == "near_collision"]
    meanings = {page.sample.type: page.meaning for page in make_pages(samples, clips, DEFAULT_TAXONOMY, SILENT)}
    assert meanings["verdict"] == "B = Near-Collision"
    assert re.fullmatch(r"B = Near-Collision at \d\.\d s", meanings["reasoning"])
    assert meanings["vqa"] == meanings["caption"] == ""


def test_the_page_needs_nothing_from_outside_and_runs_its_own_program_alone(folder):
    page = page_of(folder)
    assert not re.findall(r"(?:src|href)=\"(?!data:image/jpeg;base64,|#)", page)
    assert "http:" not in page and "https:" not in page
    assert page.count("<script") == 1
    assert "default-src 'none'; img-src data:" in page and "script-src 'sha256-" in page
    assert "innerHTML" not in page and "insertAdjacentHTML" not in page and "document.write" not in page


def test_texts_stand_on_the_page_as_they_are(folder, supervision):
    page = page_of(folder)
    by_id = {sample.sample_id: sample for sample in read_samples(supervision)}
    shown = re.findall(r'<div class="text target">(.*?)</div>', page, re.DOTALL)
    targets = [html.unescape(re.sub(r"<[^>]*>", "", text)) for text in shown]
    assert targets == [by_id[reviewed.sample_id].target for reviewed in review_of(folder).samples]
    assert ATTACK in targets
    assert html.escape(MODEL) in page and MODEL not in page
    assert "says &lt;i&gt;rain&lt;/i&gt;" in page


def test_a_clip_that_cannot_be_read_is_shown_with_the_reason(folder, supervision):
    gone = read_clips(supervision)[0].clip_id
    of_gone = sum(reviewed.sample_id.startswith(gone) for reviewed in review_of(folder).samples)
    assert page_of(folder).count("No frames: the file does not exist.") == of_gone > 0


def test_the_same_review_is_not_made_twice_and_another_does_not_replace_it_unasked(folder, supervision):
    assert read_provenance(folder).kind == "review"
    before = (folder / "review.html").stat().st_mtime_ns
    start_review(supervision, folder, ReviewSettings(samples=40))
    assert (folder / "review.html").stat().st_mtime_ns == before
    with pytest.raises(UserError, match="already holds another result"):
        start_review(supervision, folder, ReviewSettings(samples=41))


def test_the_verb_draws_and_says_where_the_page_is(supervision, tmp_path):
    arguments = ["supervise", "review", str(supervision), "--out", str(tmp_path / "a")]
    done = run(app, [*arguments, "--samples", "12", "--type", "vqa", "--type", "caption", "--seed", "3"])
    assert done.exit_code == 0, done.stderr
    assert done.stdout == f"{tmp_path / 'a' / 'review.html'}\n"
    assert "12 of 45 samples are on the page" in done.stderr
    again = run(app, [*arguments, "--samples", "12", "--type", "vqa", "--type", "caption", "--seed", "3", "--json"])
    assert len(json.loads(again.stdout)["samples"]) == 12


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--samples", "2"], "fewer than the"),
        (["--type", "poem"], "Input should be 'verdict', 'caption'"),
        (["--type", "description"], "no samples of the types description"),
    ],
)
def test_a_draw_that_cannot_be_is_told_in_a_sentence(supervision, tmp_path, options, message):
    done = run(app, ["supervise", "review", str(supervision), "--out", str(tmp_path / "a"), *options])
    assert done.exit_code == 1
    assert message in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "a").exists()


def test_only_a_supervision_set_can_be_reviewed(supervision, tmp_path):
    done = run(app, ["supervise", "review", str(supervision.parent / "clips"), "--out", str(tmp_path / "a")])
    assert done.exit_code == 1
    assert "holds clips; give a folder of supervision" in done.stderr
