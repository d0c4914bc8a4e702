"""How wide words are, before any font is known: never less than in the widest of the usual sans-serif fonts.

A standalone drawing is shown in whatever `system-ui` is: Segoe UI, SF, Roboto, Arial, or DejaVu Sans and Verdana, which
are the widest of them. Widths here are those of the last two, rounded up, so words take less room than they are given.
"""

from collections.abc import Iterator, Sequence

_EMS: dict[float, str] = {  # width in font sizes → the characters that take no more
    0.35: " ',.:;|/\\iIjl·",
    0.5: '()[]!-–²*_`"frtJ',
    0.6: "czF",
    0.64: "0123456789abdeghknopqsuvxyLPS?§{}$",
    0.7: "ABCEKRTVXYZ",
    0.86: "DGHNOQUw+<=>~^×←→↓↑≤−&#",
    1.0: "mMW%@—…",
}
_WIDTHS = {letter: ems for ems, letters in _EMS.items() for letter in letters}
_OTHER = 1.05  # any other character, up to the full-width ones of Chinese or Japanese
_PICTURE = 1.4  # an emoji
_BOLD = 1.15


def text_width(words: str, size: float, bold: bool = False) -> float:
    """Room for words at a font size, in the same unit."""
    ems = sum(_WIDTHS.get(letter, _OTHER if ord(letter) < 0x1F000 else _PICTURE) for letter in words)
    return ems * size * (_BOLD if bold else 1)


def shorten(words: str, size: float, room: float, bold: bool = False) -> str:
    """The words, cut where they would take more than `room`."""
    if text_width(words, size, bold) <= room:
        return words
    kept = words
    while kept and text_width(kept + "…", size, bold) > room:
        kept = kept[:-1]
    return kept.rstrip() + "…"


def wrap(words: str, size: float, room: float, bold: bool = False) -> list[str]:
    """The words in lines of at most `room`; a single word that is longer is cut."""
    lines: list[str] = []
    for word in words.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and text_width(longer, size, bold) <= room:
            lines[-1] = longer
        else:
            lines.append(shorten(word, size, room, bold))
    return lines


def rows(widths: Sequence[float], gap: float, room: float) -> list[range]:
    """Things of some widths in as few rows as `room` allows, the rows as even as that many can be.

    A thing that is wider than `room` has a row to itself.
    """
    fewest = len(list(_greedy(widths, gap, room)))
    for limit in sorted({sum(widths[i:j]) + gap * (j - i - 1) for i in range(len(widths)) for j in _ends(widths, i)}):
        found = list(_greedy(widths, gap, limit))
        if len(found) <= fewest:
            return found
    return []


def _ends(widths: Sequence[float], start: int) -> range:
    return range(start + 1, len(widths) + 1)


def _greedy(widths: Sequence[float], gap: float, room: float) -> Iterator[range]:
    start, used = 0, 0.0
    for index, width in enumerate(widths):
        if index > start and used + gap + width > room + 1e-6:
            yield range(start, index)
            start, used = index, width
        else:
            used += width + (gap if index > start else 0.0)
    if widths:
        yield range(start, len(widths))
