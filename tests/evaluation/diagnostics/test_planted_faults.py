"""Every fault planted on purpose, in real files and through the real stages: the report must name it for what it is."""

import asyncio
import itertools
import json
import shutil
import threading
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from markupsafe import escape
from starlette.responses import Response

from tests.evaluation.builders import (
    NAMES,
    FakeEngine,
    make_clip,
    make_prediction,
    write_clip_set,
    write_prediction_set,
)
from tests.fake_endpoint import completion, serve
from vlm_autodrive.artifacts import PREDICTIONS_FILE, read_clips, read_predictions, write_clips, writing_artifact
from vlm_autodrive.artifacts.files import CLIPS_FILE
from vlm_autodrive.engines import InferenceResponse
from vlm_autodrive.engines.endpoint import retrying
from vlm_autodrive.errors import UserError
from vlm_autodrive.evaluation import (
    BaselineSettings,
    CompareSettings,
    Diagnostic,
    EvaluateSettings,
    ReportSettings,
    compare,
    evaluate,
    summary,
    write_report,
)
from vlm_autodrive.evaluation.predict.baselines import majority
from vlm_autodrive.evaluation.predict.stage import evaluate_with_engine
from vlm_autodrive.evaluation.report.stage import HTML_FILE, JSON_FILE
from vlm_autodrive.records import DEFAULT_TAXONOMY, Outcome, Verdict, write_jsonl
from vlm_autodrive.settings import Settings

COUNT = 30
CODES = DEFAULT_TAXONOMY.codes


