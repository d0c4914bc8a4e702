"""TOML and JSON, in and out: pydantic's complaints as one line, and files that are whole or absent."""

import errno
import json
import os
import time
import tomllib
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import tomli_w
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from sunetlab.errors import InputError, first_line

_PART = ".part"  # of a file that is being written
_WRITTEN_LONG_AGO = 3600  # seconds
MOST_BITS = 256  # of a whole number; TOML asks for 64, and hexadecimal digits may make one that is never printed

Model = TypeVar("Model", bound=BaseModel)


def validate(model: type[Model], data: Mapping[str, Any], where: str = "") -> Model:
    """`model` made from `data`, or an InputError of one line.

    Args:
        model: the pydantic class.
        data: its fields.
        where: what the line starts with, such as a file's name.

    Raises:
        InputError: `where: field: value: rule`, for the first mistake.
    """
    try:
        return model.model_validate(dict(data))
    except ValidationError as error:
        raise InputError(": ".join(part for part in (where, complaint(error, model)) if part)) from None


def complaint(error: ValidationError, model: type[BaseModel]) -> str:
    """The first mistake that pydantic found, as `field: value: rule`, and how many there are besides.

    A union complains once a branch: the branch that the value got furthest into is the one that was meant.
    """
    details = error.errors(include_url=False)
    details.sort(key=lambda item: item["type"] != "extra_forbidden")  # a slip in a key explains a missing one
    at = _path(details[0])
    first = max((item for item in details if _path(item)[: len(at)] == at), key=lambda item: len(_path(item)))
    line = ": ".join(part for part in (".".join(_path(first)), *_rule(first, model)) if part)
    others = {item["loc"][:1] for item in details} - {first["loc"][:1]}
    return line + (f" (and {len(others)} more)" if others else "")


def _path(details: ErrorDetails) -> tuple[str, ...]:
    """Where a mistake is, in the user's own keys, each on one line."""
    keys = (str(part) for part in details["loc"] if not _is_union_tag(part))
    return tuple(key if key.isprintable() else repr(key) for key in keys)


def _is_union_tag(part: str | int) -> bool:
    """Whether pydantic put this part of a location in for the branch of a union, not for a field of the user's."""
    return isinstance(part, str) and (
        part in {"int", "float", "str", "bool", "constrained-int", "constrained-float"} or "[" in part
    )


def _rule(details: ErrorDetails, model: type[BaseModel]) -> Iterator[str]:
    kind = details["type"]
    if kind == "extra_forbidden":
        yield f"unknown key; known are {', '.join(model.model_fields)}" if len(details["loc"]) == 1 else "unknown key"
    elif kind == "missing":
        yield "is needed and not given"
    elif kind == "value_error":  # a validator's own words: they hold the value
        yield str(details["ctx"]["error"])
    else:
        yield shown(details["input"])
        yield details["msg"][0].lower() + details["msg"][1:]


def shown(value: object, deep: int = 3) -> str:
    """A value as a user would write it: `2,0,7` for a sequence, anything long or deep cut."""
    if isinstance(value, int) and value.bit_length() > MOST_BITS:
        return f"a number of {value.bit_length()} bits"  # Python does not write those beyond 4300 digits
    if isinstance(value, list | tuple):
        text = (",".join(shown(each, deep - 1) for each in value[:80]) if deep else "...") or "[]"
    elif isinstance(value, Mapping):
        inside = (f"{shown(key)}: {shown(each, deep - 1)}" for key, each in value.items()) if deep else ("...",)
        text = f"{{{', '.join(inside)}}}"
    else:
        text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 80 else text[:77] + "..."


