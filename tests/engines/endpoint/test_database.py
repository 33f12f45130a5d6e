"""The file of replies, ledger and claims, which several processes have open."""

import threading

from vlm_autodrive.engines import open_database
from vlm_autodrive.progress import SILENT


def test_it_can_be_opened_at_any_moment_while_another_writes(tmp_path):
    written, done = threading.Event(), threading.Event()

    def write() -> None:
        with open_database(tmp_path / "c", "cache", SILENT) as database:
            while not done.is_set():
                database.run("INSERT OR REPLACE INTO claims (key, owner) VALUES ('k', 'o')", {})
                written.set()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert written.wait(60)
        for _ in range(50):
            with open_database(tmp_path / "c", "cache", SILENT) as database:
                assert database.row("SELECT owner FROM claims WHERE key = 'k'", {}) == ("o",)
    finally:
        done.set()
        writer.join()