def write_two_greys(path: Path, first: int, second: int) -> None:
    """Two seconds, of which the first is of one grey and the second of another."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=5)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for level in [first] * 5 + [second] * 5:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((48, 64, 3), level, np.uint8), "rgb24")))
        container.mux(stream.encode())


@pytest.fixture(scope="module")
def footage(tmp_path_factory):
    """Thirty real videos, ten of each class: they begin dark, middling or bright, and no two of them are alike."""
    folder = tmp_path_factory.mktemp("footage")
    for index in range(COUNT):
        later = (index + 1 + index // 3 % 2) % 3
        levels = (15 + 90 * kind + 2 * (index // 3) for kind in (index % 3, later))
        write_two_greys(folder / f"{index:03d}.mp4", *levels)
    return folder


@pytest.fixture
def clips(footage, tmp_path):
    """Clips of copies of them, which a test may break."""
    shutil.copytree(footage, tmp_path / "videos")
    return [make_clip(f"c{i:03d}", NAMES[i % 3], path=str(tmp_path / "videos" / f"{i:03d}.mp4")) for i in range(COUNT)]


def level_of(frames) -> float:
    """How bright a clip begins, which is its class; 0 without any frame."""
    return float(frames.pixels[0].mean()) if len(frames.times_s) else 0.0


def seen(frames) -> str:
    return CODES[min(2, int(level_of(frames) // 86))]


def asked(tmp_path, clips, engine, name="tuned", **settings) -> Path:
    folder = tmp_path / "clips"
    if not folder.exists():
        write_clip_set(folder, clips)
    chosen = EvaluateSettings(reasoning=False, prompt_variants=(), **settings)
    return evaluate_with_engine(folder, engine, name, tmp_path / name, chosen)


def reported(tmp_path, **predictions: Path) -> list[Diagnostic]:
    """The findings in ``report.json``, each of which stands on the page before all figures of its part.

    In the folded part are warnings about models other than the one that the report is about.
    """
    comparison = compare(predictions, tmp_path / "comparison", CompareSettings(resamples=200))
    report = write_report(comparison, tmp_path / "report", ReportSettings(examples_per_class=0))
    content = json.loads((report / JSON_FILE).read_text())
    found = [Diagnostic.model_validate(f) for f in content["diagnostics"]]
    first, _, folded = (report / HTML_FILE).read_text().partition('<details class="layer">')
    subject = (None, content["after"] or content["before"])
    for part, shown in (
        (first, [f for f in found if f.severity == "invalid" or f.model in subject]),
        (folded, [f for f in found if f.severity == "warning" and f.model not in subject]),
    ):
        places = [part.find(str(escape(diagnostic.text))) for diagnostic in shown]
        assert -1 not in places
        assert places == sorted(places)
        assert max(places, default=0) < part.index("<table")
    return found


def only(diagnostics: list[Diagnostic]) -> Diagnostic:
    assert len(diagnostics) == 1, diagnostics
    return diagnostics[0]


def test_a_good_model_is_accused_of_nothing(tmp_path, clips):
    assert reported(tmp_path, tuned=asked(tmp_path, clips, FakeEngine(seen))) == []


def test_failed_videos_in_the_middle(tmp_path, clips):
    for index in (12, 13, 14, 17):
        Path(clips[index].path).write_bytes(b"no video at all")
    diagnostic = only(reported(tmp_path, tuned=asked(tmp_path, clips, FakeEngine(seen))))
    assert (diagnostic.kind, diagnostic.severity, diagnostic.model) == ("failed_answers", "invalid", "tuned")
    assert "4 of 30 clips (13%) got no answer from tuned" in diagnostic.text
    assert "c012, c013, c014 …" in diagnostic.text
    assert "(4 times)" in diagnostic.text
    assert "2 Normal, 1 Collision, 1 Near-Collision" in diagnostic.text


def test_two_runs_in_one_file_of_predictions(tmp_path, clips):
    predictions = asked(tmp_path, clips, FakeEngine(seen))
    file = predictions / PREDICTIONS_FILE
    lines = file.read_text().splitlines(keepends=True)
    other = read_predictions(asked(tmp_path, clips, FakeEngine(lambda _: "A"), "other"))
    file.write_text("".join([*lines, lines[0], lines[1], *(p.model_dump_json() + "\n" for p in other[3:6])]))
    diagnostic = only(reported(tmp_path, tuned=predictions))
    assert (diagnostic.kind, diagnostic.severity) == ("duplicated_ids", "invalid")
    assert "answer 5 clips more than once (c000, c001, c003 …)" in diagnostic.text
    assert "the 2 of them whose answers differ count as wrong" in diagnostic.text
    kept = read_predictions(predictions)
    assert len(kept) == 35


def test_two_clips_with_one_id(tmp_path, clips):
    folder = write_clip_set(tmp_path / "clips", clips)
    with (folder / CLIPS_FILE).open("a") as stream:
        stream.write((folder / CLIPS_FILE).read_text().splitlines()[4] + "\n")
    with pytest.raises(UserError, match="two clips called c004"):
        asked(tmp_path, clips, FakeEngine(seen))


@pytest.mark.parametrize(
    ("end", "said"), [("bad gateway", "gets no more requests"), ("gone", "is gone and did not come back within")]
)
def test_an_endpoint_that_dies_half_way(tmp_path, clips, monkeypatch, end, said):
    """A real endpoint, asked by the real engine: after 15 clips nothing is left but its gateway, or nothing at all."""
    with pytest.raises(UserError, match=said) as ended:
        asked_of_a_mortal(tmp_path, clips, monkeypatch, end, answers=15)
    assert "run the same command again" in str(ended.value)


def test_an_endpoint_that_dies_near_the_end(tmp_path, clips, monkeypatch):
    """With so few clips left that the run ends before it is taken for dead."""
    diagnostic = reported(tmp_path, tuned=asked_of_a_mortal(tmp_path, clips, monkeypatch, "bad gateway", answers=25))[0]
    assert (diagnostic.kind, diagnostic.severity, diagnostic.model) == ("endpoint_died", "invalid", "tuned")
    assert "from clip 26 of 30 on (c025) nothing was answered, 5 clips in all" in diagnostic.text
    assert "They count as wrong" in diagnostic.text


def asked_of_a_mortal(tmp_path, clips, monkeypatch, end, answers):
    monkeypatch.setattr(retrying, "_FIRST_WAIT_S", 0.01)
    codes = itertools.cycle(CODES)
    count = itertools.count()

    def mortal(_):
        if next(count) < answers:
            return completion(next(codes))
        if end == "gone":
            threading.Thread(target=endpoint.stop, daemon=True).start()
            return asyncio.sleep(60)  # nothing more is answered: the port closes first, and then this connection
        return Response("bad gateway", 502)

    with serve(mortal) as endpoint:
        account = str(tmp_path / "account")
        called = {"base_url": endpoint.url, "cache": account, "max_attempts": 2, "max_outage_s": 0}
        sampling = {"fps": 2, "max_frames": 4, "height": 48, "width": 64}
        chosen = {
            "endpoint": {**called, "sampling": sampling},
            "eval_batch_size": 5,
            "controls": (),
            "prompt_variants": (),
        }
        settings = EvaluateSettings.model_validate({**chosen, "reasoning": False})
        return evaluate(write_clip_set(tmp_path / "clips", clips), "big", tmp_path / "big", settings)


NAIVE = {
    "A": ["Not a near-collision: this is a collision.", "Answer: A", "**Collision.**"],
    "B": ["It is not a collision, but a near-collision.", "The answer is B.", "A near-collision."],
    "C": ["No collision and no near-collision.", "C. There is no crash.", "Normal, without any collision."],
}
UNREADABLE = ["A car brakes hard.", "Collision? Hard to tell.", "<think>It is a collision."]


class Writing(FakeEngine):
    """Writes free text, as a served model does, without probabilities; every fifth clip says nothing that counts."""

    def __init__(self):
        super().__init__(None)
        self.count = 0

    def _one(self, frames, question):
        self.count += 1
        texts = UNREADABLE if self.count % 5 == 0 else NAIVE[seen(frames)]
        return InferenceResponse(Outcome.OK, texts[self.count % 3])


def test_answers_that_defeat_naive_parsers(tmp_path, clips):
    predictions = asked(tmp_path, clips, Writing(), controls=())
    diagnostic = only(reported(tmp_path, tuned=predictions))
    assert (diagnostic.kind, diagnostic.severity) == ("unparseable_answers", "warning")
    assert "6 of 30 verdicts of tuned (20%) name no single class" in diagnostic.text
    read = {p.clip_id: p.verdict.event_class for p in read_predictions(predictions)}
    assert all(read[clip.clip_id] == (None if place % 5 == 4 else clip.event_class) for place, clip in enumerate(clips))


@pytest.mark.parametrize("share", [0.2, 0.001])
def test_probabilities_that_are_bounds(tmp_path, clips, share):
    class Unlisted(FakeEngine):
        def _one(self, frames, question):
            found = tuple(1 - 2 * share if code == seen(frames) else share for code in question.codes)
            bound = share if seen(frames) == "B" else 0.0
            answer = InferenceResponse(Outcome.OK, seen(frames), found, probability_source="code_logprobs")
            return replace(answer, unlisted_share=bound)

    predictions = asked(tmp_path, clips, Unlisted(seen))
    told = "in 10 of 30 verdicts the endpoint did not list every class code"
    assert (told in summary(read_predictions(predictions))) == (share == 0.2)
    diagnostics = reported(tmp_path, tuned=predictions)
    assert [diagnostic.kind for diagnostic in diagnostics] == ["bounded_probabilities"] * (share == 0.2)
    assert all(told in diagnostic.text and "up to 0.20" in diagnostic.text for diagnostic in diagnostics)


def test_cut_off_answers(tmp_path, clips):
    class Cut(FakeEngine):
        def _one(self, frames, question):
            code = seen(frames)
            return (
                InferenceResponse(Outcome.TRUNCATED, "It", reason="too long")
                if code == "B"
                else InferenceResponse(Outcome.OK, code)
            )

    diagnostic = only(reported(tmp_path, tuned=asked(tmp_path, clips, Cut(None))))
    assert (diagnostic.kind, diagnostic.severity) == ("truncated_answers", "warning")
    assert "10 of 30 verdicts" in diagnostic.text


def test_times_beyond_the_clip(tmp_path, clips):
    """As Cosmos-Reason1 writes without drawn times; nothing of it is dropped or cut."""

    class Late(FakeEngine):
        def _one(self, frames, question):
            code = seen(frames)
            if question.codes:
                return super()._one(frames, question)
            late = "00:21.50" if code == "A" else "1.5 seconds"
            return InferenceResponse(
                Outcome.OK, f"<think>From <0.5 seconds> on, {late}.</think>\n<answer>{code}\n{late}</answer>"
            )

    write_clip_set(tmp_path / "clips", clips)
    settings = EvaluateSettings(prompt_variants=(), controls=())
    predictions = evaluate_with_engine(tmp_path / "clips", Late(seen), "late", tmp_path / "late", settings)
    traces = [p.reasoning for p in read_predictions(predictions)]
    assert [t.cited_times_s for t in traces[:2]] == [(0.5, 21.5), (0.5, 1.5)]
    assert [t.event_time_s for t in traces[:3]] == [21.5, 1.5, None]
    diagnostic = only(reported(tmp_path, tuned=predictions))
    assert (diagnostic.kind, diagnostic.severity, diagnostic.model) == ("times_outside_clip", "warning", "tuned")
    assert "10 of 30 reasoning traces of tuned (33%) give times outside their clip" in diagnostic.text
    assert "20 of all 80 times (25%), such as 21.5 s in the 2 s of c000" in diagnostic.text
    assert "draw_timestamps" in diagnostic.text


@pytest.mark.parametrize("tie", ["video", "file", "triplet", "group"])
def test_a_leaky_split(tmp_path, clips, tie):
    taught = []
    for index in (1, 4, 7):
        copied = tmp_path / "videos" / f"copy-{index}.mp4"
        shutil.copy(clips[index].path, copied)
        changes = {
            "video": {"video_id": clips[index].video_id, "path": clips[index].path, "start_s": 0.1},
            "file": {"path": str(copied)},
            "triplet": {"triplet_id": f"t{index}"},
            "group": {"group_id": clips[index].group_id},
        }[tie]
        if tie == "triplet":
            clips[index] = clips[index].model_copy(update={"triplet_id": f"t{index}"})
        taught.append(make_clip(f"taught-{index}", "collision", split="train", **changes))
    write_clip_set(tmp_path / "clips", [*clips, *taught])
    tuned = asked(tmp_path, clips, FakeEngine(seen))
    blind = majority(tmp_path / "clips", tmp_path / "majority", BaselineSettings())
    diagnostic, *others = reported(tmp_path, tuned=tuned, majority=blind)
    assert (diagnostic.kind, diagnostic.severity, diagnostic.model) == ("leaky_split", "invalid", None)
    assert "3 of the 30 clips (10%) are not held out" in diagnostic.text
    words = {"video": "same video", "file": "same file under another name", "triplet": "triplet", "group": "same drive"}
    assert words[tie] in diagnostic.text
    assert "as clips of train (c001, c004, c007)" in diagnostic.text
    assert others == []


class _Made(Settings):
    name: str


def trained(tmp_path, clips, taught, *, chosen=False) -> Path:
    """A checkpoint whose supervision holds these clips, as training leaves it: by way of another checkpoint.

    With ``chosen`` it was taught some kinds of the supervision alone, as a cell of an ablation is.
    """
    other_clips = write_clip_set(tmp_path / "other-clips", taught)
    supervision = tmp_path / "supervision"
    with writing_artifact(supervision, "supervision", {"clips": other_clips}, _Made(name="s")) as folder:
        write_clips(folder, supervision, DEFAULT_TAXONOMY, taught)
    if chosen:
        whole, supervision = supervision, tmp_path / "chosen"
        with writing_artifact(supervision, "supervision", {"supervision": whole}, _Made(name="c")) as folder:
            write_clips(folder, supervision, DEFAULT_TAXONOMY, taught)
    first, second = tmp_path / "first", tmp_path / "checkpoint"
    with writing_artifact(first, "checkpoint", {"supervision": supervision}, _Made(name="a")):
        pass
    with writing_artifact(second, "checkpoint", {"base": first}, _Made(name="b")):
        pass
    return second


def asked_of(checkpoint, tmp_path, clips):
    write_clip_set(tmp_path / "clips", clips)
    settings = EvaluateSettings(prompt_variants=())
    return evaluate_with_engine(
        tmp_path / "clips", FakeEngine(seen), "k", tmp_path / "tuned", settings, checkpoint=checkpoint
    )


@pytest.mark.parametrize(("chosen", "left"), [(False, True), (True, True), (True, False)])
def test_a_checkpoint_that_was_taught_the_test(tmp_path, clips, chosen, left):
    taught = [clip.model_copy(update={"split": "train", "clip_id": f"x-{clip.clip_id}"}) for clip in clips[:6]]
    elsewhere = make_clip("same-id", "normal", split="train", video_id=clips[9].video_id)  # of another data set
    checkpoint = trained(tmp_path, clips, [*taught, elsewhere], chosen=chosen)
    if not left:
        shutil.rmtree(tmp_path / "supervision")
    diagnostic = only(reported(tmp_path, tuned=asked_of(checkpoint, tmp_path, clips)))
    assert (diagnostic.kind, diagnostic.severity, diagnostic.model) == ("leaky_split", "invalid", "tuned")
    assert "6 of the 30 clips share footage with its supervision" in diagnostic.text


def test_a_checkpoint_whose_supervision_is_gone(tmp_path, clips):
    checkpoint = trained(tmp_path, clips, [make_clip("t", "normal", split="train")])
    shutil.rmtree(tmp_path / "supervision")
    diagnostic = only(reported(tmp_path, tuned=asked_of(checkpoint, tmp_path, clips)))
    assert (diagnostic.kind, diagnostic.severity, diagnostic.model) == ("training_unknown", "warning", "tuned")


def test_footage_that_is_tested_twice(tmp_path, clips):
    shutil.copy(clips[3].path, tmp_path / "videos" / "renamed.mp4")
    again = make_clip("again", "normal", path=str(tmp_path / "videos" / "renamed.mp4"))
    shifted = clips[6].model_copy(update={"clip_id": "shifted", "start_s": 0.2})
    # asked about on purpose, and seen again
    windows = {"event_time_s": clips[7].duration_s + 0.5, "metadata": {"anticipation_s": "0.5"}}
    ahead = clips[7].model_copy(update={"clip_id": "ahead", **windows})
    tuned = asked(tmp_path, [*clips, again, shifted, ahead], FakeEngine(seen))
    diagnostic = only(reported(tmp_path, tuned=tuned))
    assert (diagnostic.kind, diagnostic.severity, diagnostic.model) == ("duplicated_clips", "warning", None)
    assert (
        "2 pairs of clips show the same seconds of the same video, 1 of them with labels that contr" in diagnostic.text
    )
    assert "c003 and again" in diagnostic.text
    assert "c006 and shifted" in diagnostic.text


def test_a_model_that_always_says_normal(tmp_path, clips):
    diagnostic = only(reported(tmp_path, tuned=asked(tmp_path, clips, FakeEngine(lambda _: "C"))))
    assert (diagnostic.kind, diagnostic.model) == ("always_same_class", "tuned")
    assert "says “Normal” for 30 of the 30 clips" in diagnostic.text
    assert "blind to events" in diagnostic.text


@pytest.mark.parametrize("codes", ["A", "AB"])
def test_a_model_that_always_alarms(tmp_path, clips, codes):
    engine = FakeEngine(lambda frames: codes[int(level_of(frames)) % len(codes)])
    diagnostic = only(reported(tmp_path, tuned=asked(tmp_path, clips, engine)))
    assert (diagnostic.kind, diagnostic.model) == ("always_alarms", "tuned")
    assert "in 100% of the clips it answers, and in 10 of the 10 where nothing happens" in diagnostic.text


def named(tmp_path, honest_names: bool):
    """Sixty clips of files with a class in their names; where the names lie, it is a wrong one in every fourth."""
    words = ("crash", "nearmiss", "calm")
    clips = []
    for index in range(60):
        said = index % 3 if honest_names or index % 4 else (index + 1) % 3
        clips.append(
            make_clip(f"k{index}", NAMES[index % 3], path=str(tmp_path / f"{words[said]}_{7919 * index % 1000}.mp4"))
        )
    return clips, [NAMES[words.index(Path(clip.path).stem.split("_")[0])] for clip in clips]


def verdict(answer: str | None) -> Verdict:
    outcome = Outcome.OK if answer else Outcome.ERROR
    return Verdict(outcome=outcome, event_class=answer, probabilities=None, raw_text=str(answer))


def told(clips, answers, **controls):
    """Predictions with answers on controls, by the control's name."""
    return [
        make_prediction(clip, answer).model_copy(
            update={"controls": {name: verdict(given[i]) for name, given in controls.items()}}
        )
        for i, (clip, answer) in enumerate(zip(clips, answers, strict=True))
    ]


