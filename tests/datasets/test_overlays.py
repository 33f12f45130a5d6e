"""Overlays name the kinds of events that Nexar leaves open, and taxonomies say what becomes of the others."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlm_autodrive.artifacts import read_clips, read_data_sets, read_events, read_questions, read_taxonomy, read_videos
from vlm_autodrive.artifacts.files import read_issues
from vlm_autodrive.clips import ClipSettings, build_clips
from vlm_autodrive.datasets import ImportSettings, import_dataset
from vlm_autodrive.datasets.nexar import read_nexar
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import BINARY_TAXONOMY, DEFAULT_TAXONOMY, EventClass, Taxonomy, source_id_of
from vlm_autodrive.runs import load_recipe
from vlm_autodrive.settings import parse_settings

CHOICES = ["T-Bone", "Rear End", "Side-by-Side", "head-on", "None"]


def hub(root, positives=("00776", "00491", "00989"), negatives=("00007",)):
    for label, ids in (("positive", positives), ("negative", negatives)):
        folder = root / "train" / label
        folder.mkdir(parents=True)
        time = "2.5,1.5" if label == "positive" else ","
        lines = "".join(f"{video_id}.mp4,{time}\n" for video_id in ids)
        (folder / "metadata.csv").write_text("file_name,time_of_event,time_of_alert\n" + lines)
    return root


def entry(name, kind, index=None, **changes):
    """An entry as CAViAR has it: a question on the accident type, and an open one."""
    pair = {
        "benchmark": "Accident Type", "question": "What type of accident occurred?", "answer": kind,
        "choices": CHOICES, "correct_answer": kind,
        "correct_index": index if index is not None else CHOICES.index(kind),
    }  # fmt: skip
    reason = {"benchmark": "Accident Reason", "question": "Why?", "answer": "A car ran a red light."}
    return {"video_path": name, "qa_pairs": [pair, reason]} | changes


def caviar(root, *entries):
    path = root / "test.json"
    path.write_text(json.dumps(list(entries)))
    return path


def test_caviar_names_kinds_and_brings_questions(tmp_path):
    hub(tmp_path)
    # As published: the type is "none" beside the choice "None", and the index then points at the first choice.
    entries = [
        entry("videos/nexar_00776.mp4", "none", 0),
        entry("00491", "Rear End"),
        entry("nexar_07777.mp4", "T-Bone"),
    ]
    reading = read_nexar(tmp_path, ImportSettings(overlay=str(caviar(tmp_path, *entries))))
    assert {e.video_id: e.event_class for e in reading.events} == {
        "00776": "near_collision", "00491": "collision", "00989": None,
    }  # fmt: skip
    assert reading.spellings["Accident Type None", "Near-Collision"] == 1
    assert reading.spellings["Accident Type Rear End", "Collision"] == 1
    assert (reading.rows, reading.rejected) == (7, 1)
    assert [(i.line, i.field, i.rejected) for i in reading.issues] == [
        (1, "qa_pairs[1].correct_index", False),
        (3, "video_path", True),
    ]
    asked = [(q.video_id, q.topic, q.options, q.answer) for q in reading.questions]
    assert asked[0] == ("00776", "Accident Type", tuple(CHOICES), "None")
    assert asked[1] == ("00776", "Accident Reason", (), "A car ran a red light.")
    assert len(asked) == 4
    assert "research only" in reading.licence


def test_caviar_entries_that_cannot_be_taken(tmp_path):
    hub(tmp_path)
    unknown = entry("00776", "Rear End")
    unknown["qa_pairs"][0] |= {"correct_answer": "Roll-Over", "choices": []}
    not_offered = entry("00491", "Rear End")
    not_offered["qa_pairs"][0]["choices"] = ["T-Bone"]
    entries = [unknown, not_offered, entry("00989", "T-Bone"), entry("00989", "None"), {"video_path": 3}, "x"]
    entries.append(entry("00007", "T-Bone"))
    reading = read_nexar(tmp_path, ImportSettings(overlay=str(caviar(tmp_path, *entries))))
    assert {e.event_class for e in reading.events} == {None}
    assert {(i.line, i.rejected) for i in reading.issues} == {
        (1, False), (2, False), (3, True), (4, True), (5, True), (6, True), (7, False),
    }  # fmt: skip
    assert [v.problem for v in reading.videos if v.problem] == ["it lies in negative, but the overlay says Collision"]
    assert (reading.rows, reading.rejected) == (4 + 7, 4)
    (tmp_path / "test.json").write_text('{"a": 1}')
    with pytest.raises(UserError, match="no list of videos"):
        read_nexar(tmp_path, ImportSettings(overlay=str(tmp_path / "test.json")))


words = st.sampled_from(["id", "video_path", "qa_pairs", "benchmark", "question", "answer", "choices", "correct_index"])
leaves = st.one_of(
    st.none(), st.booleans(), st.integers(0, 9), st.sampled_from(["00776", "Accident Type", "None", "x"])
)
trees = st.recursive(leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=4))
near_entries = st.fixed_dictionaries(
    {
        "video_path": leaves,
        "qa_pairs": st.lists(st.dictionaries(words, leaves | st.lists(leaves, max_size=3)), max_size=3),
    }
)


@given(st.lists(near_entries | trees, max_size=6))
def test_any_json_list_keeps_the_sum(tmp_path_factory, entries):
    root = tmp_path_factory.mktemp("n")
    hub(root)
    reading = read_nexar(root, ImportSettings(overlay=str(caviar(root, *entries))))
    assert reading.rows == 4 + len(entries)
    assert reading.rejected <= len(entries)
    ids = [q.question_id for q in reading.questions]
    assert len(set(ids)) == len(ids)
    assert {q.video_id for q in reading.questions} <= {v.video_id for v in reading.videos}


def test_catalog_keeps_questions_licences_and_source_ids(tmp_path):
    hub(tmp_path / "set")
    overlay = caviar(tmp_path, entry("00776", "None"))
    settings = ImportSettings(overlay=str(overlay))
    out = import_dataset("nexar", tmp_path / "set", tmp_path / "catalog", settings)
    assert [q.topic for q in read_questions(out)] == ["Accident Type", "Accident Reason"]
    [data_set] = read_data_sets(out)
    assert (data_set.rows, data_set.imported, data_set.rejected, data_set.videos) == (5, 5, 0, 4)
    assert "Nexar open data licence" in data_set.licence
    assert "CAViAR" in data_set.licence
    assert {v.source_id for v in read_videos(out)} == {"nexar:00776", "nexar:00491", "nexar:00989", "nexar:00007"}
    assert source_id_of("Nexar", "00776") == "nexar:00776"
    own = import_dataset("nexar", tmp_path / "set", tmp_path / "own", ImportSettings(licence="Ours."))
    assert [d.licence for d in read_data_sets(own)] == ["Ours."]
    # A catalog of before there were questions and data sets is read all the same.
    (own / "questions.jsonl").unlink()
    (own / "datasets.jsonl").unlink()
    assert (read_questions(own), read_data_sets(own)) == ([], [])


def test_source_videos_of_test_clips_are_groups(tmp_path):
    for label, ids in (("positive", ["00100", "00200", "00300"]), ("negative", ["00050"])):
        folder = tmp_path / "test-public" / label
        folder.mkdir(parents=True)
        lines = "".join(f"{video_id}.mp4,,,0.5\n" for video_id in ids)
        (folder / "metadata.csv").write_text("file_name,time_of_event,time_of_alert,time_to_accident\n" + lines)
    table = tmp_path / "time_to_accident_test_map.csv"
    table.write_text("0.5,1.0,1.5\n100,200.0,\n00300,,\n09999,,\n,00200,\n")
    reading = read_nexar(tmp_path, ImportSettings())
    groups = {v.video_id: v.group_id for v in reading.videos}
    assert groups["00100"] == groups["00200"] != groups["00300"]
    assert groups["00050"] == "00050"
    assert sorted(i.line for i in reading.issues if i.rejected) == [4, 5]
    assert (reading.rows, reading.rejected) == (8, 2)
    table.write_text("id,source\n00100,a\n")
    reading = read_nexar(tmp_path, ImportSettings())
    assert ["not grouped" in i.message for i in reading.issues] == [True]


def test_overlays_are_refused_where_they_mean_nothing(tmp_path):
    hub(tmp_path / "a")
    hub(tmp_path / "b")
    (tmp_path / "o.csv").write_text("id,class\n00776,crash\n")
    settings = ImportSettings(overlay=str(tmp_path / "o.csv"))
    with pytest.raises(UserError, match="belongs to one data set"):
        import_dataset("nexar", [tmp_path / "a", tmp_path / "b"], tmp_path / "out", settings)
    with pytest.raises(UserError, match="names its classes itself"):
        import_dataset("video-folder", tmp_path / "a", tmp_path / "out", settings)
    with pytest.raises(UserError, match=r"gone\.csv cannot be read"):
        import_dataset("nexar", tmp_path / "a", tmp_path / "out", ImportSettings(overlay="gone.csv"))


def test_the_two_class_task_takes_every_event(tmp_path, make_video):
    root = hub(tmp_path / "set")
    for label, video_id in (("positive", "00776"), ("positive", "00491"), ("positive", "00989"), ("negative", "00007")):
        make_video(f"set/train/{label}/{video_id}.mp4", count=60)
    (tmp_path / "o.csv").write_text("id,class\n00776,collision\n00491,near_miss\n")
    recipe = load_recipe("nexar", ["import.taxonomy=binary", f"import.overlay={tmp_path / 'o.csv'}"])
    told = []

    class Listener:
        def say(self, message):
            told.append(message)

        def task(self, description, total, done=0):
            from vlm_autodrive.progress import SILENT

            return SILENT.task(description, total, done)

    catalog = import_dataset("nexar", root, tmp_path / "catalog", recipe.import_.settings(), Listener())
    assert read_taxonomy(catalog) == BINARY_TAXONOMY
    assert {e.video_id: e.event_class for e in read_events(catalog)} == dict.fromkeys(
        ("00776", "00491", "00989"), "event"
    )
    assert "class map: unknown kind -> Event (1 rows)" in told
    assert "class map: near_miss -> Event (1 rows)" in told
    clips = build_clips(catalog, tmp_path / "clips", ClipSettings(window_s=2, unknown_events="error"))
    assert sorted((c.event_class, c.problem) for c in read_clips(clips)) == [("event", "")] * 3 + [("normal", "")]
    # With the three classes the third stays of unknown kind: left out, or refused.
    three = import_dataset("nexar", root, tmp_path / "three", ImportSettings(overlay=str(tmp_path / "o.csv")))
    left = build_clips(three, tmp_path / "left", ClipSettings(window_s=2))
    assert [c.video_id for c in read_clips(left) if c.problem] == ["00989"]
    with pytest.raises(UserError, match="unknown kind"):
        build_clips(three, tmp_path / "refused", ClipSettings(window_s=2, unknown_events="error"))


def test_a_recipe_may_bring_its_own_classes(tmp_path):
    classes = [
        {"name": "brake", "label": "Harsh braking", "code": "A", "definition": "d", "spellings": ["hard brake"]},
        {"name": "swerve", "label": "Swerve", "code": "B", "definition": "d", "takes_unknown": True},
        {"name": "calm", "label": "Calm", "code": "C", "definition": "d", "is_event": False},
    ]
    settings = parse_settings(ImportSettings, {"taxonomy": {"classes": classes}}, "here")
    (tmp_path / "manifest.csv").write_text(
        "video,class,event_time_s\na.mp4,Hard-Brake,3\nb.mp4,,4\nc.mp4,calm,\nd.mp4,crash,1\n"
    )
    out = import_dataset("manifest", tmp_path, tmp_path / "catalog", settings)
    assert {e.video_id: e.event_class for e in read_events(out)} == {"a": "brake", "b": "swerve"}
    [issue] = [i for i in read_issues(out) if i.rejected]
    assert (issue.line, issue.field, issue.value) == (5, "class", "crash")
    with pytest.raises(UserError, match="there is no taxonomy 'two'; take one of three_class, binary, paper"):
        parse_settings(ImportSettings, {"taxonomy": "two"}, "here")


def test_a_taxonomy_is_checked():
    def event_class(name, **more):
        return EventClass(name=name, label=name.upper(), code=name[0], definition="d", **more)

    calm = event_class("calm", is_event=False)
    with pytest.raises(ValueError, match="'Crash!' belongs to two classes"):
        Taxonomy(classes=(event_class("a", spellings=("crash",)), event_class("b", spellings=("Crash!",)), calm))
    with pytest.raises(ValueError, match="takes_unknown"):
        Taxonomy(classes=(event_class("a", takes_unknown=True), event_class("b", takes_unknown=True), calm))
    with pytest.raises(ValueError, match="takes_unknown"):
        Taxonomy(classes=(event_class("a"), event_class("calm", is_event=False, takes_unknown=True)))
    assert DEFAULT_TAXONOMY.for_unknown is None
    assert BINARY_TAXONOMY.for_unknown.name == "event"
    again = Taxonomy.model_validate_json(BINARY_TAXONOMY.model_dump_json())
    assert again == BINARY_TAXONOMY
    assert again.find("NEAR miss").name == "event"
