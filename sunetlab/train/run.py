"""A run's folder: what was asked for, how far it came, what came out.

spec.toml            the network
run.toml             recipe, data and seed, and the weights that it started from, if any
data.json            the data source's own record: which files are in which split
log.jsonl            one line per finished epoch
last.pt              the state after the last finished epoch, to go on from
weights.safetensors  the best epoch by the validation split, or the last, as the recipe says
result.json          written last: a run that has it is finished
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeGuard

from pydantic import BaseModel, ConfigDict, Field

from sunetlab.errors import InputError
from sunetlab.files import make_folder, read_table, validate, write_table
from sunetlab.folders import DATA, SPEC, refuse_links_out
from sunetlab.spec import SUNetSpec, Task
from sunetlab.train.data.config import DataConfig
from sunetlab.train.data.image_files import shown
from sunetlab.train.init import Init
from sunetlab.train.recipe import Recipe
from sunetlab.whole import pair

if TYPE_CHECKING:
    from sunetlab.model.sunet import SUNet

OBJECTIVE: dict[Task, str] = {"classification": "accuracy", "segmentation": "miou"}  # what "best" means, in [0, 1]
RUN, LOG, LAST, RESULT = "run.toml", "log.jsonl", "last.pt", "result.json"
RESULT_KEYS = {  # what others read of it
    **{"objective": str, "value": float, "best": dict, "last": dict, "seconds": float},
    **{"params": int, "macs": int, "size": list, "machine": dict},
}
ROW_KEYS = ("epoch", "lr", "train_loss", "seconds")  # of a line of the log, beside figures val_…, where there are some


class Run(BaseModel):
    """Everything that determines a training run."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    spec: SUNetSpec
    recipe: Recipe
    data: DataConfig
    seed: int = Field(default=0, ge=0, lt=2**63)
    init: Init | None = None

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The run that a folder holds; an exported configuration is one, too.

        Raises:
            InputError: not a run's folder, or a damaged one.
        """
        if not (folder / SPEC).is_file() or not (folder / RUN).is_file():
            raise InputError(f"{folder}: not the folder of a run: it has no {SPEC} and {RUN}")
        return validate(cls, {"spec": SUNetSpec.load(folder / SPEC), **read_table(folder / RUN)}, str(folder / RUN))

    def save(self, folder: Path) -> None:
        """Write spec.toml and run.toml."""
        self.spec.save(folder / SPEC)
        write_table(folder / RUN, self.model_dump(mode="json", exclude={"spec"}))

    def claim(self, folder: Path) -> None:
        """Make `folder` this run's, or find that it already is.

        Raises:
            InputError: the folder holds another run, or something else, or a file that is a link out of it; or a name
                cannot be recorded.
        """
        for name in (str(folder), self.data.source, self.init.source if self.init else ""):
            if shown(name) != name:
                raise InputError(f"{shown(name)}: a name with bytes that are no UTF-8, in which a run is recorded")
        refuse_links_out(folder)
        if (folder / SPEC).exists() and (folder / RUN).exists():
            difference = _difference(
                _flat(Run.load(folder).model_dump(mode="json")), _flat(self.model_dump(mode="json"))
            )
            if difference:
                raise InputError(f"{folder}: holds another run ({difference}); choose another folder")
            return
        make_folder(folder)
        if any(path.name not in {SPEC, RUN} and not path.name.startswith(".") for path in folder.iterdir()):
            raise InputError(f"{folder}: is not empty and holds no run; choose another folder")
        self.save(folder)


def claim_record(path: Path, record: dict[str, Any]) -> None:
    """Write what a data source says of itself, or see that it still says the same.

    Raises:
        InputError: the data have changed since.
    """
    if not path.exists():
        write_table(path, record)
        return
    there, here = read_table(path), json.loads(json.dumps(record))
    for key in sorted(there.keys() | here.keys()):
        if there.get(key) != here.get(key):
            raise InputError(f"{path.parent}: the data have changed since this began: {key} differs from {path.name}")


def read_result(folder: Path) -> dict[str, Any] | None:
    """What a finished run found, or None where it has not finished.

    Raises:
        InputError: the file is damaged.
    """
    path = folder / RESULT
    if not path.exists():
        return None
    result = read_table(path)
    lost = [key for key, kind in RESULT_KEYS.items() if type(result.get(key)) is not kind]
    lost = lost or [f"{row}.epoch" for row in ("best", "last") if type(result[row].get("epoch")) is not int]
    if lost:
        raise InputError(f"{path}: is damaged: it has no {lost[0]}; delete it, and the run goes on from {LAST}")
    return result


def read_log(folder: Path) -> list[dict[str, Any]]:
    """The finished epochs' rows, in order."""
    path = folder / LOG
    if not path.exists():
        return []
    try:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.is_file() else None
    except (ValueError, RecursionError):
        rows = None
    if not are_rows(rows):
        raise InputError(f"{path}: is damaged; without it and {RESULT} the same training writes both again")
    return rows


def are_rows(rows: object) -> TypeGuard[list[dict[str, Any]]]:
    """Whether these are the rows of a run's epochs from the first on: all that is read of a row is a number there."""
    return isinstance(rows, list) and all(_is_row(row, epoch) for epoch, row in enumerate(rows, 1))


def _is_row(row: object, epoch: int) -> bool:
    if not isinstance(row, dict) or row.get("epoch") != epoch or not all(isinstance(key, str) for key in row):
        return False
    read = {*ROW_KEYS, *(key for key in row if key.startswith("val_"))}
    return all(type(row.get(key)) in (int, float) for key in read)


def load_model(folder: Path) -> "tuple[SUNet, Run]":
    """The network of a run or of an exported configuration, with its best weights.

    Raises:
        InputError: not such a folder, or one without usable weights.
    """
    from sunetlab.model.folder import load_network

    run = Run.load(folder)
    return load_network(folder), run


def class_names(folder: Path, count: int) -> list[str]:
    """What the classes of a folder's network are called, by the record of its data; without one, their numbers.

    Raises:
        InputError: a damaged record.
    """
    names = read_table(folder / DATA).get("classes") if (folder / DATA).exists() else None
    if names is None:
        return [f"class {number}" for number in range(count)]
    if not isinstance(names, list) or len(names) != count or not all(isinstance(name, str) for name in names):
        raise InputError(f"{folder / DATA}: is damaged: classes: must be {count} names")
    return names


def seen_size(folder: Path) -> tuple[int, int] | None:
    """(height, width) in px that a folder's network saw images at, by the record of its data; None without one.

    Raises:
        InputError: a damaged record.
    """
    if not (folder / DATA).exists():
        return None
    try:
        return pair("size", read_table(folder / DATA).get("size"), "two whole numbers of pixels, at least 1", least=1)
    except InputError as error:
        raise InputError(str(error).replace("size", f"{folder / DATA}: is damaged: size", 1)) from None


def _flat(table: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in table.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return flat


def _difference(there: dict[str, Any], here: dict[str, Any]) -> str:
    keys = [key for key in there | here if there.get(key) != here.get(key)]
    return ", ".join(f"{key}: {there.get(key)} there, {here.get(key)} here" for key in keys[:3])
