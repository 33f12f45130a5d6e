"""What a checkpoint's card says of the footage that it was trained on."""

import pytest

from tests.clips.catalogs import scenario
from vlm_autodrive.models import ModelCard, read_card, training_data, write_card
from vlm_autodrive.records import Clip
from vlm_autodrive.video import SamplingSettings


def clip(number, source, *, video="a", start_s=0.0, event_class="normal", truth=None):
    return Clip(
        clip_id=str(number),
        video_id=video,
        path=f"/{video}.mp4",
        start_s=start_s,
        end_s=start_s + 4.0,
        split="train",
        event_class=event_class,
        event_time_s=None,
        alert_time_s=None,
        ego_involved=None,
        group_id=video,
        triplet_id=None,
        metadata={},
        scenario=truth,
        source=source,
    )


def words(clips, base_training=""):
    card = ModelCard(
        name="m", sampling=SamplingSettings(), base_training=base_training, trained_on=training_data(clips)
    )
    return card.training


def test_hours_count_each_moment_once_and_clips_are_counted_by_class_and_data_set():
    clips = [
        clip(1, "DoTA"),
        clip(2, "DoTA", start_s=3.0, event_class="collision"),
        clip(3, "manifest own.csv", video="b", event_class=None),
    ]
    data = training_data(clips)
    assert data.hours == pytest.approx((7.0 + 4.0) / 3600, abs=1e-4)
    assert data.classes == {"collision": 1, "normal": 1, "unknown": 1}
    assert data.data_sets == {"DoTA": 2, "manifest own.csv": 1}
    assert (data.videos, data.clips, data.simulated_clips, data.real_clips) == (2, 3, 0, 2)


def test_what_footage_it_was_is_told_only_where_it_is_known():
    simulated, real, own = clip(1, "simulated", truth=scenario("a", 4.0)), clip(2, "DADA-2000"), clip(3, "manifest own")
    assert words([simulated]) == "fine-tuned on simulated video only"
    assert words([simulated], "trained on simulated video only") == "trained on simulated video only"
    assert words([real]) == "fine-tuned on real video"
    assert words([real], "trained on simulated video only") == "trained on simulated video, then on real video"
    assert words([simulated, real]) == "fine-tuned on 1 simulated and 1 real clips"
    assert words([real, own]) == "fine-tuned on 1 real clips, and 1 of which that is not known"
    assert words([own]) == "fine-tuned on video of which it is not known whether it is real or simulated"
    assert words([real], "fine-tuned on real video") == "fine-tuned on real video, its base fine-tuned on real video"


def test_the_shipped_base_has_seen_simulated_video_only_and_a_hub_model_tells_nothing():
    assert read_card("tiny-base").training == "trained on simulated video only"
    assert read_card("some/model").training == ""


def test_a_card_is_read_as_it_was_written(tmp_path):
    card = ModelCard(name="m", sampling=SamplingSettings(), trained_on=training_data([clip(1, "DAD")]))
    write_card(tmp_path, card)
    assert read_card(str(tmp_path)) == card
