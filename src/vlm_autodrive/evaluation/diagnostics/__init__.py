"""Diagnostics: what makes a comparison invalid or doubtful, in words."""
