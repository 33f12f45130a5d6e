"""A Ray cluster of two nodes on this machine."""

import tempfile

import pytest


@pytest.fixture(scope="session")
def cluster():
    """The value of ``--on`` for a cluster of two nodes, each with two cores, that lasts as long as the tests."""
    from ray.cluster_utils import Cluster  # takes seconds to import

    # Its sockets are below this folder, and their paths must be short.
    with tempfile.TemporaryDirectory(prefix="ray", dir="/tmp", ignore_cleanup_errors=True) as folder:
        node = {"num_cpus": 2, "object_store_memory": 200_000_000}
        running = Cluster(True, head_node_args={**node, "include_dashboard": False, "temp_dir": folder})
        try:
            running.add_node(**node)
            yield f"ray={running.address}"
        finally:
            running.shutdown()
