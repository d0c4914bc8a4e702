"""What one trial trains: a design with a seed and, in some stages, a learning rate of its own."""

from typing import Any, Literal, NamedTuple

from sunetlab.space.pick import Design
from sunetlab.study.definition import RECIPE, Study, StudyTask
from sunetlab.train.run import Run

Stage = Literal["tuning", "trial", "winner"]
STAGES: tuple[Stage, ...] = ("tuning", "trial", "winner")  # as they follow one another


class Candidate(NamedTuple):
    """One design with one seed.

    Attributes:
        design: its levels are those of all that varies, words of the recipe among them.
        run: what is trained.
        stage: "tuning" finds an arm's learning rate, "trial" is what the study asks for, "winner" trains anew what a
            search found.
        changes: words of the recipe in which the run differs from the task's.
    """

    design: Design
    run: Run
    stage: Stage = "trial"
    changes: tuple[tuple[str, Any], ...] = ()

    @property
    def folder(self) -> str:
        """The name of its run's folder."""
        changed = (f"{word}{value:g}" if isinstance(value, float) else f"{word}{value}" for word, value in self.changes)
        return "-".join((self.design.spec.id, *changed, f"s{self.run.seed}"))

    @property
    def params(self) -> dict[str, Any]:
        """What it is known by: the levels of the factors, the seed, and in a tuned study the learning rate."""
        tuned = {word: value for word, value in self.changes if RECIPE + word not in self.design.levels}
        return {**self.design.levels, **tuned, "seed": self.run.seed}


def candidate(task: StudyTask, design: Design, seed: int, stage: Stage = "trial", **changes: Any) -> Candidate:
    """A design of a task with a seed; `changes` are words of the recipe beside those that its levels say."""
    said = {word.removeprefix(RECIPE): level for word, level in design.levels.items() if word.startswith(RECIPE)}
    changed = said | changes
    run = Run(spec=design.spec, recipe=task.recipe_with(changed), data=task.data, seed=seed)
    return Candidate(design, run, stage, tuple(changed.items()))


def with_seeds(study: Study, task: StudyTask, design: Design) -> tuple[Candidate, ...]:
    """A design of a task with every seed of the study."""
    return tuple(candidate(task, design, seed) for seed in study.seeds)


def candidates(study: Study, task: StudyTask, designs: tuple[Design, ...]) -> tuple[Candidate, ...]:
    """Designs with every seed; a seed's designs stand together, so that early answers are fair."""
    return tuple(candidate(task, design, seed) for seed in study.seeds for design in designs)
