"""How a command is told a study: by its name, its file, or the folder where it ran."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sunetlab import InputError

if TYPE_CHECKING:
    from sunetlab.study.definition import Study

On = Annotated[
    str | None,
    typer.Option(
        "--on", metavar="DATA", help="Which of the study's kinds of data; by default its first.", show_default=False
    ),
]
Name = Annotated[str, typer.Argument(metavar="STUDY", help="A study's name, its .toml file, or its folder.")]


def load(name: str, on: str | None = None) -> "Study":
    """The study called so, in a file, or in a folder where it ran.

    Args:
        name: as typed.
        on: which of its kinds of data; None is its first.
    """
    from sunetlab.study.definition import Study
    from sunetlab.study.reading import find
    from sunetlab.study.results import load_study

    if is_study(Path(name)):
        if on is not None:
            raise InputError(f"--on: {on!r}: {name} holds a study that is on its data already")
        return load_study(Path(name))
    return Study.load(find(name), on)


def is_study(path: Path) -> bool:
    """Whether a study ran in this folder."""
    return (path / "study.toml").is_file()


def folder_of(name: str, asked: "Study", out: Path | None) -> Path:
    """Where a study runs: as said, or where it ran before, or runs/NAME."""
    return out or (Path(name) if is_study(Path(name)) else Path("runs") / asked.name)


def existing(name: str) -> Path:
    """The folder of a study that ran, by the folder, the study's name or its file."""
    if is_study(Path(name)):
        return Path(name)
    if Path(name).is_file():
        name = load(name).name
    folder = Path("runs") / name.removesuffix(".toml")
    if not folder.is_dir() and Path(name).is_dir():
        raise InputError(f"study: {name}: is a folder that holds no study")
    if not folder.is_dir():
        raise InputError(f"study: {name!r}: has not run here: there is no folder {folder}; give the study's folder")
    return folder
