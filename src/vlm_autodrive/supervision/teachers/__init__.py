"""Who writes the longer texts: the project's own rules, or a served model."""
