"""What is in folders and lists: every miss is one line that names the place and says where the thing is from."""

import os
from collections.abc import Callable
from pathlib import Path

from sunetlab.errors import InputError
from sunetlab.files import refuse_endless
from sunetlab.train.data.image_files import shown


def data_folder(root: Path) -> Path:
    """A data source's folder, which must be there.

    Raises:
        InputError: It is not, or is no folder.
    """
    if not root.exists():
        raise InputError(f"{shown(root)}: no such folder")
    if not root.is_dir():
        raise InputError(f"{shown(root)}: a file; a data source is a folder")
    return root


def files_in(folder: Path, hint: str) -> list[str]:
    """The names of the visible files of a folder, in the order of their bytes, which no locale changes.

    Args:
        folder: The folder.
        hint: Where it is from.

    Raises:
        InputError: It is not there, or cannot be listed.
    """
    return _entries(folder, hint, lambda entry: entry.is_file())


def folders_in(folder: Path, hint: str) -> list[str]:
    """The names of the visible folders in a folder, as `files_in`."""
    return _entries(folder, hint, lambda entry: entry.is_dir())


def names_listed(path: Path, hint: str) -> list[str]:
    """The first word of every line of a list of images.

    Args:
        path: The file.
        hint: Where it is from.

    Raises:
        InputError: It is not there, or a line does not begin with a plain name.
    """
    refuse_endless(path)
    try:
        lines = os.fsdecode(path.read_bytes()).splitlines()
    except FileNotFoundError:
        raise InputError(f"{shown(path)}: missing; {hint}") from None
    except OSError as error:
        raise InputError(f"{shown(path)}: cannot be read: {error.strerror}") from None
    names = [line.split()[0] for line in lines if line.strip()]
    for name in names:
        if not is_plain(name):
            raise InputError(f"{shown(path)}: {shown(name[:80])!r}: not the name of an image; {hint}")
    return list(dict.fromkeys(names))


def is_plain(name: str) -> bool:
    """Whether a name that a file gave leads to a file of its own folder."""
    return Path(name).name == name != ".." and name.isprintable()


def _entries(folder: Path, hint: str, wanted: Callable[[os.DirEntry[str]], bool]) -> list[str]:
    try:
        with os.scandir(folder) as entries:  # which tells files from folders without asking for each
            names = [entry.name for entry in entries if not entry.name.startswith(".") and wanted(entry)]
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{shown(folder)}: missing; {hint}") from None
    except OSError as error:
        raise InputError(f"{shown(folder)}: cannot be listed: {error.strerror}") from None
    return sorted(names, key=os.fsencode)
