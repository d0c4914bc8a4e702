"""The studies that are besieged, and how each is judged at its end."""

import json
import os
from collections.abc import Callable, Collection
from pathlib import Path

from tests.faults import ending
from tests.faults.siege import Siege

KILLS = int(os.environ.get("FAULTS_KILLS", "200"))
SMALL = max(6, KILLS // 10)  # kills in sieges of one kind
RESTARTS = 10  # of the database
PAUSE_S = float(os.environ.get("FAULTS_PAUSE", "2"))  # mean seconds between two kills
BEAT_S = 1.0
LIMIT_S = 1200.0  # for what is left after the last kill
STUDY = """
question = "Which of the smallest networks, whatever happens meanwhile?"
seeds = [{seeds}]
baseline = {{ depth = 1, n = 4 }}
[network]
stacks = [1, 1]
widths = "rule"
stem_width = 4
[factors]
depth = [1, 2]
n = [4, 6]
[[tasks]]
task = "classification"
recipe = {{ base = "quick", epochs = 3, batch_size = 8, warmup = 0.0 }}
data = {{ {data} }}
"""
SHAPES = 'source = "shapes", size = 24, train = 96, val = 32'
ARMS = 4
FEW = 7  # seeds, of studies that one thing happens to
SEEDS = max(FEW, 16 * KILLS // 10 // ARMS)  # more trials than kills

Run = Callable[[int], Path]  # seeds → the folder of a study of so many that nobody disturbed
Told = Callable[[Siege, str], None]  # of a siege, and what happened besides


def write(folder: Path, seeds: int, data: str = SHAPES) -> Path:
    """A study's file; every folder that holds it has the same study."""
    path = folder / "siege.toml"
    path.write_text(STUDY.format(seeds=", ".join(map(str, range(seeds))), data=data))
    return path


def retry_failed(siege: Siege, *words: str) -> int:
    """Run again what failed because its workers were killed again and again; how many that were."""
    rows = json.loads(ending.said("status", str(siege.folder), "--json"))["trials"]
    failed = [row for row in rows if row["state"] == "failed"]
    assert all(row["reason"] == "worker died" for row in failed), failed
    if failed:
        siege.join(*words, "--retry-failed")
        siege.end(LIMIT_S)
    return len(failed)


def check(siege: Siege, undisturbed: Path, deleted: Collection[str] = ()) -> None:
    assert siege.wrong == []
    assert siege.changed() == []
    ending.check(siege.folder, undisturbed, deleted)
