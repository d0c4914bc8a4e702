"""`sunetlab space match`: families of designs at equal cost."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from sunetlab import InputError, SUNetSpec
from sunetlab.files import shown, write_table

from .designs import build_words, told
from .network import Input, input_size, takes_network
from .output import Csv, Json, form_asked, note, percent, print_csv, print_json, print_table, say, say_lines
from .sample import arms_table
from .space_words import Vary, factors_of

if TYPE_CHECKING:
    from sunetlab.space.match import Arm, Family, Question

_OF_FAMILY = ("depth", "n", "stacks", "widths")


@takes_network
def match(
    spec: SUNetSpec,
    words: dict[str, Any],
    vary: Vary = None,
    hold: Annotated[
        list[str] | None,
        typer.Option(
            metavar="QUANTITY[=TOLERANCE]", help="What is held; several are held together.", show_default="params"
        ),
    ] = None,
    tolerance: Annotated[str, typer.Option(help="Of what is held, where it has none of its own.")] = "1%",
    solve: Annotated[
        str, typer.Option(metavar="WORD[=RANGE]", help="n, stacks or widths; n=8..512:8, stacks=1..4x1..9x1..9x1.")
    ] = "n",
    where: Annotated[
        str | None, typer.Option(metavar="FILTER", help='Only designs that keep it: "block4_modules<=2".')
    ] = None,
    count: Annotated[int, typer.Option(min=1, max=1000, help="Nearest designs of each level.")] = 1,
    input: Input = None,
    batch: Annotated[int, typer.Option(min=1, help="Images at once, for activations and memory.")] = 1,
    precision: Annotated[Literal["fp32", "bf16"], typer.Option(help="For activations and memory.")] = "fp32",
    optimizer: Annotated[Literal["sgd", "adamw"], typer.Option(help="For memory.")] = "sgd",
    out: Annotated[
        Path | None,
        typer.Option(help="Save each level's nearest as the arms of a study, .toml or .json.", show_default=False),
    ] = None,
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """Designs of equal cost for each level of what varies: match sunet-64 --vary depth=1,2,3,4 --hold params.

    Widths follow one rule for all of them, unless --widths says otherwise: Table 1's own would make its rows stand
    out for a reason that is none.
    """
    from sunetlab.analysis.memory import Setting
    from sunetlab.space.match import Question, alternatives, match
    from sunetlab.space.view import Training

    from .progress import Screen

    form = form_asked(as_json, as_csv)
    if not vary:
        raise InputError("--vary: is needed: what differs between the designs, such as depth=1,2,3,4")
    word, _, among = solve.partition("=")
    levels = alternatives(factors_of(vary))
    question = Question(
        network=spec,
        words=_shared(spec, words, word, levels),
        levels=levels,
        hold=_holds(hold or ["params"], tolerance),
        solve=word.strip(),
        among=among or None,
        where=where,
        size=input_size(input),
        training=Training(batch, Setting(precision=precision, optimizer=optimizer)),
        most=count,
    )
    with Screen() as screen, screen.counting("looking at designs", "designs") as progress:
        family = match(question, progress)
    if out is not None:
        _save(out, family, question)
    if form == "json":
        print_json(_record(spec, family))
    elif form == "csv":
        rows = list(_rows(family))
        print_csv(list(rows[0]), [list(row.values()) for row in rows])
    else:
        _print(spec, family, question)
    if out is not None:
        note(f"saved {out}")


def _shared(spec: SUNetSpec, given: dict[str, Any], solve: str, levels: list[dict[str, Any]]) -> dict[str, Any]:
    """What all designs share: the network's words, widths by rule, and neither what varies nor what is solved for."""
    varied = {word for level in levels for word in level}
    shared = spec.words() | {"stacks": spec.stacks, "n": spec.n}
    if "widths" not in given:
        shared["widths"] = "rule"
    if "output_stride" in varied:
        shared.pop("dilations", None)
    if "dilations" in varied:
        shared.pop("output_stride", None)
    return {word: value for word, value in shared.items() if word not in varied and word != solve}


