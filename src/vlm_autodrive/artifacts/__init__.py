"""Artefacts: the folders that stages write, and the files in them."""
