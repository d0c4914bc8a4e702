"""One matrix of whole numbers out of a MATLAB 5 file, as SBD's masks are.

scipy's `loadmat` reads such files, but a damaged one can crash it, and the process with it; and it unpacks however much
a file says. The format: "MAT-File Format", The MathWorks, chapter 1. A file is a header and elements, each a tag (type,
bytes) and its content, padded to 8 bytes; a matrix is an element whose content is elements, and so is a field.
"""

import math
import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

LIMIT_BYTES = 64 * 2**20  # of a file, and of what is unpacked: far more than a mask and its boundaries take

_HEADER_BYTES = 128
_MATRIX, _COMPRESSED = 14, 15
_WHOLE = {1: "<i1", 2: "<u1", 3: "<i2", 4: "<u2", 5: "<i4", 6: "<u4", 12: "<i8", 13: "<u8"}
_STRUCT, _NUMERIC = 2, range(6, 16)  # classes of matrices: a structure; double, single and the whole numbers


class _Element(NamedTuple):
    kind: int
    content: memoryview


class _Matrix(NamedTuple):
    kind: int
    sides: tuple[int, ...]
    name: bytes
    content: list[_Element]


def read_field(data: bytes, variable: str, field: str) -> NDArray[np.generic]:
    """`variable.field`, a matrix (H, W) of whole numbers, out of a file's bytes; `variable` is a structure.

    Raises:
        ValueError: It is not there, or the file is broken.
    """
    if len(data) > LIMIT_BYTES:
        raise ValueError(f"larger than {LIMIT_BYTES // 2**20} MiB")
    if data[126:128] != b"IM":
        raise ValueError("not a MATLAB 5 file of little-endian numbers")
    for matrix in map(_matrix, _unpacked(memoryview(data)[_HEADER_BYTES:])):
        if matrix.name == variable.encode() and matrix.kind == _STRUCT and math.prod(matrix.sides) == 1:
            return _numbers(_field(matrix, field.encode()))
    raise ValueError(f"no structure {variable}")


def _elements(data: memoryview) -> Iterator[_Element]:
    at = 0
    while at < len(data):
        if len(data) - at < 8:
            raise ValueError("a tag is cut off")
        kind, count = struct.unpack_from("<II", data, at)
        if kind >> 16:  # a small element: type and bytes in two bytes each, and the content in the other four
            kind, count, start, end = kind & 0xFFFF, kind >> 16, at + 4, at + 8
        else:
            start = at + 8
            end = start + count + (0 if kind == _COMPRESSED else -count % 8)
        if start + count > min(end, len(data)):
            raise ValueError("an element is cut off")
        yield _Element(kind, data[start : start + count])
        at = end


def _unpacked(data: memoryview) -> Iterator[_Element]:
    for element in _elements(data):
        if element.kind != _COMPRESSED:
            yield element
            continue
        packed = zlib.decompressobj()
        try:
            content = packed.decompress(element.content, LIMIT_BYTES)
        except zlib.error as error:
            raise ValueError(str(error)) from None
        if not packed.eof:
            raise ValueError("cut off, or too large unpacked")
        yield from _elements(memoryview(content))


def _matrix(element: _Element) -> _Matrix:
    parts = list(_elements(element.content)) if element.kind == _MATRIX else []
    if len(parts) < 3 or len(parts[0].content) != 8 or len(parts[1].content) % 4:
        raise ValueError("not a matrix")
    flags, sides, name, *content = parts
    return _Matrix(
        flags.content[0], struct.unpack(f"<{len(sides.content) // 4}i", sides.content), bytes(name.content), content
    )


def _field(matrix: _Matrix, name: bytes) -> _Matrix:
    """A field of a structure of one: the length of the names, the names, a matrix for each."""
    if len(matrix.content) < 2 or len(matrix.content[0].content) != 4:
        raise ValueError("not a structure")
    length, names = int.from_bytes(matrix.content[0].content, "little"), bytes(matrix.content[1].content)
    for number, field in enumerate(matrix.content[2:]):
        if length and names[number * length : (number + 1) * length].rstrip(b"\0") == name:
            return _matrix(field)
    raise ValueError(f"no field {name.decode()}")


def _numbers(matrix: _Matrix) -> NDArray[np.generic]:
    if matrix.kind not in _NUMERIC or len(matrix.content) != 1 or len(matrix.sides) != 2 or min(matrix.sides) < 1:
        raise ValueError("not a matrix of numbers")
    (element,), sides = matrix.content, matrix.sides
    if element.kind not in _WHOLE:
        raise ValueError("not a matrix of whole numbers")
    values = np.frombuffer(element.content, dtype=_WHOLE[element.kind])
    if len(values) != math.prod(sides):
        raise ValueError("a matrix of another size than it says")
    return values.reshape(sides, order="F")
