"""What made a file: versions of packages and git commit."""

import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

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
    """Commit of this checkout, with "+changes" when files differ from it; None outside a checkout."""
    root = Path(__file__).parent.parent
    try:
        commit, changed = (
            subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=True).stdout.strip()
            for words in (["rev-parse", "HEAD"], ["status", "--porcelain", "-uno"])
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return commit + "+changes" if changed else commit