def test_a_model_that_reads_the_file_name_gives_itself_away_on_black_video(tmp_path):
    clips, read = named(tmp_path, honest_names=True)
    cheat = write_prediction_set(tmp_path / "cheat", clips, told(clips, read, black=read))
    honest = write_prediction_set(tmp_path / "honest", clips, told(clips, read, black=["normal"] * 60))
    diagnostics = reported(tmp_path, cheat=cheat, honest=honest)
    assert [(f.kind, f.severity, f.model) for f in diagnostics] == [
        ("ignores_video", "invalid", "cheat"),
        ("follows_file_name", "invalid", "cheat"),
        ("names_tell_class", "warning", None),
    ]
    assert "macro-F1 1.00 on black video against 1.00 on video" in diagnostics[0].text
    assert "100% of its answers can be told from the names alone" in diagnostics[1].text
    assert "cheat 100%, honest 100%" in diagnostics[2].text


def test_a_model_that_believes_names_that_lie(tmp_path):
    clips, read = named(tmp_path, honest_names=False)
    diagnostics = reported(tmp_path, cheat=write_prediction_set(tmp_path / "cheat", clips, told(clips, read)))
    assert [(f.kind, f.severity, f.model) for f in diagnostics] == [
        ("follows_file_name", "invalid", "cheat"),
        ("names_tell_class", "warning", None),
    ]
    assert (
        "100% of its answers can be told from the names alone, but only 75% agree with the truth" in diagnostics[0].text
    )


