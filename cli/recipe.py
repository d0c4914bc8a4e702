"""`sunetlab report recipe`: every word of a recipe, its value, and where it is from."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .output import Json, print_json, print_table, say

if TYPE_CHECKING:  # imports torch
    from sunetlab.train.recipe import Recipe


def recipe(
    name: Annotated[str | None, typer.Argument(help="A recipe's name, or a .toml file.", show_default=False)] = None,
    as_json: Json = False,
) -> None:
    """A recipe word by word, and the place in the paper that each is from; without a name, the names."""
    from sunetlab.files import shown
    from sunetlab.train.recipe import Recipe
    from sunetlab.train.recipes import TRACED

    if name is None:
        if as_json:
            print_json({known: Recipe.load(known).model_dump(mode="json") for known in TRACED})
            return
        rows = [[known, *_told(Recipe.load(known))] for known in TRACED]
        print_table(["recipe", "length", "batch", "optimizer", "lr", "schedule"], rows)
        return
    chosen = Recipe.load(name)
    words = chosen.model_dump(mode="json")
    words |= {f"augment.{word}": value for word, value in words.pop("augment").items()}
    traced = TRACED.get(name, {})
    if as_json:
        print_json({"name": name, "words": words, "sources": {word: said.source for word, said in traced.items()}})
        return
    said = [[word, shown(words[word]).strip("'"), traced[word].source] for word in words if word in traced]
    said += [[word, shown(value).strip("'"), "by default" if traced else ""] for word, value in _others(words, traced)]
    print_table(["word", "value", "from"], said)
    say()
    say("A, B and numbers of sections are places in the paper and its Appendix.")


def _others(words: Mapping[str, Any], traced: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """The words that no source is known of, but for those that do not count beside others."""
    idle = {"epochs"} if words["iterations"] else {"iterations"}
    idle |= set() if words["schedule"] == "step" else {"step_epochs", "step_factor"}
    idle |= set() if words["augment.area"] else {"augment.area", "augment.aspect"}
    return [(word, value) for word, value in words.items() if word not in traced and word not in idle]


def _told(chosen: "Recipe") -> list[str]:
    return [chosen.length, str(chosen.batch_size), chosen.optimizer, f"{chosen.lr:g}", chosen.schedule]
