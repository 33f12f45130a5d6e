"""Who writes the longer texts: the project's own rules, a model here or at an endpoint, or the student itself."""
