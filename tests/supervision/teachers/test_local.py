"""The local teacher with a real architecture: few random weights, saved and loaded as a user's model would be."""

import asyncio
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import pytest
import torch

from tests.clocks import numbers_shown, write_clock
from tests.supervision.teachers.scripted import ScriptedTeacher
from tests.supervision.worlds import random_clip
from tests.tiny_models import saved_tiny_model
from tests.video.test_timestamps import times_shown
from vlm_autodrive.errors import UserError
from vlm_autodrive.models import load_model
from vlm_autodrive.records import DEFAULT_TAXONOMY, Outcome
from vlm_autodrive.supervision import SuperviseSettings
from vlm_autodrive.supervision.facts import facts_of
from vlm_autodrive.supervision.settings import LocalTeacherSettings, TeacherContextSettings
from vlm_autodrive.supervision.teachers.chain import teacher_samples
from vlm_autodrive.supervision.teachers.local import chat, open_local
from vlm_autodrive.supervision.teachers.opening import KeepingTeacher
from vlm_autodrive.supervision.teachers.protocol import KeptReplies
from vlm_autodrive.supervision.teachers.requests import description_request, repair_request

CPU = torch.device("cpu")
_CHAT = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{% for part in message.content %}"
    "{% if part.type == 'image' %}<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ part.text }}{% endif %}"
    "{% endfor %}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@pytest.fixture(scope="module")
def model():
    loaded = load_model(str(saved_tiny_model("qwen3_vl")), CPU)
    folder = Path(mkdtemp(prefix="tiny-teacher-"))
    loaded.processor.chat_template = _CHAT
    loaded.model.save_pretrained(folder)
    loaded.processor.save_pretrained(folder)
    return str(folder)


def local(model, seed=0, **values):
    return open_local(LocalTeacherSettings(model=model, **{"max_tokens": 16, **values}), seed, CPU)


@pytest.fixture
def facts(tmp_path):
    path = write_clock(tmp_path / "drive.mp4", fps=10, count=60, size=(128, 64))
    return facts_of(random_clip(1, "collision").model_copy(update={"path": str(path)}), DEFAULT_TAXONOMY)


def settings_for(**values):
    context = TeacherContextSettings(frames=4, frame_height=84, frame_width=168)
    values = {"teacher": "local", "local": LocalTeacherSettings(model="tiny"), "context": context, **values}
    return SuperviseSettings(**values)


def test_each_frame_stands_behind_its_true_time_and_a_repair_behind_what_was_written(facts):
    request = description_request(facts, settings_for())
    messages = chat(repair_request(request, "a poem", "no JSON"))
    assert [message["role"] for message in messages] == ["system", "user", "assistant", "user"]
    parts = messages[1]["content"]
    times = [part["text"] for part in parts[:-1] if part["type"] == "text"]
    images = [part["image"] for part in parts if part["type"] == "image"]
    assert len(times) == len(images) == 4
    assert {image.size for image in images} == {(168, 84)}
    shown = numbers_shown(np.stack([np.asarray(image) for image in images]))
    assert times == [f"The frame at t={number / 10:.2f}:" for number in shown]
    assert len(set(shown)) == 4
    assert parts[-1]["text"] == request.prompt.text
    assert messages[2]["content"][0]["text"] == "a poem"
    assert "no JSON" in messages[3]["content"][0]["text"]


def test_a_teacher_is_shown_the_times_on_its_frames(facts):
    context = TeacherContextSettings(frames=4, frame_height=84, frame_width=168, draw_timestamps=True)
    parts = chat(description_request(facts, settings_for(context=context)))[1]["content"]
    images = np.stack([np.asarray(part["image"]) for part in parts if part["type"] == "image"])
    times = [part["text"] for part in parts[:-1] if part["type"] == "text"]
    assert times == [f"The frame at t={time_s:.2f}:" for time_s in times_shown(images, 12, 10)]


def test_the_model_reads_text_and_frames_and_its_text_is_cut_where_it_was_told_to(model, facts):
    teacher = local(model)
    request = description_request(facts, settings_for())
    reply = asyncio.run(teacher.write(request))
    assert (reply.outcome, reply.completion_tokens) == (Outcome.TRUNCATED, 16)
    assert "local.max_tokens=16" in reply.reason
    assert reply.text
    blind = description_request(facts, settings_for(context=TeacherContextSettings()))
    unseeing = asyncio.run(teacher.write(blind))
    assert reply.prompt_tokens - unseeing.prompt_tokens > 4 * 2 * 4  # each frame is 2 x 4 tokens, beside its time
    other = facts.clip.model_copy(update={"start_s": 1.0, "end_s": 5.8})
    moved = asyncio.run(teacher.write(description_request(facts_of(other, DEFAULT_TAXONOMY), settings_for())))
    assert moved.prompt_tokens == reply.prompt_tokens


