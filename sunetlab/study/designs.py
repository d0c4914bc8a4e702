"""A study and one of its tasks → the designs: said one by one, all combinations, drawn, or matched at equal cost."""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

from sunetlab.analysis.memory import Setting
from sunetlab.analysis.report import analyze
from sunetlab.errors import InputError
from sunetlab.space.arrays.quantities import known, values
from sunetlab.space.arrays.view import Subject, Training
from sunetlab.space.land import Feasible
from sunetlab.space.match import COSTS, Question, alternatives, match
from sunetlab.space.pick import Design, design, drawn, everything, levels_said, listed, where_of
from sunetlab.space.screen import Funnel, Screen
from sunetlab.space.space import Space
from sunetlab.space.where import Where, parse_where
from sunetlab.spec import SUNetSpec
from sunetlab.study.baseline import families
from sunetlab.train.recipe import Recipe

if TYPE_CHECKING:
    from sunetlab.study.definition import Equal, Study, StudyTask

Size = tuple[int, int] | None
_SIZELESS = {"params"}  # quantities that are the same for images of every size
_MOST_BLOCKS = 64  # by number, that bounds may speak of
MOST_LOOKED_AT = 10**8  # designs of a study's space, before its bounds: a quarter of a minute


def make_designs(study: "Study", task: "StudyTask", classes: int, size: Size) -> tuple[Design, ...]:
    """The designs of a task's candidates, for its number of classes and its images' size; not of a search's.

    Their levels are those of all that varies, words of the recipe among them. Arms that make the same network, as depth
    3 and 4 do where maps are small, are one design, which bears the levels of the first.

    Raises:
        InputError: no design is left, or their costs differ by more than the study allows.
    """
    equal = study.equal
    if equal is not None and equal.solve is not None:
        found = _matched(study, task, equal, equal.solve, study.shared(task, classes), size)
    else:
        found = _of_network(study, task, classes, size)
        if equal is not None:
            _check_equal(study, task, equal, found, size)
    words = [f"recipe.{word}" for word in study.recipe_factors]
    recipes = [dict(zip(words, each, strict=True)) for each in product(*study.recipe_factors.values())]
    return tuple(Design(one.levels | levels, one.spec) for one in found for levels in recipes)


def feasible(study: "Study", task: "StudyTask", classes: int, size: Size) -> Feasible:
    """The designs that a search chooses from, likewise.

    Raises:
        InputError: no design is left, or too many are.
    """
    space = make_space(study, task, classes, size)
    return Feasible.of(space, where_of(space, bounds_of(study, size)), training_of(task.recipe))


def make_space(study: "Study", task: "StudyTask", classes: int, size: Size) -> Space:
    """A task's whole space, before its bounds; of factors.

    Raises:
        InputError: it is none; or it is so large that whoever only looks at the study would wait for minutes.
    """
    space = Space(study.shared(task, classes), study.network_factors, size)
    if len(space) > MOST_LOOKED_AT:
        raise InputError(
            f"factors: {len(space):,} designs to look at: a study has at most {MOST_LOOKED_AT:,}; narrow the factors"
        )
    return space


def bounds_of(study: "Study", size: Size) -> str | None:
    """The bounds that count: where the images' size is not known yet, those alone that it does not matter to."""
    if size or study.where is None:
        return study.where
    parts = [part for part in study.where.split(",") if set(parse_where(part, known(_MOST_BLOCKS)).names) <= _SIZELESS]
    return ",".join(parts) or None


def left_out(study: "Study", found: Sequence[Design]) -> int:
    """How many arms of equal cost turned out to be the network of another."""
    equal = study.equal
    if equal is None or equal.solve is None:
        return 0
    arms = len(study.arms or alternatives(study.network_factors)) * max(1, len(equal.budgets))
    recipes = len(list(product(*study.recipe_factors.values())))
    return arms - len(found) // recipes


def funnel(study: "Study", task: "StudyTask", classes: int, size: Size) -> Funnel | None:
    """How many designs of a task its factors make, and how many its bounds let through; None for arms.

    Where the images' size is not known yet some bounds do not count (`bounds_of`).
    """
    if study.arms or (study.equal and study.equal.solve):
        return None
    space, where, training = _screened(study, task, classes, size)
    screen = Screen(space, where, (), training)
    for _ in screen.run():
        pass
    return screen.funnel


def check_designs(study: "Study", task: "StudyTask", classes: int, size: Size) -> None:
    """See that a task has designs, as far as can be told where the images' size is not known yet.

    Raises:
        InputError: it has none, or too many, or their costs differ too much, or none is the baseline; a quantity is
            asked for that there is none.
    """
    if study.is_adaptive:
        space = make_space(study, task, classes, size)
        where_of(space, study.where)
        if bounds_of(study, size) == study.where:  # else some do not count yet, and designs may be too many
            feasible(study, task, classes, size)
        blocks = max(len(part.frame.dilations) for part in space.parts)
    else:
        found = make_designs(study, task, classes, size)
        blocks = max(len(one.spec.stacks) for one in found)
        if study.baseline is not None:
            families(study.baseline, study.telling, [one.levels for one in found])
    for name in (*study.measured, *filter(None, [study.cost])):
        if name not in known(blocks) or known(blocks)[name].unit == "words":
            raise InputError(f"{'cost' if name == study.cost else 'measured'}: {name}: no quantity of a design")
    if study.winners:
        beside(study, task, classes)


