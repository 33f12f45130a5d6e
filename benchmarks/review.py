"""How quick the review page is with many detections, and whether kill -9 of its server loses a decision.

    python -m benchmarks.review --write

A folder with many synthetic detections is served by ``autodrive review`` in a process of its own, which is asked over
HTTP as a browser asks it: for the queue, for the review screen's item, and to keep decisions, one after the other. Then
the server is killed at random moments while decisions are sent as fast as it takes them; after each kill, every
decision that was answered with 201 must be in the store. With ``--write`` the table is written into docs/benchmarks.md
between the marks.
"""

import argparse
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import httpx

from benchmarks.docs_table import write_table
from benchmarks.machine import processor_name
from vlm_autodrive.artifacts import read_corrections, writing_artifact
from vlm_autodrive.detection import DetectSettings
from vlm_autodrive.detection.results import KIND, write_events_file
from vlm_autodrive.records import DEFAULT_TAXONOMY, DetectedEvent, Outcome, TripFile, VideoDetections, WindowScore

_EVENTS_PER_TRIP = 50
_APART_S = 12.0
_HEADERS = {"x-autodrive-review": "1"}
_CONFIRM = {"decision": "confirm"}


def write_detections(out: Path, events: int) -> None:
    """Write a folder as ``autodrive detect`` does, with so many events in trips of fifty; its videos are not there."""
    draw = random.Random(0)
    for number, first in enumerate(range(0, events, _EVENTS_PER_TRIP)):
        count = min(_EVENTS_PER_TRIP, events - first)
        length_s = count * _APART_S
        found, windows = [], []
        for place in range(count):
            collision, near = draw.random() / 2, draw.random() / 2
            chances = {"collision": collision, "near_collision": near, "normal": 1 - collision - near}
            start_s = place * _APART_S
            event = DetectedEvent(
                event_class=max(("collision", "near_collision"), key=lambda name: chances[name]),
                time_s=start_s + 6.0,
                start_s=start_s + 4.0,
                end_s=start_s + 8.0,
                probability=collision + near,
                probabilities=chances,
                reasoning="The car ahead brakes [t=3.0] and the gap closes [t=4.0].",
                reasoning_start_s=start_s + 2.0,
                cited_times_s=(start_s + 5.0, start_s + 6.0),
            )
            found.append(event)
            windows.append(
                WindowScore(start_s=start_s, end_s=start_s + _APART_S, outcome=Outcome.OK, probabilities=chances)
            )
        path = str(out.parent / "videos" / f"trip{number:04d}.mp4")
        detections = VideoDetections(
            video=path,
            files=(TripFile(path=path, start_s=0.0, duration_s=length_s),),
            model="synthetic",
            outcome=Outcome.OK,
            reason="",
            duration_s=length_s,
            threshold=0.5,
            events=tuple(found),
            windows=tuple(windows),
        )
        facts = {"taxonomy": DEFAULT_TAXONOMY.model_dump(mode="json")}
        out.mkdir(exist_ok=True)
        with writing_artifact(out / f"trip{number:04d}", KIND, {}, DetectSettings(), facts=facts) as folder:
            if folder is not None:
                write_events_file(folder, detections)


