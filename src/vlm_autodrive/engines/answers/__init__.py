"""The grammar of answers: what a model wrote, read as a class, a time and a reasoning trace."""