def _holds(said: list[str], tolerance: str) -> dict[str, float]:
    found = {}
    for text in said:
        name, _, own = text.partition("=")
        found[name.strip()] = _part(own or tolerance, "--hold" if own else "--tolerance")
    return found


def _part(text: str, flag: str) -> float:
    """`1%` or `0.01`."""
    match = re.fullmatch(r"\s*(\d{1,6}(?:\.\d{1,9})?)\s*(%?)\s*", text)
    if match is None or float(match[1]) == 0:
        raise InputError(f"{flag}: {text!r}: must be a part above 0, such as 1% or 0.01")
    return float(match[1]) / (100 if match[2] else 1)


def _print(spec: SUNetSpec, family: "Family", asked: "Question") -> None:
    targets = (f"{h.name} {told(h.name, h.target)} ± {percent(h.tolerance, 2)}" for h in family.holds)
    say(f"{spec.summary}: {', '.join(targets)}; {family.looked_at:,} designs looked at")
    say()
    held = [hold.name for hold in family.holds]
    names = [name for name in family.reference if name not in held]
    varied = list(asked.levels[0])
    columns = [word for word in _OF_FAMILY if word not in varied]
    cells = [["the network", *[""] * (len(varied) - 1), *(_word(spec, word) for word in columns)]]
    cells[0] += [cell for name in held for cell in (told(name, family.reference[name]), "")]
    cells[0] += [told(name, family.reference[name]) for name in names]
    for arms in family.arms:
        for arm in arms:
            row = [*map(shown, arm.level.values()), *(_word(arm.design.spec, word) for word in columns)]
            for name in held:
                row += [told(name, arm.values[name]), f"{100 * arm.mismatch[name]:+.3f} %"]
            cells.append(row + [told(name, arm.values[name]) for name in names])
    headings = [heading for name in held for heading in (name, "off by")]
    print_table([*varied, *columns, *headings, *names], cells)
    beyond = [arm for arms in family.arms for arm in arms if not arm.within]
    if beyond:
        say()
        say_lines(f"{len(beyond)} beyond the tolerance: there is nothing nearer; try --solve with another word.")
    say()
    for arms in family.arms:
        say(f"sunetlab build {build_words(arms[0].design.spec)}")


def _word(spec: SUNetSpec, word: str) -> str:
    return shown(getattr(spec, word))


def _rows(family: "Family") -> "list[dict[str, Any]]":
    return [_flat(arm) for arms in family.arms for arm in arms]


def _flat(arm: "Arm") -> dict[str, Any]:
    level = {f"vary_{word}": shown(value) for word, value in arm.level.items()}
    words = {word: _word(arm.design.spec, word) for word in _OF_FAMILY}
    off = {f"{name}_off": value for name, value in arm.mismatch.items()}
    return level | words | arm.values | off | {"within": arm.within, "id": arm.design.spec.id}


def _record(spec: SUNetSpec, family: "Family") -> dict[str, Any]:
    def arm(found: "Arm") -> dict[str, Any]:
        own = {"level": found.level, "id": found.design.spec.id, "spec": found.design.spec.model_dump(mode="json")}
        return own | {"values": found.values, "mismatch": found.mismatch, "within": found.within}

    return {
        "network": {"id": spec.id, "spec": spec.model_dump(mode="json"), "values": family.reference},
        "holds": [hold._asdict() for hold in family.holds],
        "looked_at": family.looked_at,
        "arms": [[arm(found) for found in arms] for arms in family.arms],
    }


def _save(out: Path, family: "Family", asked: "Question") -> None:
    from sunetlab.space.pick import arm_words

    arms = [arms[0].level | arm_words(arms[0].design) for arms in family.arms]
    held = ", ".join(f"{hold.name} {hold.target:,} ± {percent(hold.tolerance, 2)}" for hold in family.holds)
    write_table(out, arms_table(arms, asked.words), comment=f"{len(arms)} designs at {held}, solved for {asked.solve}")
