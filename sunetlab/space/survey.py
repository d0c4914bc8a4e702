"""A space looked at once, and all that is wanted of its survivors found on the way."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from sunetlab.analysis.report import analyze
from sunetlab.errors import InputError
from sunetlab.space.arrays.quantities import Better, column, known, values
from sunetlab.space.arrays.view import PLAIN, Subject, Training
from sunetlab.space.pick import Design, design
from sunetlab.space.screen import Funnel, Screen, Survivors, Watch, figures
from sunetlab.space.space import Space
from sunetlab.space.tallies import Beaten, Best, Chosen, Density, Front, Spread
from sunetlab.space.where import Comparison, Where
from sunetlab.spec import SUNetSpec

ALWAYS = ("params", "macs", "activations", "layers", "fov", "fov_most")  # what is worked out of every survivor
SPREAD = ("params", "macs", "activations", "layers", "fov")
TOLD = ("memory",)  # of the designs that are told of as well: it takes as long as all others together


class Sink(Protocol):
    """Whoever else wants to be told of survivors."""

    def take(self, survivors: Survivors) -> None:
        """Some more of them."""


class Wanted(NamedTuple):
    """What is to be found.

    Attributes:
        names: quantities beside those of ALWAYS.
        front: two quantities that designs compete in.
        better: which way each of them is better; "" for what `quantities` says.
        by: the quantity by which the best few are chosen.
        by_better: which way it is better; "" for what `quantities` says, or more where it says neither.
        best: how many.
        networks: known ones to be laid beside the survivors, by name.
        density: whether it is to be known where survivors lie for the two quantities of the front.
    """

    names: tuple[str, ...] = ()
    front: tuple[str, str] = ("params", "fov")
    better: tuple[Better, Better] = ("", "")
    by: str = "fov"
    by_better: Better = ""
    best: int = 5
    networks: Mapping[str, SUNetSpec] = {}
    density: bool = False

    @property
    def sides(self) -> tuple[Better, Better]:
        """Which way each quantity of the front is better."""
        x, y = (said or column(name).better for said, name in zip(self.better, self.front, strict=True))
        return x, y

    @property
    def everything(self) -> tuple[str, ...]:
        """The quantities that are worked out of every survivor, each once."""
        return tuple(dict.fromkeys((*ALWAYS, *self.front, self.by, *self.names)))


class Told(NamedTuple):
    """A design that is told of: its number in the space, its spec and levels, its quantities."""

    number: int
    design: Design
    values: dict[str, Any]


class Known(NamedTuple):
    """A known network beside the survivors.

    Attributes:
        name, spec, values: of the network.
        breaks: bounds that it does not keep.
        beaten: survivors that are no worse in either quantity of the front, and better in one.
    """

    name: str
    spec: SUNetSpec
    values: dict[str, Any]
    breaks: tuple[str, ...]
    beaten: int


class Survey(NamedTuple):
    """What was found; where it was stopped early, in the first `funnel.looked_at` designs.

    Attributes:
        funnel: how many there are.
        whole: whether every design was looked at.
        spreads: of the quantities of SPREAD, then of all others asked for but words.
        front: the front, from the best in its first quantity on.
        best: the best few.
        known: the known networks.
        density: where survivors lie, if that was wanted.
    """

    funnel: Funnel
    whole: bool
    spreads: tuple[Spread, ...]
    front: tuple[Told, ...]
    best: tuple[Told, ...]
    known: tuple[Known, ...]
    density: Density | None


def survey(
    space: Space,
    where: Where | None,
    wanted: Wanted,
    training: Training = PLAIN,
    watch: Watch | None = None,
    stop: Callable[[], bool] = lambda: False,
    sinks: Sequence[Sink] = (),
) -> Survey:
    """Look at every design of `space`, or until `stop` says so.

    Raises:
        InputError: an unknown quantity; a front in quantities of which it is not known what is better.
    """
    names, told_of = wanted.everything, tuple(dict.fromkeys((*wanted.everything, *TOLD)))
    check(space, names)
    better = _better(wanted)
    networks = [(name, spec, _values(spec, told_of, space, training)) for name, spec in wanted.networks.items()]
    beaten = [Beaten(*wanted.front, (v[wanted.front[0]], v[wanted.front[1]]), better) for _, _, v in networks]
    spread_of = dict.fromkeys((*SPREAD, *wanted.front, wanted.by, *wanted.names))
    spreads = [Spread(name) for name in spread_of if column(name).quantity.unit != "words"]
    front, best = Front(*wanted.front, better), Best(wanted.by, wanted.best, wanted.by_better)
    density = Density(*wanted.front) if wanted.density else None
    told: list[Sink] = [*spreads, front, best, *beaten, *([density] if density else []), *sinks]
    screen = Screen(space, where, names, training)
    for survivors in screen.run(watch, stop):
        for sink in told:
            sink.take(survivors)
    return Survey(
        funnel=screen.funnel,
        whole=screen.funnel.looked_at == len(space),
        spreads=tuple(spreads),
        front=_told(space, front.chosen, told_of, training),
        best=_told(space, best.chosen, told_of, training),
        known=tuple(
            Known(name, spec, found, _broken(spec, where, space, training), count.count)
            for (name, spec, found), count in zip(networks, beaten, strict=True)
        ),
        density=density,
    )


class Bound(NamedTuple):
    """A network's own value of a quantity, and on which side of it a design must be to be no worse."""

    name: str
    sign: str
    number: int

    @property
    def text(self) -> str:
        """As a filter has it: "params<=24704360"."""
        return f"{self.name}{self.sign}{self.number}"


