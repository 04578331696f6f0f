"""Every path and command in README.md is real."""

import re
import shlex

import pytest
from conftest import ROOT

from recipe.cli import parse_recipe

README = (ROOT / "README.md").read_text()
PATHS = sorted(set(re.findall(r"(?:scripts|configs|docs|benchmarks|recipe|tests)/[\w./-]*\w", README)))
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", README, re.S)
COMMANDS = [line for language, block in BLOCKS if not language for line in block.strip().splitlines()]
TARGETS = sorted(set(re.findall(r"`make ([a-z-]+)`", README)))


@pytest.mark.parametrize("path", PATHS)
def test_path_exists(path):
    assert (ROOT / path).exists()


@pytest.mark.parametrize(
    "command", [command for command in COMMANDS if "scripts/" in command and "push_to_hub" not in command]
)
def test_command_takes_its_arguments(command):
    words = shlex.split(command)
    place = next(number for number, word in enumerate(words) if word.startswith("scripts/"))
    assert (ROOT / words[place]).is_file()
    assert words[0] in ("python", "accelerate")
    if words[0] == "accelerate":
        assert (ROOT / words[words.index("--config_file") + 1]).is_file()
    recipe = parse_recipe("", [str(ROOT / words[place + 1]), *words[place + 2 :]])
    for argument in words[place + 2 :]:
        name, value = argument.removeprefix("--").split("=")
        assert str({place: found for place, _, found in recipe.entries()}[name]) in (
            value,
            str([value]),
            str(float(value)) if "e-" in value else "None",
        )


@pytest.mark.parametrize("target", TARGETS)
def test_make_target_exists(target):
    assert re.search(rf"^{target}:.*## ", (ROOT / "Makefile").read_text(), re.M)


def test_push_command_is_the_script_s_own():
    (command,) = [command for command in COMMANDS if "push_to_hub" in command]
    assert command in (ROOT / "scripts" / "push_to_hub.py").read_text() or "--repo NAME/MODEL" in command


def test_readme_python_is_the_checkpoint_s_use():
    python = [block for language, block in BLOCKS if language == "python"]
    assert python
    for block in python:
        compile(block, "README.md", "exec")


def test_no_machine_path_stands_in_the_tree():
    for folder in ("recipe", "scripts", "configs", "docs"):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in (".py", ".md", ".yaml"):
                assert not re.search(r"/(work|root|home)/\w", path.read_text()), path
