"""Folders that are made whole or not at all, and that replace nothing but their like."""

import errno
import glob
import os
import shutil
import uuid
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from sunetlab.errors import InputError
from sunetlab.files import is_left, make_folder, refuse_endless

SPEC, WEIGHTS = "spec.toml", "weights.safetensors"  # of a network: in a run's, an export's or an import's folder
DATA = "data.json"  # what a run keeps of its data, names of classes among it


class Kind(NamedTuple):
    """A kind of folder, by what is in it.

    Attributes:
        name: what a message calls it: "export", "import".
        mark: the file that every one of them has, and no other folder.
        files: all that may be in one, the mark among them.
    """

    name: str
    mark: str
    files: Collection[str]


def refuse_occupied(out: Path, kind: Kind) -> None:
    """Refuse a name that something has which is not an empty folder, nor an earlier one of this kind.

    Raises:
        InputError: naming it.
    """
    target = Path(os.path.realpath(out))
    if target.exists() or target.is_symlink():  # what is a link still leads in a circle
        found = {entry.name for entry in target.iterdir()} if target.is_dir() else {""}
        if found and (kind.mark not in found or found - set(kind.files)):
            raise InputError(f"{out}: is there already and is no earlier {kind.name}; choose another --out")


def refuse_links_out(folder: Path) -> None:
    """Refuse a folder in which a file is a link to one elsewhere: to go on with the folder would change that one.

    A folder may be a stranger's, and `.lock` or `report.html` in it a link to any file of whoever goes on with it. A
    link to a folder stays allowed, as `trials` on a larger disk is: what a study makes in one are its own files, in
    folders that are empty or its own, and these are looked at in their turn.

    Raises:
        InputError: naming the link, and where it leads; or a pipe or a device, of which none is a study's either.
    """
    home = Path(os.path.realpath(folder))
    for entry in folder.iterdir() if folder.is_dir() else ():
        refuse_endless(entry)
        target = Path(os.path.realpath(entry))
        if entry.is_symlink() and not target.is_dir() and home not in target.parents:
            raise InputError(f"{entry}: is a link out of its folder, to {target}, which would be changed; take it away")


@contextmanager
def whole_folder(out: Path, kind: Kind) -> Iterator[Path]:
    """A folder to fill, which takes the name `out` when everything is in it; else nothing is left.

    Where there is an earlier one of this kind, it is replaced.

    Raises:
        InputError: `out` holds something else, or cannot be made.
    """
    refuse_occupied(out, kind)
    named, out = out, Path(os.path.realpath(out))
    part = out.with_name(f".{out.name}.{uuid.uuid4().hex}.part")
    old = part.with_suffix(".old")
    try:
        make_folder(part)
    except InputError as error:
        raise InputError(str(error).replace(str(part), str(named))) from None
    try:
        yield part
        _give_name(part, out, old)
        _remove_leftovers(out)
    except BaseException:
        if old.exists() and not out.exists():
            old.rename(out)
        shutil.rmtree(part, ignore_errors=True)
        raise


def _remove_leftovers(out: Path) -> None:
    """Remove what processes that were killed while they filled a folder of this name left beside it."""
    for part in out.parent.glob(f".{glob.escape(out.name)}.{'[0-9a-f]' * 32}.part"):
        with suppress(OSError):  # it got its name in between
            if is_left(part):
                shutil.rmtree(part)


def _give_name(part: Path, out: Path, old: Path) -> None:
    """Let a folder that is whole take its name from an earlier one; of several who do so at once the last has it."""
    while True:
        with suppress(FileNotFoundError):  # there is none, or another has just taken it away
            out.rename(old)
        try:
            part.rename(out)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        else:
            return
        finally:
            if out.exists():
                shutil.rmtree(old, ignore_errors=True)
