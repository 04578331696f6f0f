"""Print the lowest versions that pyproject.toml allows, torch aside, as pip takes them: `make test-lowest`."""

import re
from pathlib import Path

import tomllib

ROOT = Path(__file__).parents[2]


def lowest_versions() -> list[str]:
    """NAME==VERSION for every dependency but torch, whose wheel is chosen by the machine."""
    dependencies = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    pairs = [re.fullmatch(r"([\w.-]+)>=([\w.]+)", dependency).groups() for dependency in dependencies]
    return [f"{name}=={version}" for name, version in pairs if name != "torch"]


if __name__ == "__main__":
    print(" ".join(lowest_versions()))
