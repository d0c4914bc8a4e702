"""`sunetlab space sample`: designs drawn uniformly from those that keep the bounds."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sunetlab import InputError
from sunetlab.files import write_table

from .designs import build_words, row
from .output import Json, note, print_json, print_table, say
from .space_words import takes_space

if TYPE_CHECKING:
    from sunetlab.space.definition import SpaceFile

_TOLD = ("params", "macs", "memory", "fov", "layers")


@takes_space
def sample(
    asked: "SpaceFile",
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

    from sunetlab.space.pick import arm_words, design, drawn, where_of
    from sunetlab.space.screen import figures
    from sunetlab.space.survey import check

    from .progress import Screen

    if strata is not None and by is None:
        raise InputError("--strata: goes with --by")
    space = asked.space()
    where = where_of(space, asked.where)
    if by is not None:
        check(space, [by])
    with Screen() as screen, screen.counting("looking at designs", "designs") as progress:
        found = drawn(space, where, count, seed, by, strata or 5, asked.training, progress)
    designs = [design(space, int(number)) for number in found.numbers]
    names = tuple(dict.fromkeys((*_TOLD, *([by] if by else []))))
    values = figures(space, np.asarray(found.numbers), names, asked.training)
    if out is not None:
        arms = arms_table([arm_words(each) for each in designs], asked.network)
        write_table(out, arms, comment=_about(found, len(designs), seed))
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


def arms_table(arms: list[dict[str, Any]], network: Mapping[str, Any]) -> dict[str, Any]:
    """A study's space of single designs: what they share, and what each has; its tasks say what the heads are for."""
    shared = {word: value for word, value in network.items() if word not in ("task", "num_classes")}
    return {"network": shared, "arms": arms}
