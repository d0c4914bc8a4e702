"""A chosen run → a folder to take away: the network as TOML and JSON, its weights, how it was made."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sunetlab.errors import InputError
from sunetlab.files import read_table, write_table
from sunetlab.folders import DATA, SPEC, WEIGHTS, Kind, whole_folder
from sunetlab.train.run import RESULT, RUN, Run

CHOICE = "choice.json"
COPIED = (SPEC, RUN, DATA, WEIGHTS, RESULT)
EXPORT = Kind("export", CHOICE, (*COPIED, "spec.json", CHOICE))


def export_run(run: Path, out: Path, choice: Mapping[str, Any]) -> None:
    """Copy what `run` found into `out`: spec.toml, spec.json, weights.safetensors, run.toml, result.json, choice.json.

    The folder appears whole or not at all; an earlier export there is replaced.

    Args:
        run: the folder of a finished run.
        out: the folder to make.
        choice: why this one: the study, the bounds, the figures.

    Raises:
        InputError: the run has lost a file; `out` holds something that is no export, or that of another study, or
            cannot be made.
    """
    for name in COPIED:
        if not (run / name).is_file():
            raise InputError(f"{run}: has lost its {name}; delete the folder and run the study again: it is made anew")
    _refuse_another(out, choice)
    with whole_folder(out, EXPORT) as part:
        for name in COPIED:
            shutil.copyfile(run / name, part / name)
        Run.load(run).spec.save(part / "spec.json")
        write_table(part / CHOICE, {name: _plain(value) for name, value in choice.items()})


def _refuse_another(out: Path, choice: Mapping[str, Any]) -> None:
    """Refuse to replace what was exported from another study."""
    if (out / CHOICE).is_file():
        earlier = read_table(out / CHOICE).get("study")
        if earlier != choice.get("study"):
            raise InputError(f"{out}: is an export from the study {earlier}; choose another --out")


def _plain(value: Any) -> Any:
    """A value of a table as JSON has it: numpy's numbers as Python's, no number as null."""
    value = value.item() if hasattr(value, "item") else value
    return None if value != value else value
