"""The two kinds of failure that a user is told about in one line."""

_MOST = 2000  # characters of a line; a path may have half of them


class SunetlabError(Exception):
    """Something failed that the user did not do: exit status 1.

    Its message is one line (`one_line`), whatever names and values from outside stand in it.
    """

    def __init__(self, message: object = "") -> None:
        super().__init__(one_line(str(message)))


class InputError(SunetlabError, ValueError):
    """Wrong input; the message names the flag, field or file, the value and the rule: exit status 2."""


def one_line(text: str) -> str:
    """A text as one line of characters that are seen: a terminal obeys none of them, and any can be encoded.

    Others are written as Python would, a byte of a name that is no UTF-8 as `\\xNN`. Of a very long text the middle is
    left out: what it begins with says where the mistake is, its end says the rule.

    >>> one_line("a\\n\\x1b[2J")
    'a\\\\n\\\\x1b[2J'
    """
    if len(text) > _MOST:
        text = f"{text[: _MOST // 2]} … {text[-_MOST // 2 :]}"
    return seen(text)


def seen(text: str) -> str:
    """A text whose every character is seen, as in `one_line`; of any length."""
    return text if text.isprintable() else "".join(each if each.isprintable() else _escaped(each) for each in text)


def first_line(error: BaseException) -> str:
    """What an exception of another library says, without what follows its first line; its kind, where it is silent."""
    return next(iter(str(error).splitlines()), "") or type(error).__name__


def _escaped(character: str) -> str:
    byte = ord(character) - 0xDC00  # where Python's file functions put a byte that is no UTF-8
    return f"\\x{byte:02x}" if 0x80 <= byte <= 0xFF else character.encode("unicode_escape").decode("ascii")
