"""How far two spans of time are the same: intersection over union (ActivityNet, Heilbron et al., CVPR 2015)."""

Span = tuple[float, float]


def temporal_iou(first: Span, second: Span) -> float:
    """Intersection over union of two spans, from 0 to 1.

    A single moment has no length: it overlaps nothing but itself.

    Args:
        first: Start and end, in seconds.
        second: Likewise.

    Raises:
        ValueError: If a span ends before it starts.
    """
    for start_s, end_s in (first, second):
        if end_s < start_s:
            raise ValueError(f"a span that ends at {end_s:g} s cannot start at {start_s:g} s")
    if first == second:
        return 1.0
    shared_s = max(0.0, min(first[1], second[1]) - max(first[0], second[0]))
    union_s = (first[1] - first[0]) + (second[1] - second[0]) - shared_s
    return shared_s / union_s if union_s > 0 else 0.0
