"""Classifiers are tried on groups that they have not seen, and names tell what is in them."""

import numpy as np
from sklearn.tree import DecisionTreeClassifier

from vlm_autodrive.metrics import held_out_by_name, held_out_probabilities, name_features


def test_what_only_a_group_tells_is_not_told():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(60), 4)
    labels = rng.integers(0, 2, 60)[groups]
    features = rng.random(60)[groups, None]  # with a group on both sides it would tell the label
    found = held_out_probabilities(DecisionTreeClassifier(random_state=0), features, labels, groups, n_repeats=5)
    assert found.shape == (240, 2)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert 0.3 < (found.argmax(axis=1) == labels).mean() < 0.7


def test_a_label_of_a_single_group_is_never_told():
    labels = np.array([0, 1] * 20 + [2])
    found = held_out_probabilities(DecisionTreeClassifier(), labels[:, None] * 1.0, labels, np.arange(41))
    assert (found[:40].argmax(axis=1) == labels[:40]).all()
    assert found[40, 2] == 0


def test_names_tell_what_is_in_them():
    names = [f"{'crash' if n % 3 == 0 else 'drive'}_{n:03}" for n in range(60)]
    labels = np.array([int(n % 3 == 0) for n in range(60)])
    found = held_out_by_name(name_features(names), labels, np.arange(60) // 2)
    assert (found.argmax(axis=1) == labels).all()
    assert name_features(["a", "b"]).shape[0] == 2
