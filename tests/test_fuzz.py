"""Whatever stands in a file or a flag, a reader gives a value or says in one line what is wrong, in little time.

Every reader is given valid inputs made wrong, by a seed: reader and number make an input again.
"""

import json
import os
import random
import resource
import subprocess
import sys
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from sunetlab.errors import SunetlabError
from tests import file_readers, readers, run_readers
from tests.reader import Hang, Reader, watchdog

SECONDS = 30  # that one reading may take, on a machine that others use
MEMORY = 8 * 2**30  # bytes of the process that reads them all
FEW, MANY = 100, 6000  # inputs of a reader, where one costs no more than that of a filter

GROUPS: dict[str, Callable[[Path], list[Reader]]] = {
    "specs": readers.of_specs,
    "spaces": readers.of_spaces,
    "studies": readers.of_studies,
    "runs": run_readers.of_runs,
    "checkpoints": run_readers.of_checkpoints,
    "databases": run_readers.of_databases,
    "images": file_readers.of_images,
    "published": file_readers.of_published,
}


class Found(NamedTuple):
    """What became of a reader's inputs.

    Attributes:
        accepted, refused: how many.
        seconds: of the slowest.
        faults: what else came, the first of each kind.
    """

    accepted: int
    refused: int
    seconds: float
    faults: dict[str, str]


def fuzz(reader: Reader, count: int, seed: int) -> Found:
    """Read `count` inputs."""
    counts: Counter[str] = Counter()
    faults: dict[str, str] = {}
    slowest = 0.0
    for number in range(count):
        given = reader.make(random.Random(f"{seed}/{reader.name}/{number}"))
        began = time.perf_counter()
        kind, fault = _read(reader, given)
        slowest = max(slowest, time.perf_counter() - began)
        counts[kind] += 1
        if fault:
            faults.setdefault(kind, f"{reader.name}, input {number} of seed {seed}: {fault}")
    return Found(counts["accepted"], counts["refused"], round(slowest, 2), faults)


def _read(reader: Reader, given: object) -> tuple[str, str]:
    """What became of an input, and what is wrong with that."""
    try:
        with watchdog(SECONDS):
            reader.read(given)
    except SunetlabError as error:
        line = str(error)
        is_line = line.isprintable() and 0 < len(line) < 2100
        return ("refused", "") if is_line else ("no line", ascii(line)[:500])
    except (Exception, Hang) as error:
        at = [f for f in traceback.extract_tb(error.__traceback__) if "tests" not in f.filename][-1:]
        place = f"{Path(at[0].filename).name}:{at[0].lineno}" if at else ""
        return f"{type(error).__name__} at {place}", f"{ascii(error)[:300]} at {place}, of {ascii(given)[:300]}"
    return "accepted", ""


def share(reader: Reader, budget: int) -> int:
    """How many inputs a reader has: as many as its cost allows, a few at the least."""
    return max(4, round(budget / reader.cost))


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to be in, as names of files are among what is read."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("group", GROUPS)
def test_a_value_or_a_line(group: str, elsewhere: Path) -> None:
    found = [fuzz(reader, share(reader, FEW), 0) for reader in GROUPS[group](elsewhere)]
    faults = [line for each in found for line in each.faults.values()]
    assert not faults, "\n".join(faults)


def main(folder: Path, seed: int) -> dict[str, Found]:
    """Read all, with a limit on memory; what became of every reader's inputs."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    warnings.simplefilter("error")
    os.chdir(folder)
    every = [reader for group in GROUPS.values() for reader in group(folder)]
    return {reader.name: fuzz(reader, share(reader, MANY), seed) for reader in every}


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1])
def test_a_hundred_thousand_inputs(seed: int, tmp_path: Path) -> None:
    command = [sys.executable, "-c", f"from tests import test_fuzz as t; t.tell({str(tmp_path)!r}, {seed})"]
    ended = subprocess.run(command, cwd=Path(__file__).parent.parent, stdout=subprocess.PIPE, timeout=3000, check=True)
    found = {name: Found(*each) for name, each in json.loads(ended.stdout).items()}
    for name, each in found.items():
        sys.stdout.write(
            f"{name:<28} {each.accepted + each.refused:>6} inputs, {each.accepted:>6} read, slowest {each.seconds} s\n"
        )
    total = sum(each.accepted + each.refused for each in found.values())
    sys.stdout.write(f"{total:,} inputs\n")
    assert not [line for each in found.values() for line in each.faults.values()]
    assert total >= 100_000
    assert all(each.refused and (each.accepted or each.refused < 1000) for each in found.values())


def tell(folder: str, seed: int) -> None:
    """Write what `main` found, as JSON."""
    sys.stdout.write(json.dumps(main(Path(folder), seed)))


def test_the_fuzz_sees_what_is_wrong() -> None:
    def wrong(text: str) -> None:
        if text == "hang":
            while True:
                pass
        raise {"key": KeyError("x"), "lines": SunetlabError("a"), "right": SunetlabError("b")}[text]

    texts = iter(["key", "lines", "right"])
    found = fuzz(Reader("wrong", lambda _: next(texts), wrong), 3, 0)
    assert (found.accepted, found.refused) == (0, 2)
    assert next(iter(found.faults.values())).startswith("wrong, input 0 of seed 0: KeyError('x')")
    with pytest.raises(Hang), watchdog(0.05):
        wrong("hang")
