"""Who may talk to the server, and what it never sends: each line of the checklist is a test on a real server."""

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time

import httpx
import pytest
import uvicorn

from tests.clocks import write_clock
from tests.detection.short_list.searched import event, write_trip
from tests.review.asking import OWN, ask, ask_json, first_item
from tests.review.serving import review_server
from vlm_autodrive.errors import UserError
from vlm_autodrive.records import TripFile
from vlm_autodrive.review import Access, create_app, open_review
from vlm_autodrive.review.media import MediaLibrary, media_id_of
from vlm_autodrive.review.security import check_host, is_loopback

PAYLOAD = "<script>alert(1)</script><img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("found")
    video = write_clock(folder / "videos" / f"a{PAYLOAD.replace('/', '')}.mp4", fps=10, count=60)
    trip = [event(3.0, reasoning=f"It brakes [t=1.0]. {PAYLOAD}", reasoning_start_s=1.0)]
    write_trip(folder / "found", "a", [(video, 6.0)], trip)
    return folder / "found"


@pytest.fixture(scope="module")
def served(found):
    with review_server(found) as address:
        yield address


@pytest.fixture(scope="module")
def item(served):
    return first_item(served)


@pytest.fixture(scope="module")
def media(served, item):
    return ask_json(served, f"/api/items/{item}")[1]["media"][0]["media_id"]


def all_pages(item, media):
    return [
        "/queue",
        f"/items/{item}",
        f"/api/items/{item}",
        f"/api/media/{media}",
        f"/media/{media}",
        f"/strips/{item}.jpg",
        f"/pictures/{item}/30.jpg",
        "/api/summary",
        "/static/app.js",
        "/static/palette.css",
    ]


def test_every_answer_carries_the_security_headers(served, item, media):
    for path in [*all_pages(item, media), "/", "/nowhere", "/api/items/nothing", "/queue?sort=wrong"]:
        _, headers, _ = ask(served, path)
        policy = headers["content-security-policy"]
        assert "default-src 'self'" in policy and "script-src 'self'" in policy, path
        assert "object-src 'none'" in policy and "frame-ancestors 'none'" in policy, path
        assert "base-uri 'none'" in policy and "form-action 'self'" in policy, path
        assert "unsafe" not in policy, path
        assert headers["x-content-type-options"] == "nosniff", path
        assert headers["cross-origin-resource-policy"] == "same-origin", path
        assert headers["referrer-policy"] == "no-referrer", path


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1:1", "127.0.0.1", "", "127.0.0.1.:{port}"]
)
def test_a_name_that_is_not_the_servers_is_refused(served, item, media, host):
    port = served.rsplit(":", 1)[1]
    for path in all_pages(item, media):
        status, _, content = ask(served, path, host=host.format(port=port))
        assert status in (400, 421), path
        assert b"video" not in content


@pytest.mark.parametrize("host", ["localhost:{port}", "127.0.0.1:{port}", "LOCALHOST:{port}", "[::1]:{port}"])
def test_the_names_of_this_computer_are_taken(served, host):
    assert ask(served, "/api/summary", host=host.format(port=served.rsplit(":", 1)[1]))[0] == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "https://127.0.0.1"},
        {"origin": "http://127.0.0.1:1"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
        {"x-autodrive-review": ""},
        {"x-autodrive-review": None},
        {"content-type": "text/plain"},
        {"content-type": None},
    ],
    ids=str,
)
def test_another_page_cannot_decide(served, item, headers):
    sent = {**OWN, "if-match": '"0"', **headers}
    sent = {name: value for name, value in sent.items() if value is not None}
    for path in (f"/api/items/{item}/decisions", f"/api/items/{item}/undo", "/api/accept"):
        status, value = ask_json(served, path, "POST", sent, {"decision": "confirm", "items": []})
        assert status in (403, 415)
        assert value["error"]
    assert ask_json(served, f"/api/items/{item}")[1]["decisions"] == []


