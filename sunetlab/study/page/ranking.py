"""Rankings as the page has them: what is claimed, the figures for it, the designs by both measures."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from markupsafe import Markup

from sunetlab.space.factors import level_name
from sunetlab.study.definition import OF_TASKS, Study
from sunetlab.study.page.arms import Arm
from sunetlab.study.page.rank_chart import rank_chart
from sunetlab.study.page.rows import Group
from sunetlab.study.page.sentence import parts
from sunetlab.study.verdict import Ranking

Measured = dict[tuple[object, ...], Arm]  # a design by its levels → its values by a measure


class Ranked(NamedTuple):
    """A ranking: its sentence in two parts, its chart; none where no design has both measures."""

    claim: str
    figures: str
    svg: Markup


def ranked(study: Study, rankings: Sequence[Ranking], groups: Mapping[str, Group], task: str) -> tuple[Ranked, ...]:
    """The rankings of a task with their charts.

    Args:
        study: its `rank` says of what.
        rankings: of the task (`judge.rankings`).
        groups: the trials' designs of each task.
        task: whose rankings they are.
    """
    return tuple(Ranked(*parts(one.sentence), Markup(_chart(study, one, groups, task))) for one in rankings)


def _chart(study: Study, ranking: Ranking, groups: Mapping[str, Group], task: str) -> str:
    if study.rank == OF_TASKS:
        first, second = (_measured(study.telling, groups[name]) for name in (ranking.first, ranking.second))
    else:
        rest = [word for word in study.telling if word != study.rank]
        levels = {f"{study.rank} {level_name(said)}": level_name(said) for said in study.varied[str(study.rank)]}
        first, second = (
            _measured(rest, groups[task], str(study.rank), levels[name]) for name in (ranking.first, ranking.second)
        )
    shared = [key for key in first if key in second]
    if not shared:
        return ""
    pairs = [first[key] for key in shared], [second[key] for key in shared]
    return rank_chart(*pairs, ranking.first, ranking.second, ranking.rank)


def _measured(words: Sequence[str], found: Group, factor: str = "", level: object = None) -> Measured:
    """The designs of a group, of those with a level of a factor where one is given, by their levels of some words."""
    return {
        tuple(row[word] for word in words): arm
        for row, arm in zip(found.rows, found.arms, strict=True)
        if not factor or row[factor] == level
    }
