"""Seeded bugs: does a test catch each? Prints caught or MISSED and the test that failed first; exit status 1 if one is
missed.

python tests/support/mutations.py [TABLE] [WORD ...]    # only a table such as pairs, only bugs whose description has
                                                        # one of the words
"""

import importlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parents[2]
PREFIX = "mutations_of_"
TABLES = tuple(sorted(path.stem.removeprefix(PREFIX) for path in Path(__file__).parent.glob(f"{PREFIX}*.py")))


@dataclass(frozen=True)
class Mutation:
    """A bug: in `file`, the only occurrence of `old` becomes `new`.

    needs: a package without which its tests are skipped, and so could not catch it.
    """

    bug: str
    file: str
    old: str
    new: str
    needs: str | None = None


def table_of(name: str) -> tuple[dict[str, list[str]], tuple[Mutation, ...]]:
    """The tests of each file, and the bugs, of one table."""
    module = importlib.import_module(f"{PREFIX}{name}")
    return module.TESTS, module.MUTATIONS


def main(arguments: list[str]) -> int:
    """Number of bugs that no test catches."""
    names = arguments[:1] if arguments[:1] and arguments[0] in TABLES else TABLES
    words = arguments[1:] if len(names) == 1 else arguments
    return sum(run_table(name, words) for name in names)


def run_table(name: str, words: list[str]) -> int:
    """Number of bugs of a table that no test catches."""
    tests_of, mutations = table_of(name)
    wanted = [mutation for mutation in mutations if not words or any(word in mutation.bug for word in words)]
    chosen = [mutation for mutation in wanted if mutation.needs is None or find_spec(mutation.needs)]
    for left_out in (mutation for mutation in wanted if mutation not in chosen):
        print(f"not run: {left_out.bug} (needs {left_out.needs})", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        copy = copy_of_project(Path(folder))
        for tests in {tuple(tests_of[mutation.file]) for mutation in chosen}:
            if failed := first_failure(copy, list(tests)):
                raise SystemExit(f"the tests fail without any bug: {failed}")
        found = [report(copy, mutation, tests_of[mutation.file]) for mutation in chosen]
    print(f"{name}: {sum(found)} of {len(chosen)} seeded bugs caught")
    return len(chosen) - sum(found)


def report(copy: Path, mutation: Mutation, tests: list[str]) -> bool:
    """Seed the bug, run the tests, undo it; prints and returns whether it was caught."""
    path = copy / mutation.file
    sound = path.read_text(encoding="utf-8")
    path.write_text(mutated(sound, mutation), encoding="utf-8")
    failed = first_failure(copy, tests)
    path.write_text(sound, encoding="utf-8")
    print(f"{'caught' if failed else 'MISSED'}: {mutation.bug}{f' ({failed})' if failed else ''}", flush=True)
    return bool(failed)


def mutated(source: str, mutation: Mutation) -> str:
    """The source with the bug in it.

    Raises:
        ValueError: if the text to be replaced is not there exactly once: the code has changed, so the bug must be
            seeded anew.
    """
    if source.count(mutation.old) != 1:
        raise ValueError(
            f"{mutation.file}: {mutation.old!r} stands there {source.count(mutation.old)} times; seed {mutation.bug!r}"
            " anew"
        )
    return source.replace(mutation.old, mutation.new)


def copy_of_project(folder: Path) -> Path:
    """A copy of what the tests need, without caches."""
    for name in ("recipe", "tests", "scripts", "configs", "benchmarks", "docs"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    used = subprocess.run(
        [sys.executable, "-c", "import recipe; print(recipe.__file__)"],
        cwd=folder,
        env=_environment(folder),
        capture_output=True,
        text=True,
        check=True,
    )
    if Path(used.stdout.strip()).resolve() != (folder / "recipe" / "__init__.py").resolve():
        raise SystemExit(f"the tests would import {used.stdout.strip()} instead of the copy in {folder}")
    return folder


def first_failure(copy: Path, tests: list[str]) -> str:
    """Name of the first test that fails, "" if all pass."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-x",
        "-q",
        "--no-header",
        "-m",
        "not slow",
        "-p",
        "no:cacheprovider",
        *tests,
    ]
    ended = subprocess.run(command, cwd=copy, env=_environment(copy), capture_output=True, text=True)
    if ended.returncode == 0:
        return ""
    named = re.search(r"^(?:FAILED|ERROR) (?:tests/)?(\S+)", ended.stdout, re.MULTILINE)
    if not named:
        raise SystemExit(f"pytest gave no result:\n{ended.stdout[-2000:]}{ended.stderr[-2000:]}")
    return named[1]


def _environment(copy: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}


if __name__ == "__main__":
    sys.exit(1 if main(sys.argv[1:]) else 0)
