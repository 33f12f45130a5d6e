"""Corrections made in memory."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta

from vlm_autodrive.records import Correction, MomentLabel

BEGUN = datetime(2026, 1, 1, tzinfo=UTC)


def label(event_class="collision", time_s=None, **more):
    return MomentLabel(event_class=event_class, time_s=time_s, **more)


def correction(number, before=None, after=None, *, decision="change", reviewer="ada", item="clip", **more):
    """Of a clip from 0 to 10 s of the catalog's video ``a``, unless ``more`` says otherwise."""
    told = {"video": "/data/a.mp4", "window_start_s": 0.0, "window_end_s": 10.0, "video_id": "a", "clip_id": "a-w0"}
    return Correction(
        correction_id=f"c{number}",
        item_id=item,
        decision=decision,
        reviewer=reviewer,
        at=BEGUN + timedelta(seconds=number),
        before=before,
        after=after,
        **(told | more),
    )


def undo(number, undoes, *, reviewer="ada", item="clip"):
    return correction(number, decision="undo", undoes=f"c{undoes}", reviewer=reviewer, item=item)


def detected(number, video, before=None, after=None, **more):
    """Of an event that a model found in a file that no catalog has."""
    return correction(number, before, after, **({"video": str(video), "video_id": None, "clip_id": None} | more))


def write_store(path, corrections):
    """A review's store, as its server writes it, as far as an export reads it."""
    with closing(sqlite3.connect(path)) as store:
        store.execute("PRAGMA journal_mode=WAL")
        store.execute("CREATE TABLE decisions (number INTEGER PRIMARY KEY, correction TEXT NOT NULL)")
        rows = [(number, each.model_dump_json()) for number, each in enumerate(corrections)]
        store.executemany("INSERT INTO decisions VALUES (?, ?)", reversed(rows))
        store.commit()
