"""How hard embedded images are: scenes that no short training learns, and shapes that one of seconds does."""

from typing import NamedTuple


class Style(NamedTuple):
    """What scenes are made of.

    Attributes:
        least: objects in a scene, at the least.
        most: objects in a scene, at the most.
        smallest: diameter of the first object, at the least, as a part of the image's shorter side.
        turn: the largest rotation of an object, in degrees.
        swing: strength of the patterns, as a part of the full one.
        clutter: whether fragments lie on the background.
    """

    least: int = 2
    most: int = 5
    smallest: float = 0.4
    turn: int = 180
    swing: float = 1.0
    clutter: bool = True


SCENES = Style()
STYLES = {
    "scenes": SCENES,
    "shapes": Style(least=1, most=1, smallest=0.5, turn=15, swing=0.25, clutter=False),
}
