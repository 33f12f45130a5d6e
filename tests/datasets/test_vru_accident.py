"""VRU-Accident goes from its files to supervision: questions on an event are asked of Normal drives too."""

import json
from collections import Counter

from vlm_autodrive.artifacts import read_clips, read_samples
from vlm_autodrive.clips import ClipSettings, build_clips
from vlm_autodrive.clips.settings import SplitFractions
from vlm_autodrive.datasets import ImportSettings, import_dataset
from vlm_autodrive.supervision import SuperviseSettings, supervise
from vlm_autodrive.supervision.rules.wording import NO_EVENT

ASKED = {
    "road type": {"question": "What type of road is shown?", "options": "A. highway, B. alley", "GT": "B"},
    "accident type": {
        "question": "What kind of accident occurred? Choose the correct option (A or B) without any explanations.",
        "options": "A. car hits pedestrian, B. cyclist falls down",
        "GT": "A",
    },
}


def test_questions_go_from_the_files_to_the_items(tmp_path, make_video):
    entries = {f"./VRU_videos/DoTA/VRU_{number}.mp4": ASKED for number in (1, 2, 3, 4)}
    folder = tmp_path / "MetaData" / "DoTA"
    folder.mkdir(parents=True)
    (folder / "DoTA_VQA_annotation.json").write_text(json.dumps(entries))
    for number in (1, 2):
        make_video(f"VRU_videos/DoTA/VRU_{number}.mp4", fps=10, count=30 + number)
    make_video("VRU_videos/DoTA/VRU_3.mp4", fps=5, count=60)  # longer than a window
    normal = "video,class\n" + "".join(f"normal_{number}.mp4,normal\n" for number in (1, 2))
    (tmp_path / "normals.csv").write_text(normal)
    for number in (1, 2):
        make_video(f"normal_{number}.mp4", fps=10, count=40)
    settings = ImportSettings(train_only=str(tmp_path / "normals.csv"))
    catalog = import_dataset("vru-accident", tmp_path / "MetaData", tmp_path / "catalog", settings)
    cut = ClipSettings(window_s=5.0, split=SplitFractions(train=1.0, validation=0.0, test=0.0))
    clips = read_clips(build_clips(catalog, tmp_path / "clips", cut))
    assert Counter((clip.event_class, clip.problem) for clip in clips) == {
        ("collision", ""): 2,
        ("normal", ""): 2,
        ("collision", "the time of an event in it is unknown"): 1,
        ("collision", "the file does not exist"): 1,
    }
    out = supervise(
        tmp_path / "clips",
        tmp_path / "supervision",
        SuperviseSettings(types=("vqa",), vqa_per_clip=0, understanding_per_clip=0),
    )
    made = Counter((item.topic, item.target.splitlines()[-1], item.accepted) for item in read_samples(out))
    assert made == {
        ("imported_road_type", "alley", True): 2,
        ("imported_accident_type", "car hits pedestrian", True): 2,
        ("imported_accident_type", NO_EVENT, True): 2,
    }
