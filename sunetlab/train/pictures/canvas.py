"""What all pictures of a prediction have in common: paper, ink, letters, a key of colours."""

from collections.abc import Sequence
from typing import Any

from PIL import Image, ImageDraw, ImageFont

INK, FAINT, PAPER = (32, 36, 44), (110, 118, 130), (255, 255, 255)
LETTERS = 13  # px
GAP = 12  # px between what stands side by side
_SWATCH = 13  # px of a key's square
_LINE = 20  # px from line to line of a key

Colour = tuple[int, int, int]


def font(size: int = LETTERS) -> Any:
    """Pillow's own letters, which need no file; they have neither × nor …."""
    return ImageFont.load_default(size)


def text_width(words: str, size: int = LETTERS) -> int:
    """Px that words take."""
    return int(font(size).getlength(words)) + 1


def fitted(words: str, room: int, size: int = LETTERS) -> str:
    """Words, cut where they would take more than `room` px."""
    if text_width(words, size) <= room:
        return words
    while words and text_width(words + "...", size) > room:
        words = words[:-1]
    return words.rstrip() + "..."


def key(entries: Sequence[tuple[Colour, str]], width: int) -> Image.Image:
    """Coloured squares with their words, in columns, as many as `width` px have room for."""
    column = max((_SWATCH + 6 + text_width(words) + 2 * GAP for _, words in entries), default=1)
    across = max(1, (width + 2 * GAP) // column)
    rows = -(-len(entries) // across)
    image = Image.new("RGB", (width, max(1, rows * _LINE)), PAPER)
    draw = ImageDraw.Draw(image)
    for index, (colour, words) in enumerate(entries):
        x, y = index // rows * column, index % rows * _LINE
        draw.rectangle((x, y + 3, x + _SWATCH - 1, y + _SWATCH + 2), fill=colour, outline=FAINT)
        words = fitted(words, width - x - _SWATCH - 6)
        draw.text((x + _SWATCH + 6, y + _LINE // 2), words, INK, font(), anchor="lm")
    return image
