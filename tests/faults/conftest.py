"""What every siege needs: a study that nobody disturbed, a server, the table."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import postgres, table
from tests.faults.siege import Siege
from tests.faults.studies import LIMIT_S, Run, Told, write


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The folder of a study of so many seeds that was left in peace, one training after another."""
    made: dict[int, Path] = {}

    def run(seeds: int) -> Path:
        if seeds not in made:
            home = tmp_path_factory.mktemp("peace")
            siege = Siege(home / "out", random.Random(0))
            siege.join("run", str(write(home, seeds)), "--out", str(siege.folder), "--device", "cpu")
            siege.end(LIMIT_S)
            assert not siege.wrong
            made[seeds] = siege.folder
        return made[seeds]

    return run


@pytest.fixture(scope="session")
def server() -> Iterator[postgres.Server]:
    """A PostgreSQL server."""
    programs = postgres.programs()
    if programs is None:
        pytest.skip(postgres.PACKAGE)
    with postgres.Server(programs) as started:
        yield started


@pytest.fixture
def told(request: pytest.FixtureRequest) -> Told:
    """Adds a line to the table that FAULTS_TABLE names."""

    def tell(siege: Siege, besides: str = "") -> None:
        table.tell(request.node.name.removeprefix("test_"), siege, besides)

    return tell
