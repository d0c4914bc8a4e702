"""The house stands as DESIGN §1 draws it: imports go one way, every package is named, every module says what it is."""

import ast
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = {"sunetlab": "sunetlab", "sunetlab.cli": "cli", "sunetlab.studies": "studies"}  # package → folder at the top
# each may import those before it
ROOMS = ("", "studies", "analysis", "draw", "space", "model", "paper", "train", "study", "cli")
ABOVE_THE_LINE = ("", "studies", "analysis", "draw", "space")
TORCH = {"torch", "torchvision", "torchmetrics", "fvcore", "ptflops", "torchinfo", "thop"}  # torch, and what imports it


class Import(NamedTuple):
    module: str  # absolute, dotted: the module, or the module and the name taken from it
    line: int
    relative: bool
    deferred: bool  # inside a function, or for type checkers only


def modules() -> dict[str, Path]:
    """Dotted name → file, of every module of the library."""
    found = {}
    for package, folder in FOLDERS.items():
        for path in sorted((ROOT / folder).rglob("*.py")):
            inside = path.relative_to(ROOT / folder).with_suffix("").parts
            found[".".join((package, *(part for part in inside if part != "__init__")))] = path
    return found


MODULES = modules()


def imports(name: str) -> Iterator[Import]:
    path = MODULES[name]
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]

    def walk(node: ast.AST, deferred: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                yield from (Import(alias.name, child.lineno, False, deferred) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                source = child.module or ""
                if child.level:
                    above = package.split(".")[: len(package.split(".")) - child.level + 1]
                    source = ".".join((*above, *filter(None, [source])))
                for alias in child.names:
                    whole = f"{source}.{alias.name}"
                    yield Import(whole if whole in MODULES else source, child.lineno, child.level > 0, deferred)
            else:
                typing_only = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
                inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
                yield from walk(child, deferred or inside or typing_only)

    yield from walk(ast.parse(path.read_text(encoding="utf-8")), False)


def room(name: str) -> str:
    """The room that a module of the library is in; "" for the modules beside the rooms."""
    second = [*name.split("."), ""][1]
    return second if second in ROOMS else ""


@pytest.mark.parametrize("name", MODULES)
def test_imports_go_one_way(name: str) -> None:
    at = ROOMS.index(room(name))
    for each in imports(name):
        if each.module.split(".")[0] != "sunetlab":
            continue
        where = f"{MODULES[name].relative_to(ROOT)}:{each.line} imports {each.module}"
        if name == "sunetlab.__main__":
            continue
        if name == "sunetlab":  # re-exports: analysis at once, the network when it is asked for
            assert room(each.module) in ("", "analysis") or (room(each.module) == "model" and each.deferred), where
        elif each.module == "sunetlab":  # which imports the analysis
            assert at > ROOMS.index("analysis"), where
        else:
            assert ROOMS.index(room(each.module)) <= at, where


@pytest.mark.parametrize("name", [name for name in MODULES if room(name) in ABOVE_THE_LINE])
def test_no_torch_above_the_line(name: str) -> None:
    for each in imports(name):
        top, *rest = each.module.split(".")
        where = f"{MODULES[name].relative_to(ROOT)}:{each.line} imports {each.module}"
        assert top not in TORCH, where
        assert (top, rest[:1]) != ("safetensors", ["torch"]), where


@pytest.mark.parametrize("name", [name for name in MODULES if room(name) == "cli"])
def test_the_command_line_imports_its_siblings_relatively(name: str) -> None:
    assert [each for each in imports(name) if room(each.module) == "cli" and not each.relative] == []
    assert [each for each in imports(name) if each.module.split(".")[0] == "cli"] == []


@pytest.mark.parametrize("name", MODULES)
def test_every_import_of_the_library_is_there(name: str) -> None:
    for each in imports(name):
        if each.module.split(".")[0] == "sunetlab":
            assert each.module in MODULES, f"{MODULES[name].relative_to(ROOT)}:{each.line}"


@pytest.mark.parametrize("name", MODULES)
def test_every_module_says_what_it_is(name: str) -> None:
    assert ast.get_docstring(ast.parse(MODULES[name].read_text(encoding="utf-8")))


def test_every_package_is_named_in_the_project_file() -> None:
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    packages = {name for name, path in MODULES.items() if path.name == "__init__.py"}
    holding = {name if path.name == "__init__.py" else name.rpartition(".")[0] for name, path in MODULES.items()}
    assert holding == packages, "a folder of Python files without __init__.py"
    assert sorted(setuptools["packages"]) == sorted(packages)
    assert setuptools["package-dir"] == FOLDERS


def test_the_walk_finds_what_it_looks_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A house with every fault: the tests above must not pass by looking away."""
    path = tmp_path / "bad.py"
    path.write_text(
        "import torch.nn as nn\nfrom ..model import sunet\nfrom . import cost\nfrom sunetlab import rules, preset\n"
        "if TYPE_CHECKING:\n    import fvcore\ndef f():\n    from sunetlab.study.runner import run\n"
    )
    monkeypatch.setitem(MODULES, "sunetlab.analysis.bad", path)
    assert [(each.module, each.relative, each.deferred) for each in imports("sunetlab.analysis.bad")] == [
        ("torch.nn", False, False),
        ("sunetlab.model.sunet", True, False),
        ("sunetlab.analysis.cost", True, False),
        ("sunetlab.rules", False, False),
        ("sunetlab", False, False),
        ("fvcore", False, True),
        ("sunetlab.study.runner", False, True),
    ]
    assert room("sunetlab.study.runner") == "study"
    assert room("sunetlab.rules") == room("sunetlab") == ""
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    with pytest.raises(AssertionError, match=r"bad\.py:1 imports torch\.nn"):
        test_no_torch_above_the_line("sunetlab.analysis.bad")
    with pytest.raises(AssertionError, match=r"bad\.py:2 imports sunetlab\.model\.sunet"):
        test_imports_go_one_way("sunetlab.analysis.bad")
