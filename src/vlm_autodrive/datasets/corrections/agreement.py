"""How far reviewers agree on the classes of what several of them judged."""

from collections import Counter

import numpy as np

from vlm_autodrive.artifacts import History
from vlm_autodrive.datasets.corrections.labels import label_of
from vlm_autodrive.metrics import Bootstrap, krippendorff_alpha_estimate
from vlm_autodrive.records import Correction, ReviewerAgreement


def reviewer_agreement(history: History) -> ReviewerAgreement:
    """How far reviewers agree on the classes of the items that several of them judged.

    Events that reviewers added count for nothing here: nobody else was asked about them.
    """
    judged: dict[str, list[Correction]] = {}
    for correction in history.holding:
        if correction.decision != "add" and label_of(correction) is not None:
            judged.setdefault(correction.item_id, []).append(correction)
    shared = [several for several in judged.values() if len(several) > 1]
    classes = [[label.event_class for c in several if (label := label_of(c)) is not None] for several in shared]
    numbers = {name: float(number) for number, name in enumerate(sorted({name for row in classes for name in row}))}
    videos = {path: number for number, path in enumerate(dict.fromkeys(several[0].video for several in shared))}
    bootstrap = Bootstrap(videos[several[0].video] for several in shared)
    return ReviewerAgreement(
        reviewers=dict(sorted(Counter(correction.reviewer for correction in history.holding).items())),
        items=len(shared),
        blind=sum(sum(c.blind for c in several) > 1 for several in shared),
        alike=bootstrap.proportion(np.array([len(set(row)) == 1 for row in classes], dtype=bool)),
        krippendorff_alpha=krippendorff_alpha_estimate(
            [[numbers[name] for name in row] for row in classes], bootstrap, "nominal"
        ),
    )
