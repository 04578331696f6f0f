"""What a wheel needs: one version everywhere, and every file that the package reads."""

import re
import subprocess
from fnmatch import fnmatch

import pytest
import yaml
from conftest import ROOT

import recipe
from recipe.cli import main

tomllib = pytest.importorskip("tomllib", reason="in Python from 3.11 on")


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_the_version_is_the_same_everywhere(capsys):
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))["version"]
    main(["--version"])
    printed = capsys.readouterr().out
    assert newest is not None
    assert {project()["project"]["version"], newest[1], cited, recipe.__version__} == {recipe.__version__}
    assert printed == f"domain-bert {recipe.__version__}\n"


def test_files_that_are_no_modules_are_in_the_wheel():
    listed = subprocess.run(["git", "ls-files", "recipe"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode != 0:
        pytest.skip("needs the repository")
    # The study's settings belong to the project, not to the package.
    files = [
        name.removeprefix("recipe/")
        for name in listed.stdout.split()
        if not name.endswith(".py") and "/study/" not in name
    ]
    patterns = project()["tool"]["setuptools"]["package-data"]["recipe"]
    assert "py.typed" in files
    assert [name for name in files if not any(fnmatch(name, pattern) for pattern in patterns)] == []
    # And no pattern is left of files that went.
    assert [pattern for pattern in patterns if not any(fnmatch(name, pattern) for name in files)] == []
