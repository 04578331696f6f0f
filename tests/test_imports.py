"""Imports go down only: a folder may import the folders before it, and no modules import one another in a circle."""

import ast
import graphlib
from pathlib import Path

# From the ground up. A name is a module or a folder of recipe/; the longest name that fits a module decides.
FLOORS = (
    "errors",
    "privacy",
    "rng",
    "formatting",
    "processes",
    "inputs",
    "files",
    "provenance",
    "config",
    "config_file",
    "configs",
    "records",
    "run_folder",
    "corpus",
    "tokenizer",
    "tokens",
    "pairs",
    "model",
    "pretraining",
    "tasks",
    "report",
    "publishing",
    "maintenance",
    "pipeline",
    "planning",
    "cluster",
    "arguments",
    "cli",
)
# The same below corpus/ and tasks/. The modules of the folder itself stand on the floor "".
FLOORS_BELOW = {
    "corpus": ("languages", "sentences", "document", "sources", "readers", "cleaning", ""),
    "tasks": ("data", "types", "own", "", "finetuning", "experiments", "prediction"),
}
PACKAGE = Path(__file__).parent.parent / "recipe"
MOST_MODULES = 12


def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name below recipe; a package by its folder's name."""
    paths = {".".join(path.relative_to(PACKAGE).with_suffix("").parts): path for path in PACKAGE.rglob("*.py")}
    return {name.removesuffix("__init__").removesuffix("."): path for name, path in paths.items()}


def imported_by(path: Path, known: set[str]) -> set[str]:
    """The modules of the package that a file imports anywhere, also inside functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found = {name for name in inner if name.removeprefix("recipe.") in known}
            names |= found or {node.module}
    return {name.removeprefix("recipe.") for name in names if name.startswith("recipe.")}


def test_imports_go_down_only():
    known = modules()
    upwards = []
    for name, path in known.items():
        for imported in imported_by(path, set(known)) if name else ():
            top, above = name.split(".")[0], imported.split(".")[0]
            if top != above:
                if FLOORS.index(above) > FLOORS.index(top):
                    upwards.append(f"{name} imports {imported}")
            elif top in FLOORS_BELOW and imported != top:
                order = FLOORS_BELOW[top]
                mine, other = ([*module.split("."), ""][1] for module in (name, imported))
                mine, other = (part if part in order else "" for part in (mine, other))
                if order.index(other) > order.index(mine):
                    upwards.append(f"{name} imports {imported}")
    assert not upwards


def test_every_folder_has_a_floor():
    assert {name.split(".")[0] for name in modules() if name} == set(FLOORS)


def test_no_modules_import_one_another_in_a_circle():
    known = modules()
    # A package's own __init__ only gathers names of its modules, so an import of it is an import of them.
    graph = {name: imported_by(path, set(known)) - {name} for name, path in known.items()}
    list(graphlib.TopologicalSorter(graph).static_order())


def test_no_folder_has_more_modules_than_a_reader_can_hold_in_mind():
    folders = {path.parent for path in modules().values()}
    crowded = {
        str(folder): number
        for folder in folders
        if (number := len([path for path in folder.glob("*.py") if path.name != "__init__.py"])) > MOST_MODULES
    }
    assert not crowded


def test_pairs_need_numpy_only():
    imports = {
        alias.name if isinstance(node, ast.Import) else node.module
        for name in ("sampling", "truncation")
        for node in ast.walk(ast.parse((PACKAGE / "pairs" / f"{name}.py").read_text()))
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in node.names
    }
    assert {name.split(".")[0] for name in imports} <= {"numpy", "recipe", "dataclasses", "enum", "collections"}


def test_only_the_executors_know_datatrove():
    knowing = {
        name
        for name, path in modules().items()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for imported in ([alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""])
        if imported.split(".")[0] in ("datatrove", "ray")
    }
    assert knowing == {"cluster.executors"}