def test_a_right_model_is_not_accused_for_names_that_tell(tmp_path):
    clips, read = named(tmp_path, honest_names=True)
    diagnostic = only(reported(tmp_path, tuned=write_prediction_set(tmp_path / "tuned", clips, told(clips, read))))
    assert (diagnostic.kind, diagnostic.severity, diagnostic.model) == ("names_tell_class", "warning", None)
    assert "100% are classed rightly" in diagnostic.text


def test_a_model_that_keeps_its_score_on_black_video(tmp_path):
    clips = [make_clip(f"k{7919 * i % 1000}", NAMES[i % 3]) for i in range(60)]
    right = [clip.event_class for clip in clips]
    answers = [NAMES[(i + 1) % 3] if i % 10 == 0 else name for i, name in enumerate(right)]
    some = [NAMES[(i + 1) % 3] if i % 11 == 0 else name for i, name in enumerate(right)]
    part = [name if i % 2 else "normal" for i, name in enumerate(right)]
    diagnostic = only(
        reported(tmp_path, m=write_prediction_set(tmp_path / "m", clips, told(clips, answers, black=some)))
    )
    assert (diagnostic.kind, diagnostic.severity, diagnostic.model) == ("ignores_video", "invalid", "m")
    assert "m does not use the video: macro-F1 0.90 on black video against 0.90 on video" in diagnostic.text
    shutil.rmtree(tmp_path / "comparison")
    shutil.rmtree(tmp_path / "report")
    diagnostic = only(
        reported(tmp_path, n=write_prediction_set(tmp_path / "n", clips, told(clips, answers, black=part)))
    )
    assert (diagnostic.kind, diagnostic.severity) == ("part_without_video", "warning")


