"""Whose a run's folder is: of several who train in it, the one that came last.

A training that was taken for dead may only have slept, with its machine or its network. What it would write when it
wakes is older than what another has written since, so before every file it looks whether the folder is still its own.
"""

import secrets
from pathlib import Path

from sunetlab.errors import SunetlabError
from sunetlab.files import write_text

HELD = ".held"


class TakenOverError(SunetlabError):
    """Somebody else trains in the folder now, or has finished, or the folder was removed."""


class Hold:
    """A run's folder is this training's, until another says the same."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.word = folder, secrets.token_hex(8)
        write_text(folder / HELD, self.word)

    def check(self) -> None:
        """See that the folder is still ours.

        Raises:
            TakenOverError: it is not.
        """
        try:
            said = (self.folder / HELD).read_text(encoding="utf-8")
        except (FileNotFoundError, NotADirectoryError):
            said = ""
        if said != self.word:
            raise TakenOverError(f"{self.folder}: another training has taken this over, or it was removed")

    def release(self) -> None:
        """All is written."""
        (self.folder / HELD).unlink(missing_ok=True)
