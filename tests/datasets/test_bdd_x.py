"""BDD-X: groups of a span, an action and its reason, of ordinary drives."""

import pytest

from vlm_autodrive.artifacts import read_clips, read_questions, read_samples
from vlm_autodrive.clips import ClipSettings, build_clips
from vlm_autodrive.datasets import ImportSettings, import_dataset
from vlm_autodrive.datasets.bdd_x import read_bdd_x
from vlm_autodrive.errors import UserError
from vlm_autodrive.supervision import SuperviseSettings, supervise

GROUPS = 3
PARTS = ("start", "end", "action", "justification")
HEADER = ",".join(["Input.Video", *(f"Answer.{n}{part}" for n in range(1, GROUPS + 1) for part in PARTS)])
URL = "https://s3-us-west-2.amazonaws.com/somewhere/{}.mov"
EMPTY = "," * (4 * GROUPS)


def table(folder, *rows, name="BDD-X-Annotations_v1.csv"):
    """Rows of a video's name and its groups; bytes as they are."""
    lines = [HEADER.encode()]
    for row in rows:
        if isinstance(row, bytes):
            lines.append(row)
        else:
            cells = [str(cell) for group in row[1:] for cell in group]
            cells += [""] * (4 * GROUPS - len(cells))
            lines.append(",".join([URL.format(row[0]) if row[0] else "", *cells]).encode())
    (folder / name).write_bytes(b"\r\n".join(lines) + b"\r\n")
    return folder / name


def issues(reading):
    return [(issue.line, issue.field, issue.rejected) for issue in reading.issues]


def test_each_group_is_asked_twice_about_its_span(tmp_path):
    (tmp_path / "val.txt").write_text("1_06d501fd-a9ffc960\n2_other\n")
    green = "because the light has turned green."
    file = table(
        tmp_path,
        ("06d501fd-a9ffc960", (0, 11, "The car accelerates.", green), ("12", "19.5", "it  turns right", "to park")),
        EMPTY.encode(),
        ("06d501fd-a9ffc960", (1, 10, "The driver speeds up", "since traffic is clear")),
        ("01b0505f-5f564e84", (), (3, 4, "The car stops", "because of a red light")),
    )  # fmt: skip
    reading = read_bdd_x(file, ImportSettings())
    assert not reading.issues
    assert (reading.rows, reading.events, reading.licence[:9]) == (3, [], "For educa")
    assert [(v.video_id, v.positive, v.split, v.source_id, v.metadata) for v in reading.videos] == [
        ("06d501fd-a9ffc960", False, "validation", "bdd100k:06d501fd-a9ffc960", {}),
        ("01b0505f-5f564e84", False, None, "bdd100k:01b0505f-5f564e84", {}),
    ]
    assert [(q.topic, q.question, q.answer, q.span) for q in reading.questions[:4]] == [
        ("ego action", "What does the ego vehicle do?", "The car accelerates", (0, 11)),
        ("reason of the ego action", "The car accelerates. Why does the ego vehicle do this?", green, (0, 11)),
        ("ego action", "What does the ego vehicle do?", "it turns right", (12, 19.5)),
        ("reason of the ego action", "it turns right. Why does the ego vehicle do this?", "to park", (12, 19.5)),
    ]
    assert len(reading.questions) == 8 == len({q.question_id for q in reading.questions})


@pytest.mark.parametrize(
    ("group", "column", "left"),
    [
        ((9, 3, "The car stops", "it is red"), "answer.2end", 0),
        ((3, 3, "The car stops", "it is red"), "answer.2end", 0),
        (("early", 3, "The car stops", "it is red"), "answer.2start", 0),
        ((1, "0:03", "The car stops", "it is red"), "answer.2end", 0),
        ((1, "inf", "The car stops", "it is red"), "answer.2end", 0),
        (("", 3, "The car stops", "it is red"), "answer.2start", 0),
        ((1, 3, "", "it is red"), "answer.2action", 0),
        ((1, 3, "The car stops", ""), "answer.2justification", 1),
    ],
)
def test_a_group_that_cannot_be_taken_is_one_issue_and_the_others_are_kept(tmp_path, group, column, left):
    good = (4, 6, "The car turns", "to park")
    reading = read_bdd_x(table(tmp_path, ("a-1", good, group, good)), ImportSettings())
    assert issues(reading) == [(2, column, False)]
    assert len(reading.questions) == 4 + left
    assert [video.positive for video in reading.videos] == [False]


def test_rows_that_cannot_be_taken_are_one_issue_each(tmp_path):
    good = (4, 6, "The car turns", "to park")
    crash = (1, 2, "The car crashes", "it is icy")
    windows = ("w-1,4,6,The car" + "’s turn,to park" + "," * 8).encode("cp1252")
    file = table(tmp_path, ("", good), ("b-1",), windows, ("c-1", crash), ("d-1", good))
    reading = read_bdd_x(tmp_path, ImportSettings())
    assert issues(reading) == [
        (4, "", False), (2, "input.video", True), (3, "", False), (5, "answer.1action", False),
    ]  # fmt: skip
    assert {video.video_id: video.positive for video in reading.videos} == {
        "b-1": False, "w-1": False, "c-1": None, "d-1": False,
    }  # fmt: skip
    assert (reading.rows, reading.rejected) == (5, 1)
    assert [q.answer for q in reading.questions if q.video_id == "w-1"] == ["The car’s turn", "to park"]
    assert read_bdd_x(file, ImportSettings()).issues == reading.issues


def test_without_one_table_the_folder_is_refused(tmp_path):
    with pytest.raises(UserError, match="holds 0 files"):
        read_bdd_x(tmp_path, ImportSettings())
    (tmp_path / "BDD-X-Annotations_v1.csv").write_text("video,start\na,1\n")
    with pytest.raises(UserError, match=r"no column input\.video"):
        read_bdd_x(tmp_path, ImportSettings())


def test_the_questions_become_samples_of_the_clips_that_show_their_span(tmp_path, make_video):
    make_video("videos/train/a-1.mov", count=200)
    first, second = (1, 3, "The car slows down", "because the light turns red"), (5, 8, "The car stops", "it is red")
    (tmp_path / "train.txt").write_text("1_a-1\n")
    table(tmp_path, ("a-1", first, second, (15, 25, "The car drives", "it is free")))
    catalog = import_dataset("bdd-x", tmp_path, tmp_path / "catalog", ImportSettings())
    assert [question.span for question in read_questions(catalog)][::2] == [(1, 3), (5, 8), (15, 25)]
    clips = build_clips(catalog, tmp_path / "clips", ClipSettings(windows_per_normal=4))
    windows = {clip.clip_id: (clip.start_s, clip.end_s) for clip in read_clips(clips) if clip.event_class == "normal"}
    assert windows
    settings = SuperviseSettings(types=("vqa",), vqa_per_clip=0)
    samples = [s for s in read_samples(supervise(clips, tmp_path / "s", settings)) if s.topic == "imported_ego_action"]
    expected = {
        (
            clip_id,
            f"From t={group[0] - start_s:.1f} to t={group[1] - start_s:.1f}: What does the ego vehicle do?",
            group[2],
        )
        for clip_id, (start_s, end_s) in windows.items()
        for group in (first, second)
        if start_s <= group[0] and group[1] <= end_s
    }
    assert expected
    assert {(sample.clip_id, sample.prompt.text, sample.target) for sample in samples} == expected
    assert all(sample.accepted for sample in samples)
