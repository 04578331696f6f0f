"""What made a file: versions of packages and git commit."""

import ast
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from recipe.files import sha256_of_json

PACKAGES = (
    "domain-bert",
    "torch",
    "transformers",
    "datasets",
    "tokenizers",
    "accelerate",
    "evaluate",
    "numpy",
    "pyarrow",
)


def package_versions() -> dict[str, str]:
    """Installed versions of the packages that shape a result; those that are absent are left out."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def git_commit() -> str | None:
    """Commit of this checkout, with "+changes" behind it when files differ from it; None outside a checkout."""
    root = Path(__file__).parent.parent
    try:
        commit = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True, check=True
        ).stdout.strip()
        changed = subprocess.run(
            ["git", "status", "--porcelain", "-uno"], cwd=root, capture_output=True, text=True, check=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
    return commit + "+changes" if changed else commit


def code_hash(module: str) -> str:
    """sha256 of a module's code and of all modules of this package that it imports; comments and docstrings do not
    count.
    """
    sources: dict[str, str] = {}
    pending = [module]
    while pending:
        name = pending.pop()
        if name in sources:
            continue
        sources[name], imported = _dump_of(name)
        pending += imported
    return sha256_of_json(sources)


def imported_modules(tree: ast.AST) -> list[str]:
    """Names of this package's modules that a syntax tree imports anywhere, such as "recipe.pairs.sampling"."""
    package = __name__.split(".")[0]
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return sorted(
        {name for name in names if name.split(".")[0] == package and name != package and _source_of(name).is_file()}
    )


@cache
def _dump_of(module: str) -> tuple[str, list[str]]:
    """A module's code as text, and the modules that it imports; a running program has one code."""
    tree = _code_of(module)
    return ast.dump(tree), imported_modules(tree)


def _code_of(module: str) -> ast.AST:
    tree = ast.parse(_source_of(module).read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if (
            isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
            and ast.get_docstring(node, clean=False) is not None
        ):
            node.body = node.body[1:]
    return tree


def _source_of(module: str) -> Path:
    """The file of a module of this package, found without importing anything."""
    path = Path(__file__).parent.joinpath(*module.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
