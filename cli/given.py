"""Values of flags as a validated model, and a complaint in terms of the flags where they are no such."""

import contextlib
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from sunetlab import InputError

if TYPE_CHECKING:
    from pydantic import BaseModel

Model = TypeVar("Model", bound="BaseModel")

PartialData = Annotated[
    bool, typer.Option("--partial-data", help="A published set may have fewer images than were published.")
]


def given(model: type[Model], fields: Mapping[str, Any], flags: Mapping[str, str]) -> Model:
    """`model` made from `fields`, or a complaint in terms of the flags that gave them.

    Args:
        model: the pydantic class.
        fields: its fields.
        flags: field → the flag that it came from.

    Raises:
        InputError: a field is wrong.
    """
    from sunetlab.files import validate

    try:
        return validate(model, fields)
    except InputError as error:
        line = str(error)
        match = re.match(r"(\w+)(?:\.\d+)?(?=: )", line)
        if match is None or match[1] not in flags:
            raise
        raise InputError(flags[match[1]] + line[match.end() :]) from None


@contextlib.contextmanager
def in_flags(flags: Mapping[str, str]) -> Iterator[None]:
    """Complaints of what is called, in terms of the flags that gave it its values.

    Args:
        flags: what a complaint begins with, up to its first colon → the flag, or the flag and its value.

    Raises:
        InputError: what was raised.
    """
    try:
        yield
    except InputError as error:
        word, _, rest = str(error).partition(": ")
        if word not in flags:
            raise
        raise InputError(f"{flags[word]}: {rest}") from None
