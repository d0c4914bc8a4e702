"""The two kinds of failure that a user is told about in one line."""


class SunetlabError(Exception):
    """Something failed that the user did not do: exit status 1."""


class InputError(SunetlabError, ValueError):
    """Wrong input; the message names the flag, field or file, the value and the rule: exit status 2."""