def test_a_model_that_goes_by_the_length_of_clips_is_caught_on_black_video(tmp_path, clips):
    clips = [clip.model_copy(update={"end_s": 0.6 + 0.6 * (i % 3)}) for i, clip in enumerate(clips)]
    timing = FakeEngine(lambda frames: CODES[sum(frames.times_s[-1] > limit for limit in (0.5, 1.1))])
    diagnostic, *others = reported(tmp_path, timing=asked(tmp_path, clips, timing))
    assert (diagnostic.kind, diagnostic.severity, diagnostic.model) == ("ignores_video", "invalid", "timing")
    assert "macro-F1 1.00 on black video against 1.00 on video" in diagnostic.text
    assert others == []


def test_a_model_that_answers_alike_without_video_however_badly(tmp_path):
    clips = [make_clip(f"k{7919 * i % 1000}", NAMES[i % 3]) for i in range(60)]
    noise = [NAMES[i] for i in np.random.default_rng(3).integers(0, 3, 60)]
    diagnostic = only(
        reported(tmp_path, m=write_prediction_set(tmp_path / "m", clips, told(clips, noise, black=noise)))
    )
    assert (diagnostic.kind, diagnostic.severity) == ("ignores_video", "invalid")
    assert "the same answer on black video for 100% of the clips" in diagnostic.text


