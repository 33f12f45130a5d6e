"""Clips: windows cut from a catalog's videos, with labels and splits, and an audit of them."""
