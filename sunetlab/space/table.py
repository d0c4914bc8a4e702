"""Survivors → a file, Parquet or CSV, in pieces: whole at its end, and readable also where it is ended early.

Columns: `design` (its number in the space), the words that make it (`n`, `stem_width`, …, `depth1`, `stacks1`,
`widths1`, … for each block), the words of its frame, then the quantities asked for.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from sunetlab.errors import InputError
from sunetlab.files import shown, whole_file
from sunetlab.space.arrays.quantities import column
from sunetlab.space.screen import Survivors
from sunetlab.space.space import Space

ROWS = 2**19  # of a group that is written at once
SUFFIXES = (".parquet", ".csv")
_OF_FRAME = ("stem", "dilations", "output_stride", "downsampling", "connectivity", "degrid", "task")


class _Writer(Protocol):
    def write_table(self, table: Any) -> None: ...
    def close(self) -> None: ...


class Table:
    """A file that is being written."""

    def __init__(self, writer: _Writer, schema: Any, names: Sequence[str]) -> None:
        self.writer, self.schema, self.names = writer, schema, names
        self.waiting: list[Any] = []
        self.rows = self.count = 0

    def take(self, survivors: Survivors) -> None:
        """Write some more."""
        import pyarrow as pa

        size = len(survivors.numbers)
        numbers = {"design": survivors.numbers} | survivors.words() | survivors.values
        frame = survivors.part.frame._asdict() | {
            "output_stride": survivors.part.frame.output_stride,
            "dilations": shown(survivors.part.frame.dilations),
        }
        columns = []
        for field in self.schema:
            if field.name in _OF_FRAME:
                columns.append(pa.repeat(pa.scalar(frame[field.name], field.type.value_type), size).dictionary_encode())
            elif field.name in numbers:
                columns.append(self._named(field.name, numbers[field.name]))
            else:  # a block that designs of this part do not have
                columns.append(pa.nulls(size, field.type))
        self.waiting.append(pa.record_batch(columns, self.schema))
        self.rows, self.count = self.rows + size, self.count + size
        if self.rows >= ROWS:
            self.flush()

    def _named(self, name: str, values: np.ndarray[Any, Any]) -> Any:
        import pyarrow as pa

        words = column(name).quantity.words if name in self.names else ()
        return pa.DictionaryArray.from_arrays(pa.array(values), pa.array(words)) if words else pa.array(values)

    def say(self, **about: str) -> None:
        """Something more that a Parquet file is to say of itself."""
        if hasattr(self.writer, "add_key_value_metadata"):
            self.writer.add_key_value_metadata(about)

    def flush(self) -> None:
        """Write what waits."""
        import pyarrow as pa

        if self.waiting:
            self.writer.write_table(pa.Table.from_batches(self.waiting, self.schema))
        self.waiting, self.rows = [], 0


@contextmanager
def table(path: Path, space: Space, names: Sequence[str], about: Mapping[str, str]) -> Iterator[Table]:
    """A file for survivors of a space and these quantities of theirs; it takes its name when all is written.

    Args:
        path: ends in .parquet or .csv.
        space: whose designs they are.
        names: of the quantities.
        about: what a Parquet file is to say of itself.

    Raises:
        InputError: another suffix, or a place that cannot be written to.
    """
    check_suffix(path)
    import pyarrow.csv
    import pyarrow.parquet

    schema = _schema(space, names).with_metadata(dict(about))
    with whole_file(path) as file:
        if path.suffix.lower() == ".parquet":
            writer = pyarrow.parquet.ParquetWriter(file, schema, compression="zstd")
        else:
            writer = pyarrow.csv.CSVWriter(file, schema)
        found = Table(writer, schema, names)
        try:
            yield found
            found.flush()
        finally:
            writer.close()


def check_suffix(path: Path) -> None:
    """See that a file's name says of which kind it is.

    Raises:
        InputError: another suffix.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"--out: {path}: must end in {' or '.join(SUFFIXES)}")


def _schema(space: Space, names: Sequence[str]) -> Any:
    import pyarrow as pa

    blocks = range(1, 1 + max(len(part.frame.dilations) for part in space.parts))
    words = ["design", "n", "stem_width", "in_channels", "num_classes"]
    words += [f"{name}{block}" for name in ("depth", "stacks", "widths") for block in blocks]
    kinds = {"output_stride": pa.int64(), "degrid": pa.bool_()}
    fields = [pa.field(word, pa.int64()) for word in words]
    fields += [pa.field(word, pa.dictionary(pa.int32(), kinds.get(word, pa.string()))) for word in _OF_FRAME]
    for name in names:
        if name not in {field.name for field in fields}:
            kind = pa.dictionary(pa.int64(), pa.string()) if column(name).quantity.words else pa.int64()
            fields.append(pa.field(name, kind))
    return pa.schema(fields)