def read_table(path: Path) -> dict[str, Any]:
    """The table in a `.toml` or `.json` file.

    Raises:
        InputError: the file is missing, unreadable, of another kind, or not what its name says.
    """
    readers: dict[str, Callable[[str], Any]] = {".toml": tomllib.loads, ".json": json.loads}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise InputError(f"{path}: unknown kind of file; known are {', '.join(readers)}")
    try:
        refuse_endless(path)
        table = reader(path.read_text(encoding="utf-8"))
    except InputError:  # a ValueError, too
        raise
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except OSError as error:  # a folder, a file where a folder should be, no permission, a name too long
        raise InputError(f"{path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:  # a decoding error of either format, or of UTF-8, or a nest too deep
        raise InputError(f"{path}: not valid {path.suffix[1:].upper()}: {first_line(error)}") from None
    if not isinstance(table, dict):
        raise InputError(f"{path}: must hold a table of keys, not a {type(table).__name__}")
    for value in _values(table):
        if isinstance(value, int) and value.bit_length() > MOST_BITS:
            raise InputError(f"{path}: holds {shown(value)}: at most {MOST_BITS}")
    return table


def _values(table: Mapping[str, Any]) -> Iterator[Any]:
    """All that stands in a table, however deep."""
    nested: list[Any] = [table]
    while nested:
        here = nested.pop()
        if isinstance(here, dict | list):
            nested.extend(here.values() if isinstance(here, dict) else here)
        else:
            yield here


def may_never_end(path: Path) -> bool:
    """Whether there is a device or a pipe of this name: reading it may never end, and even opening it may not."""
    return not path.is_file() and not path.is_dir() and path.exists()


def refuse_endless(path: Path) -> None:
    """Refuse a device or a pipe in the place of a file.

    Raises:
        InputError: naming it.
    """
    if may_never_end(path):
        raise InputError(f"{path}: is no ordinary file")


def write_table(path: Path, table: Mapping[str, Any], comment: str = "") -> None:
    """Write a table as TOML or JSON, by the file's suffix; keys whose value is None are left out of TOML.

    Raises:
        InputError: another suffix, or a folder that is not there.
    """
    writers: dict[str, Callable[[], str]] = {
        ".toml": lambda: "".join(f"# {line}\n" for line in comment.splitlines()) + tomli_w.dumps(_without_none(table)),
        ".json": lambda: json.dumps(table, indent=2) + "\n",
    }
    writer = writers.get(path.suffix.lower())
    if writer is None:
        raise InputError(f"{path}: unknown kind of file; known are {', '.join(writers)}")
    write_text(path, writer())


def _without_none(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_without_none(item) for item in value]
    return value


def make_folder(path: Path) -> None:
    """Make a folder and those above it, where they are not there.

    Raises:
        InputError: it cannot be made; a full disk goes through as it is.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise
        raise InputError(f"{path}: cannot be made: {error.strerror}") from None


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    with whole_file(path) as file:
        file.write(text.encode())


def refuse_unwritable(path: Path) -> None:
    """Refuse a name where no file can be written, or where there is something that is no file.

    Raises:
        InputError: naming it, and what is wrong.
    """
    try:
        rule = _unwritable(Path(os.path.realpath(path)), path.parent)
    except OSError as error:  # a name too long
        rule = str(error.strerror)
    if rule:
        raise InputError(f"{path}: cannot be written: {rule}")


def _unwritable(target: Path, folder: Path) -> str:
    if target.is_dir():
        return os.strerror(errno.EISDIR)
    if target.exists() and not target.is_file():
        return "Not an ordinary file"
    if not target.parent.is_dir():
        return f"{os.strerror(errno.ENOTDIR if target.parent.exists() else errno.ENOENT)}: {folder}"
    return "" if os.access(target.parent, os.W_OK) else f"{os.strerror(errno.EACCES)}: {folder}"


def remove_leftovers(folder: Path) -> None:
    """Remove what a process that was killed while it wrote a file of `folder` left there.

    What is younger than an hour may be another process's, which is writing just now.
    """
    for part in folder.glob(f".{'[0-9a-f]' * 32}{_PART}"):
        with suppress(OSError):  # it got its name in between
            if is_left(part):
                part.unlink()


def is_left(part: Path) -> bool:
    """Whether nobody writes a part any more: it is older than an hour."""
    return time.time() - part.stat().st_mtime > _WRITTEN_LONG_AGO


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file that takes its name only when everything is written and on the disk; else nothing is left.

    Where the name is a link, what the link names is written.

    Raises:
        InputError: the folder is missing or may not be written to, or the name is not that of a file.
    """
    refuse_unwritable(path)
    target = Path(os.path.realpath(path))
    part = target.with_name(f".{uuid.uuid4().hex}{_PART}")
    try:
        with part.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
    except BaseException as error:
        part.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno and error.filename is None:  # of a write: no room, a quota
            error.filename = str(path)
        raise
