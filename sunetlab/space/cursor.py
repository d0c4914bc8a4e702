"""A place in a line of text that is being read, and what is said when something else was expected there."""

import re
from collections.abc import Iterable

from sunetlab.errors import InputError

WORD = re.compile(r"[^\s,<>=!≤≥≠]+")
SIGN = re.compile(r"[<>=!≤≥≠]+")
COMMA = re.compile(r",")

_TEXT, _BEFORE = 120, 80  # characters that are shown of a long text, and of these the ones before the mistake
_TOKEN = 40  # characters that are shown of a long word
_NAMES = 12  # names that are listed of many


class Cursor:
    """A text and how far it has been read; spaces are passed over.

    Attributes:
        source: what a complaint starts with, such as the name of a key.
        text: all of it.
        at: index of the next character that is no space; the length of the text at its end.
    """

    def __init__(self, source: str, text: str) -> None:
        self.source = source
        self.text = text
        self.at = self._after_spaces(0)

    @property
    def ended(self) -> bool:
        """Whether all has been read."""
        return self.at == len(self.text)

    @property
    def at_comma(self) -> bool:
        """Whether a comma is next."""
        return self.text.startswith(",", self.at)

    def take(self, pattern: re.Pattern[str]) -> str:
        """What `pattern` matches here, and go on behind it; "", and stay, where it does not match."""
        match = pattern.match(self.text, self.at)
        if match is None:
            return ""
        self.at = self._after_spaces(match.end())
        return match.group()

    def expected(self, what: str, at: int | None = None) -> InputError:
        """The complaint that something else stands at an index; here where there is none."""
        at = self.at if at is None else at
        found = (match.group() for token in (WORD, SIGN, COMMA) if (match := token.match(self.text, at)))
        return self.mistake(f"found {quoted(next(found, '')) or 'the end'}, expected {what}", at)

    def mistake(self, what: str, at: int) -> InputError:
        """A complaint about what stands at an index, in one line."""
        return InputError(f"{self.source}: {_around(self.text, at)}: at character {at + 1}: {what}")

    def _after_spaces(self, at: int) -> int:
        while at < len(self.text) and self.text[at].isspace():
            at += 1
        return at


def quoted(word: str) -> str:
    """A word in quotes, cut where it is long, control characters escaped; "" for none."""
    return f"{word[:_TOKEN]!r}{'…' if len(word) > _TOKEN else ''}" if word else ""


def listed(names: Iterable[str]) -> str:
    """Names with commas between them, a dozen of many."""
    names = tuple(names)
    return ", ".join((*names[:_NAMES], "…") if len(names) > _NAMES else names)


def _around(text: str, at: int) -> str:
    """A text in quotes, control characters escaped; of a long one what stands around an index."""
    first = max(0, min(at - _BEFORE, len(text) - _TEXT))
    last = first + _TEXT
    return f"{'…' if first else ''}{text[first:last]!r}{'…' if last < len(text) else ''}"