def test_another_page_cannot_load_anything_but_may_link_here(served, item, media):
    for path in all_pages(item, media):
        for headers in (
            {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "video"},
            {"sec-fetch-site": "same-site", "sec-fetch-mode": "cors", "sec-fetch-dest": "empty"},
            {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"},
            {"origin": "http://evil.example"},
        ):
            assert ask(served, path, headers=headers)[0] == 403, path
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    assert ask(served, "/queue", headers=link)[0] == 200


@pytest.mark.parametrize(
    "path",
    [
        "/media/../../../../etc/passwd",
        "/media/..%2f..%2f..%2fetc%2fpasswd",
        "/media/%2e%2e/%2e%2e/etc/passwd",
        "/media//etc/passwd",
        "/media/%2fetc%2fpasswd",
        "/media/..%5c..%5cetc",
        "/media/etc%00.mp4",
        "/static/../pages.py",
        "/static/..%2fpages.py",
        "/static/%2e%2e%2fpages.py",
        "/static/app.js%00",
        "/static/",
        "/pictures/../../etc/passwd/1.jpg",
        "/strips/..%2f..%2fetc%2fpasswd.jpg",
        "/api/media/..%2f..%2fetc%2fpasswd",
        "/review.sqlite3",
        "/media/review.sqlite3",
    ],
)
def test_no_path_leads_to_a_file(served, path):
    status, _, content = ask(served, path)
    assert status in (400, 404)
    assert b"root:" not in content and b"import" not in content and b"SQLite" not in content


def library_of(path, roots=()):
    file = TripFile(path=str(path), start_s=0.0, duration_s=6.0)
    item = type("Item", (), {"files": (file,), "video_stream": None})()
    return MediaLibrary([item], path.parent / "cache", roots), media_id_of(file, None)


def test_only_videos_that_lie_where_the_records_say_are_opened(tmp_path):
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    real = write_clock(outside / "private.mp4", fps=10, count=10)
    inside.mkdir()
    (inside / "link.mp4").symlink_to(real)
    (inside / "device.mp4").symlink_to("/dev/zero")
    (inside / "text.txt").write_text("secret")
    (inside / "folder.mp4").mkdir()
    os.mkfifo(inside / "pipe.mp4")
    (inside / "loop.mp4").symlink_to(inside / "loop.mp4")
    expected = {
        "link.mp4": "a link out of its folder",
        "device.mp4": "no ordinary file",
        "text.txt": "only videos",
        "folder.mp4": "no ordinary file",
        "pipe.mp4": "no ordinary file",
        "loop.mp4": "no longer there",
        "gone.mp4": "no longer there",
        "nul\0.mp4": "a character that no file can have",
    }
    for name, reason in expected.items():
        library, media_id = library_of(inside / name)
        state = library.state(media_id)
        assert (state.state, state.url) == ("failed", ""), name
        assert reason in state.reason, name
        with pytest.raises(UserError, match=reason):
            library.file(media_id)
        with pytest.raises(KeyError):
            library.file("etc")
        library.close()
    allowed, media_id = library_of(inside / "link.mp4", [outside])
    assert allowed.file(media_id).path == real.resolve()
    shutil.copy(real, inside / "own.mp4")
    (inside / "beside.mp4").symlink_to(inside / "own.mp4")
    beside, media_id = library_of(inside / "beside.mp4")
    assert beside.file(media_id).path == (inside / "own.mp4").resolve()


def test_a_file_that_becomes_a_link_out_while_the_server_runs_is_refused(tmp_path):
    video = write_clock(tmp_path / "videos" / "a.mp4", fps=10, count=10)
    library, media_id = library_of(video)
    assert library.state(media_id).state == "ready"
    video.unlink()
    video.symlink_to(write_clock(tmp_path / "private.mp4", fps=10, count=10))
    with pytest.raises(UserError, match="a link out of its folder"):
        library.file(media_id)


def test_a_text_that_calls_itself_a_video_is_never_sent(tmp_path):
    (tmp_path / "secret.mp4").write_text("<script>alert(1)</script>")
    library, media_id = library_of(tmp_path / "secret.mp4")
    assert library.state(media_id).state == "failed"
    with pytest.raises(UserError):
        library.file(media_id)


def test_what_a_model_or_a_file_name_says_never_becomes_markup(served, item):
    for path in ("/queue", f"/items/{item}"):
        _, headers, page = ask(served, path)
        assert headers["content-type"].startswith("text/html")
        assert b"<script>alert" not in page and b"<img src=x" not in page, path
    status, headers, content = ask(served, f"/api/items/{item}")
    assert (status, headers["content-type"]) == (200, "application/json")
    assert PAYLOAD in json.loads(content)["item"]["answers"][0]["reasoning"]


def test_pages_have_no_inline_program_or_style(served, item):
    for path in ("/queue", "/queue?view=grid", f"/items/{item}"):
        page = ask(served, path)[2].decode()
        assert "<style" not in page and " style=" not in page and "javascript:" not in page, path
        assert all(' src="/static/' in tag.split(">")[0] for tag in page.split("<script")[1:]), path
        assert "http://" not in page and "https://" not in page, path


def test_a_request_that_is_too_large_is_refused(served, item):
    body = b'{"decision": "confirm", "reason": "' + b"x" * (1 << 21) + b'"}'
    try:
        status, _, _ = ask(served, f"/api/items/{item}/decisions", "POST", {**OWN, "if-match": '"0"'}, body)
    except (BrokenPipeError, ConnectionResetError):
        status = 413  # the server closed the line before all was sent
    assert status == 413
    assert ask_json(served, f"/api/items/{item}")[1]["decisions"] == []


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE"])
def test_no_other_method_is_taken(served, item, method):
    status, _, _ = ask(served, f"/api/items/{item}/decisions", method, {**OWN, "if-match": '"0"'}, {})
    assert status == 405


def test_an_error_of_the_servers_own_tells_nothing_of_it(found):
    review = open_review(found, "ada")
    with review_server(found) as address:
        pass
    review.summary = None  # a fault that no request should cause
    with socket.create_server(("127.0.0.1", 0)) as listening:
        access = Access(host="127.0.0.1", port=listening.getsockname()[1])
        server = uvicorn.Server(uvicorn.Config(create_app(review, access), log_level="critical"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            address = access.address().rstrip("/")
            while not server.started:
                time.sleep(0.01)
            status, headers, content = ask(address, "/api/summary")
        finally:
            server.should_exit = True
            thread.join(30)
    assert status == 500
    assert headers["x-content-type-options"] == "nosniff"
    assert b"Traceback" not in content and b".py" not in content and b"NoneType" not in content


@pytest.mark.parametrize(
    ("host", "is_own"),
    [("127.0.0.1", True), ("localhost", True), ("::1", True), ("127.1.2.3", True), ("0.0.0.0", False), ("::", False),
     ("192.168.1.5", False), ("example.org", False), ("localhost.example.org", False)],
)  # fmt: skip
def test_only_this_computer_is_listened_to_without_a_token(host, is_own):
    assert is_loopback(host) == is_own
    check_host(host, with_token=True)
    if is_own:
        check_host(host, with_token=False)
    else:
        with pytest.raises(UserError, match=r"can be reached from other machines.* add --token"):
            check_host(host, with_token=False)


def test_listening_for_all_takes_addresses_in_digits_but_no_other_names():
    everywhere = Access(host="0.0.0.0", port=80, token="secret", names=("Review.lan",))
    assert everywhere.allows_host("192.168.1.5")
    assert everywhere.allows_host("review.lan:80")
    assert everywhere.allows_host(socket.gethostname())
    assert not everywhere.allows_host("rebound.example")
    assert not everywhere.allows_host("192.168.1.5:81")
    assert not Access(host="192.168.1.5", port=80).allows_host("192.168.1.6")


@pytest.fixture
def process(found):
    """A real server process that asks for a token, with its first line."""
    command = [sys.executable, "-m", "vlm_autodrive", "review", str(found), "--no-open", "--reviewer", "ada", "--token"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as running:
        try:
            yield running, running.stdout.readline().split()[-1]
        finally:
            running.kill()


def test_a_token_opens_one_session_and_leaves_the_address(process):
    running, link = process
    address, token = link.split("/?token=")
    assert len(token) > 30
    for path in ("/queue", "/", "/api/summary", "/static/app.js", "/queue?token=wrong", f"/?token={token[:-1]}"):
        assert ask(address, path)[0] == 401, path
    assert ask(address, "/api/accept", "POST", OWN, {"items": []})[0] == 401
    status, headers, _ = ask(address, f"/queue?token={token}&sort=p")
    assert (status, headers["location"]) == (303, "/queue?sort=p")
    assert "server" not in headers
    cookie = headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie and token not in cookie
    session = {"cookie": cookie.split(";")[0]}
    assert ask(address, "/queue", headers=session)[0] == 200
    assert ask(address, "/api/accept", "POST", {**OWN, **session}, {"items": []})[0] == 200
    assert ask(address, f"/?token={token}")[0] == 401  # once
    assert ask(address, "/queue")[0] == 401
    assert ask(address, "/queue", headers={"cookie": cookie.split(";")[0][:-1]})[0] == 401
    assert (
        ask(address, "/queue", headers={"cookie": "autodrive_review=ä".encode("latin-1").decode("latin-1")})[0] == 401
    )
    running.kill()
    assert token not in running.stdout.read()  # only the first line has it


def test_the_page_works_through_an_ordinary_client(served, item):
    with httpx.Client(base_url=served, follow_redirects=True) as client:
        assert client.get("/").url.path == "/queue"
        assert client.head("/queue").status_code == 200
        assert client.get(f"/items/{item}").status_code == 200
