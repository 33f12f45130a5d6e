"""The served teacher against ``transformers serve`` with the project's base model: no schemas, no log-probabilities."""

import pytest

from tests.serving import transformers_serve
from tests.supervision.teachers.jobs import ask, request, served
from vlm_autodrive.records import Outcome
from vlm_autodrive.supervision.teachers.protocol import TeacherVideo
from vlm_autodrive.video import SamplingSettings


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with transformers_serve(tmp_path_factory.mktemp("serve")) as address:
        yield address


@pytest.mark.slow
@pytest.mark.parametrize("json_schema", [True, False])  # the server ignores a schema, and says so in its log only
@pytest.mark.parametrize("shown", [False, True])
def test_a_real_server_without_schemas_is_coped_with(tmp_path, make_video, server, shown, json_schema):
    url, model = server
    sampling = SamplingSettings(fps=1.0, max_frames=4, height=84, width=126)
    footage = TeacherVideo(make_video(size=(128, 96)), 0.0, 4.0, sampling) if shown else None
    settings = served(url, tmp_path / "c", model=model, json_schema=json_schema, max_tokens=40, timeout_s=60)
    wanted = [request(number, footage=footage) for number in range(4)]
    replies, use = ask(settings, wanted)
    assert [reply.request_id for reply in replies] == [one.request_id for one in wanted]
    assert all(reply.outcome in (Outcome.OK, Outcome.TRUNCATED, Outcome.UNPARSEABLE) for reply in replies), replies
    assert any(reply.text for reply in replies)
    assert all(reply.prompt_tokens > (50 if shown else 10) and reply.completion_tokens > 0 for reply in replies)
    assert use.tries == 4
    assert use.prompt_tokens == sum(reply.prompt_tokens for reply in replies)
    again, use = ask(settings, wanted)
    assert again == replies
    assert (use.tries, use.from_cache) == (0, 4)


@pytest.mark.slow
def test_a_model_that_a_real_server_does_not_have_is_an_error_in_its_own_words(tmp_path, server):
    url, _ = server
    (reply,), use = ask(served(url, tmp_path / "c", model="no/such-model", timeout_s=60), [request(1)])
    assert reply.outcome is Outcome.ERROR
    assert "HTTP 400 (" in reply.reason
    assert "no/such-model" in reply.reason
    assert use.tries == 1
