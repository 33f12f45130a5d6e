"""Reviewers' corrections, applied to a catalog: the next version of the data."""
