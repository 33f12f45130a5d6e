"""Independent groups: records that share a key, directly or by way of others, belong together."""

from array import array
from collections.abc import Iterable

import numpy as np
from scipy import sparse


def connected_groups(keys: Iterable[Iterable[str]]) -> list[int]:
    """The group of each record, numbered from 0 in order of first appearance.

    Args:
        keys: What each record shares with others, such as its drive and its triplet.
    """
    from scipy.sparse.csgraph import connected_components

    numbers: dict[str, int] = {}
    # A graph of records and, after them, keys, with an edge wherever a record has a key.
    rows, columns = array("q"), array("q")
    count = 0
    for each in keys:
        for key in each:
            rows.append(count)
            columns.append(numbers.setdefault(key, len(numbers)))
        count += 1
    size = count + len(numbers)
    numbers.clear()  # of a million records it takes more memory than all else here
    edges = (np.asarray(rows), count + np.asarray(columns))
    graph = sparse.coo_array((np.ones(len(rows), dtype=bool), edges), shape=(size, size))
    _, labels = connected_components(graph, directed=False)
    groups: dict[int, int] = {}
    return [groups.setdefault(label, len(groups)) for label in labels[:count].tolist()]
