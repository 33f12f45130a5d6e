"""Cross-validated classifiers without pixels, tested on held-out groups.

The audit of clips and the diagnostics of a comparison both ask whether file names tell the class, and do it here.
"""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

FOLDS = 5

Floats = NDArray[np.float64]
Labels = NDArray[np.intp]


def held_out_probabilities(
    classifier: Any,  # scikit-learn has no type for a classifier
    features: Floats | csr_matrix,
    labels: Labels,
    groups: Labels,
    *,
    folds: int = FOLDS,
    n_repeats: int = 1,
    seed: int = 0,
) -> Floats:
    """The probability of each label for each record, by classifiers that saw nothing of the record's group.

    Args:
        classifier: One of scikit-learn's, not fitted.
        features: One row for each record.
        labels: The label of each record, numbered from 0.
        groups: The group of each record.
        folds: Folds of whole groups, in each of which the labels are as frequent as groups allow.
        n_repeats: Number of splits into folds; their probabilities are averaged, since one split is noisy.
        seed: Seed of the folds.

    Returns:
        Probabilities of shape [records, labels].
    """
    from sklearn.base import clone
    from sklearn.model_selection import StratifiedGroupKFold

    found = np.zeros((len(labels), int(labels.max()) + 1))
    for repeat in range(n_repeats):
        split = StratifiedGroupKFold(folds, shuffle=True, random_state=seed + repeat)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
            places = list(split.split(np.zeros(len(labels)), labels, groups))
        for fitted_on, held_out in places:
            if len(fitted_on) and len(held_out):
                fitted = clone(classifier).fit(features[fitted_on], labels[fitted_on])
                found[np.ix_(held_out, fitted.classes_)] += fitted.predict_proba(features[held_out]) / n_repeats
    # Trees of other repeats give the same sum in another order; rounding keeps such ties.
    return np.round(found, 9)


def name_features(names: Sequence[str]) -> csr_matrix:
    """Whether each run of 1 to 5 characters, digits as they are, is in each name; runs of one name are left out."""
    from sklearn.feature_extraction.text import CountVectorizer

    runs = CountVectorizer(analyzer="char_wb", ngram_range=(1, 5), binary=True, min_df=2, dtype=np.float64)
    try:
        return csr_matrix(runs.fit_transform(names))
    except ValueError:  # no two names have a run in common
        return csr_matrix((len(names), 0), dtype=np.float64)


def held_out_by_name(
    features: csr_matrix, labels: Labels, groups: Labels, *, folds: int = FOLDS, n_repeats: int = 1, seed: int = 0
) -> Floats:
    """What names tell of the labels: :func:`held_out_probabilities` of multinomial naive Bayes on name features."""
    from sklearn.naive_bayes import MultinomialNB

    return held_out_probabilities(
        MultinomialNB(), features, labels, groups, folds=folds, n_repeats=n_repeats, seed=seed
    )
