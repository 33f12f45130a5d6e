"""A Ray cluster of two nodes on this machine, parts of which can be killed."""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CORES = 2
"""Of each node, whatever the machine has."""


class TwoNodes:
    """The cluster. Drivers on this machine belong to its first node, and must not lose that.

    Attributes:
        address: Of the cluster, for ``--on ray=ADDRESS``.
    """

    def __init__(self, folder: str) -> None:
        from ray.cluster_utils import Cluster  # takes seconds to import

        self._each = {"num_cpus": CORES, "object_store_memory": 200_000_000}
        self._cluster = Cluster(True, head_node_args={**self._each, "include_dashboard": False, "temp_dir": folder})
        self._second = self._cluster.add_node(**self._each)
        self.address: str = self._cluster.address

    def workers(self, *, at_work: bool = False) -> list[int]:
        """The processes that are open for jobs; with ``at_work`` those that are at one."""
        raylets = [_raylet(node).pid for node in self._cluster.list_all_nodes()]
        titles = {pid: _title(pid) for raylet in raylets for pid in _children(raylet)}
        return [pid for pid, title in titles.items() if "::MapWorker" in title and (".submit" in title or not at_work)]

    def kill_second_node(self) -> None:
        """Kill the second node's raylet, without which its workers end; then what Ray started beside it."""
        raylet = _raylet(self._second)
        raylet.kill()
        raylet.wait()
        self._cluster.remove_node(self._second, allow_graceful=False)

    def add_second_node(self) -> None:
        """Have another node join in the place of the killed one."""
        self._second = self._cluster.add_node(**self._each)

    def close(self) -> None:
        """End all of it."""
        self._cluster.shutdown()


@contextmanager
def two_nodes() -> Iterator[TwoNodes]:
    """The cluster, for as long as the block lasts."""
    # Its sockets are below this folder, and their paths must be short.
    with tempfile.TemporaryDirectory(prefix="ray", dir="/tmp", ignore_cleanup_errors=True) as folder:
        nodes = TwoNodes(folder)
        try:
            yield nodes
        finally:
            nodes.close()


def _raylet(node: Any) -> "subprocess.Popen[bytes]":
    process: subprocess.Popen[bytes] = node.all_processes["raylet"][0].process
    return process


def _children(pid: int) -> list[int]:
    try:
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]
    except OSError:  # it has just ended
        return []


def _title(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return ""