@contextmanager
def serving(path: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server process and its address; it is killed in the end, if it still runs."""
    command = [sys.executable, "-m", "vlm_autodrive", "review", str(path), "--no-open", "--reviewer", "benchmark"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            address = re.search(r"http://\S+", process.stdout.readline())
            assert address is not None, "the server did not start"
            yield process, address[0].rstrip("/")
        finally:
            process.kill()


def item_ids(client: httpx.Client, wanted: int) -> list[str]:
    """The ids of the first items in the queue."""
    ids: list[str] = []
    page = 1
    while len(ids) < wanted:
        text = client.get("/queue", params={"page": page, "sort": "name"}).text
        fresh = [id_ for id_ in dict.fromkeys(re.findall(r"/items/([0-9a-f]{16})", text)) if id_ not in ids]
        if not fresh:
            break
        ids += fresh
        page += 1
    return ids[:wanted]


def milliseconds(call: Callable[[], httpx.Response], status: int) -> float:
    """How long one request takes."""
    begun = time.perf_counter()
    answer = call()
    took = 1000 * (time.perf_counter() - begun)
    assert answer.status_code == status, answer.text
    return took


def measure(path: Path, repeats: int) -> dict[str, float]:
    """Medians in milliseconds: of the queue's pages in several orders, of an item, and of a decision."""
    with serving(path) as (_, address), httpx.Client(base_url=address, headers=_HEADERS, timeout=60) as client:
        ids = item_ids(client, repeats)
        queries = ["", "sort=p", "reviewed=no&sort=time", "class=collision&min_p=0.4", "sample=200&seed=1", "view=grid"]
        lists = [
            milliseconds(lambda query=query: client.get(f"/queue?{query}"), 200)  # type: ignore[misc]
            for _ in range(max(1, repeats // len(queries)))
            for query in queries
        ]
        items = [milliseconds(lambda id_=id_: client.get(f"/api/items/{id_}"), 200) for id_ in ids]  # type: ignore[misc]
        saves = [milliseconds(lambda id_=id_: _decide(client, id_, 0), 201) for id_ in ids]  # type: ignore[misc]
    return {"list": median(lists), "item": median(items), "save": median(saves)}


def _decide(client: httpx.Client, item_id: str, known: int) -> httpx.Response:
    return client.post(f"/api/items/{item_id}/decisions", json=_CONFIRM, headers={"if-match": f'"{known}"'})


def kill_often(path: Path, store: Path, kills: int) -> tuple[int, int]:
    """Kill the server so often while it takes decisions.

    Returns:
        How many decisions were answered with 201, and how many of them are not in the store.
    """
    draw, answered, lost = random.Random(1), set[str](), 0
    known: dict[str, int] = {}
    for each in read_corrections([store]) if store.is_file() else ():
        known[each.item_id] = known.get(each.item_id, 0) + 1
    for _ in range(kills):
        with serving(path) as (process, address), httpx.Client(base_url=address, headers=_HEADERS) as client:
            ids = item_ids(client, 50)
            killer: threading.Timer | None = None
            try:
                while True:
                    item_id = draw.choice(ids)
                    answer = _decide(client, item_id, known.get(item_id, 0))
                    assert answer.status_code == 201, answer.text
                    answered.add(answer.json()["correction"]["correction_id"])
                    known[item_id] = known.get(item_id, 0) + 1
                    if killer is None:  # only now decisions are being taken
                        killer = threading.Timer(draw.uniform(0.0, 0.5), process.kill)
                        killer.start()
            except httpx.TransportError:
                assert killer is not None, "the server ended by itself"
                killer.join()
        kept = read_corrections([store])
        lost += len(answered - {each.correction_id for each in kept})
        known = {}
        for each in kept:  # one that was kept but not answered counts too
            known[each.item_id] = known.get(each.item_id, 0) + 1
    return len(answered), lost


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=200)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--write", action="store_true", help="write the table into docs/benchmarks.md")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        found = Path(work) / "found"
        write_detections(found, arguments.events)
        took = measure(found, arguments.repeats)
        answered, lost = kill_often(found, found / "review.sqlite3", arguments.kills)
    lines = [
        "| detections | queue page, ms | item, ms | decision saved, ms | kills (`kill -9`) | "
        "decisions answered with 201 | of them lost |",
        "|---|---|---|---|---|---|---|",
        f"| {arguments.events:,} | {took['list']:.0f} | {took['item']:.0f} | {took['save']:.1f} | {arguments.kills} | "
        f"{answered:,} | {lost} |",
        "",
        f"Medians. Machine: {processor_name()}. `python -m benchmarks.review --write` makes this table.",
    ]
    print("\n".join(lines))
    if arguments.write:
        write_table("review", lines)


if __name__ == "__main__":
    main()