def test_a_model_that_goes_by_single_frames(tmp_path):
    clips = [make_clip(f"k{7919 * i % 1000}", NAMES[i % 3]) for i in range(60)]
    right = [clip.event_class for clip in clips]
    said = told(clips, right, black=["normal"] * 60, shuffled=right)
    diagnostic = only(reported(tmp_path, m=write_prediction_set(tmp_path / "m", clips, said)))
    assert (diagnostic.kind, diagnostic.severity) == ("ignores_order", "warning")


def test_the_worst_comes_first(tmp_path, clips):
    for index in (4, 5, 6, 7):
        Path(clips[index].path).write_bytes(b"no video at all")
    blind = asked(tmp_path, clips, FakeEngine(lambda _: "C"), "blind")
    seeing = asked(tmp_path, clips, FakeEngine(seen), "seeing")
    kinds = [(f.severity, f.kind, f.model) for f in reported(tmp_path, blind=blind, seeing=seeing)]
    assert kinds == [
        ("invalid", "failed_answers", "blind"),
        ("invalid", "failed_answers", "seeing"),
        ("warning", "always_same_class", "blind"),
    ]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda said, clips: said[:-1], "no prediction for c029"),
        (lambda said, clips: [*said, said[0].model_copy(update={"clip_id": "c999"})], "c999, which is none"),
        (lambda said, clips: [said[0].model_copy(update={"verdict": verdict("crashed")}), *said[1:]], "'crashed'"),
    ],
)
@pytest.mark.parametrize("as_validation", [False, True])
def test_predictions_that_do_not_fit_are_refused(tmp_path, clips, change, words, as_validation):
    good = write_prediction_set(tmp_path / "good", clips, told(clips, [c.event_class for c in clips]))
    others = [c.model_copy(update={"clip_id": f"v{c.clip_id}"}) for c in clips] if as_validation else clips
    bad = write_prediction_set(tmp_path / "bad", others, told(others, [c.event_class for c in others]))
    write_jsonl(bad / PREDICTIONS_FILE, change(read_predictions(bad), others))
    words = words.replace("for c", "for vc") if as_validation else words
    with pytest.raises(UserError, match=words):
        if as_validation:
            compare({"good": good}, tmp_path / "out", CompareSettings(), validation={"good": bad})
        else:
            compare({"bad": bad}, tmp_path / "out", CompareSettings())


def test_a_label_that_is_no_class_is_refused(tmp_path, clips):
    folder = write_prediction_set(tmp_path / "m", clips, told(clips, [c.event_class for c in clips]))
    wrong = [read_clips(folder)[0].model_copy(update={"event_class": "crash"}), *read_clips(folder)[1:]]
    write_clips(folder, folder, DEFAULT_TAXONOMY, wrong)
    with pytest.raises(UserError, match="labels c000 'crash'"):
        compare({"m": folder}, tmp_path / "out", CompareSettings())
