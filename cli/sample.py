"""`sunetlab space sample`: designs drawn uniformly from those that keep the bounds."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sunetlab import InputError
from sunetlab.files import refuse_unwritable, write_table, write_text

from .designs import build_words, row, told
from .output import Json, note, print_json, print_table, say
from .space_words import takes_space

if TYPE_CHECKING:
    from sunetlab.space.definition import SpaceFile
    from sunetlab.space.space import Space

_TOLD = ("params", "macs", "memory", "fov", "layers")


@takes_space
def sample(
    asked: "SpaceFile",
    space: "Space",
    count: Annotated[int, typer.Option(min=1, max=100_000, help="How many designs.")] = 10,
    seed: Annotated[int, typer.Option(min=0, help="Of the draw; more of the same seed holds fewer.")] = 0,
    by: Annotated[
        str | None,
        typer.Option(metavar="QUANTITY", help="Draw evenly over strata of it, cut on a logarithmic scale."),
    ] = None,
    strata: Annotated[int | None, typer.Option(min=1, max=1000, help="How many.", show_default="5")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Save them as the arms of a study, .toml or .json.", show_default=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """Draw designs uniformly, without replacement, from those that keep the bounds."""
    import numpy as np

    from sunetlab.space.arrays.quantities import column
    from sunetlab.space.pick import arm_words, design, drawn, where_of
    from sunetlab.space.screen import figures
    from sunetlab.space.survey import check

    from .progress import Screen

    if out is not None:
        check_arms_file(out, asked.factors)
    if strata is not None and by is None:
        raise InputError("--strata: goes with --by")
    where = where_of(space, asked.where)
    if by is not None:
        check(space, [by])
        if column(by).quantity.unit == "words":
            raise InputError(f"--by: {by}: is a word, not a number")
    with Screen() as screen, screen.counting("looking at designs", "designs") as progress:
        found = drawn(space, where, count, seed, by, strata or 5, asked.training, progress)
    designs = [design(space, int(number)) for number in found.numbers]
    names = tuple(dict.fromkeys((*_TOLD, *([by] if by else []))))
    values = figures(space, np.asarray(found.numbers), names, asked.training)
    if out is not None:
        write_arms(out, [arm_words(each) for each in designs], asked.network, _about(found, len(designs), seed))
    if as_json:
        print_json(
            {
                "designs": [
                    {"design": int(n), "id": d.spec.id, "levels": d.levels, "spec": d.spec.model_dump(mode="json"), **v}
                    for n, d, v in zip(found.numbers, designs, values, strict=True)
                ],
                "survivors": found.funnel.survivors,
                "strata": [stratum._asdict() for stratum in found.strata],
            }
        )
    else:
        say(_about(found, len(designs), seed))
        if found.strata and by is not None:
            say()
            rows = [[told(by, round(s.low)), told(by, round(s.high)), s.designs] for s in found.strata]
            print_table([f"{by} from", "to", "designs"], rows)
        say()
        print_table(
            ["design", *space.factors, *names],
            [[str(n), *row(d, v, names)] for n, d, v in zip(found.numbers, designs, values, strict=True)],
        )
        if designs:
            say()
            say(f"the first: sunetlab build {build_words(designs[0].spec)}")
    if len(designs) < count:
        note(f"{len(designs)} of {count} drawn: there are no more in some strata" if by else "there are no more")
    if out is not None:
        note(f"saved {out}")


def _about(found: Any, count: int, seed: int) -> str:
    return f"{count} drawn from {found.funnel.survivors:,} designs that keep the bounds, seed {seed}"


def check_arms_file(path: Path, varied: Iterable[str]) -> None:
    """See that a file can be written, and that what varies can be arms of a study.

    Raises:
        InputError: it cannot, or a study's tasks say what would vary.
    """
    if path.suffix.lower() not in (".toml", ".json"):
        raise InputError(f"--out: {path}: must end in .toml or .json")
    refuse_unwritable(path)
    for word in {"task", "num_classes"} & set(varied):
        raise InputError(f"--out: {path}: {word} varies, but a study's tasks say it; no arms can be made of that")


def write_arms(path: Path, arms: list[dict[str, Any]], network: Mapping[str, Any], about: str) -> None:
    """A study's space of single designs: what they share, and what each has.

    A study's tasks say what heads are for, so that is only told of: costs are those of the heads that were asked for.
    """
    shared = {word: value for word, value in network.items() if word not in ("task", "num_classes")}
    heads = {word: network[word] for word in ("task", "num_classes") if word in network}
    if path.suffix.lower() != ".toml":
        write_table(path, {"network": shared, "arms": arms})
        return
    told = ", ".join(f"{word} {value}" for word, value in heads.items())
    lines = [f"# {about}{f'; costs are those of {told}' if told else ''}"]
    lines += ["# A study has a question and [[tasks]] besides: put the one above, the others below.", ""]
    lines += ["[network]", *map(_line, shared.items())]
    for arm in arms:
        lines += ["", "[[arms]]", *map(_line, arm.items())]
    write_text(path, "\n".join(lines) + "\n")


def _line(item: tuple[str, Any]) -> str:
    """A word and its value as TOML, which writes lists, texts, numbers and truths as JSON does."""
    return f"{item[0]} = {json.dumps(item[1])}"
