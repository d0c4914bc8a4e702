"""What every test needs on a busy machine of two cores."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

Said = Callable[[str], tuple[int, str, str]]

if "PYTEST_XDIST_WORKER" in os.environ:  # two workers that take two threads each wait for one another
    os.environ["OMP_NUM_THREADS"] = "1"  # read when torch is imported, which tests of the analysis never do

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
