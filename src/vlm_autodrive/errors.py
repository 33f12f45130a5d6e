"""The one exception for mistakes that a user can put right."""


class UserError(Exception):
    """A mistake of input, settings or surroundings, with the way out in its message.

    The command line prints the message on stderr, in one plain sentence and without a
    traceback, and exits with status 1. Anything else that is raised is a bug of ours.
    """
