"""Independent groups: records that share a key, directly or by way of others, belong together."""

from collections.abc import Iterable, Sequence

import numpy as np
from scipy import sparse


def connected_groups(keys: Sequence[Iterable[str]]) -> list[int]:
    """The group of each record, numbered from 0 in order of first appearance.

    Args:
        keys: What each record shares with others, such as its drive and its triplet.
    """
    from scipy.sparse.csgraph import connected_components

    numbers: dict[str, int] = {}
    edges = [(record, numbers.setdefault(key, len(numbers))) for record, each in enumerate(keys) for key in each]
    # A graph of records and, after them, keys, with an edge wherever a record has a key.
    rows, columns = np.array(edges, dtype=np.intp).reshape(-1, 2).T
    size = len(keys) + len(numbers)
    graph = sparse.coo_array((np.ones(len(edges)), (rows, len(keys) + columns)), shape=(size, size))
    _, labels = connected_components(graph, directed=False)
    groups: dict[int, int] = {}
    return [groups.setdefault(label, len(groups)) for label in labels[: len(keys)].tolist()]
