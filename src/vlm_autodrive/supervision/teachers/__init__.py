"""Teachers that are models: in this process, at an endpoint, or the student by rejection sampling."""