def bounds_of(spec: SUNetSpec, names: Sequence[str], space: Space, training: Training) -> list[Bound]:
    """What keeps designs no worse than a network in some quantities.

    Raises:
        InputError: an unknown quantity, or one of which it is not known what is better.
    """
    check(space, names)
    found, signs = _values(spec, names, space, training), {"less": "<=", "more": ">="}
    for name in names:
        if not column(name).better:
            raise InputError(f"{name}: neither less nor more of it is better; say a bound with --where")
    return [Bound(name, signs[column(name).better], found[name]) for name in names]


def check(space: Space, names: Sequence[str]) -> None:
    """See that quantities are known.

    Raises:
        InputError: one is not.
    """
    there = known(max(len(part.frame.dilations) for part in space.parts))
    for name in names:
        if name not in there:
            listed = ", ".join([n for n in there if not n.startswith("block") or n == "blocks"])
            raise InputError(f"{name!r}: no such quantity; known are {listed}, and block1_fov and the like")


def _better(wanted: Wanted) -> tuple[Better, Better]:
    if column(wanted.by).quantity.unit == "words":
        raise InputError(f"--by: {wanted.by}: is a word, not a number")
    for name, better in zip(wanted.front, wanted.sides, strict=True):
        if not better:
            raise InputError(f"--front: {name}: neither less nor more of it is better: say {name}:less or {name}:more")
        if column(name).quantity.unit == "words":
            raise InputError(f"--front: {name}: is a word, not a number")
    if wanted.front[0] == wanted.front[1]:
        raise InputError(f"--front: {','.join(wanted.front)}: must be two quantities")
    return wanted.sides


def _values(spec: SUNetSpec, names: Sequence[str], space: Space, training: Training) -> dict[str, Any]:
    report = analyze(spec, space.size or spec.design_size, training.batch)
    return values(Subject(report, training.setting), names)


def _told(space: Space, chosen: Chosen, names: Sequence[str], training: Training) -> tuple[Told, ...]:
    found = zip(chosen.numbers.tolist(), figures(space, chosen.numbers, names, training), strict=True)
    return tuple(Told(number, design(space, number), values) for number, values in found)


def _broken(spec: SUNetSpec, where: Where | None, space: Space, training: Training) -> tuple[str, ...]:
    comparisons: Sequence[Comparison] = where.comparisons if where else ()
    found = _values(spec, [comparison.name for comparison in comparisons], space, training)
    broken = (c.text for c in comparisons if not c.holds(found[c.name]))
    return tuple(dict.fromkeys(broken))
