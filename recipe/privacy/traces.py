"""What names this machine and its user: absolute paths, home folder, host; taken out of what leaves the machine."""

import dataclasses
import getpass
import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from recipe.privacy.secrets import near

T = TypeVar("T")
# What may stand before a path, such as hub: or zip://a.txt::file://, and a path that begins at a root, home or above.
_PRIVATE = re.compile(
    r"((?:.*?:)??(?:file://)?)"
    r"((?:/(?!/)|~|\.\.(?:[\\/]|$)|[A-Za-z]:[\\/]|\\\\).*|.*[\\/]\.\.(?:[\\/].*)?)",
    re.DOTALL,
)
# Folders that are alike on every machine tell nothing about this one.
_COMMON = ("/bin", "/dev", "/etc", "/lib", "/lib64", "/proc", "/sbin", "/sys", "/usr")
_PATH = re.compile(rb"(?<![\w./<~*$}-])/[\w.@+~-]+(?:/[\w.@+~-]+)+")
_HOMES = re.compile(
    rb"(?<![\w.-])(?:/(?:home|Users)/|[A-Za-z]:(?:\\{1,2}|/)Users(?:\\{1,2}|/))[\w.@-]+|(?<![\w./-])/root/"
)


def public_path(text: str) -> str:
    """A path as it may be told to others: one that begins at a root, at home or above by its last part only."""
    match = _PRIVATE.fullmatch(text)
    if match is None:
        return text
    before, path = match.groups()
    *folders, name = re.split(r"[\\/]+", path.rstrip("\\/"))
    # A folder that is called like its user is a home.
    is_home = name in ("", "~", "..", _user()) or name.startswith("~") or folders[-1:] in (["home"], ["Users"])
    return before.removesuffix("file://") + ("~" if is_home else name)


def public_settings(value: T) -> T:
    """A dataclass such as a recipe, with `public_path` of every text in it."""
    return _mapped(value)


def hidden(text: str, private: list[str]) -> str:
    """The text with `public_path` of some paths, and without this process's folder and the home folder."""
    roots = {path: public_path(path) for path in private if path.startswith(("/", "~"))}
    # With what follows it, so that a path below the working folder becomes a relative one.
    roots |= {f"{Path.cwd()}/": "", str(Path.home()): "~"}
    for root in sorted(roots, key=len, reverse=True):
        if len(root.strip("/")) > 1:
            end = "" if root.endswith("/") else r"(?![\w-])"
            shown = roots[root].replace("\\", r"\\")
            text = re.sub(rf"(?<![\w./<~-]){re.escape(root)}{end}", shown, text)
    return text


def traces_in(content: bytes, names: bool = True) -> Iterator[str]:
    """What in some bytes names this machine or its user, such as "the home folder".

    Args:
        names: also look for the names of user and host; False for numbers and for words of a corpus, which may be
            the same by chance.
    """
    home, user = str(Path.home()).encode(), _user().encode()
    homes = dict.fromkeys((b"/home/", b"/users/", b"\\users\\", b"/root/"), _HOMES)
    if len(home) > 1:
        homes[home.lower()] = re.compile(rb"(?<![\w.-])" + re.escape(home) + rb"(?![\w-])")
    if any(form.search(part) for word, form in homes.items() for part in near(word, content)):
        yield "the path of a home folder"
    if any(_exists(path) for word in _roots() for part in near(word, content) for path in _PATH.findall(part)):
        yield "an absolute path of this machine"
    if names and user and re.search(rb"(?<![\w-])" + re.escape(user) + rb"@[\w-]", content):
        yield "the name of the user"
    if names and any(_is_word(host, content) for host in _hosts()):
        yield "the name of this host"


def _roots() -> list[bytes]:
    """The folders at the root of this machine, as they begin a path, in lower case."""
    return [f"/{name}/".lower().encode() for name in os.listdir("/") if f"/{name}" not in _COMMON]


def _exists(path: bytes) -> bool:
    try:
        return os.path.exists(path.rstrip(b"."))
    except ValueError:
        return False


def _is_word(word: str, content: bytes) -> bool:
    return re.search(rb"(?<![A-Za-z0-9_-])" + re.escape(word.encode()) + rb"(?![A-Za-z0-9_-])", content) is not None


def _hosts() -> set[str]:
    full = socket.gethostname()
    return {name for name in (full, full.partition(".")[0]) if name and name != "localhost"}


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a process whose number has no name, as in some containers
        return ""


def _mapped(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        found = {one.name: _mapped(getattr(value, one.name)) for one in dataclasses.fields(value)}
        return dataclasses.replace(value, **found)
    if isinstance(value, list):
        return [_mapped(entry) for entry in value]
    return public_path(value) if isinstance(value, str) else value
