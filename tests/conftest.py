"""What every test needs on a busy machine of two cores."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

Said = Callable[[str], tuple[int, str, str]]
Golden = Callable[[str, Any], None]

GOLDEN = Path(__file__).parent / "golden"

# Two workers that take two threads each wait for one another, and sums over another number of threads are rounded in
# another order. Read when torch is imported, which tests of the analysis never do.
os.environ["OMP_NUM_THREADS"] = "1"

settings.register_profile("suite", deadline=None)  # how long an example takes says who else is at work
settings.load_profile("suite")


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Said:
    """Runs a command line in an empty folder: status, standard output, standard error."""
    from sunetlab.cli.main import run

    monkeypatch.chdir(tmp_path)

    def call(line: str) -> tuple[int, str, str]:
        status = run(line.split())
        out, err = capsys.readouterr()
        return status, out, err

    return call


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No waiting between trials: for the disk to have written, for memory of networks to be given back."""

    import sqlite3

    from optuna.storages import RDBStorage

    from sunetlab.study import storage

    class Unsynced(sqlite3.Connection):
        def __init__(self, *rest: Any, **words: Any) -> None:
            super().__init__(*rest, **words)
            self.execute("pragma synchronous = off")

    def open_unsynced(folder: Path, *_: object) -> RDBStorage:
        url = f"sqlite:///{folder / storage.DATABASE}"
        return RDBStorage(url, engine_kwargs={"connect_args": {"factory": Unsynced}})

    monkeypatch.setattr(storage, "open_storage", open_unsynced)
    monkeypatch.setattr("gc.collect", lambda: 0)


def pytest_addoption(parser: pytest.Parser) -> None:
    """The switch that rewrites golden files."""
    parser.addoption("--refresh-golden", action="store_true", help="rewrite tests/golden/*.json where they differ")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Iterator[Golden]:
    """Compares a value with tests/golden/NAME.json.

    Under `--refresh-golden` a file that differs is rewritten, and the test fails all the same: whoever refreshes
    reads the difference and runs again.
    """
    rewritten = []

    def compare(name: str, value: Any) -> None:
        if compare_with_file(GOLDEN / f"{name}.json", value, request.config.getoption("--refresh-golden")):
            rewritten.append(name)

    yield compare
    if rewritten:
        pytest.fail(f"rewritten: {', '.join(rewritten)}; look at the difference, then run again without the switch")


def compare_with_file(path: Path, value: Any, refresh: bool) -> bool:
    """Fail where a JSON file holds another value; with `refresh` write the value there instead, and say so."""
    value = json.loads(json.dumps(value, allow_nan=False))  # as it comes back: lists for tuples
    kept = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    if refresh and value != kept:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        return True
    assert path.is_file(), f"{path} is missing; pytest --refresh-golden writes it"
    assert value == kept, f"differs from {path}; pytest --refresh-golden rewrites it"
    return False
