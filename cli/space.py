"""`sunetlab space screen`: every design of a space against a budget."""

import shlex
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from sunetlab import InputError, SUNetSpec, preset
from sunetlab.files import refuse_unwritable

from .designs import build_words, row, told
from .histogram import Histogram, print_histograms
from .match import match
from .network import find_network
from .output import Json, note, percent, print_json, print_table, say, say_lines, sides
from .sample import sample
from .space_words import takes_space
from .stopping import until_stopped

if TYPE_CHECKING:
    from sunetlab.space.arrays.quantities import Better
    from sunetlab.space.definition import SpaceFile
    from sunetlab.space.space import Space
    from sunetlab.space.survey import Survey, Told, Wanted

app = typer.Typer(help="All designs of a space at once, from formulas.", no_args_is_help=True)
app.command("match")(match)
app.command("sample")(sample)

TABLE1 = ("sunet-64", "sunet-128", "sunet-7-128")
STOPPED = 130
_PATIENCE = 5.0  # seconds in which Ctrl-C is heard once: what is found is written first
_ROWS = 12  # of a front that are told; a file has all
_SHOWN = ("params", "macs", "memory", "fov", "layers")


@app.command()
@takes_space
def screen(
    asked: "SpaceFile",
    space: "Space",
    like: Annotated[
        str | None,
        typer.Option(
            "--no-worse-than",
            metavar="NETWORK:QUANTITIES",
            help="Bounds from a network's own: sunet-128-os8:params,memory,fov.",
            show_default=False,
        ),
    ] = None,
    front: Annotated[
        str, typer.Option(metavar="X,Y", help="Quantities of the Pareto front; layers:less.")
    ] = "params,fov",
    best: Annotated[int, typer.Option(min=0, max=10_000, help="How many of the best are told.")] = 5,
    by: Annotated[str, typer.Option(metavar="QUANTITY", help="What they are best in; layers:less.")] = "fov",
    compare: Annotated[
        list[str] | None,
        typer.Option(metavar="NETWORK", help="Lay it beside them.", show_default="the three of Table 1"),
    ] = None,
    columns: Annotated[
        str | None, typer.Option(metavar="A,B,…", help="Further quantities to tell and to save.", show_default=False)
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Where survivors lie, as a figure: .svg or .html.", show_default=False)
    ] = None,
    out: Annotated[Path | None, typer.Option(help="All survivors, as .parquet or .csv.", show_default=False)] = None,
    as_json: Json = False,
) -> None:
    """Look at every design: which keep the bounds, how they are spread, the front, the best few."""
    from sunetlab.space.pick import where_of
    from sunetlab.space.survey import Wanted, bounds_of, check, survey
    from sunetlab.space.table import check_suffix, table

    from .progress import Screen

    pair = [_directed(name, "--front") for name in _names(front, "--front")]
    if len(pair) != 2:
        raise InputError(f"--front: {front!r}: must be two quantities, such as params,fov")
    by, by_better = _directed(by, "--by")
    bounds, called = [asked.where] if asked.where else [], {}
    if like is not None:
        name, _, listed = like.partition(":")
        own = bounds_of(find_network(name, {}), _names(listed, "--no-worse-than"), space, asked.training)
        bounds += [bound.text for bound in own]
        called = {bound.text: f"{bound.name} {bound.sign} {told(bound.name, bound.number)} of {name}" for bound in own}
    where = where_of(space, ", ".join(bounds))
    wanted = Wanted(
        names=_names(columns, "--columns") if columns else (),
        front=(pair[0][0], pair[1][0]),
        better=(pair[0][1], pair[1][1]),
        by=by,
        by_better=by_better,
        best=best,
        networks=_networks(space, compare),
        density=plot is not None,
    )
    check(space, (*wanted.names, *wanted.front, by))
    if plot is not None and plot.suffix.lower() not in (".svg", ".html"):
        raise InputError(f"--plot: {plot}: must end in .svg or .html")
    if out is not None:
        check_suffix(out)
    for path in filter(None, (plot, out)):
        refuse_unwritable(path)
    began = time.monotonic()
    with ExitStack() as stack:
        progress = stack.enter_context(stack.enter_context(Screen()).counting("looking at designs", "designs"))
        stop = stack.enter_context(until_stopped(_PATIENCE))
        names = wanted.everything
        about = {"command": _command(), "where": where.text if where else ""}
        sinks = [stack.enter_context(table(out, space, names, about))] if out else []
        found = survey(space, where, wanted, asked.training, progress, stop, sinks)
        for sink in sinks:
            sink.say(whole=str(found.whole).lower(), looked_at=str(found.funnel.looked_at))
    seconds = time.monotonic() - began
    saved = [out] if out is not None else []
    if plot is not None and found.funnel.survivors:
        from .space_plot import write_plot

        write_plot(plot, space, found, wanted, _command())
        saved.append(plot)
    if as_json:
        print_json(_record(space, found, seconds))
    else:
        _print(space, found, asked, wanted, seconds, called)
    for path in saved:
        note(f"saved {path}")
    if plot is not None and plot not in saved:
        note(f"{plot} is not made: there is no design to show")
    if not found.whole:
        note("stopped early: files and figures are of the designs looked at so far; the same command starts anew")
        raise typer.Exit(STOPPED)


