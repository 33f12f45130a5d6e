"""Parsing of model answers: class, event time and reasoning trace."""
