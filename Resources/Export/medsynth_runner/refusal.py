"""The exception whose message is for the user."""


class RefusalError(Exception):
    """A problem in one sentence: what is wrong, where, and what to do."""
