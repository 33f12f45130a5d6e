from hypothesis import given
from hypothesis import strategies as st

from vlm_autodrive.metrics import connected_groups


def test_chains_join():
    keys = [["drive 1"], ["drive 2", "triplet a"], ["drive 3"], ["drive 1", "triplet b"], ["drive 2", "triplet b"], []]
    assert connected_groups(keys) == [0, 0, 1, 0, 0, 2]
    assert connected_groups([]) == []


@given(st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=3), max_size=15))
def test_it_equals_joining_one_by_one(keys):
    sets = [({index}, set(each)) for index, each in enumerate(keys)]
    joined: list[tuple[set[int], set[str]]] = []
    for members, shared in sets:
        touching = [group for group in joined if group[1] & shared]
        joined = [group for group in joined if not group[1] & shared]
        joined.append((members.union(*(g[0] for g in touching)), shared.union(*(g[1] for g in touching))))
    groups = connected_groups(keys)
    for members, _ in joined:
        assert len({groups[index] for index in members}) == 1
    assert len(set(groups)) == len(joined)
    assert list(dict.fromkeys(groups)) == sorted(set(groups))