def test_an_answer_that_ends_by_itself_is_whole(model, facts):
    teacher = local(model)
    request = description_request(facts, settings_for(context=TeacherContextSettings()))
    cut = asyncio.run(teacher.write(request))
    third = teacher._processor.tokenizer(cut.text, add_special_tokens=False)["input_ids"][-1]
    teacher._model.generation_config.eos_token_id = [third]  # a token that it does write, as its end of turn
    whole = asyncio.run(teacher.write(request))
    assert whole.outcome is Outcome.OK
    assert whole.reason == ""
    assert whole.completion_tokens <= cut.completion_tokens


def test_sampling_is_repeated_by_seed_and_request_alone(model, facts):
    request = description_request(facts, settings_for(context=TeacherContextSettings()))
    again = repair_request(request, "a", "b")
    hot = local(model, temperature=2.0)
    texts = [asyncio.run(hot.write(request)).text for _ in range(2)]
    assert texts[0] == texts[1]
    state = torch.random.get_rng_state()
    assert asyncio.run(local(model, temperature=2.0).write(request)).text == texts[0]
    assert torch.equal(state, torch.random.get_rng_state())
    assert asyncio.run(local(model, seed=1, temperature=2.0).write(request)).text != texts[0]
    assert asyncio.run(hot.write(again)).text != texts[0]
    assert asyncio.run(local(model).write(request)).text == asyncio.run(local(model).write(request)).text


def test_a_video_that_cannot_be_read_fails_its_own_clip_alone(model, tmp_path):
    clip = random_clip(1, "collision").model_copy(update={"path": str(tmp_path / "gone.mp4")})
    request = description_request(facts_of(clip, DEFAULT_TAXONOMY), settings_for())
    reply = asyncio.run(local(model).write(request))
    assert reply.outcome is Outcome.ERROR
    assert "gone.mp4" in reply.reason


def test_the_chain_with_a_local_model_gives_one_item_for_each_thing_wanted(model, facts):
    teacher = local(model)
    result = asyncio.run(teacher_samples(teacher, facts, settings_for(teacher_questions=3)))
    assert [sample.type for sample in result.samples] == ["description", "vqa", "vqa", "vqa", "reasoning"]
    assert {sample.outcome for sample in result.samples} == {Outcome.TRUNCATED}
    assert not any(sample.accepted for sample in result.samples)
    assert teacher.name == Path(model).name
    assert len(result.replies) == 1


def test_a_template_that_takes_no_system_turn_stops_the_run(model, facts):
    teacher = local(model)
    teacher._processor.chat_template = "{{ raise_exception('no system turns') }}"
    with pytest.raises(UserError, match="no system turns"):
        asyncio.run(teacher.write(description_request(facts, settings_for())))


def test_what_is_no_model_is_refused(tmp_path, model):
    with pytest.raises(UserError, match=r"local\.model"):
        local(str(tmp_path))
    (Path(model) / "chat_template.jinja").rename(tmp_path / "kept")
    try:
        with pytest.raises(UserError, match="chat template"):
            local(model)
    finally:
        (tmp_path / "kept").rename(Path(model) / "chat_template.jinja")


def test_a_template_without_pictures_is_told_before_anything_is_written(facts):
    request = description_request(facts, settings_for())
    teacher = local("tiny-base")
    with pytest.raises(UserError, match=r"tiny-base takes no pictures .* set context\.frames=0"):
        asyncio.run(teacher.write(request))
    told = description_request(facts, settings_for(context=TeacherContextSettings(frames=0)))
    assert asyncio.run(teacher.write(told)).outcome is Outcome.TRUNCATED


def test_a_killed_run_of_a_local_teacher_goes_on_with_what_it_has_written(model, facts, tmp_path):
    request = description_request(facts, settings_for())
    first = KeepingTeacher(local(model), KeptReplies(tmp_path / "kept.jsonl"))
    reply = asyncio.run(first.write(request))
    with (tmp_path / "kept.jsonl").open("a") as stream:
        stream.write('{"request_id": "torn')
    kept = KeptReplies(tmp_path / "kept.jsonl")
    again = KeepingTeacher(ScriptedTeacher(), kept)
    assert asyncio.run(again.write(request)) == reply
    other = repair_request(request, "a poem", "no JSON")
    assert asyncio.run(again.write(other)) != reply
    assert KeptReplies(tmp_path / "kept.jsonl").get(other.request_id) is not None
