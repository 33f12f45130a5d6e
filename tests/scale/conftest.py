"""A Ray cluster of two nodes on this machine."""

import pytest


@pytest.fixture(scope="session")
def cluster():
    """The value of ``--on`` for a cluster of two nodes, each with two cores, that lasts as long as the tests."""
    from benchmarks.two_nodes import two_nodes

    with two_nodes() as nodes:
        yield f"ray={nodes.address}"