def beside(study: "Study", task: "StudyTask", classes: int) -> tuple[Design, ...]:
    """The designs beside a search's winners, each named by the levels of the study's factors and by what else it says.

    Raises:
        InputError: one is no network.
    """
    found: list[Design] = []
    for index, words in enumerate(study.winners.beside if study.winners else ()):
        try:
            spec = SUNetSpec.make(**{**study.shared(task, classes), **words})
        except InputError as error:
            raise InputError(f"winners.beside.{index}: {error}") from None
        for word in {"task", "num_classes"} & words.keys():
            raise InputError(f"winners.beside.{index}: {word}: follows from the tasks and their data; leave it out")
        if spec in (one.spec for one in found):
            raise InputError(f"winners.beside.{index}: the same network as an earlier one")
        found.append(Design(levels_said(dict.fromkeys((*study.varied, *words)), words, spec), spec))
    return tuple(found)


def quantities(spec: SUNetSpec, task: "StudyTask", size: Size, names: Sequence[str]) -> dict[str, int]:
    """Quantities of a design as it is trained for a task, by name."""
    training = training_of(task.recipe)
    report = analyze(spec, size, training.batch)
    return values(Subject(report, training.setting), dict.fromkeys(names))


def training_of(recipe: Recipe) -> Training:
    """How memory is counted of what a recipe trains, on a GPU: of the part of a batch that goes through at once."""
    setting = Setting(
        precision="fp32" if recipe.precision == "fp32" else "bf16",
        channels_last=recipe.channels_last,
        optimizer=recipe.optimizer,
        momentum=recipe.momentum > 0,
        weight_decay=recipe.weight_decay > 0,
        label_smoothing=recipe.label_smoothing > 0,
    )
    return Training(-(-recipe.batch_size // recipe.accumulate), setting)


def _of_network(study: "Study", task: "StudyTask", classes: int, size: Size) -> tuple[Design, ...]:
    if study.arms:
        training = training_of(task.recipe)
        return listed(study.shared(task, classes), study.arms, size, bounds_of(study, size), training)
    screened, where, training = _screened(study, task, classes, size)
    if study.designs is None:
        numbers = everything(screened, where, training)
    else:
        numbers = drawn(screened, where, study.designs, study.sampler_seed, training=training).numbers
    space = make_space(study, task, classes, size)
    return tuple(design(space, int(number)) for number in numbers)


def _screened(study: "Study", task: "StudyTask", classes: int, size: Size) -> tuple[Space, Where | None, Training]:
    """The space in which bounds are counted, with what they ask.

    It is the task's own. Where tasks are ranked, for which designs must be the same, it is the first task's, as far as
    that is known before any data are opened.
    """
    if study.rank == "task":
        task = study.tasks[0]
        classes, size = task.data.known_classes or 2, task.size
    space = make_space(study, task, classes, size)
    return space, where_of(space, bounds_of(study, size)), training_of(task.recipe)


def _matched(
    study: "Study", task: "StudyTask", equal: "Equal", solve: str, shared: dict[str, Any], size: Size
) -> tuple[Design, ...]:
    """For every arm and budget the design whose costs are the nearest to those of its family's baseline."""
    arms, hold, found = study.arms or _alternatives(study), equal.hold, []
    words = dict.fromkeys(word for arm in arms for word in arm)
    for budget, arm in product(equal.budgets or (None,), arms):
        base = {word: level for word, level in (study.baseline or {}).items() if word in arm}
        question = Question(
            network=SUNetSpec.make(**{**shared, **arm, **base}),
            words=shared,
            levels=[arm],
            hold=hold,
            solve=solve,
            where=bounds_of(study, size),
            size=size,
            training=training_of(task.recipe),
            times=budget or 1.0,
        )
        try:
            nearest = match(question).arms[0][0]
        except InputError as error:  # in the words of a command
            raise InputError(f"equal: {error}") from None
        said = levels_said(words, arm, nearest.design.spec)
        levels = said if budget is None else {"budget": budget, **said}
        for name, part in nearest.mismatch.items():
            if abs(part) > hold[name]:
                raise InputError(_too_far(levels | nearest.design.levels, name, part, hold[name], "the nearest design"))
        found.append(Design({**levels, solve: nearest.design.levels[solve]}, nearest.design.spec))
    return tuple({one.spec: one for one in reversed(found)}.values())[::-1]


def _alternatives(study: "Study") -> list[dict[str, Any]]:
    try:
        return alternatives(study.network_factors)
    except InputError as error:
        raise InputError(f"equal: {error}") from None


def _check_equal(study: "Study", task: "StudyTask", equal: "Equal", found: Sequence[Design], size: Size) -> None:
    """See that the arms of every family cost what its baseline does, to within what the study allows."""
    for name in equal.hold:
        if name not in COSTS:
            raise InputError(f"equal.hold: {name}: no cost; known are {', '.join(COSTS)}")
    costs = [quantities(one.spec, task, size, list(equal.hold)) for one in found]
    for base, others in families(study.baseline or {}, study.telling, [one.levels for one in found]).items():
        for name, tolerance in equal.hold.items():
            for other in others:
                part = costs[other][name] / costs[base][name] - 1
                if abs(part) > tolerance:
                    raise InputError(_too_far(found[other].levels, name, part, tolerance, "it"))


def _too_far(levels: Mapping[str, Any], name: str, part: float, tolerance: float, who: str) -> str:
    arm = ", ".join(f"{word} {level}" for word, level in levels.items())
    more = f"{abs(part):.1%} {'more' if part > 0 else 'less'} {name} than is held"
    advice = "widen the tolerance, begin at a larger network" if who != "it" else "let it be found with solve = 'n'"
    return f"equal.hold: {arm}: {who} has {more}, and {tolerance:.1%} is allowed; {advice}"
