"""A line of Markdown a siege: what happened, and what it cost."""

import os
from pathlib import Path

from tests.faults import ending
from tests.faults.siege import Siege

HEADS = (
    "siege",  # the test
    "kills",
    "begun again",  # commands that were started anew
    "trials",
    "interrupted",  # trials of the database that ended without an outcome
    "resumed",  # trainings that went on after an epoch's end, as far as the looks at their folders tell
    "seconds",
    "besides",
)


def line_of(name: str, siege: Siege, besides: str) -> str:
    """The line."""
    whom = ", ".join(f"{count} `{kind}`" for kind, count in sorted(siege.kills.items()))
    kills = f"{siege.kills.total()} ({whom})" if whom else "0"
    begun = sum(one.begun - 1 for one in siege.crowd)
    interrupted = sum(count["FAIL"] for count in ending.states(siege.folder).values())
    cells = (name, kills, begun, len(siege.finished), interrupted, siege.counts["resumed"], round(siege.seconds()))
    return f"| {' | '.join(map(str, (*cells, besides)))} |\n"


def tell(name: str, siege: Siege, besides: str) -> None:
    """Add the line to the file that FAULTS_TABLE names, if it does."""
    if said := os.environ.get("FAULTS_TABLE"):
        table = Path(said)
        if not table.exists():
            table.write_text(f"| {' | '.join(HEADS)} |\n|{' --- |' * len(HEADS)}\n")
        with table.open("a") as file:
            file.write(line_of(name, siege, besides))