def _names(text: str, flag: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    if not all(names):
        raise InputError(f"{flag}: {text!r}: must be names of quantities, separated by commas")
    return names


def _directed(text: str, flag: str) -> "tuple[str, Better]":
    """`layers:less` as a quantity and which way it is better; "" where that is not said."""
    name, colon, better = text.partition(":")
    if colon and better not in ("less", "more"):
        raise InputError(f"{flag}: {text!r}: must be a quantity, or one with :less or :more")
    return name, cast("Better", better)


def _networks(space: "Space", compare: list[str] | None) -> dict[str, SUNetSpec]:
    """The networks to lay beside the designs; by default those of Table 1, in the words that the space shares."""
    if compare is not None:
        return {name: find_network(name, {}) for name in compare}
    own = {"n", "stacks", "widths", "depth"}
    shared = {word: value for word, value in space.network.items() if word not in own}
    found = {}
    for name in TABLE1:
        try:
            found[name] = preset(name).replace(**shared)
        except InputError:  # its four blocks cannot be what this space shares
            continue
    return found


def _command() -> str:
    return shlex.join(["sunetlab", *sys.argv[1:]])


def _print(
    space: "Space", found: "Survey", asked: "SpaceFile", wanted: "Wanted", seconds: float, called: dict[str, str]
) -> None:
    funnel = found.funnel
    size = sides(asked.size) if asked.size else "the design size"
    say(f"{space.combinations:,} combinations of {', '.join(space.factors)}; input {size}, batch {asked.batch}")
    rate = f", {funnel.looked_at / seconds / 1e6:.1f} million a second" if seconds > 1 else ""
    say(f"{funnel.looked_at:,} designs looked at in {seconds:.1f} s{rate}")
    if not found.whole:
        say(f"stopped early: {percent(funnel.looked_at / len(space))} of the space, the first designs in its order")
    say()
    print_table(["", "before", "after", "kept"], _funnel(found, called))
    if not funnel.survivors:
        say()
        say("no design is left")
    else:
        say()
        print_histograms([_histogram(spread, found) for spread in found.spreads])
        _print_designs(found, space, wanted)
    if found.known:
        say()
        _print_known(found, wanted, called)


def _funnel(found: "Survey", called: dict[str, str]) -> list[list[object]]:
    funnel = found.funnel
    combinations = funnel.possible + funnel.impossible.total()
    rows: list[list[object]] = [["combinations", "", f"{combinations:,}", ""]]
    left = combinations
    for reason, count in funnel.impossible.most_common():
        rows.append([f"  {reason}", f"{left:,}", f"{left - count:,}", percent((left - count) / left)])
        left -= count
    for bound, before, after in funnel.rows():
        rows.append([called.get(bound, bound), f"{before:,}", f"{after:,}", percent(after / before) if before else ""])
    return rows


def _histogram(spread: Any, found: "Survey") -> Histogram:
    from sunetlab.space.arrays.quantities import column

    bins = spread.bins()
    marks = [(known.name, float(known.values[spread.name])) for known in found.known]
    unit = column(spread.name).quantity.scale
    return Histogram(spread.name, unit, bins.edges.tolist(), bins.counts.tolist(), marks)


def _print_designs(found: "Survey", space: "Space", wanted: "Wanted") -> None:
    x, y = wanted.front
    names = tuple(dict.fromkeys((x, y, *_SHOWN, *wanted.names)))
    heads = [*space.factors, *names]
    say()
    every = -(-len(found.front) // _ROWS)
    rows = [*found.front[::every], *([found.front[-1]] if (len(found.front) - 1) % every else [])]
    some = f", one in {every}" if every > 1 else ""
    say(f"Pareto front of {x} and {y}: {len(found.front)} designs{some}")
    print_table(heads, [row(one.design, one.values, names) for one in rows])
    if found.best:
        names = tuple(dict.fromkeys((wanted.by, *_SHOWN, *wanted.names)))
        say()
        say(f"the best in {wanted.by}")
        print_table([*space.factors, *names], [row(one.design, one.values, names) for one in found.best])
        say()
        say(f"the first: sunetlab build {build_words(found.best[0].design.spec)}")


def _print_known(found: "Survey", wanted: "Wanted", called: dict[str, str]) -> None:
    x, y = wanted.front
    names = tuple(dict.fromkeys((x, y, *_SHOWN)))
    rows = [
        [
            known.name,
            *(told(name, known.values[name]) for name in names),
            f"{known.beaten:,}",
            "; ".join(called.get(bound, bound) for bound in known.breaks),
        ]
        for known in found.known
    ]
    print_table(["network", *names, "beaten by", "does not keep"], rows)
    say_lines(f"Beaten by: survivors that are no worse in {x} and {y}, and better in one.")


def _record(space: "Space", found: "Survey", seconds: float) -> dict[str, Any]:
    funnel = found.funnel

    def designs(some: "tuple[Told, ...]") -> list[dict[str, Any]]:
        return [
            {"design": one.number, "id": one.design.spec.id, "levels": one.design.levels, **one.values}
            | {"spec": one.design.spec.model_dump(mode="json")}
            for one in some
        ]

    return {
        "combinations": funnel.combinations,
        "looked_at": funnel.looked_at,
        "whole": found.whole,
        "seconds": seconds,
        "impossible": dict(funnel.impossible.most_common()),
        "possible": funnel.possible,
        "bounds": [{"bound": bound, "before": before, "after": after} for bound, before, after in funnel.rows()],
        "survivors": funnel.survivors,
        "spreads": {
            spread.name: {"edges": bins.edges.tolist(), "counts": bins.counts.tolist()}
            for spread in found.spreads
            if (bins := spread.bins())
        },
        "front": designs(found.front),
        "best": designs(found.best),
        "known": [
            {"name": known.name, "id": known.spec.id, **known.values, "breaks": known.breaks, "beaten": known.beaten}
            for known in found.known
        ],
        "factors": {name: [str(level) for level in levels] for name, levels in space.factors.items()},
    }
